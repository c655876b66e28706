"""One `[[schedule]]` entry: what it says, in words and as local times. Pure."""

from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from itertools import product
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from account_reviews.domain.base import Model, Timestamp
from account_reviews.domain.canonical import rfc3339
from account_reviews.domain.durations import Span
from account_reviews.domain.schedule.firing import Calendar, parse_cron

CYCLE_JOB: Final = "cycle"
DEFAULT_AT: Final = "05:00"
DEFAULT_DAY: Final = 1
DEFAULT_PRIORITY: Final = 3
LOOK_AHEAD: Final = timedelta(days=3 * 365 + 1)
"""How far biweekly dates are written out and gaps are looked for."""
_SOME_DAY: Final = timedelta(days=40 * 366)
"""By then each date has been each day of the week."""


class ScheduleKind(StrEnum):
    DAILY = "daily"
    WEEKLY = "weekly"
    BIWEEKLY = "biweekly"
    MONTHLY = "monthly"
    CRON = "cron"
    INTERVAL = "interval"
    ONE_TIME = "one_time"


class Weekday(StrEnum):
    """Days by name only: systems differ on which number Monday is."""

    MONDAY = "Monday"
    TUESDAY = "Tuesday"
    WEDNESDAY = "Wednesday"
    THURSDAY = "Thursday"
    FRIDAY = "Friday"
    SATURDAY = "Saturday"
    SUNDAY = "Sunday"

    @property
    def number(self) -> int:
        """As Temporal counts: Sunday is 0."""
        return (list(Weekday).index(self) + 1) % 7


class Overlap(StrEnum):
    """What happens when the last run still goes on."""

    SKIP = "skip"
    BUFFER_ONE = "buffer_one"


class ScheduleEntry(Model):
    """One entry with its defaults filled in. Keys that its kind does not use are None."""

    id: str
    kind: ScheduleKind
    job: str = CYCLE_JOB
    cycle: str | None = None
    """A name of the policy's `cycle.kinds`; None for other jobs."""
    time_zone: str = "UTC"
    at: str | None = None
    """Local "HH:MM"."""
    weekday: Weekday | None = None
    day: int | None = None
    cron: str | None = None
    every_minutes: float | None = None
    run_at: Timestamp | None = None
    anchor: date | None = None
    """A day on which the biweekly schedule runs."""
    owner: str | None = None
    accounts: tuple[str, ...] | None = None
    priority: int = DEFAULT_PRIORITY
    overlap: Overlap = Overlap.SKIP
    grace: Annotated[timedelta, Span("1s", "7d", "s")] = timedelta(seconds=300)
    jitter: Annotated[timedelta, Span("0s", "1d", "s")] = timedelta()
    end_at: Timestamp | None = None
    retries: int = 0
    paused: bool | None = None
    """None: whoever pauses it by hand is right."""

    @property
    def every(self) -> timedelta:
        """The length of an interval."""
        return timedelta(minutes=self.every_minutes or 0)

    @property
    def clock(self) -> tuple[int, int]:
        """Hour and minute of `at`."""
        hour, _, minute = (self.at or DEFAULT_AT).partition(":")
        return int(hour), int(minute)


class ScheduleFile(Model):
    """A whole file. Applying it deletes only what an earlier file of that name made."""

    name: str
    source: str
    entries: tuple[ScheduleEntry, ...]


class ScheduledBy(Model):
    """What a started workflow carries in its memo about its schedule."""

    entry: ScheduleEntry
    hash: str
    phase_seconds: float = 0
    """Of an interval: seconds from the epoch's grid."""


def calendar_of(entry: ScheduleEntry) -> Calendar | None:
    """The local times of an entry; of a biweekly one those of both weeks. None: it has none."""
    if entry.kind is ScheduleKind.CRON:
        return parse_cron(entry.cron or "")
    if entry.kind in (ScheduleKind.INTERVAL, ScheduleKind.ONE_TIME):
        return None
    hour, minute = entry.clock
    calendar = Calendar(frozenset({minute}), frozenset({hour}))
    if entry.kind is ScheduleKind.MONTHLY:
        return Calendar(calendar.minutes, calendar.hours, days=frozenset({entry.day or 1}))
    if entry.weekday is not None:
        days = frozenset({entry.weekday.number})
        return Calendar(calendar.minutes, calendar.hours, weekdays=days)
    return calendar


