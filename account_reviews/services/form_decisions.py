"""What a person ticked on a page becomes decisions, which are sent one after the other.

A form has one id. Sending it again, from a second click, another tab or the back button, decides
nothing anew: each decision of it has an id that is made from that of the form and what it says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from account_reviews.bootstrap import Parts
from account_reviews.domain.access.roles import DECIDING, Subject, Verb
from account_reviews.domain.base import Scalar
from account_reviews.domain.canonical import content_hash
from account_reviews.domain.errors import (
    BadInputError,
    ConflictError,
    NotAllowedError,
    ReviewsError,
    UnreachableError,
)
from account_reviews.domain.policy.access import Role
from account_reviews.domain.review.messages import (
    DecisionAnswer,
    Malformed,
    QueuedAnswer,
    SubmitDecision,
    Verdict,
    checked,
)
from account_reviews.services.access import require_decision, require_of, subject_of
from account_reviews.services.decision_tokens import signed
from account_reviews.services.decisions import check_owner, decide, until_seen
from account_reviews.store.review_queries import RequestRow

if TYPE_CHECKING:
    from temporalio.client import Client

LONGEST_ID: Final = 64


class PartlyDecidedError(ConflictError):
    """Some of what was ticked is decided, the rest is not."""

    def __init__(self, message: str, *, hint: str | None = None, queued: bool = False) -> None:
        """`queued`: what is decided waits in a review that is paused."""
        super().__init__(message, hint=hint)
        when = "counts when the review, which is paused in Temporal, goes on"
        self.rest = f"The rest of what you sent {when if queued else 'is applied'}."


@dataclass(frozen=True, kw_only=True)
class Form:
    """What was ticked and typed. `hashes`: item id -> hash of the change as it was shown."""

    form_id: str
    verdict: Verdict
    items: tuple[str, ...]
    shown_hash: str | None = None
    hashes: Mapping[str, str] = field(default_factory=dict)
    changes: Mapping[str, Mapping[str, Scalar]] = field(default_factory=dict)
    """Item id -> new values; they count with an approval."""
    reason: str | None = None
    on_behalf_of: str | None = None


@dataclass(frozen=True, kw_only=True)
class Decider:
    """Who decides. `roles` are those of the sign-in; None: a link of his stands for it."""

    name: str
    roles: tuple[Role, ...] | None
    scopes: frozenset[str] | None = None


@dataclass(frozen=True, kw_only=True)
class Done:
    """What came of it."""

    request_id: str
    queued: bool = False
    repeated: bool = False
    """The same form was sent before."""


def decisions_of(row: RequestRow, form: Form, approver: str) -> list[SubmitDecision]:
    """One decision on all that was ticked, and one for each edited change.

    BadInputError where nothing is ticked, the id is missing, or a value does not fit.
    """
    if not form.form_id or len(form.form_id) > LONGEST_ID or not form.form_id.isalnum():
        raise BadInputError("the form has no id; open the page again")
    if not form.items:
        raise BadInputError("nothing is ticked; tick at least one change")
    approves = form.verdict is Verdict.APPROVE
    edited = [one for one in form.items if approves and form.changes.get(one)]
    plain = [one for one in form.items if one not in edited]
    reason = (form.reason or "").strip() or None
    found: list[dict[str, Any]] = []
    if plain:
        found.append(
            {
                "decision_id": _id_of(form, [form.verdict, plain, reason, form.on_behalf_of]),
                "decision": form.verdict,
                "item_ids": plain,
                "shown_hash": form.shown_hash,
                "proposal_hash": form.hashes.get(plain[0]) if len(plain) == 1 else None,
            }
        )
    # After the others: an edited change is another one, so the page is not what was shown any more.
    for item_id in edited:
        first = {"shown_hash": form.shown_hash} if not found else {}
        found.append(
            {
                "decision_id": _id_of(form, [item_id, form.changes[item_id], reason]),
                "decision": Verdict.ADJUST,
                "item_ids": [item_id],
                "changes": dict(form.changes[item_id]),
                "proposal_hash": form.hashes.get(item_id),
                **first,
            }
        )
    common = {
        "request_id": row.request.request_id,
        "approver": approver,
        "reason": reason,
        "on_behalf_of": form.on_behalf_of or None,
    }
    return [_decision({**common, **one}) for one in found]


async def decide_form(
    parts: Parts, client: "Client", row: RequestRow, form: Form, decider: Decider
) -> Done:
    """Send what a form says.

    ConflictError when something else was decided first, BadInputError, NotAllowedError;
    PartlyDecidedError when one of these comes after a part of it was sent;
    UnreachableError when nobody answered: the same form may be sent again.
    """
    decisions = decisions_of(row, form, decider.name)
    if _is_known(row, decisions):
        return Done(request_id=row.request.request_id, repeated=True)
    subject = await subject_of(parts, row)
    await check_right(parts, row, decider, subject, form.on_behalf_of)
    queued, accepted = False, False
    for decision in decisions:
        try:
            answer = await decide(client, row, await _ready(parts, row, decision, subject))
        except ReviewsError as error:
            if (accepted or queued) and not isinstance(error, UnreachableError):
                raise PartlyDecidedError(error.message, hint=error.hint, queued=queued) from None
            raise
        queued = queued or isinstance(answer, QueuedAnswer)
        await until_seen(parts.reader, parts.settings.tenant, row, answer)
        if len(decisions) > 1:  # the next one is seen when the row differs from this one
            row = await parts.reader.find_request(parts.settings.tenant, answer.request_id)
        accepted = accepted or any(one.applied for one in answer.items)
        left = [one.message for one in answer.items if not one.applied and one.message]
        if left and not queued:
            raise (PartlyDecidedError if accepted else ConflictError)(left[0])
    return Done(request_id=row.request.request_id, queued=queued)


async def check_right(
    parts: Parts,
    row: RequestRow,
    decider: Decider,
    subject: Subject,
    on_behalf_of: str | None = None,
) -> None:
    """NotAllowedError unless he may decide so by the roles of his sign-in. `subject` is that of the
    request (`access.subject_of`)."""
    if decider.roles is None:
        return
    verb = Verb.READ if on_behalf_of else Verb.DECIDE
    await require_of(
        parts,
        verb,
        decider.name,
        row,
        roles=decider.roles,
        scopes=decider.scopes,
        subject=subject,
    )
    if on_behalf_of and not DECIDING & set(decider.roles):
        raise NotAllowedError(f"{decider.name} decides on nothing, also for nobody else")


async def send(
    parts: Parts, client: "Client", row: RequestRow, decision: SubmitDecision, subject: Subject
) -> DecisionAnswer:
    """Send one decision of who signed in, or of a program, and give its answer.

    What `decide` raises, and NotAllowedError where the policy does not let him.
    """
    answer = await decide(client, row, await _ready(parts, row, decision, subject))
    await until_seen(parts.reader, parts.settings.tenant, row, answer)
    return answer


async def _ready(
    parts: Parts, row: RequestRow, decision: SubmitDecision, subject: Subject
) -> SubmitDecision:
    """The decision as it may be sent: signed where that is asked for."""
    if decision.changes:
        await check_owner(parts.accounts, decision)
    decision = await signed(parts, row, decision, subject)
    await require_decision(parts, row, decision, subject=subject)
    return decision


def _is_known(row: RequestRow, decisions: Sequence[SubmitDecision]) -> bool:
    known = {one.decision_id for one in row.request.decisions}
    return all(one.decision_id in known for one in decisions)


def _id_of(form: Form, said: object) -> str:
    return f"{form.form_id}-{content_hash(said)[:16]}"


def _decision(fields: dict[str, Any]) -> SubmitDecision:
    found = checked(SubmitDecision, fields)
    if isinstance(found, Malformed):
        raise BadInputError(found.why)
    return found
