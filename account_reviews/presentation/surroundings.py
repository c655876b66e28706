"""What documents show beside their own content: open requests, earlier scores, money, addresses."""

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Final, NamedTuple
from urllib.parse import quote

from account_reviews.domain.base import Scalar
from account_reviews.domain.proposals import ProposedChange
from account_reviews.domain.records import Account
from account_reviews.presentation.next_steps import people
from account_reviews.presentation.words import Words

_NOBODY: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """An approval request that waits. `short_id` as `ac-038-1`; `whom` are ids or names."""

    request_id: str
    short_id: str | None
    account_id: str
    deadline: datetime
    open_items: int
    whom: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.short_id or self.request_id


@dataclass(frozen=True, kw_only=True, slots=True)
class Past:
    """What a review of the account found. Scores are 0 to 100, None unknown."""

    at: datetime
    risk: int | None
    risk_level: str
    health: int | None
    health_band: str


class TakenBack(NamedTuple):
    """A write that put back what stood before, and when it was written."""

    at: datetime
    change: ProposedChange


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """All of it. `web_url` is where the inbox is, None where there is none.

    `past`: oldest first, without the review that is shown. `taken_back`: since that review.
    `values`: account id -> annual revenue, None unknown.
    """

    asked: tuple[Asked, ...] = ()
    past: tuple[Past, ...] = ()
    taken_back: tuple[TakenBack, ...] = ()
    written: Mapping[str, Mapping[str, Scalar]] = field(default_factory=dict)
    """Change id -> the fields that were written."""
    account: Account | None = None
    values: Mapping[str, Decimal | None] = field(default_factory=dict)
    web_url: str | None = None
    links: Mapping[str, str] = field(default_factory=dict)
    """Request id -> the address at which whoever reads this decides without signing in."""

    def of_account(self, account_id: str) -> tuple[Asked, ...]:
        return tuple(one for one in self.asked if one.account_id == account_id)

    def of_request(self, request_id: str) -> Asked | None:
        return next((one for one in self.asked if one.request_id == request_id), None)


ALONE: Final = Surroundings()
"""Of a document that is shown without asking anybody."""


@dataclass(frozen=True, slots=True)
class Decide:
    """What somebody is asked to decide, in words, and where that is done."""

    text: str
    """ "5 changes wait for Tomas Brekke"."""
    until: str
    """ "until Fri 2 Oct, in 3 days", "overdue since Fri 2 Oct, 3 days ago"."""
    overdue: bool
    name: str
    url: str | None
    command: str
    account_id: str
    account: str | None = None
    """What the account is called, where the page is about several."""


def decide(one: Asked, words: Words, web_url: str | None, account: str | None = None) -> Decide:
    """One open request as something to do."""
    overdue = one.deadline <= words.now
    what = words.count(one.open_items, "change waits", "changes wait")
    return Decide(
        text=f"{what} for {people(one.whom, words.person)}",
        until=f"{'overdue since' if overdue else 'until'} {words.due(one.deadline)}",
        overdue=overdue,
        name=one.name,
        url=request_url(web_url, one.name),
        command=f"reviews approvals show {shlex.quote(one.name)}",
        account_id=one.account_id,
        account=account,
    )


def decisions(
    asked: Iterable[Asked],
    words: Words,
    web_url: str | None,
    names: Mapping[str, str] = _NOBODY,
) -> tuple[Decide, ...]:
    """The same of several, by the day of the deadline. `names`: account id -> name; of one day the
    account that stands first there comes first."""
    places = {account_id: place for place, account_id in enumerate(names)}

    def turn(one: Asked) -> tuple[date, int, datetime, str]:
        day = one.deadline.astimezone(words.zone).date()
        return day, places.get(one.account_id, len(places)), one.deadline, one.name

    return tuple(
        decide(one, words, web_url, names.get(one.account_id)) for one in sorted(asked, key=turn)
    )


def request_url(web_url: str | None, name: str) -> str | None:
    """The page of a request; None where there is no inbox."""
    return None if web_url is None else f"{web_url.rstrip('/')}/requests/{quote(name, safe='')}"
