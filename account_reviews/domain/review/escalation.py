"""When people hear of a request once more: one reminder, and level by level while nobody decides.

Pure. Levels are counted from 1. A request begins at the level of its risk, at which everybody up
to that level hears of it, and goes up a level for each `escalate_seconds` it waits. Each notice is
given once, however late its time is noticed, and none once the deadline has passed.
"""

from datetime import timedelta

from account_reviews.domain.base import Timestamp
from account_reviews.domain.review.approvals import ApprovalRequest
from account_reviews.domain.review.notices import Notice, NoticeKind
from account_reviews.domain.review.routing import once, resolve


def opening_notices(request: ApprovalRequest) -> tuple[Notice, ...]:
    """As it opens: those who are asked, everybody up to its level; at a critical risk some more."""
    asked = Notice(
        kind=NoticeKind.REQUEST,
        request_id=request.request_id,
        level=request.first_level,
        recipients=_asked(request, request.first_level),
        at=request.requested_at,
    )
    if not request.is_critical:
        return (asked,)
    terms = request.terms
    critical = Notice(
        kind=NoticeKind.ESCALATION,
        request_id=request.request_id,
        level=request.first_level,
        recipients=once(
            who
            for entry in terms.escalation.critical
            for who in resolve(terms, entry, request.owners)
        ),
        at=request.requested_at,
        critical=True,
    )
    return (asked, critical) if critical.recipients else (asked,)


def expired_notice(request: ApprovalRequest) -> Notice:
    """Its deadline has passed: all who have heard of it hear that."""
    return Notice(
        kind=NoticeKind.EXPIRED,
        request_id=request.request_id,
        level=request.escalation_level,
        recipients=_asked(request, request.escalation_level),
        at=request.deadline,
    )


def due_next(request: ApprovalRequest) -> Timestamp | None:
    """When `apply_due` has something to do; None: never. The deadline is not among it."""
    if not request.is_pending:
        return None
    times = [one for one in (_reminder_at(request), _escalation_at(request)) if one is not None]
    return min(times, default=None)


def apply_due(
    request: ApprovalRequest, now: Timestamp
) -> tuple[ApprovalRequest, tuple[Notice, ...]]:
    """What is due by `now`, in order of time, and the request that has given these notices."""
    if now >= request.deadline:
        return request, ()
    notices: list[Notice] = []
    while (due := due_next(request)) is not None and due <= now:
        if due == _reminder_at(request):
            request = request.model_copy(update={"reminded_at": due})
            kind, recipients = NoticeKind.REMINDER, _asked(request, request.escalation_level)
        else:
            level = request.escalation_level + 1
            request = request.model_copy(update={"escalation_level": level})
            kind, recipients = NoticeKind.ESCALATION, _asked(request, level)
        notices.append(
            Notice(
                kind=kind,
                request_id=request.request_id,
                level=request.escalation_level,
                recipients=recipients,
                at=due,
            )
        )
    return request, tuple(notices)


def _reminder_at(request: ApprovalRequest) -> Timestamp | None:
    after = request.terms.reminder_seconds
    if request.needs is None or after is None or request.reminded_at is not None:
        return None
    return _before_deadline(request, after)


def _escalation_at(request: ApprovalRequest) -> Timestamp | None:
    after, levels = request.terms.escalate_seconds, request.terms.escalation.levels
    if after is None or not 0 < request.escalation_level < len(levels):
        return None
    return _before_deadline(request, after * (1 + request.escalation_level - request.first_level))


def _before_deadline(request: ApprovalRequest, seconds: float) -> Timestamp | None:
    """That long after it was opened; None when the deadline is not later."""
    if seconds >= (request.deadline - request.requested_at).total_seconds():
        return None
    return request.requested_at + timedelta(seconds=seconds)


def _asked(request: ApprovalRequest, level: int) -> tuple[str, ...]:
    """Those who are asked and those of every level up to this one, each once."""
    terms = request.terms
    up_to = terms.escalation.levels[:level]
    heard = (who for entry in up_to for who in resolve(terms, entry, request.owners))
    return once((*request.approvers, *heard))
