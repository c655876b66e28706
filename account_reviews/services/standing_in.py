"""Who stands in for whom: by the policy, and on requests that wait."""

from dataclasses import dataclass
from typing import Final

from account_reviews.bootstrap import Parts
from account_reviews.domain.person_names import person
from account_reviews.presentation.words import Words
from account_reviews.store.review_queries import RequestRow

MOST: Final = 200
"""Requests that are looked at, those due first."""


@dataclass(frozen=True)
class HandedOver:
    """A seat in one request. `of` and `to` are names as people know them."""

    row: RequestRow
    of: str
    to: str
    reason: str | None


@dataclass(frozen=True)
class StandingIn:
    """`by_policy`: (who, who may decide for him), always. `mine`: requests in which somebody has a
    seat to hand over."""

    by_policy: tuple[tuple[str, tuple[str, ...]], ...]
    handed_over: tuple[HandedOver, ...]
    mine: tuple[RequestRow, ...]


async def standing_in(parts: Parts, words: Words, name: str) -> StandingIn:
    """What `name` sees of it. PolicyError, UnreachableError."""
    tenant = parts.settings.tenant
    page = await parts.reader.list_requests(tenant=tenant, limit=MOST)
    handed = tuple(
        HandedOver(row, words.person(one.of), words.person(one.to), one.reason)
        for row in page.items
        for one in row.request.delegations
    )
    delegates = parts.guard.delegates
    return StandingIn(
        by_policy=tuple(
            (words.person(of), tuple(words.person(to) for to in hands))
            for of, hands in sorted(delegates.items())
        ),
        handed_over=handed,
        mine=tuple(row for row in page.items if seat_of(parts, row, words, name) is not None),
    )


def seat_of(parts: Parts, row: RequestRow, words: Words, name: str) -> str | None:
    """How that request calls somebody who is asked himself; None for whoever is not."""
    given = {person(words.person(one.to)) for one in row.request.delegations}
    for asked in row.request.approvers:
        if is_called(parts, asked, words, name) and person(name) not in given:
            return asked
    return None


def is_called(parts: Parts, called: str, words: Words, name: str) -> bool:
    """Whether an id or name means somebody: as the policy says, where it knows one of them, else
    by the name that the CRM has. PolicyError."""
    access = parts.guard.access()
    meant, known = access.user(called), access.user(name)
    if meant is not None:
        return person(meant[0]) == person(known[0] if known else name)
    if known is not None and known[1].id is not None:  # accounts are his by that id alone
        return False
    return person(name) in (person(called), person(words.person(called)))
