"""What a person, a program or a cycle can say to a review, and ask of it; see `review_commands`.

Signals never fail: what cannot be used becomes a line of the timeline. A validator refuses only
shapes, since its refusal leaves no event; every other refusal is the answer of the update. All go
through one inbox, in their order; each is applied by a pure function of `domain.review`.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from account_reviews.domain.base import Model
from account_reviews.domain.review import checking, control, decisions, refresh
from account_reviews.domain.review.checks import Checked
from account_reviews.domain.review.commands import StepFailing, StepRecovered
from account_reviews.domain.review.messages import (
    CancelReview,
    DecisionAnswer,
    Malformed,
    Refresh,
    Refusal,
    SubmitDecision,
)
from account_reviews.domain.review.resume import Resumable
from account_reviews.domain.review.state import ReviewInput, ReviewState
from account_reviews.domain.review.views import (
    PendingApprovals,
    ReviewStatus,
    Timeline,
    pending_view,
    resumable_view,
    status_view,
    timeline_view,
)
from workflows.inbox import Entry, Inbox
from workflows.messages import read, read_or_refuse
from workflows.open_review import open_review
from workflows.visibility import show_what_is_new

_Message = TypeVar("_Message", bound=Model)
_Apply = Callable[[ReviewState, _Message, datetime], Any]
_Decide = Callable[[ReviewState, SubmitDecision, datetime, Checked | None], Any]


class ReviewMessages:
    """The handlers, for `AccountReviewWorkflow` to inherit."""

    def __init__(self, start: ReviewInput) -> None:
        self._review = open_review(start)
        self._bounded = self._review.state.follows(2)
        self._inbox = Inbox(self._review, self._after_checks)

    def _after_checks(self) -> None:
        """What waited for the inbox to be empty."""

    # signals

    @workflow.signal(description="Decide on an approval request")
    def submit_decision(self, message: RawValue) -> None:
        parsed = read(SubmitDecision, message, bounded=self._bounded)
        if isinstance(parsed, Malformed):
            self._note_malformed("submit_decision", parsed)
        else:
            self._inbox.put(self._decision(parsed, decisions.receive))

    @workflow.signal(description="Stop before the next write")
    def cancel_review(self, message: RawValue) -> None:
        self._take("cancel_review", CancelReview, message, decisions.cancel, verb="cancel")

    @workflow.signal(name="refresh", description="Read the account again")
    def read_again(self, message: RawValue) -> None:
        self._take("refresh", Refresh, message, refresh.ask, verb="refresh")

    @workflow.signal(description="Said by a worker: a step fails again and again")
    def step_failing(self, message: RawValue) -> None:
        self._note_step("step_failing", StepFailing, message, control.note_failing)

    @workflow.signal(description="Said by a worker: the step was done")
    def step_recovered(self, message: RawValue) -> None:
        self._note_step("step_recovered", StepRecovered, message, control.note_recovered)

    def _note_step(
        self, name: str, model: type[_Message], message: RawValue, note: _Apply[_Message]
    ) -> None:
        """Noted and shown at once: the process, or the check of a message before it, may be held up
        by the very step that fails."""
        state = self._review.state
        if not state.follows(3):
            return
        parsed = read(model, message, bounded=self._bounded)
        if isinstance(parsed, Malformed):
            self._note_malformed(name, parsed)
            return
        note(state, parsed, workflow.now())
        if state.outcome is None:
            show_what_is_new(self._review)

    def _early(self) -> None:
        """Their request is open now: the inbox has them in the order in which they came."""
        state = self._review.state
        early, state.early = state.early, ()
        for one in early:
            self._inbox.put(self._decision(one, decisions.decide))

    def _take(
        self,
        name: str,
        model: type[_Message],
        message: RawValue,
        apply: _Apply[_Message],
        *,
        verb: str | None = None,
    ) -> None:
        parsed = read(model, message, bounded=self._bounded)
        if isinstance(parsed, Malformed):
            self._note_malformed(name, parsed)
        else:
            self._inbox.put(self._entry(parsed, apply, verb))

    def _note_malformed(self, name: str, message: Malformed) -> None:
        decisions.record_malformed(self._review.state, name, message, workflow.now())

    def _take_new(
        self,
        name: str,
        model: type[_Message],
        message: RawValue,
        apply: _Apply[_Message],
        *,
        verb: str | None = None,
    ) -> None:
        """One that reviews of earlier logics do not know: to them it is nothing, as before."""
        if self._review.state.follows(3):
            self._take(name, model, message, apply, verb=verb)

    def _entry(self, said: _Message, apply: _Apply[_Message], verb: str | None) -> Entry:
        """Applied with the clock of its turn; a check may refuse it first."""
        state = self._review.state

        def applied(checked: Checked | None) -> Any:
            now = workflow.now()
            return checking.refused(state, said, checked, now) or apply(state, said, now)

        return Entry(applied, lambda: checking.wanted(state, said, verb, workflow.now()))

    def _decision(self, said: SubmitDecision, apply: _Decide) -> Entry:
        """The same of a decision, whose refusal is the request's own."""
        state = self._review.state
        return Entry(
            lambda checked: apply(state, said, workflow.now(), checked),
            lambda: checking.wanted(state, said, "decide", workflow.now()),
        )

    # updates

    @workflow.update(description="Decide and get the answer")
    async def decide(self, message: RawValue) -> DecisionAnswer:
        """The state of each item, or a failed update that says why it was refused."""
        decision = read_or_refuse(SubmitDecision, message, bounded=self._bounded)
        answer = await self._inbox.answer_of(self._decision(decision, decisions.decide))
        if isinstance(answer, Refusal):
            raise refused(answer)
        assert isinstance(answer, DecisionAnswer)
        return answer

    @decide.validator
    def _check_decide(self, message: RawValue) -> None:
        """Shape only: a refusal here leaves no event."""
        decision = read_or_refuse(SubmitDecision, message, bounded=self._bounded)
        refusal = decisions.check_door(self._review.state, decision)
        if refusal is not None:
            raise refused(refusal)

    # queries

    @workflow.query(description="Where the review stands")
    def status(self) -> ReviewStatus:
        return status_view(self._review.state)

    @workflow.query(description="What waits for a person")
    def pending_approvals(self) -> PendingApprovals:
        return pending_view(self._review.state)

    @workflow.query(description="What happened, line by line")
    def timeline(self) -> Timeline:
        return timeline_view(self._review.state)

    @workflow.query(description="The whole state")
    def snapshot(self) -> ReviewState:
        return self._review.state

    @workflow.query(description="Whether a person can take it up, and why")
    def resumable(self) -> Resumable:
        return resumable_view(self._review.state)


def refused(refusal: Refusal) -> ApplicationError:
    """The failure of an update that is refused."""
    return ApplicationError(refusal.message, refusal, type=refusal.code.value, non_retryable=True)
