"""The inbox of one person: what waits for him, for his groups, and in all."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, NamedTuple

from account_reviews.bootstrap import Parts
from account_reviews.domain.person_names import person
from account_reviews.domain.policy.access import Access
from account_reviews.store import name_queries
from account_reviews.store.inbox_queries import (
    Count,
    InboxFilter,
    InboxOrder,
    InboxPage,
    InboxReader,
    InboxRow,
)
from account_reviews.store.name_queries import Names

PAGE: Final = 25
"""Requests on a page."""


class Scope(StrEnum):
    """For whom it waits."""

    MINE = "mine"
    GROUPS = "groups"
    ALL = "all"


class Seats(NamedTuple):
    """Under which names requests ask for somebody, in small letters."""

    mine: tuple[str, ...]
    groups: tuple[str, ...]
    """His groups, and who else is in them."""


class Wanted(NamedTuple):
    """What somebody wants to see, and what first. None does not narrow."""

    scope: Scope | None = None
    owner: str | None = None
    """Empty: accounts of nobody."""
    risk: str | None = None
    action: str | None = None
    order: InboxOrder = InboxOrder.DUE

    def filter(self, seats: Seats, scope: Scope) -> InboxFilter:
        """The same for the query."""
        names = {Scope.MINE: seats.mine, Scope.GROUPS: seats.groups, Scope.ALL: None}[scope]
        return InboxFilter(
            names=names, owner=self.owner, risk=self.risk, action=self.action, order=self.order
        )


class Inbox(NamedTuple):
    """A page of what waits, and how much waits in all."""

    page: InboxPage
    scope: Scope
    mine: int
    groups: int
    all: int
    overdue: int
    owners: tuple[tuple[str, str], ...]
    """Ids with names of those whose accounts wait; the id is empty for nobody."""
    risks: tuple[str, ...]


async def seats_of(parts: Parts, name: str, groups: Sequence[str] = ()) -> Seats:
    """As whom requests may ask for this person: by his name, his id in the CRM, his groups.

    PolicyError.
    """
    mine = [name, *_spellings(parts.guard.access(), name)]
    owners = await name_queries.owner_names(parts.statements, parts.settings.tenant)
    names = {person(one) for one in mine}
    for owner_id, called in owners.items():
        if called and names & {person(owner_id), person(called)}:
            mine += [owner_id, called]
    names = {person(one) for one in mine}
    others = list(groups)
    for group, members in parts.guard.groups.items():
        if group in groups or names & {person(one) for one in members}:
            others += [group, *members]
    return Seats(_small(mine), _small([*others, *mine] if others else ()))


async def read_inbox(
    parts: Parts, seats: Seats, wanted: Wanted, *, cursor: str | None = None, limit: int = PAGE
) -> Inbox:
    """A page of the inbox. Without a scope: what waits for him, else all.

    BadInputError for a cursor of something else, UnreachableError.
    """
    reader = InboxReader(parts.statements, parts.settings.tenant)
    counts = await reader.counts(mine=seats.mine, groups=seats.groups, now=datetime.now(UTC))
    mine = sum(one.mine for one in counts)
    scope = wanted.scope or (Scope.MINE if mine else Scope.ALL)
    page = await reader.page(wanted.filter(seats, scope), cursor=cursor, limit=limit)
    names = await name_queries.names_of_owners(
        parts.statements, parts.settings.tenant, {one.owner_id for one in counts if one.owner_id}
    )
    return Inbox(
        page=page,
        scope=scope,
        mine=mine,
        groups=sum(one.groups for one in counts),
        all=sum(one.waiting for one in counts),
        overdue=sum(one.overdue for one in counts),
        owners=tuple(_owners(counts, names)),
        risks=tuple(dict.fromkeys(sorted((one.risk_level for one in counts), key=_urgency))),
    )


async def count_mine(parts: Parts, seats: Seats) -> int:
    """How many requests ask for him; all that wait where none does."""
    reader = InboxReader(parts.statements, parts.settings.tenant)
    counts = await reader.counts(mine=seats.mine, groups=seats.groups, now=datetime.now(UTC))
    return sum(one.mine for one in counts) or sum(one.waiting for one in counts)


async def next_after(
    parts: Parts, seats: Seats, wanted: Wanted, passed: Iterable[str]
) -> InboxRow | None:
    """The first request that is none of `passed`; None when nothing else waits."""
    gone = set(passed)
    found = await read_inbox(parts, seats, wanted, limit=len(gone) + 1)
    return next((one for one in found.page.items if one.request_id not in gone), None)


def _spellings(access: Access, name: str) -> list[str]:
    known = access.user(name)
    return [] if known is None else [one for one in (known[0], known[1].id) if one]


def _small(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.strip().lower() for one in names))


def _owners(counts: Sequence[Count], names: Names) -> list[tuple[str, str]]:
    ids = {one.owner_id for one in counts}
    named = [(one, names.get(one) or one or "Nobody") for one in ids]
    return sorted(named, key=lambda one: (not one[0], one[1].casefold()))


def _urgency(level: str) -> int:
    levels = ("critical", "high", "medium", "low", "none")
    return levels.index(level) if level in levels else len(levels)
