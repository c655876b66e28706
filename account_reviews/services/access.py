"""Whether somebody may: asked by every command that changes something, before it sends anything.

A review asks again itself, whatever door was used; here people are told kindly, and at once. What
is refused here is recorded in the trail.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from account_reviews.bootstrap import Parts
from account_reviews.domain.errors import NotAllowedError
from account_reviews.store.review_queries import RequestRow

if TYPE_CHECKING:
    from account_reviews.domain.access.roles import Permission, Subject, Verb
    from account_reviews.domain.policy.access import Role
    from account_reviews.domain.records import Account
    from account_reviews.domain.review.messages import SubmitDecision
    from account_reviews.domain.review.state import ReviewState

    About = ReviewState | RequestRow | Account | Subject | None

_HINT: Final = "see who may in docs/access.md; `reviews policy show` lists the users"


async def require(
    parts: Parts,
    verb: "Verb | str",
    by: str | None,
    about: "About" = None,
    *,
    subject: "Subject | None" = None,
) -> None:
    """NotAllowedError unless `by` may do `verb` to that review, request or account now.

    `verb` is a word of `domain.access.roles.Verb`; without `about` it is about all of the tenant.
    What goes to a review needs a name, since the review asks for it; what does not may have None,
    when the command names nobody: then whoever has the credentials of this process acts. Without
    users in the policy anybody may, and nothing is read. PolicyError for a broken file. `subject`
    is `subject_of(parts, about)` where that is known already.
    """
    if by is None or parts.settings.policy_file is None:  # the shipped policy has no users
        return
    subject = subject or await subject_of(parts, about)
    people = await parts.sign_ins.people.find(parts.guard.unknown(by))
    found = parts.guard.permission(verb, by, subject, people)
    if not found.allowed and await _owns_by_name(parts, found, about):
        named = subject.model_copy(update={"owner_name": found.person})
        found = parts.guard.permission(verb, by, named, people)
    _ensure(parts, found, verb, by, about)


async def require_of(
    parts: Parts,
    verb: "Verb | str",
    by: str,
    about: "About" = None,
    *,
    roles: "Sequence[Role]",
    scopes: "frozenset[str] | None" = None,
    subject: "Subject | None" = None,
) -> None:
    """The same for somebody who signed in, or a program, also where the policy has no users.

    `roles` are those of the sign-in or the token, `scopes` those of the token: what they do not
    allow the policy cannot allow either.
    """
    from account_reviews.domain.access.roles import may_by_scopes, permission
    from account_reviews.domain.policy.access import Access, User

    if not may_by_scopes(verb, scopes):
        why = f"the token of {by} is for {' and '.join(sorted(scopes or ())) or 'nothing'}"
        _record(parts, verb, by, subject_of=about, why=why)
        raise NotAllowedError(f"{why} and may not {verb}", hint="make one with that --scope")
    known = parts.guard.access().user(by)
    access = Access(users={by: User(roles=tuple(roles), id=known[1].id if known else None)})
    subject = subject or await subject_of(parts, about)
    found = permission(access, verb, by, subject)
    if not found.allowed and await _owns_by_name(parts, found, about):
        named = subject.model_copy(update={"owner_name": found.person})
        found = permission(access, verb, by, named)
    _ensure(parts, found, verb, by, about)
    await require(parts, verb, by, about, subject=subject)


async def require_decision(
    parts: Parts,
    row: RequestRow,
    decision: "SubmitDecision",
    *,
    subject: "Subject | None" = None,
) -> None:
    """The same for a decision, also of a delegate, which may have to be signed."""
    await require_right(parts, row, decision, subject=subject)
    if parts.settings.policy_file is None or decision.token is not None:
        return
    if parts.guard.requires_signed:
        why = "decisions must be signed, and this one has no --token"
        _record(parts, "decide", decision.approver, subject_of=row, why=why)
        raise NotAllowedError(
            why,
            hint="make one with `reviews approvals token`, where the keys are",
        )


async def require_right(
    parts: Parts,
    row: RequestRow,
    decision: "SubmitDecision",
    *,
    subject: "Subject | None" = None,
) -> None:
    """Whether that person may decide so, signed or not."""
    if parts.settings.policy_file is None:
        return
    names = parts.guard.unknown(decision.approver, decision.on_behalf_of)
    people = await parts.sign_ins.people.find(names)
    subject = subject or await subject_of(parts, row)
    found = parts.guard.permission_to_decide(decision, subject, people)
    _ensure(parts, found, "decide", decision.approver, row)


def _ensure(parts: Parts, found: "Permission", verb: str, by: str, about: "About") -> None:
    if not found.allowed:
        why = found.why or "that is not allowed"
        _record(parts, verb, by, subject_of=about, why=why)
        raise NotAllowedError(why, hint=_HINT)


async def subject_of(parts: Parts, about: "About") -> "Subject":
    """What is asked about, as rights see it: of a request its whole review is read for that."""
    from account_reviews.domain.access.roles import Subject

    if about is None:
        return Subject()
    if isinstance(about, Subject):
        return about
    if isinstance(about, RequestRow):
        tenant = parts.settings.tenant
        found = await parts.reader.find_run(
            tenant=tenant, review_id=about.review_id, run_id=about.run_id
        )
        about = found.state
    snapshot = getattr(about, "snapshot", None)
    whose = about if snapshot is None else snapshot
    return Subject(
        owner_id=getattr(whose, "owner_id", None),
        owner_name=getattr(whose, "owner_name", None),
        started_by=getattr(about, "started_by", None),
    )


async def _owns_by_name(parts: Parts, found: "Permission", about: "About") -> bool:
    """Whether the CRM gives an account, which nobody has read yet, to somebody of that name."""
    from account_reviews.crm.protocol import AccountFilter
    from account_reviews.domain.records import Account

    if not isinstance(about, Account) or found.person is None:
        return False
    where = AccountFilter(owner=found.person, account_ids=(about.id,))
    return bool((await parts.accounts.list_accounts(where)).items)


def _record(parts: Parts, verb: str, by: str, *, subject_of: "About", why: str) -> None:
    from account_reviews.domain.audit.events import (
        AuditEvent,
        EventType,
        Severity,
        Source,
        audit_entry_id,
    )
    from account_reviews.domain.audit.redaction import redact_text

    review_id = getattr(subject_of, "review_id", None)
    kind = EventType.APPROVAL_REFUSED if verb == "decide" else EventType.PERMISSION_DENIED
    parts.audit.log.put(
        AuditEvent(
            event_id=audit_entry_id("refused", uuid4()),
            at=datetime.now(UTC),
            source=Source.CLIENT,
            event_type=kind,
            severity=Severity.WARNING,
            tenant=parts.settings.tenant,
            actor=by,
            action=str(verb),
            resource=review_id or "account_reviews",
            review_id=review_id,
            run_id=getattr(subject_of, "run_id", None),
            details={"text": redact_text(why, parts.audit.rules)},
        )
    )
