"""The first state of a review."""

from account_reviews.domain.base import Timestamp
from account_reviews.domain.review.state import ReviewInput, ReviewState


def default_name(started_at: Timestamp) -> str:
    """`review_20261121_071338`, when nobody named it."""
    return f"review_{started_at:%Y%m%d_%H%M%S}"


def opening_state(
    start: ReviewInput, *, review_id: str, run_id: str, workflow_run_id: str, now: Timestamp
) -> ReviewState:
    """A review that has just begun; version 0 is what the starter shows before any worker does."""
    return ReviewState(
        review_id=review_id,
        run_id=run_id,
        workflow_run_id=workflow_run_id,
        account_id=start.account_id,
        tenant=start.tenant,
        kind=start.kind,
        name=start.name or default_name(now),
        purpose=start.purpose,
        agent=start.agent,
        metadata=start.metadata,
        started_by=start.started_by,
        as_of=start.as_of or now,
        started_at=now,
        updated_at=now,
        plan_only=start.plan_only,
        cycle_id=start.cycle_id,
        logic=start.logic,
        interactive=start.interactive,
        idle_seconds=start.idle_seconds,
        touched_at=now if start.interactive else None,
        reservation_id=start.reservation_id,
        undo=start.undo,
    )
