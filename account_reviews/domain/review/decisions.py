"""What messages do to a review's state. Pure: the workflow only hands on its clock."""

from account_reviews.domain.base import Timestamp
from account_reviews.domain.counting import counted
from account_reviews.domain.proposals import ItemState, ProposedChange
from account_reviews.domain.review import nonces, review_notices
from account_reviews.domain.review.approvals import (
    ApprovalRequest,
    Decided,
    Item,
    RequestState,
    Terms,
    open_request,
    said_bytes,
)
from account_reviews.domain.review.bounds import EARLY_BYTES, SAID_BYTES, bytes_of, cut
from account_reviews.domain.review.checks import Checked
from account_reviews.domain.review.messages import (
    CancelReview,
    DecisionAnswer,
    Malformed,
    Refusal,
    RefusalCode,
    SubmitDecision,
)
from account_reviews.domain.review.phases import Outcome, Phase
from account_reviews.domain.review.state import ReviewState

MAX_EARLY = 20
"""Decisions kept for a request that is not open yet."""

MAX_REQUESTS = 30
"""Requests kept in the state, unless somebody decided on more."""

MAX_REFUSALS = 50
"""Refused decisions a request records; more are turned away at the door."""


def propose(
    state: ReviewState, changes: tuple[ProposedChange, ...], request_id: str, now: Timestamp
) -> None:
    """Open a request for these writes under the terms of the analysis."""
    assert state.analysis is not None
    request = open_request(
        request_id,
        state.review_id,
        changes,
        state.analysis.terms,
        now,
        approvers=state.analysis.approvers,
        started_by=state.started_by,
        risk_score=state.analysis.risk_score,
        logic=state.logic,
    )
    if state.follows(2):
        state.requests = _without_old(state.requests)
    state.requests = (*state.requests, request)
    proposed = f"{counted(len(changes), 'change')} proposed"
    state.record(now, "approval_requested", f"{proposed}, request {request_id}")
    review_notices.opened(state, request, now)
    _warn_of_unreachable(state, request, now)
    if not state.follows(3):  # by then the workflow hands them to its inbox
        settle_early(state, now)


def _warn_of_unreachable(state: ReviewState, request: ApprovalRequest, now: Timestamp) -> None:
    """Nobody could approve some items: that is said at once, not when the deadline has passed."""
    count = len(request.unreachable)
    if count:
        what = f"{counted(count, 'item')} of request {request.request_id}"
        why = f"{what} cannot be approved: it {request.needed}, and not as many may"
        state.error_count, state.last_error = state.error_count + 1, why
        state.record(now, "approval_unreachable", why)


def _without_old(requests: tuple[ApprovalRequest, ...]) -> tuple[ApprovalRequest, ...]:
    """Room for another: what was proposed anew since, wholly, goes from the state first."""
    gone = [one.request_id for one in requests if one.state is RequestState.SUPERSEDED]
    drop = set(gone[: max(0, len(requests) - MAX_REQUESTS)])
    return tuple(one for one in requests if one.request_id not in drop)


def receive(
    state: ReviewState, message: SubmitDecision, now: Timestamp, checked: Checked | None = None
) -> None:
    """A decision by signal.

    People see a request as soon as its row stands. When the workflow task that opened it is lost
    with its worker, it is done again, and the decision is then delivered before the request is
    open again: it is kept, not refused.
    """
    known = state.request(message.request_id) is not None
    if known or state.phase is Phase.APPROVAL or not _room_for(state, message):
        decide(state, message, now, checked)
        return
    state.early = (*state.early, message)
    state.record(now, "approval_early", "kept until its request is open", message.approver)


def _room_for(state: ReviewState, message: SubmitDecision) -> bool:
    if len(state.early) >= MAX_EARLY:
        return False
    return not state.follows(2) or bytes_of((*state.early, message)) <= EARLY_BYTES


def settle_early(state: ReviewState, now: Timestamp) -> None:
    """Apply what was kept; what still has no request is refused."""
    early, state.early = state.early, ()
    for message in early:
        decide(state, message, now)


def decide(
    state: ReviewState, message: SubmitDecision, now: Timestamp, checked: Checked | None = None
) -> DecisionAnswer | Refusal:
    """Apply a decision to its request. A refusal changes no item and is recorded.

    `checked` is what `access.check` said of it, where that was asked.
    """
    if state.follows(3) and state.analysis is not None:
        message = _as_known(message, state.analysis.terms)
    request = state.request(message.request_id)
    if checked is not None and not checked.allowed:
        refusal = checked.refusal or Refusal(code=RefusalCode.NOT_ALLOWED, message="not allowed")
        _record_refusal(state, request, refusal, message.approver, now)
        return refusal
    if request is None:
        why = f"this review has no request {message.request_id!r}"
        result: Decided | Refusal = Refusal(code=RefusalCode.UNKNOWN_REQUEST, message=why)
    else:
        verified = checked is not None and checked.verified
        decided = request.decide(message, now, logic=state.logic, verified=verified)
        result = _within_bounds(state, decided)
    if isinstance(result, Refusal):
        _record_refusal(state, request, result, message.approver, now)
        return result
    state.replace_request(result.request)
    if checked is not None and checked.nonce is not None:
        state.nonces = nonces.used(state.nonces, checked.nonce, now)
    if state.interactive:
        state.touched_at = now
    state.count(decisions=1)
    of = message.on_behalf_of if state.follows(3) else None
    text = f"{message.decision}" + (f" on behalf of {of}" if of else "")
    text += f": {message.reason}" if message.reason else ""
    state.record(now, "approval_decided", text, message.approver)
    return DecisionAnswer(
        request_id=message.request_id,
        review_id=state.review_id,
        state=result.request.state,
        items=result.answers,
    )