def occurs(entry: ScheduleEntry, at: datetime, phase_seconds: float = 0) -> bool:
    """True when `at` is a time of the entry; a run for any other time was triggered by hand.

    `at` has whole seconds, as the server gives it; of an interval's times too.
    """
    if entry.kind is ScheduleKind.INTERVAL:
        since = (at.timestamp() - phase_seconds) % entry.every.total_seconds()
        return min(since, entry.every.total_seconds() - since) < 1
    if entry.kind is ScheduleKind.ONE_TIME:
        return entry.run_at == at
    local = at.astimezone(ZoneInfo(entry.time_zone))
    calendar = calendar_of(entry)
    if calendar is None or local.second != 0:
        return False
    meant = (local, local - _set_back(local))
    return any(calendar.matches(one) and is_in_its_week(entry, one) for one in meant)


def _set_back(local: datetime) -> timedelta:
    """How far the clock is set back at the end of the hour that this time begins; mostly nothing.

    The server runs what was due that much earlier a second time then.
    """
    first, second = (local.replace(fold=fold).utcoffset() for fold in (0, 1))
    if local.fold or first is None or second is None:
        return timedelta()
    return max(first - second, timedelta())


def is_in_its_week(entry: ScheduleEntry, local: datetime) -> bool:
    """True for all that is not biweekly, and for the weeks of what is."""
    if entry.kind is not ScheduleKind.BIWEEKLY or entry.anchor is None:
        return True
    since = (local.date() - entry.anchor).days
    return since >= 0 and since % 14 == 0


def warnings_of(entry: ScheduleEntry, now: datetime) -> list[str]:
    """What a person should know before it is applied, one sentence each.

    What the setting of the clock does to it the server says (`turning`).
    """
    found = []
    if entry.end_at is not None and never_runs(entry, now):
        found.append(f"it never runs: its end {rfc3339(entry.end_at)} comes before its first time")
    elif entry.anchor is not None and entry.anchor > (now + LOOK_AHEAD).date():
        found.append(f"it does not run before {entry.anchor}")
    if entry.kind is ScheduleKind.MONTHLY and (entry.day or 1) > 28:
        found.append(f"months without a day {entry.day} are left out")
    if entry.kind is ScheduleKind.CRON:
        calendar = parse_cron(entry.cron or "")
        if len(calendar.days) < 31 and len(calendar.weekdays) < 7:
            found.append("it runs only when day of month and day of week both hold")
    return found


def never_runs(entry: ScheduleEntry, now: datetime) -> bool:
    """True when its end comes before its first time from now on."""
    if entry.end_at is None or is_past(entry, now):
        return False
    if entry.run_at is not None:
        return entry.run_at > entry.end_at
    calendar = calendar_of(entry)
    if calendar is None:  # the beat of an interval begins when it is made
        return entry.end_at - now < entry.every
    zone = ZoneInfo(entry.time_zone)
    day = max(now.astimezone(zone).date(), entry.anchor or date.min)
    last = min(entry.end_at, now + _SOME_DAY).astimezone(zone).date()
    while day <= last:
        local = datetime.combine(day, time(), zone)
        if calendar.on_day(local) and is_in_its_week(entry, local):
            clock = product(calendar.hours, calendar.minutes)
            times = (local.replace(hour=hour, minute=minute) for hour, minute in clock)
            if any(now < at <= entry.end_at for at in times):
                return False
        day += timedelta(days=1)
    return True


def spec_of(entry: ScheduleEntry) -> str:
    """When it runs, in a few words."""
    at, kind = entry.at or DEFAULT_AT, entry.kind
    match kind:
        case ScheduleKind.DAILY:
            return f"every day at {at}"
        case ScheduleKind.WEEKLY:
            return f"every {entry.weekday} at {at}"
        case ScheduleKind.BIWEEKLY:
            return f"every second {entry.weekday} at {at}, as on {entry.anchor}"
        case ScheduleKind.MONTHLY:
            return f"day {entry.day} of every month at {at}"
        case ScheduleKind.CRON:
            return f"cron {entry.cron}"
        case ScheduleKind.INTERVAL:
            return f"every {entry.every_minutes:g} minutes"
    return f"once at {rfc3339(entry.run_at or datetime.max.replace(tzinfo=UTC))}"


def is_past(entry: ScheduleEntry, now: datetime) -> bool:
    """True when it can never run again: its one time, or its end, has come."""
    ends = (entry.run_at, entry.end_at)
    return any(end is not None and end <= now for end in ends)


def differences(
    before: dict[str, Any], after: dict[str, Any], skip: Collection[str] = ()
) -> list[dict[str, Any]]:
    """Fields with other values: `{field, before, after}`, nested ones as dotted names."""
    found: list[dict[str, Any]] = []
    for key in dict.fromkeys([*before, *after]):
        old, new = before.get(key), after.get(key)
        if key in skip or old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            inner = differences(old, new)
            found += [{**one, "field": f"{key}.{one['field']}"} for one in inner]
        else:
            found.append({"field": key, "before": old, "after": new})
    return found
