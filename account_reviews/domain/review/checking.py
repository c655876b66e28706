"""What is checked before it is applied: decisions by their token, everything by roles. Pure."""

from account_reviews.domain.base import Model, Timestamp
from account_reviews.domain.review import control
from account_reviews.domain.review.approvals import ApprovalRequest
from account_reviews.domain.review.checks import Checked, CheckSaid
from account_reviews.domain.review.commands import CommandRefusal, CommandRefused
from account_reviews.domain.review.messages import Refresh, SubmitDecision
from account_reviews.domain.review.state import ReviewState
from account_reviews.domain.review.terms import Terms


def wanted(state: ReviewState, said: Model, verb: str | None, now: Timestamp) -> CheckSaid | None:
    """What is to be checked of a message as things stand now; None: it is applied as it is.

    Before its analysis a review knows no terms: whatever has a `verb` is checked then.
    """
    if verb is None or not state.follows(3) or state.outcome is not None:
        return None
    if isinstance(said, SubmitDecision):
        return _decision(state, said, now)
    if isinstance(said, Refresh) and said.cycle_id is not None:
        return None  # a cycle acts for nobody, and reading again decides nothing
    if state.analysis is not None and not state.analysis.terms.checked:
        return None
    return _base(state, verb, getattr(said, "by", "unknown"), now)


def refused(
    state: ReviewState, said: Model, checked: Checked | None, now: Timestamp
) -> CommandRefused | None:
    """The refusal of a command that did not pass, noted in the timeline."""
    if checked is None or checked.allowed:
        return None
    why = checked.refusal.message if checked.refusal is not None else "it is not allowed"
    by = getattr(said, "by", "unknown")
    return control.refuse(
        state, CommandRefusal.NOT_ALLOWED, f"{why} (phase {state.phase})", by, now
    )


def _decision(state: ReviewState, said: SubmitDecision, now: Timestamp) -> CheckSaid | None:
    request = state.request(said.request_id)
    if request is None or not request.is_pending:
        return None  # refused or kept without that
    if not request.terms.checked and said.token is None:
        return None
    return _base(state, "decide", said.approver, now).model_copy(
        update={
            "on_behalf_of": said.on_behalf_of,
            "request_id": said.request_id,
            "decision": said,
            "item_hashes": {one.item_id: one.change.hash for one in request.items},
            "listed_in": _groups_of(request, said.on_behalf_of or said.approver),
            "is_delegate": _is_delegate(request.terms, said),
            "ids": request.terms.ids,
            "used_nonces": state.nonces,
        }
    )


def _groups_of(request: ApprovalRequest, name: str) -> tuple[str, ...]:
    """The groups of this request in which somebody is, as it was opened."""
    terms, needed = request.terms, request.required.groups
    asked = {**needed, **{name: terms.groups.get(name, ()) for name in terms.approvers}}
    who = terms.who(name)
    return tuple(one for one, members in asked.items() if who in map(terms.who, members))


def _is_delegate(terms: Terms, said: SubmitDecision) -> bool:
    if said.on_behalf_of is None:
        return False
    seat, hand = terms.who(said.on_behalf_of), terms.who(said.approver)
    return any(
        terms.who(name) == seat and hand in map(terms.who, hands)
        for name, hands in terms.delegates.items()
    )


def _base(state: ReviewState, verb: str, by: str, now: Timestamp) -> CheckSaid:
    return CheckSaid(
        tenant=state.tenant,
        review_id=state.review_id,
        run_id=state.run_id,
        owner_id=state.snapshot.owner_id if state.snapshot else None,
        owner_name=state.snapshot.owner_name if state.snapshot else None,
        started_by=state.started_by,
        verb=verb,
        by=by,
        now=now,
    )
