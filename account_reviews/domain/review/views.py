"""What queries answer: small views of a review's state."""

from account_reviews.domain.base import Model, Timestamp
from account_reviews.domain.review.approvals import ApprovalRequest
from account_reviews.domain.review.messages import TimelineEntry
from account_reviews.domain.review.phases import Outcome, Phase, Status
from account_reviews.domain.review.resume import Resumable, resume_of
from account_reviews.domain.review.state import Counters, ReviewState


class ReviewStatus(Model):
    review_id: str
    run_id: str
    account_id: str
    phase: Phase
    status: Status
    outcome: Outcome | None
    degraded: bool
    waiting_on: tuple[str, ...]
    due_at: Timestamp | None
    summary: str
    counters: Counters
    version: int


class PendingApprovals(Model):
    items: tuple[ApprovalRequest, ...]


class Timeline(Model):
    items: tuple[TimelineEntry, ...]
    dropped: int


def status_view(state: ReviewState) -> ReviewStatus:
    """Where the review stands."""
    pending = state.pending
    return ReviewStatus(
        review_id=state.review_id,
        run_id=state.run_id,
        account_id=state.account_id,
        phase=state.phase,
        status=state.status,
        outcome=state.outcome,
        degraded=state.degraded,
        waiting_on=tuple(sorted({who for one in pending for who in one.approvers})),
        due_at=min((one.deadline for one in pending), default=None),
        summary=state.summary or (state.analysis.summary if state.analysis else ""),
        counters=state.counters,
        version=state.version,
    )


def pending_view(state: ReviewState) -> PendingApprovals:
    return PendingApprovals(items=state.pending)


def timeline_view(state: ReviewState) -> Timeline:
    return Timeline(items=state.timeline, dropped=state.timeline_dropped)


def resumable_view(state: ReviewState) -> Resumable:
    """Yes only in a phase where somebody can go on, and with few errors."""
    return resume_of(state)
