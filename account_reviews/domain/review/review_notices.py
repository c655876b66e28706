"""The notices that a review gives: noted in its timeline, and kept until they are delivered. Pure.

What is kept stays in `ReviewState.notices` until it was delivered; without a channel nothing is.
"""

from account_reviews.domain.base import Timestamp
from account_reviews.domain.review import escalation
from account_reviews.domain.review.approvals import ApprovalRequest
from account_reviews.domain.review.ballots import names
from account_reviews.domain.review.notices import Notice, NoticeKind
from account_reviews.domain.review.state import ReviewState

_LINES = {
    NoticeKind.REMINDER: "approval_reminder",
    NoticeKind.ESCALATION: "approval_escalated",
}


def opened(state: ReviewState, request: ApprovalRequest, now: Timestamp) -> None:
    """A request is open: those hear of it who are asked, and whom its risk concerns."""
    if request.needs is not None:
        _give(state, request, escalation.opening_notices(request), now)


def expired(state: ReviewState, request: ApprovalRequest, now: Timestamp) -> None:
    """A request has expired: who heard of it hears that."""
    if request.needs is not None:
        _give(state, request, (escalation.expired_notice(request),), now)


def remind(state: ReviewState, now: Timestamp) -> None:
    """Every reminder and escalation that is due by `now`, each once however late it is."""
    for request in state.pending:
        further, notices = escalation.apply_due(request, now)
        if notices:
            state.replace_request(further)
            _give(state, further, notices, now)


def due_next(state: ReviewState) -> Timestamp | None:
    """When `remind` has something to do."""
    times = (escalation.due_next(one) for one in state.pending)
    return min((one for one in times if one is not None), default=None)


def _give(
    state: ReviewState, request: ApprovalRequest, notices: tuple[Notice, ...], now: Timestamp
) -> None:
    for notice in notices:
        kind = _LINES.get(notice.kind)
        if kind is not None:
            state.record(now, kind, _sentence(notice))
    if request.terms.channels:
        state.notices = (*state.notices, *notices)


def _sentence(notice: Notice) -> str:
    to = names(notice.recipients) or "nobody"
    if notice.kind is NoticeKind.REMINDER:
        return f"Reminder to {to}, request {notice.request_id}"
    why = "because of the risk" if notice.critical else f"level {notice.level}"
    return f"Escalated to {to} ({why}), request {notice.request_id}"
