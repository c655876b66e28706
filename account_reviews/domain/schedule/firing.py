"""When a schedule's local times come: calendars, cron fields, gaps of the spring. Pure.

The server says when a schedule runs next; nothing here is asked for that. This says what a file
means, warns of local times that do not exist, and sets a scheduled run apart from one by hand.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

_ALL_DAYS: Final = frozenset(range(1, 32))
_ALL_MONTHS: Final = frozenset(range(1, 13))
_ALL_WEEKDAYS: Final = frozenset(range(7))
_LONGEST: Final = (0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True, slots=True)
class Calendar:
    """Local times: all fields must hold. Week days count from Sunday, which is 0."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int] = _ALL_DAYS
    months: frozenset[int] = _ALL_MONTHS
    weekdays: frozenset[int] = _ALL_WEEKDAYS

    def matches(self, local: datetime) -> bool:
        """True when the wall clock shows one of its times."""
        return local.minute in self.minutes and local.hour in self.hours and self.on_day(local)

    def on_day(self, local: date) -> bool:
        """True when it has times on that day."""
        return (
            local.day in self.days
            and local.month in self.months
            and local.isoweekday() % 7 in self.weekdays
        )

    @property
    def ever(self) -> bool:
        """False when no month has any of its days, as February the 30th."""
        return any(day <= _LONGEST[month] for month in self.months for day in self.days)


_FIELDS: Final = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of month", 1, 31, ()),
    ("month", 1, 12, ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov",
                      "dec")),
    ("day of week", 0, 7, ("sun", "mon", "tue", "wed", "thu", "fri", "sat")),
)  # fmt: skip
_PART: Final = re.compile(r"(?:(\*)|(\w+)(?:-(\w+))?)(?:/(\d{1,4}))?", re.ASCII)


def parse_cron(text: str) -> Calendar:
    """The calendar of five cron fields. ValueError says which field is wrong.

    As the server reads it: day of month and day of week must both hold, and `5/10` begins at 5.
    """
    fields = text.split()
    if len(fields) != len(_FIELDS):
        raise ValueError(f"it has {len(fields)} fields")
    minutes, hours, days, months, weekdays = (
        _cron_field(field, *what) for field, what in zip(fields, _FIELDS, strict=True)
    )
    return Calendar(minutes, hours, days, months, frozenset(day % 7 for day in weekdays))


def _cron_field(
    text: str, what: str, low: int, high: int, names: tuple[str, ...]
) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise ValueError(f"the {what} is {text!r}")
        star, first, last, step = match.groups()
        every = int(step) if step else 1
        start = low if star else _cron_number(first, low, names)
        end = _cron_number(last, low, names) if last else start
        if star or (step and not last):
            end = high
        if start is None or end is None or not low <= start <= end <= high or every < 1:
            raise ValueError(f"the {what} is {text!r}, outside of {low} to {high}")
        found.update(range(start, end + 1, every))
    return frozenset(found)


def _cron_number(text: str, low: int, names: tuple[str, ...]) -> int | None:
    if text.isdigit():
        return int(text)
    return names.index(text.lower()) + low if text.lower() in names else None


@dataclass(frozen=True, slots=True)
class Turn:
    """Local times that a zone leaves out, or has twice: from `start` until before `end`.

    Without a zone.
    """

    start: datetime
    end: datetime
    twice: bool

    def minutes(self, since: datetime | None = None) -> Iterator[datetime]:
        """Every minute of it, or from an earlier one on."""
        at = since or self.start
        while at < self.end:
            yield at
            at += timedelta(minutes=1)


def turns(zone: str, since: datetime, until: datetime) -> list[Turn]:
    """The gaps and the double hours of a zone between two moments, in order."""
    found, info = [], ZoneInfo(zone)
    at, step = since.astimezone(UTC), timedelta(days=1)
    while at < until:
        before, after = _offset(at, info), _offset(at + step, info)
        if after != before:
            change = _change(at, at + step, info).replace(tzinfo=None)
            start, end = change + min(before, after), change + max(before, after)
            found.append(Turn(start, end, twice=after < before))
        at += step
    return found


def _change(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """The second at which the offset changes between two moments."""
    before = _offset(low, zone)
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        low, high = (middle, high) if _offset(middle, zone) == before else (low, middle)
    return high.replace(microsecond=0)


def _offset(at: datetime, zone: ZoneInfo) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta()


def exists(local: datetime, zone: str) -> bool:
    """False for a local time inside a gap of the zone."""
    there = local.replace(tzinfo=ZoneInfo(zone), fold=1)
    return there.astimezone(UTC).astimezone(there.tzinfo).replace(tzinfo=None) == local


def fortnights(anchor: date, since: date, until: date) -> list[date]:
    """Every second week's day counted from `anchor`, from `since` to `until`, not before it."""
    start = max(since, anchor)
    first = start + timedelta(days=-(start - anchor).days % 14)
    return [first + timedelta(days=14 * n) for n in range(((until - first).days // 14) + 1)]
