"""What a person, a program or a cycle can say to a review, and ask of it.

Signals never fail: what cannot be used becomes a line of the timeline. A validator refuses only
shapes, since its refusal leaves no event; every other refusal is the answer of the update. Each
message is applied to the state by a pure function of `domain.review`.
"""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from account_reviews.domain.review import decisions, refresh
from account_reviews.domain.review.messages import (
    CancelReview,
    DecisionAnswer,
    Malformed,
    Refresh,
    Refusal,
    SubmitDecision,
)
from account_reviews.domain.review.state import ReviewInput, ReviewState
from account_reviews.domain.review.views import (
    PendingApprovals,
    Resumable,
    ReviewStatus,
    Timeline,
    pending_view,
    resumable_view,
    status_view,
    timeline_view,
)
from workflows.messages import read, read_or_refuse
from workflows.open_review import open_review

_Message = TypeVar("_Message", SubmitDecision, CancelReview, Refresh)


class ReviewMessages:
    """The handlers, for `AccountReviewWorkflow` to inherit."""

    def __init__(self, start: ReviewInput) -> None:
        self._review = open_review(start)
        self._bounded = self._review.state.follows(2)

    # signals

    @workflow.signal(description="Decide on an approval request")
    def submit_decision(self, message: RawValue) -> None:
        self._take("submit_decision", SubmitDecision, message, decisions.receive)

    @workflow.signal(description="Stop before the next write")
    def cancel_review(self, message: RawValue) -> None:
        self._take("cancel_review", CancelReview, message, decisions.cancel)

    @workflow.signal(name="refresh", description="Read the account again")
    def read_again(self, message: RawValue) -> None:
        self._take("refresh", Refresh, message, refresh.ask)

    def _take(
        self,
        name: str,
        model: type[_Message],
        message: RawValue,
        apply: Callable[[ReviewState, _Message, datetime], None],
    ) -> None:
        parsed = read(model, message, bounded=self._bounded)
        if isinstance(parsed, Malformed):
            decisions.record_malformed(self._review.state, name, parsed, workflow.now())
        else:
            apply(self._review.state, parsed, workflow.now())

    # updates

    @workflow.update(description="Decide and get the answer")
    def decide(self, message: RawValue) -> DecisionAnswer:
        """The state of each item, or a failed update that says why it was refused."""
        decision = read_or_refuse(SubmitDecision, message, bounded=self._bounded)
        answer = decisions.decide(self._review.state, decision, workflow.now())
        if isinstance(answer, Refusal):
            raise _refused(answer)
        return answer

    @decide.validator
    def _check_decide(self, message: RawValue) -> None:
        """Shape only: a refusal here leaves no event."""
        decision = read_or_refuse(SubmitDecision, message, bounded=self._bounded)
        refusal = decisions.check_door(self._review.state, decision)
        if refusal is not None:
            raise _refused(refusal)

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


def _refused(refusal: Refusal) -> ApplicationError:
    return ApplicationError(refusal.message, refusal, type=refusal.code.value, non_retryable=True)
