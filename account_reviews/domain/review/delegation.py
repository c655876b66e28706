"""Somebody who is asked hands his seat in one request to somebody else. Pure.

Both keep it: the first of them who decides uses it. A seat that was handed over is handed on no
further, and nobody gets a second vote by it (see `quorum`).
"""

from typing import Final

from account_reviews.domain.base import Timestamp
from account_reviews.domain.person_names import clean_name, person
from account_reviews.domain.review import quorum
from account_reviews.domain.review.approvals import ApprovalRequest, Delegation
from account_reviews.domain.review.bounds import DELEGATED_BYTES, bytes_of
from account_reviews.domain.review.commands import Delegate
from account_reviews.domain.review.messages import Refusal, RefusalCode
from account_reviews.domain.review.routing import once
from account_reviews.domain.review.state import ReviewState

MAX_DELEGATIONS: Final = 20
"""Per request."""


def delegate(state: ReviewState, said: Delegate, now: Timestamp) -> ApprovalRequest | Refusal:
    """Let `said.to` decide for `said.by`. A Refusal changes nothing but the timeline."""
    terms = state.analysis.terms if state.analysis is not None else None
    by, to = said.by, clean_name(said.to)
    if terms is not None:
        by, to = terms.known_as(by), terms.known_as(to)
    request = state.request(said.request_id)
    given = Delegation(of=by, to=to, at=now, reason=said.reason)
    why = _why_not(request, said.request_id, by, to) or _too_much(state, given)
    if why is not None or request is None:
        refusal = why or Refusal(code=RefusalCode.UNKNOWN_REQUEST, message="no such request")
        state.count(refusals=1)
        state.record(now, "delegation_refused", refusal.message, by)
        return refusal
    request = request.model_copy(
        update={
            "delegations": (*request.delegations, given),
            "approvers": once((*request.approvers, to), request.terms.who),
        }
    )
    state.replace_request(request)
    because = f": {said.reason}" if said.reason else ""
    state.record(now, "approval_delegated", f"{to} may decide for {by}{because}", by)
    return request


def _why_not(request: ApprovalRequest | None, request_id: str, by: str, to: str) -> Refusal | None:
    if request is None:
        why = f"this review has no request {request_id!r}"
        return Refusal(code=RefusalCode.UNKNOWN_REQUEST, message=why)
    if not request.is_pending:
        why = f"the request is already {request.state}: there is nothing to hand over"
        return Refusal(code=RefusalCode.REQUEST_CLOSED, message=why)
    who = request.terms.who
    if not person(to):
        why = "the name of the delegate is blank; say to whom"
    elif who(by) == who(to):
        why = f"{by} cannot be a delegate of himself"
    elif who(to) in _barred(request):
        why = f"{to} started this review and may not decide on it, for nobody"
    elif len(request.delegations) >= MAX_DELEGATIONS:
        why = f"the request has {MAX_DELEGATIONS} delegates and takes no more"
    elif any((who(one.of), who(one.to)) == (who(by), who(to)) for one in request.delegations):
        why = f"{to} may decide for {by} already"
    elif not _has_seat(request, by):
        why = f"{by} is not one of the approvers of this request and has nothing to hand over"
    else:
        return None
    return Refusal(code=RefusalCode.NOT_ALLOWED, message=why)


def _barred(request: ApprovalRequest) -> frozenset[str]:
    """Whom four eyes keep from deciding at all."""
    return frozenset[str]().union(*(request.rules(item).barred for item in request.items))


def _too_much(state: ReviewState, given: Delegation) -> Refusal | None:
    every = (one for request in state.requests for one in request.delegations)
    if bytes_of((*every, given)) <= DELEGATED_BYTES:
        return None
    why = f"the delegations of this review fill {DELEGATED_BYTES // 1024} KiB; give shorter reasons"
    return Refusal(code=RefusalCode.NOT_ALLOWED, message=why)


def _has_seat(request: ApprovalRequest, by: str) -> bool:
    """In his own name, not as somebody's delegate."""
    open_items = (item for item in request.items if item.is_open)
    return any(quorum.why_not(request.rules(item), by, None) is None for item in open_items)
