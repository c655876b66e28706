"""What changed since a place in the stream of events. Events are kept for a day."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from account_reviews.domain.live import MISSED, OPTIONAL, LiveEvent, Place, Position, Snapshot
from account_reviews.store.sql_files import read_sql
from account_reviews.store.statements import Row

CHANNEL: Final = "reviews_live"
"""Whoever listens to it is woken when something may have changed."""
KEPT_MS: Final = 86_400_000
_PAGE: Final = 500
_READ: Final = read_sql("account_reviews.store", "live_events.sql")
_NOW: Final = (
    "select pg_current_snapshot()::text as now_seen, "
    "floor(extract(epoch from clock_timestamp()) * 1000)::bigint as now_ms"
)

Rows = Callable[..., Awaitable[list[Row]]]
"""Runs one statement, with values by name, and gives its rows."""


class Page(NamedTuple):
    """Events in order, where one is after them, and whether that is all there is."""

    events: tuple[LiveEvent, ...]
    place: Place
    is_all: bool


async def place_now(rows: Rows) -> Place:
    """The end of the stream as it is now. UnreachableError."""
    (row,) = await rows(_NOW)
    return Place(row["now_ms"], Snapshot(row["now_seen"]))


async def read_page(rows: Rows, tenant: str, place: Place, most: int = _PAGE) -> Page:
    """What came after a place, at most so many; `missed` when it is not kept any more.

    UnreachableError.
    """
    within = place.within
    found = await rows(
        _READ,
        tenant=tenant,
        since=place.since.text,
        until=None if within is None else within.until.text,
        xid=None if within is None else str(within.xid),
        seq=None if within is None else within.seq,
        most=most,
    )
    now = Place(found[0]["now_ms"], Snapshot(found[0]["now_seen"]))
    if place.since.end > now.since.end or now.at - place.at > KEPT_MS:
        return Page((_missed(now),), now, is_all=True)
    if within is None:
        until, after = now.since, now
    else:  # what was committed since is read by the next page
        until, after = within.until, Place(place.at, within.until)
    rows_found = [row for row in found if row["seq"] is not None]
    is_all = within is None and len(rows_found) < most
    events = tuple(_event(row, place, until) for row in rows_found)
    if len(rows_found) == most:
        return Page(events, events[-1].place, is_all=False)
    if events:
        events = (*events[:-1], replace(events[-1], place=after))
    return Page(events, after, is_all=is_all)


def _event(row: dict[str, Any], place: Place, until: Snapshot) -> LiveEvent:
    position = Position(until, row["xid"], row["seq"])
    names = ("xid", "kind", "run_id", "state", "version", "at", *OPTIONAL)
    known = {name: row[name] for name in names}
    return LiveEvent(place=Place(place.at, place.since, position), **known)


def _missed(now: Place) -> LiveEvent:
    at = datetime.fromtimestamp(now.at / 1000, UTC)
    xid = now.since.end
    return LiveEvent(now, xid=xid, kind=MISSED, run_id="", state=MISSED, version=0, at=at)
