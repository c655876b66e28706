"""Making the token of a signed decision, where the keys are."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import uuid4

from account_reviews.bootstrap import Parts
from account_reviews.domain.access.signed import Binding
from account_reviews.domain.audit.events import AuditEvent, EventType, Source, audit_entry_id
from account_reviews.domain.canonical import rfc3339
from account_reviews.domain.errors import BadInputError, ConflictError, NotFoundError
from account_reviews.domain.review.messages import SubmitDecision, Verdict
from account_reviews.services.access import require_right
from account_reviews.store.review_queries import RequestRow

if TYPE_CHECKING:
    from account_reviews.domain.access.roles import Subject

LONGEST: Final = timedelta(days=90)
SIGNED_HERE: Final = timedelta(hours=1)
"""How long a worker may take to come, of a decision that is signed where it is made."""


class Signed(NamedTuple):
    """A token, and until when somebody can use it."""

    token: str
    expires_at: datetime


async def make_token(
    parts: Parts,
    row: RequestRow,
    decision: SubmitDecision,
    expires_in: timedelta,
    *,
    subject: "Subject | None" = None,
) -> Signed:
    """A token of this decision on the request as its row shows it. The trail records that it was
    made, without the token.

    BadInputError without keys and for what could never be applied, NotAllowedError for whoever may
    not decide so, ConflictError for a closed request, NotFoundError for an unknown item.
    """
    _check(row, decision, expires_in)
    await require_right(parts, row, decision, subject=subject)
    hashes = {item.item_id: item.change.hash for item in row.request.items}
    tenant = parts.settings.tenant
    binding = Binding.of(
        decision, hashes, tenant=tenant, review_id=row.review_id, run_id=row.run_id
    )
    expires_at = (datetime.now(UTC) + expires_in).replace(microsecond=0)
    token = parts.guard.sign(binding, int(expires_at.timestamp()), secrets.token_urlsafe(12))
    _record(parts, row, decision, expires_at)
    return Signed(token, expires_at)


async def signed(
    parts: Parts, row: RequestRow, decision: SubmitDecision, subject: "Subject"
) -> SubmitDecision:
    """The decision of somebody whom this process has signed in: with a token where the policy asks
    for one, else as it is. Errors of `make_token`."""
    if decision.token is not None or not parts.guard.requires_signed:
        return decision
    made = await make_token(parts, row, decision, SIGNED_HERE, subject=subject)
    return decision.model_copy(update={"token": made.token})


def _check(row: RequestRow, decision: SubmitDecision, expires_in: timedelta) -> None:
    request = row.request
    if not timedelta(seconds=1) <= expires_in <= LONGEST:
        raise BadInputError("--expires-in must be from 1s to 90d")
    if not request.is_pending:
        raise ConflictError(f"the request {request.request_id} is already {request.state}")
    known = {item.item_id for item in request.items}
    for item_id in decision.item_ids or ():
        if item_id not in known:
            raise NotFoundError(f"the request has no item {item_id!r}")
    adjusts = decision.decision is Verdict.ADJUST
    if adjusts and (len(decision.item_ids or ()) != 1 or not decision.changes):
        raise BadInputError("adjust needs one --item and at least one --set FIELD=VALUE")
    if decision.changes and not adjusts:
        raise BadInputError("--set is for adjust only")


def _record(parts: Parts, row: RequestRow, decision: SubmitDecision, expires_at: datetime) -> None:
    parts.audit.log.put(
        AuditEvent(
            event_id=audit_entry_id("token", uuid4()),
            at=datetime.now(UTC),
            source=Source.CLIENT,
            event_type=EventType.AUTHORIZATION,
            tenant=parts.settings.tenant,
            actor=parts.audit.actor,
            action="decision signed",
            resource=row.review_id,
            review_id=row.review_id,
            run_id=row.run_id,
            details={
                "request_id": row.request.request_id,
                "decision": decision.decision.value,
                "approver": decision.approver,
                "expires_at": rfc3339(expires_at),
            },
        )
    )
