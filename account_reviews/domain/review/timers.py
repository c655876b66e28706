"""Everything of a review that is due at a time: deadlines, reminders, escalations, idling. Pure."""

from account_reviews.domain.base import Timestamp
from account_reviews.domain.review import control, decisions, review_notices
from account_reviews.domain.review.state import ReviewState


def next_due(state: ReviewState) -> Timestamp | None:
    """When something is due next; None while nothing will be."""
    if state.outcome is not None:
        return None
    times = [one.deadline for one in state.pending]
    more = (control.idle_at(state), review_notices.due_next(state))
    return min([*times, *(one for one in more if one is not None)], default=None)


def apply_due(state: ReviewState, now: Timestamp) -> None:
    """Do what is due by `now`, each thing once however late it is. Never approves."""
    if state.outcome is not None:
        return
    for request in state.pending:
        if request.deadline <= now:
            decisions.expire(state, request.request_id, now)
            review_notices.expired(state, request, now)
            control.be_touched(state, now)
    review_notices.remind(state, now)
    control.abandon_when_idle(state, now)
