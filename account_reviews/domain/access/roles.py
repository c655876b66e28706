"""Who may do which verb on which review, by the roles of the policy. Pure."""

from enum import StrEnum
from typing import Final

from account_reviews.domain.base import Model
from account_reviews.domain.person_names import person
from account_reviews.domain.policy.access import Access, Role, User


class Verb(StrEnum):
    """What somebody can do, as commands and messages call it."""

    READ = "read"
    START = "start"
    DECIDE = "decide"
    PROPOSE = "propose"
    UNDO = "undo"
    DELEGATE = "delegate"
    ASK = "ask"
    ANNOTATE = "annotate"
    TOUCH = "touch"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    CLOSE = "close"
    REFRESH = "refresh"
    RETRY = "retry"
    CYCLES = "cycles"
    SCHEDULES = "schedules"
    MEMORY_SYNC = "memory_sync"
    STOP_ALL = "stop_all"
    PURGE = "purge"
    FORGET = "forget"
    AUDIT = "audit"


_SPELLED: Final = {
    "cancel_review": Verb.CANCEL,
    "submit_decision": Verb.DECIDE,
    "delegate": Verb.DECIDE,
}
"""Messages whose names are other words."""

_LOOK: Final = frozenset({Verb.READ})
_WORK: Final = frozenset({Verb.ASK, Verb.ANNOTATE, Verb.TOUCH, Verb.PROPOSE})
_STEER: Final = frozenset({Verb.PAUSE, Verb.RESUME, Verb.CANCEL, Verb.CLOSE})
_AGAIN: Final = frozenset({Verb.REFRESH, Verb.RETRY})
_DECIDE: Final = frozenset({Verb.DECIDE, Verb.DELEGATE, Verb.UNDO})
_RUN: Final = frozenset({
    Verb.CYCLES, Verb.SCHEDULES, Verb.MEMORY_SYNC, Verb.STOP_ALL, Verb.PURGE,
})  # fmt: skip

EVERYWHERE: Final[dict[Role, frozenset[Verb]]] = {
    Role.ADMIN: frozenset(Verb),
    Role.OPERATOR: _LOOK | _STEER | _AGAIN | _RUN | {Verb.START, Verb.ANNOTATE, Verb.TOUCH},
    Role.ACCOUNT_OWNER: _LOOK,
    Role.APPROVER: _LOOK | _WORK | _DECIDE,
    Role.ANALYST: _LOOK | _WORK | {Verb.START},
    Role.AUDITOR: _LOOK | {Verb.AUDIT},
}
"""What a role may do with every review."""

OWN_ACCOUNTS: Final[dict[Role, frozenset[Verb]]] = {
    Role.ACCOUNT_OWNER: _WORK | _STEER | _AGAIN | _DECIDE | {Verb.START},
}
"""What it may do, beyond that, with the reviews of the accounts that the person owns."""

OWN_REVIEWS: Final[dict[Role, frozenset[Verb]]] = {Role.ANALYST: _STEER}
"""What it may do, beyond that, with the reviews that the person started."""


DECIDING: Final = frozenset(
    role for role in Role if Verb.DECIDE in EVERYWHERE[role] | OWN_ACCOUNTS.get(role, frozenset())
)
"""Roles that decide on something."""


class Scope(StrEnum):
    """What a token of a program is for, beside its role."""

    READ = "read"
    START = "start"
    DECIDE = "decide"
    CONTROL = "control"


SCOPES: Final[dict[Scope, frozenset[Verb]]] = {
    Scope.READ: _LOOK | {Verb.AUDIT},
    Scope.START: frozenset({Verb.START}),
    Scope.DECIDE: frozenset({Verb.DECIDE, Verb.DELEGATE, Verb.PROPOSE, Verb.UNDO}),
}
"""What a scope lets its token do. What no other has is of `control`."""


def may_by_scopes(verb: str, scopes: frozenset[str] | None) -> bool:
    """Whether a token with these scopes may; None is no token, or one without bounds."""
    if scopes is None:
        return True
    asked = _SPELLED.get(verb, verb)
    within = [scope for scope, verbs in SCOPES.items() if asked in verbs]
    return bool(scopes & {*(within or [Scope.CONTROL])})


class Subject(Model):
    """The review that something is done to; all None where it is none in particular."""

    owner_id: str | None = None
    owner_name: str | None = None
    started_by: str | None = None


class Permission(Model):
    """Whether somebody may, as whom, and else why not."""

    allowed: bool
    person: str | None = None
    roles: tuple[Role, ...] = ()
    why: str | None = None


def permission(access: Access, verb: str, by: str, subject: Subject | None = None) -> Permission:
    """Whether `by` may do `verb`. Without users in the policy anybody may; with them whoever is not
    among them may do nothing, and an unknown verb is the admin's."""
    if access.users is None:
        return Permission(allowed=True)
    known = access.user(by)
    asked = _SPELLED.get(verb, verb)
    if known is None:
        return Permission(
            allowed=False, why=f"{by!r} is not among the users of the policy and may do nothing"
        )
    name, user = known
    about = subject or Subject()
    if any(asked in _may(role, name, user, about) for role in user.roles):
        return Permission(allowed=True, person=name, roles=user.roles)
    if Role.ADMIN in user.roles:
        return Permission(allowed=True, person=name, roles=user.roles)
    why = _refusal(asked, name, user, about)
    return Permission(allowed=False, person=name, roles=user.roles, why=why)


def permission_for_other(
    access: Access, by: str, on_behalf_of: str, subject: Subject | None = None
) -> Permission:
    """Whether `by` may decide in the place of somebody else: he must decide on something himself,
    and the other one must be allowed to decide on this."""
    if access.users is None:
        return Permission(allowed=True)
    hand = permission(access, Verb.READ, by, subject)
    seat = permission(access, Verb.DECIDE, on_behalf_of, subject)
    if not hand.allowed:
        return hand
    if not DECIDING & {*hand.roles}:
        own = permission(access, Verb.DECIDE, by, subject)
        return own.model_copy(update={"allowed": False})
    return hand.model_copy(update={"allowed": seat.allowed, "why": seat.why})


def owns(name: str, user: User, subject: Subject) -> bool:
    """Whether the account is this person's: by id where the policy has one, else by name."""
    if subject.owner_id is None:
        return False
    if user.id is not None:
        return user.id == subject.owner_id
    mine = person(name)
    return mine in (person(subject.owner_id), person(subject.owner_name or ""))


def _may(role: Role, name: str, user: User, subject: Subject) -> frozenset[Verb]:
    verbs = EVERYWHERE[role]
    if owns(name, user, subject):
        verbs |= OWN_ACCOUNTS.get(role, frozenset())
    if subject.started_by is not None and person(subject.started_by) == person(name):
        verbs |= OWN_REVIEWS.get(role, frozenset())
    return verbs


def _refusal(verb: str, name: str, user: User, subject: Subject) -> str:
    what = verb.replace("_", "-")
    roles = ", ".join(user.roles) or "nobody in particular"
    by_owner = verb in OWN_ACCOUNTS[Role.ACCOUNT_OWNER]
    if Role.ACCOUNT_OWNER in user.roles and by_owner and subject != Subject():
        whose = subject.owner_name or subject.owner_id or "nobody"
        return f"{name} may {what} on his own accounts only, and this one belongs to {whose}"
    others = [role for role in Role if verb in EVERYWHERE[role] or role is Role.ADMIN]
    more = ["the account's owner"] if by_owner else []
    return f"{name} is {roles} and may not {what}; {_listed([*others, *more])} may"


def _listed(words: list[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last
