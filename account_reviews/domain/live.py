"""What is told at once of reviews, requests and cycles, and where in that stream somebody is. Pure.

A place is a snapshot of the database: which transactions were seen, in PostgreSQL's own words
`xmin:xmax:xip,...`. What is committed late was not seen, whatever number it has.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final, NamedTuple, Self

from account_reviews.domain.canonical import rfc3339
from account_reviews.domain.errors import BadInputError

KINDS: Final = ("review", "request", "cycle")
MISSED: Final = "missed"
LONGEST_ID: Final = 4_000
"""Characters of an id."""

_SNAPSHOT: Final = r"\d{1,18}:\d{1,18}:(?:\d{1,18}(?:,\d{1,18})*)?"
_ID: Final = re.compile(
    rf"(\d{{1,15}});({_SNAPSHOT})(?:;({_SNAPSHOT});(\d{{1,18}})\.(\d{{1,18}}))?", re.ASCII
)


class Snapshot(NamedTuple):
    """Which transactions were over."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """BadInputError unless it is one that PostgreSQL takes."""
        first, last, running = text.split(":")
        between = [int(one) for one in running.split(",") if one]
        fits = 1 <= int(first) <= int(last) and all(
            int(first) <= one < int(last) for one in between
        )
        if not fits or between != sorted(set(between)):
            raise BadInputError("that is not the id of an event")
        return cls(text)

    @property
    def end(self) -> int:
        """The first transaction that had not begun."""
        return int(self.text.split(":")[1])

    def has(self, xid: int) -> bool:
        """Whether that transaction was over."""
        first, last, running = self.text.split(":")
        if xid < int(first):
            return True
        return xid < int(last) and str(xid) not in running.split(",")


class Position(NamedTuple):
    """Within what came between two snapshots: the last that was told."""

    until: Snapshot
    xid: int
    seq: int


class Place(NamedTuple):
    """All that `since` has was told; where there is a `within`, also what came up to there."""

    at: int
    """Milliseconds since 1970, by the clock of the database."""
    since: Snapshot
    within: Position | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """The inverse of `id`. BadInputError for anything else."""
        found = _ID.fullmatch(text) if len(text) <= LONGEST_ID else None
        if found is None:
            raise BadInputError("that is not the id of an event", hint="leave it out to begin now")
        at, since, until, xid, seq = found.groups()
        within = None if until is None else Position(Snapshot.parse(until), int(xid), int(seq))
        return cls(int(at), Snapshot.parse(since), within)

    @property
    def id(self) -> str:
        """As `Last-Event-ID` carries it."""
        if self.within is None:
            return f"{self.at};{self.since.text}"
        until, xid, seq = self.within
        return f"{self.at};{self.since.text};{until.text};{xid}.{seq}"


@dataclass(frozen=True)
class LiveEvent:
    """Something changed: look again. `state` is the status of a review or a cycle, or the state of
    a request."""

    place: Place
    xid: int
    kind: str
    """`review`, `request`, `cycle`; `missed` when what came is not kept any more, which everybody
    is told: read everything again."""
    run_id: str
    state: str
    version: int
    at: datetime
    account_id: str | None = None
    review_id: str | None = None
    request_id: str | None = None
    short_id: str | None = None
    cycle_id: str | None = None
    phase: str | None = None

    @property
    def id(self) -> str:
        """What `Last-Event-ID` takes to go on after this one."""
        return self.place.id

    @cached_property
    def document(self) -> dict[str, object]:
        """What programs and pages are told; keys without a value are left out."""
        names = ("kind", *OPTIONAL, "run_id", "state", "version")
        found = {name: getattr(self, name) for name in names}
        kept = {name: value for name, value in found.items() if value is not None}
        return {**kept, "at": rfc3339(self.at)}


OPTIONAL: Final = ("account_id", "review_id", "request_id", "short_id", "cycle_id", "phase")
"""What not every event has."""


class Watching(NamedTuple):
    """Which events somebody wants; None of each: all."""

    review_id: str | None = None
    account_id: str | None = None
    request_id: str | None = None
    kinds: frozenset[str] | None = None

    def wants(self, event: LiveEvent) -> bool:
        """Whether this is one of them."""
        return event.kind == MISSED or (
            (self.kinds is None or event.kind in self.kinds)
            and (self.review_id is None or event.review_id == self.review_id)
            and (self.account_id is None or event.account_id == self.account_id)
            and (self.request_id is None or event.request_id == self.request_id)
        )
