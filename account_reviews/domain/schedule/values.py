"""The values of a schedule's keys. Each reader gives the value or raises Refused: what is allowed.

TOML has dates and times of its own; texts are taken as well.
"""

import re
from collections.abc import Callable, Collection
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from enum import StrEnum
from functools import cache
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo, available_timezones

from account_reviews.domain.durations import Span
from account_reviews.domain.schedule.entry import Overlap, ScheduleKind, Weekday
from account_reviews.domain.schedule.firing import exists, parse_cron
from account_reviews.domain.words import named

_Word = TypeVar("_Word", bound=StrEnum)

KINDS: Final = "one of " + ", ".join(ScheduleKind)
IDENTIFIER: Final = (
    "a text of 1 to 100 letters, digits, '.', '_' or '-' that begins with a letter or digit"
)
CRON: Final = 'five fields "minute hour day-of-month month day-of-week" such as "0 5 * * 1"'
MOMENT: Final = (
    "a time such as 2026-12-01T05:00:00, in the zone of time_zone unless it names its own"
)
MOST_ACCOUNTS: Final = 1000

_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
_CLOCK: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])", re.ASCII)


class Refused(ValueError):  # noqa: N818  its text is what is allowed
    """The value does not fit; the text says what does."""


def identifier(given: Any) -> str:
    """An id: it stands in workflow ids and on command lines."""
    if not isinstance(given, str) or not _IDENTIFIER.fullmatch(given):
        raise Refused(IDENTIFIER)
    return given


def kind(given: Any) -> ScheduleKind:
    return _word(given, ScheduleKind)


def overlap(given: Any) -> Overlap:
    return _word(given, Overlap)


def weekday(given: Any) -> Weekday:
    """A day by its English name."""
    if isinstance(given, int):
        names = ", ".join(Weekday)
        raise Refused(f"a name, one of {names}: systems differ on which day a number means")
    return _word(given, Weekday)


def time_zone(given: Any) -> str:
    """A name of the IANA database."""
    zones = _zones()
    if isinstance(given, str) and given in zones:
        return given
    close = get_close_matches(str(given), zones, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise Refused(f"an IANA time zone such as Europe/Berlin{hint}")


def clock(given: Any) -> str:
    """A local time of day."""
    if isinstance(given, time) and not (given.second or given.microsecond):
        return f"{given:%H:%M}"
    if isinstance(given, str) and _CLOCK.fullmatch(given):
        return given
    raise Refused('a time of day from "00:00" to "23:59"')


def day(given: Any) -> date:
    """A calendar day."""
    if isinstance(given, str):
        try:
            given = date.fromisoformat(given)
        except ValueError:
            given = None
    if not isinstance(given, date) or isinstance(given, datetime):
        raise Refused("a date such as 2026-11-23")
    return given


def moment(value: Any, zone: ZoneInfo) -> datetime:
    """A point in time, in UTC. A local one is in `zone`; of the doubled hour it is the second."""
    given = _read_moment(value)
    if given is None:
        raise Refused(MOMENT)
    if given.microsecond:
        raise Refused("a time in whole seconds")
    if given.tzinfo is None:
        if not exists(given, zone.key):
            raise Refused(f"a time that comes: {zone.key} has no {given:%H:%M} on that day")
        given = given.replace(tzinfo=zone, fold=1)
    try:
        return given.astimezone(UTC)
    except OverflowError:  # its day in UTC is before the year 1, or after 9999
        raise Refused(MOMENT) from None


def _read_moment(value: Any) -> datetime | None:
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            return None
    return value if isinstance(value, datetime) else None


def cron(given: Any) -> str:
    """Five fields, that come at least once."""
    try:
        calendar = parse_cron(given) if isinstance(given, str) else None
    except ValueError as why:
        raise Refused(f"{CRON}; {why}") from None
    if calendar is None:
        raise Refused(CRON)
    if not calendar.ever:
        raise Refused(f"{CRON}; such a day never comes")
    return " ".join(str(given).split())


def words(given: Any) -> str:
    """An owner's id or name."""
    if not isinstance(given, str) or not given.strip() or len(given) > 200:
        raise Refused("a text of 1 to 200 characters")
    return given


def accounts(given: Any) -> tuple[str, ...]:
    """Account ids."""
    fits = isinstance(given, list) and 1 <= len(given) <= MOST_ACCOUNTS
    if not fits or not all(isinstance(one, str) and one.strip() for one in given):
        raise Refused(f"a list of 1 to {MOST_ACCOUNTS} account ids")
    if len(set(given)) != len(given):
        raise Refused("a list that names each account once")
    return tuple(given)


def flag(given: Any) -> bool:
    if not isinstance(given, bool):
        raise Refused("true or false")
    return given


def whole_number(low: int, high: int, hint: str = "") -> Callable[[Any], int]:
    """A reader of whole numbers between the two."""

    def read(given: Any) -> int:
        if not isinstance(given, int) or isinstance(given, bool) or not low <= given <= high:
            ending = f"; {hint}" if hint else ""
            raise Refused(f"a whole number from {low} to {high}{ending}")
        return given

    return read


def span(low: str, high: str) -> Callable[[Any], timedelta]:
    """A reader of lengths of time."""
    mark = Span(low, high, "s")

    def read(given: Any) -> timedelta:
        try:
            found = mark.read(given) if isinstance(given, str) else None
        except ValueError:
            found = None
        if found is None:
            raise Refused(mark.describe())
        return found

    return read


def one_of(given: Any, choices: Collection[str]) -> str:
    """One of some names, in any case."""
    found = named(given, choices) if isinstance(given, str) else None
    if found is None:
        raise Refused(f"one of {', '.join(choices)}")
    return found


def _word(given: Any, choices: type[_Word]) -> _Word:
    return choices(one_of(given, list(choices)))


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones()) - {"localtime", "Factory"}
