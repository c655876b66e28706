"""A review under way, as its steps share it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from temporalio import workflow

from account_reviews.domain.review import control
from account_reviews.domain.review.opening import opening_state
from account_reviews.domain.review.phases import Phase
from account_reviews.domain.review.state import (
    NEWEST_LOGIC,
    Execution,
    ReviewInput,
    ReviewState,
    Usage,
)
from account_reviews.domain.review.usage import add_usage
from account_reviews.temporal import names


@dataclass(slots=True)
class OpenReview:
    """What a review was started with, its whole state, and how much of that is shown outside."""

    start: ReviewInput
    state: ReviewState
    saved_version: int = -1
    """That of the row in the read model."""
    shown: tuple[object, ...] | None = None
    """What the search attributes were shown of."""
    after_save: Callable[[], None] = lambda: None
    """What may happen once the row stands."""

    @property
    def execution(self) -> Execution:
        """Which steps run as local activities."""
        return self.start.execution

    @property
    def write_queue(self) -> str | None:
        """Where its writes wait; None: where it does, as before logic 3."""
        if not self.state.follows(3):
            return None
        return names.write_queue_of(workflow.info().task_queue)

    def stopped(self) -> bool:
        """Whether somebody cancelled or closes it: nothing is begun then."""
        return self.state.cancel is not None or self.state.closing is not None

    def using(self, step: str) -> Callable[[Usage | None], None]:
        """For `run_step`: adds what the activities of a step say that they used."""
        return partial(self._used, step)

    def _used(self, step: str, usage: Usage | None) -> None:
        add_usage(self.state, step, usage)
        self.step_over(step)

    def step_over(self, step: str) -> None:
        """A step was done, or given up: it fails no more."""
        control.note_step_over(self.state, step, workflow.now())

    def move(self, phase: Phase) -> None:
        """Go to a phase, now."""
        self.state.move(phase, workflow.now())

    def record(self, kind: str, text: str, by: str | None = None) -> None:
        """Add a line to the timeline, now."""
        self.state.record(workflow.now(), kind, text, by)


class NewerReleaseError(RuntimeError):
    """Fails the workflow task, never the review: steps in another order would wedge it for good."""


def open_review(start: ReviewInput) -> OpenReview:
    """As it stood before it continued as new, else as it begins.

    Timed by the start event: in the first task `now` can differ between run and replay.
    """
    info = workflow.info()
    state = start.resumed or opening_state(
        start,
        review_id=info.workflow_id,
        run_id=info.first_execution_run_id,
        workflow_run_id=info.run_id,
        now=info.workflow_start_time,
    )
    if info.run_id != info.original_execution_run_id:  # a reset: its rows count anew
        state.was_reset, state.workflow_run_id = True, info.run_id
    return OpenReview(start, state)


def check_logic(start: ReviewInput) -> None:
    """Raises NewerReleaseError."""
    if start.logic > NEWEST_LOGIC:
        raise NewerReleaseError(
            f"a newer release began this review (logic {start.logic}, this worker knows logic "
            f"{NEWEST_LOGIC}): it waits for a worker of that release"
        )
