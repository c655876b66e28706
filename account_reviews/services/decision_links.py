"""Links in mails that let one person decide on one request, once."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

from account_reviews.access.secret_values import digest
from account_reviews.bootstrap import Parts
from account_reviews.domain.access.links import LinkClaims
from account_reviews.domain.audit.events import AuditEvent, EventType, Source, audit_entry_id
from account_reviews.domain.errors import ConflictError, NotFoundError, UnreachableError
from account_reviews.services.form_decisions import (
    Decider,
    Done,
    Form,
    PartlyDecidedError,
    decide_form,
)
from account_reviews.store.link_uses import LinkUses
from account_reviews.store.review_queries import RequestRow

if TYPE_CHECKING:
    from temporalio.client import Client


class Opened(NamedTuple):
    """A link, whose request, and whether it still decides."""

    claims: LinkClaims
    row: RequestRow
    problem: str | None
    """Why it does not, in a sentence; None: it does."""


async def open_link(parts: Parts, token: str) -> Opened:
    """What a link shows. It changes nothing. NotFoundError for a text that is none of ours."""
    claims = parts.guard.read_link(token)
    if claims is None:
        raise NotFoundError(
            "this link is not one of ours, or was cut off", hint="copy all of it, or sign in"
        )
    row = await parts.reader.find_request(parts.settings.tenant, claims.request_id)
    return Opened(claims, row, await _problem(parts, token, claims, row))


async def decide_by_link(
    parts: Parts, client: "Client", token: str, opened: Opened, form: Form
) -> Done:
    """Decide as whom the link is for. The first form that is accepted uses it up.

    ConflictError for a link that does not decide any more; else as `decide_form`.
    """
    uses = LinkUses(parts.statements, parts.settings.tenant)
    link, said = digest(token), digest(f"{token} {form.form_id} {form.verdict} {form.items}")
    ends = datetime.fromtimestamp(opened.claims.expires, UTC)
    if not parts.guard.lets_decide(opened.claims.by):
        raise ConflictError("links do not decide here any more", hint="sign in to decide")
    if datetime.now(UTC) >= ends:
        raise ConflictError("this link has ended with the deadline of its request")
    if not await uses.use(link, said, ends):
        raise ConflictError("this link was used already, and counts once", hint="sign in to decide")
    decider = Decider(name=opened.claims.by, roles=None)
    bound = _bound(form, opened)
    try:
        done = await decide_form(parts, client, opened.row, bound, decider)
    except (UnreachableError, PartlyDecidedError):
        raise  # something of it is decided, or may be
    except Exception:
        await uses.free(link, said)
        raise
    if not done.repeated:
        _record(parts, opened, form)
    return done


def _record(parts: Parts, opened: Opened, form: Form) -> None:
    """The trail tells a decision by a link from one of somebody who signed in."""
    row = opened.row
    parts.audit.log.put(
        AuditEvent(
            event_id=audit_entry_id("link", uuid4()),
            at=datetime.now(UTC),
            source=Source.CLIENT,
            event_type=EventType.AUTHORIZATION,
            tenant=parts.settings.tenant,
            actor=opened.claims.by,
            action="decided by a link",
            resource=row.review_id,
            review_id=row.review_id,
            run_id=row.run_id,
            details={"request_id": row.request.request_id, "decision": form.verdict.value},
        )
    )


def _bound(form: Form, opened: Opened) -> Form:
    return Form(
        form_id=form.form_id,
        verdict=form.verdict,
        items=form.items,
        shown_hash=opened.claims.shown_hash,
        hashes=form.hashes,
        changes=form.changes,
        reason=form.reason,
    )


async def _problem(parts: Parts, token: str, claims: LinkClaims, row: RequestRow) -> str | None:
    if not parts.guard.lets_decide(claims.by):
        return "Links do not decide here. Sign in to decide."
    if not row.request.is_pending:
        return None
    if datetime.now(UTC).timestamp() >= claims.expires:
        return "This link has ended with the deadline of its request."
    used = await LinkUses(parts.statements, parts.settings.tenant).used_at(digest(token))
    if used is not None:
        return "This link was used already, and counts once. Sign in to decide on what is left."
    if row.request.shown_hash != claims.shown_hash:
        return "The proposal changed since this link was sent. Sign in to see what it is now."
    return None
