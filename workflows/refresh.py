"""A review and its cycle: read the account again when it asks, signal it how the review stands."""

from temporalio import workflow

from account_reviews.domain.proposals import ProposedChange
from account_reviews.domain.review import decisions
from account_reviews.domain.review.messages import Malformed, Refresh, ReviewProgress
from account_reviews.domain.review.phases import Phase, Status
from account_reviews.domain.review.refresh import reconcile
from account_reviews.domain.review.state import ReviewState
from workflows.gather import (
    NoDataError,
    UnknownSnapshotError,
    analyse,
    gather,
    gather_again,
)
from workflows.messages import signal
from workflows.open_review import OpenReview
from workflows.steps import StepError


async def refresh(review: OpenReview) -> tuple[ProposedChange, ...]:
    """Gather and analyse again while the requests stay open; gives the changes that are new.

    When nothing can be read the review stays as it was.
    """
    state = review.state
    asked, state.refresh = state.refresh, None
    before = state.snapshot, state.memory, state.missing_sources, state.analysis, state.as_of
    review.move(Phase.INVESTIGATING)
    try:
        await _gather(review, asked or Refresh())
        result = await analyse(review)
    except (NoDataError, StepError, UnknownSnapshotError) as error:
        (
            state.snapshot, state.memory, state.missing_sources, state.analysis, state.as_of,
        ) = before  # fmt: skip
        review.move(Phase.PLANNING)
        _record_unread(review, error)
        return ()
    review.move(Phase.PLANNING)
    supersede = not (state.follows(2) and state.missing_sources)
    return reconcile(state, result.changes, workflow.now(), supersede=supersede)


async def _gather(review: OpenReview, asked: Refresh) -> None:
    if not review.state.follows(2):
        await gather(review, asked.snapshot_ref)
        return
    state = review.state
    if asked.as_of is not None:
        state.as_of = max(state.as_of, asked.as_of)
    await gather_again(review, asked.snapshot_ref, clock_given=asked.as_of is not None)


def _record_unread(review: OpenReview, error: Exception) -> None:
    """The review goes on with what it has; what will not heal by itself wants a look."""
    state = review.state
    if isinstance(error, UnknownSnapshotError):
        malformed = Malformed(why=f"snapshot_ref: {error}")
        decisions.record_malformed(state, "refresh", malformed, workflow.now())
        return
    review.record("degraded", f"Not read again: {error}")
    refused = isinstance(error, NoDataError) and error.refused
    if refused or (isinstance(error, StepError) and error.permanent):
        state.error_count, state.last_error = state.error_count + 1, str(error)


def news_for_cycle(state: ReviewState) -> ReviewProgress | None:
    """What its cycle was not notified of yet: that the review waits, or that it is closed.

    Noted in the state before it is saved, so that rows and workflow hold the same.
    """
    # One that is paused or rests until somebody says something works no more than one that waits.
    rests = state.follows(3) and state.interactive and state.outcome is None
    waits = rests or state.status is Status.PAUSED
    status = Status.WAITING if waits else state.status
    if state.cycle_id is None or state.reported is status:
        return None
    was, state.reported = state.reported, status
    return ReviewProgress(
        review_id=state.review_id,
        run_id=state.run_id,
        account_id=state.account_id,
        phase=state.phase,
        status=status,
        outcome=state.outcome,
        was=was,
    )


async def report(cycle_id: str | None, news: ReviewProgress | None) -> None:
    """Signal the cycle; one that is closed is no error."""
    if cycle_id is not None and news is not None:
        await signal(cycle_id, "review_progress", news)
