"""Who signs in, who may, and the tokens of programs. Each change is recorded in the trail."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import uuid4

from account_reviews.access.secret_values import digest, new_secret
from account_reviews.audit.capture.actors import user_name
from account_reviews.bootstrap import Parts, open_parts
from account_reviews.config.settings import Settings
from account_reviews.domain.access.people import Known, roles_of
from account_reviews.domain.access.roles import Scope
from account_reviews.domain.audit.events import (
    AuditEvent,
    EventType,
    Severity,
    Source,
    audit_entry_id,
)
from account_reviews.domain.errors import BadInputError, NotFoundError
from account_reviews.domain.person_names import clean_name, person
from account_reviews.domain.policy.access import Role
from account_reviews.store.people import PersonRow
from account_reviews.store.web_tokens import TokenRow

SESSION: Final = timedelta(days=7)
PROVIDED_SESSION: Final = timedelta(hours=24)
"""Of who came from a provider: afterwards it says again who he is, and in which groups."""
LINK: Final = timedelta(minutes=15)
OWN_LINK: Final = timedelta(hours=1)
LONGEST_LINK: Final = timedelta(days=1)
LONGEST_TOKEN: Final = timedelta(days=366)
_LONGEST_NAME: Final = 200
_MOST_GROUPS: Final = 200
_BEGINNING: Final = "rvw_"
"""What a token begins with, so that one that lies about is known as one."""


class NewToken(NamedTuple):
    """A token as it is told once."""

    id: str
    token: str
    ends_at: datetime | None


def checked_name(name: str) -> str:
    """A name as it is kept. BadInputError."""
    found = clean_name(name)
    if not person(found) or len(found) > _LONGEST_NAME:
        raise BadInputError(f"a name has 1 to {_LONGEST_NAME} characters")
    return found


def checked_groups(groups: Sequence[str]) -> tuple[str, ...]:
    """Groups as they are kept. BadInputError."""
    found = tuple(dict.fromkeys(clean_name(one) for one in groups))
    if len(found) > _MOST_GROUPS or any(not 1 <= len(one) <= _LONGEST_NAME for one in found):
        raise BadInputError(f"at most {_MOST_GROUPS} groups, each of 1 to {_LONGEST_NAME} letters")
    return found


async def add_user(
    parts: Parts, name: str, roles: Sequence[Role], groups: Sequence[str], password: str
) -> PersonRow:
    """A local user. ConflictError when there is one of that name, BadInputError."""
    import asyncio

    from account_reviews.access.passwords import checked_password, hash_of

    name, groups = checked_name(name), checked_groups(groups)
    stored = await asyncio.to_thread(hash_of, checked_password(password))
    await parts.sign_ins.people.add_local(name, roles, groups, stored)
    record_change(parts, "user added", name, roles=list(roles), groups=list(groups))
    found = await parts.sign_ins.people.get(name)
    assert found is not None
    return found


async def remove_user(parts: Parts, name: str) -> None:
    """Take somebody away; every sign-in of his ends. NotFoundError."""
    await parts.sign_ins.people.remove(name)
    record_change(parts, "user removed", clean_name(name))


async def sign_out_everywhere(parts: Parts, name: str) -> int:
    """End every sign-in of somebody; how many there were."""
    count = await parts.sign_ins.sessions.end_all(name)
    record_sign_in(parts, clean_name(name), "signed out everywhere", sessions=count)
    return count


async def make_link(
    parts: Parts, name: str, roles: Sequence[Role] = (), length: timedelta = LINK
) -> str:
    """The path of a link that signs somebody in once. The trail records that it was made.

    `roles` are for who is neither a local user nor in the policy; NotFoundError for one who has
    none then, BadInputError where they would change those of somebody.
    """
    name = checked_name(name)
    if not timedelta(seconds=1) <= length <= LONGEST_LINK:
        raise BadInputError("--expires-in must be from 1s to 1d")
    people = parts.sign_ins.people
    known = await people.get(name)
    in_policy = parts.guard.access().user(name)
    if roles and (in_policy or (known and known.source == "local")):
        whose = "the policy" if in_policy else "`reviews users list`"
        raise BadInputError(f"{name} has roles already, see {whose}", hint="leave out --role")
    if not (roles or known or in_policy):
        raise NotFoundError(
            f"nobody knows {name!r}", hint="add --role, or the user with `reviews users add`"
        )
    if known is None or known.source != "local":
        await people.put(
            in_policy[0] if in_policy else name,
            "link",
            roles=roles or (known.roles if known else ()),
            groups=known.groups if known else (),
            length=length + SESSION,
        )
    secret = new_secret()
    await parts.sign_ins.sessions.add_link(
        digest(secret), in_policy[0] if in_policy else name, length
    )
    record_change(parts, "sign-in link made", name, roles=list(roles))
    return f"/login/link/{secret}"


async def make_own_link(parts: Parts, name: str) -> str:
    """The same for whoever runs this machine: in his own roles, else as admin."""
    known = await parts.sign_ins.people.get(name)
    has_roles = parts.guard.access().user(name) or (known and known.source == "local")
    return await make_link(parts, name, () if has_roles else (Role.ADMIN,), OWN_LINK)


async def own_address(settings: Settings, web_url: str) -> str:
    """Where whoever runs this machine signs in once. BadInputError, UnreachableError."""
    async with open_parts(settings, application="reviews dev") as parts:
        return web_url + await make_own_link(parts, user_name())


async def make_token(
    parts: Parts,
    name: str,
    roles: Sequence[Role],
    scopes: Sequence[Scope] | None = None,
    expires_in: timedelta | None = None,
) -> NewToken:
    """A token of a program, told once. BadInputError."""
    name = checked_name(name)
    if not roles:
        raise BadInputError("a token needs a role", hint="see docs/access.md for what each may")
    if expires_in is not None and not timedelta(seconds=1) <= expires_in <= LONGEST_TOKEN:
        raise BadInputError("--expires-in must be from 1s to 366d")
    token, id_ = _BEGINNING + new_secret(), uuid4().hex[:12]
    ends_at = None if expires_in is None else datetime.now(UTC) + expires_in
    await parts.sign_ins.tokens.add(
        id_,
        digest(token),
        name=name,
        roles=roles,
        scopes=scopes,
        created_by=parts.audit.actor,
        ends_at=ends_at,
    )
    said = None if scopes is None else list(scopes)
    record_change(parts, "token made", name, token_id=id_, roles=list(roles), scopes=said)
    return NewToken(id_, token, ends_at)


async def revoke_token(parts: Parts, id_: str) -> TokenRow:
    """It holds no more. NotFoundError."""
    found = await parts.sign_ins.tokens.revoke(id_)
    record_change(parts, "token revoked", found.name, token_id=id_)
    return found


async def token_of(parts: Parts, text: str) -> TokenRow | None:
    """Whose token that is; None for one that does not hold."""
    if not text.startswith(_BEGINNING) or len(text) > 200:
        return None
    return await parts.sign_ins.tokens.find(digest(text))


def roles_now(parts: Parts, known: Known) -> tuple[Role, ...]:
    """In which roles somebody is now, by the policy as it is. PolicyError while it has a fault."""
    return roles_of(parts.guard.access(), known)


def record_change(parts: Parts, action: str, name: str, **details: Any) -> None:
    """Somebody changed who may sign in."""
    _put(parts, EventType.CONFIGURATION_CHANGED, action, parts.audit.actor, name, details)


def record_sign_in(parts: Parts, name: str, action: str, **details: Any) -> None:
    """Somebody signed in or out."""
    _put(parts, EventType.AUTHENTICATION, action, name, name, details)


def record_refusal(
    parts: Parts, action: str, why: str, *, name: str = "unknown", **details: Any
) -> None:
    """Somebody was turned away before anything was asked of a review."""
    kind = EventType.AUTHENTICATION if action.startswith("sign-in") else EventType.PERMISSION_DENIED
    details = {"text": why, **details}
    _put(parts, kind, action, name, name, details, severity=Severity.WARNING)


def _put(
    parts: Parts,
    kind: EventType,
    action: str,
    actor: str,
    about: str,
    details: dict[str, Any],
    *,
    severity: Severity = Severity.INFO,
) -> None:
    from account_reviews.domain.audit.redaction import redact_text

    rules = parts.audit.rules
    shown = {
        key: redact_text(value, rules) if key == "text" else value for key, value in details.items()
    }
    parts.audit.log.put(
        AuditEvent(
            event_id=audit_entry_id("sign_in", uuid4()),
            at=datetime.now(UTC),
            source=Source.CLIENT,
            event_type=kind,
            severity=severity,
            tenant=parts.settings.tenant,
            actor=actor,
            action=action,
            resource=f"people/{about}"[:300],
            details=shown,
        )
    )