def _as_known(message: SubmitDecision, terms: Terms) -> SubmitDecision:
    """By the names that count, whatever somebody calls himself."""
    of = message.on_behalf_of
    names = {
        "approver": terms.known_as(message.approver),
        "on_behalf_of": None if of is None else terms.known_as(of),
    }
    return message.model_copy(update=names)


def _within_bounds(state: ReviewState, result: Decided | Refusal) -> Decided | Refusal:
    """A refusal instead, when the state would hold more than it can of what people say."""
    if isinstance(result, Refusal) or not state.follows(2):
        return result
    new = result.request
    others = (one for one in state.requests if one.request_id != new.request_id)
    if said_bytes(new) + sum(said_bytes(one) for one in others) <= SAID_BYTES:
        return result
    why = f"the decisions of this review fill {SAID_BYTES // 1024} KiB; give a shorter reason"
    return Refusal(code=RefusalCode.NOT_ALLOWED, message=why)


def check_door(state: ReviewState, message: SubmitDecision) -> Refusal | None:
    """What an update's validator turns away: unknown requests, and a flood of refusals."""
    request = state.request(message.request_id)
    if request is None:
        why = f"this review has no request {message.request_id!r}"
        return Refusal(code=RefusalCode.UNKNOWN_REQUEST, message=why)
    if request.refusals >= MAX_REFUSALS:
        why = f"the request has refused {MAX_REFUSALS} decisions and takes no more by update"
        return Refusal(code=RefusalCode.NOT_ALLOWED, message=why)
    return None


def cancel(state: ReviewState, message: CancelReview, now: Timestamp) -> None:
    """Note that the review is to stop; the first one counts."""
    if state.cancel is None and state.outcome is None:
        state.cancel = message
        state.record(now, "cancelled", message.reason or "no reason given", message.by)


def record_malformed(state: ReviewState, name: str, message: Malformed, now: Timestamp) -> None:
    """A message that cannot be used is a line of the review's timeline, nothing more."""
    state.count(malformed=1)
    state.record(now, "malformed_signal", f"{name}: {message.why}")


def expire_due(state: ReviewState, now: Timestamp) -> None:
    """Close what nobody decided in time. Never approves."""
    for request in state.pending:
        expired = request.expire(now)
        if expired is not request:
            state.replace_request(expired)
            state.record(
                now, "approval_expired", f"The deadline passed, request {request.request_id}"
            )


def expire(state: ReviewState, request_id: str, now: Timestamp) -> None:
    """The timer of a request fired: close what nobody decided until then. Never approves."""
    request = state.request(request_id)
    if request is not None and request.is_pending:
        state.replace_request(request.expired(now))
        state.record(now, "approval_expired", f"The deadline passed, request {request_id}")


def approved_items(state: ReviewState) -> list[tuple[ApprovalRequest, Item]]:
    """What a person approved and nobody has written yet."""
    return [
        (request, item) for request in state.requests for item in request.items if item.is_approved
    ]


def skip_what_is_open(state: ReviewState, reason: str, now: Timestamp) -> None:
    """A cancelled review writes nothing more: undecided and unwritten items are skipped."""
    reason = cut(reason)
    for request, item in approved_items(state):
        known = state.request(request.request_id) or request
        state.replace_request(known.mark(item.item_id, ItemState.SKIPPED, reason))
    for request in state.pending:
        state.replace_request(
            request.close_open_items(
                ItemState.SKIPPED, now, reason, as_state=RequestState.CANCELLED
            )
        )


def close_from_outside(
    state: ReviewState, outcome: Outcome, reason: str, closed_at: Timestamp
) -> None:
    """End a review that Temporal ended without its own closing steps, such as a terminated one.

    What is approved still may be written: the CRM did not say, so it is not called skipped.
    """
    for request, item in approved_items(state):
        known = state.request(request.request_id) or request
        why = cut(f"{reason}; whether it was written is not known")
        state.replace_request(known.mark(item.item_id, ItemState.FAILED, why))
        state.error_count, state.last_error = state.error_count + 1, why
    skip_what_is_open(state, reason, closed_at)
    state.close(outcome, closed_at, reason)
    state.summary = f"{outcome} ({reason})"


def _record_refusal(
    state: ReviewState,
    request: ApprovalRequest | None,
    refusal: Refusal,
    approver: str,
    now: Timestamp,
) -> None:
    if request is not None:
        more = {"refusals": request.refusals + 1}
        state.replace_request(request.model_copy(update=more))
    state.count(refusals=1)
    state.record(now, "approval_refused", refusal.message, approver)
