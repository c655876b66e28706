"""Reading `schedules.toml`. Every fault is one sentence: file, entry, key, value, what is allowed.

Pure: it knows no clock, so that what is past is judged where the server is asked.
"""

import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from difflib import get_close_matches
from pathlib import PurePath
from typing import Any, Final, NoReturn
from zoneinfo import ZoneInfo

from account_reviews.domain.canonical import plain
from account_reviews.domain.errors import ScheduleError
from account_reviews.domain.schedule import values
from account_reviews.domain.schedule.entry import (
    CYCLE_JOB,
    DEFAULT_AT,
    DEFAULT_DAY,
    ScheduleEntry,
    ScheduleFile,
    ScheduleKind,
    Weekday,
)
from account_reviews.domain.schedule.values import Refused

_KIND_KEYS: Final[Mapping[ScheduleKind, tuple[str, ...]]] = {
    ScheduleKind.DAILY: ("time_zone", "at"),
    ScheduleKind.WEEKLY: ("time_zone", "at", "weekday"),
    ScheduleKind.BIWEEKLY: ("time_zone", "at", "weekday", "anchor"),
    ScheduleKind.MONTHLY: ("time_zone", "at", "day"),
    ScheduleKind.CRON: ("time_zone", "cron"),
    ScheduleKind.INTERVAL: ("every_minutes",),
    ScheduleKind.ONE_TIME: ("time_zone", "run_at"),
}
"""What each kind reads, beside what all of them read."""

_REQUIRED: Final[Mapping[ScheduleKind, str]] = {
    ScheduleKind.BIWEEKLY: "anchor",
    ScheduleKind.CRON: "cron",
    ScheduleKind.INTERVAL: "every_minutes",
    ScheduleKind.ONE_TIME: "run_at",
}
_TIMING: Final = frozenset(key for keys in _KIND_KEYS.values() for key in keys)
_OF_CYCLES: Final = ("cycle", "owner", "accounts")
_MOMENTS: Final = ("run_at", "end_at")
_TOP: Final = ("name", "schedule")


@dataclass(frozen=True)
class Known:
    """What the file may refer to, and the grace of entries that name none."""

    jobs: Collection[str]
    """Upkeep jobs."""
    cycles: Collection[str]
    """Names of the policy's `cycle.kinds`."""
    grace: timedelta = timedelta(seconds=300)


def parse_schedules(text: str, *, source: str, known: Known) -> ScheduleFile:
    """The entries of a TOML text, defaults filled in. ScheduleError for the first fault."""
    try:
        document = tomllib.loads(text)
    except ValueError as error:  # a number of too many digits too
        raise ScheduleError(f"{source} is not valid TOML: {error}") from None
    except RecursionError:
        raise ScheduleError(f"{source} is nested too deeply") from None
    for key in document:
        if key not in _TOP:
            raise ScheduleError(f"{source}: {key} is not a key; the file has {' and '.join(_TOP)}")
    tables = document.get("schedule", [])
    if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
        raise ScheduleError(f"{source}: schedule must be a list of tables, each [[schedule]]")
    name = _file_name(document, source)
    entries = [_Entry(table, source, place, known).read() for place, table in enumerate(tables, 1)]
    seen: set[str] = set()
    for entry in entries:
        if entry.id in seen:
            raise ScheduleError(
                f"{source}: id is {entry.id!r} twice, but each schedule needs an id of its own"
            )
        seen.add(entry.id)
    return ScheduleFile(name=name, source=source, entries=tuple(entries))


def _file_name(document: Mapping[str, Any], source: str) -> str:
    given = document.get("name", PurePath(source).stem)
    try:
        return values.identifier(given)
    except Refused as why:
        raise ScheduleError(f"{source}: name is {given!r}, but must be {why}") from None


class _Entry:
    """Reads one table."""

    def __init__(self, table: dict[str, Any], source: str, place: int, known: Known) -> None:
        self._table = table
        self._source = source
        self._known = known
        given = table.get("id")
        self._label = repr(given) if isinstance(given, str) else f"number {place}"
        self._values: dict[str, Any] = {}

    def read(self) -> ScheduleEntry:
        self._refuse_unknown_keys()
        for key in ("id", "kind"):
            if key not in self._table:
                self._missing(key)
        for key in sorted(self._table, key=lambda key: key in _MOMENTS):  # they need the zone
            self._values[key] = self._value(key)
        kind = self._values["kind"]
        self._refuse_keys_of_other_kinds(kind)
        if _REQUIRED.get(kind, "id") not in self._values:
            self._missing(_REQUIRED[kind])
        self._settle_job()
        self._fill_in(kind)
        entry = ScheduleEntry.model_validate(self._values)
        self._check_together(entry)
        return entry

    def _value(self, key: str) -> Any:
        given = self._table[key]
        try:
            if key in _MOMENTS:
                return values.moment(given, ZoneInfo(self._values.get("time_zone", "UTC")))
            if key == "job":
                return values.one_of(given, [CYCLE_JOB, *self._known.jobs])
            if key == "cycle":
                return values.one_of(given, self._known.cycles)
            return _READERS[key](given)
        except Refused as why:
            self._refuse(key, given, str(why))

    def _refuse_unknown_keys(self) -> None:
        keys = list(ScheduleEntry.model_fields)
        for key in self._table:
            if key in keys:
                continue
            close = get_close_matches(key, keys, n=1)
            hint = f"did you mean {close[0]}?" if close else f"an entry has {', '.join(keys)}"
            raise ScheduleError(f"{self._where}: {key} is not a key of a schedule; {hint}")

    def _refuse_keys_of_other_kinds(self, kind: ScheduleKind) -> None:
        for key in self._table:
            if key not in _TIMING or key in _KIND_KEYS[kind]:
                continue
            if kind is ScheduleKind.INTERVAL and key == "time_zone":
                why = "left out for kind interval: it counts elapsed time, which has no zone"
            else:
                kinds = ", ".join(one for one, keys in _KIND_KEYS.items() if key in keys)
                why = f"left out for kind {kind}; it has a meaning for {kinds}"
            self._refuse(key, self._table[key], why)

    def _settle_job(self) -> None:
        job = self._values.setdefault("job", CYCLE_JOB)
        if job != CYCLE_JOB:
            for key in _OF_CYCLES:
                if key in self._values:
                    self._refuse(key, self._table[key], f"left out for job {job}")
            return
        daily = self._values["kind"] is ScheduleKind.DAILY
        usual = "on_demand" if "accounts" in self._values else "daily" if daily else "weekly"
        if "cycle" not in self._values and usual not in self._known.cycles:
            raise ScheduleError(
                f"{self._where}: cycle is missing, and the policy has no cycle kind {usual!r}; "
                f"it must be one of {', '.join(self._known.cycles)}"
            )
        self._values.setdefault("cycle", usual)

    def _fill_in(self, kind: ScheduleKind) -> None:
        defaults = {"at": DEFAULT_AT, "weekday": Weekday.MONDAY, "day": DEFAULT_DAY}
        for key, value in defaults.items():
            if key in _KIND_KEYS[kind]:
                self._values.setdefault(key, value)
        self._values.setdefault("grace", self._known.grace)

    def _check_together(self, entry: ScheduleEntry) -> None:
        anchor, end = entry.anchor, entry.end_at
        if anchor is not None and entry.weekday is not None:
            if anchor.isoweekday() % 7 != entry.weekday.number:
                self._refuse("anchor", anchor, f"a {entry.weekday}, such as weekday says")
            if end is not None and end.astimezone(ZoneInfo(entry.time_zone)).date() < anchor:
                self._refuse("end_at", end, f"after the anchor, which is {anchor}")
        if entry.run_at is not None and end is not None and end < entry.run_at:
            self._refuse("end_at", end, f"after run_at, which is {plain(entry.run_at)}")

    @property
    def _where(self) -> str:
        return f"{self._source}: schedule {self._label}"

    def _missing(self, key: str) -> NoReturn:
        kind = self._values.get("kind")
        of = f" for kind {kind}" if kind is not None and key not in ("id", "kind") else ""
        allowed = _ALLOWED.get(key, "given")
        raise ScheduleError(f"{self._where}: {key} is missing{of}, but must be {allowed}")

    def _refuse(self, key: str, given: object, allowed: str) -> NoReturn:
        raise ScheduleError(f"{self._where}: {key} is {_shown(given)}, but must be {allowed}")


def _shown(given: object) -> str:
    if isinstance(given, bool):
        return str(given).lower()
    if isinstance(given, datetime | date | time):
        return given.isoformat()
    return repr(given)


_READERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "id": values.identifier,
    "kind": values.kind,
    "time_zone": values.time_zone,
    "at": values.clock,
    "weekday": values.weekday,
    "day": values.whole_number(1, 31),
    "cron": values.cron,
    "every_minutes": values.whole_number(1, 527040),
    "anchor": values.day,
    "owner": values.words,
    "accounts": values.accounts,
    "priority": values.whole_number(1, 5, "1 is first, 5 is last"),
    "overlap": values.overlap,
    "grace": values.span("1s", "7d"),
    "jitter": values.span("0s", "1d"),
    "retries": values.whole_number(0, 10),
    "paused": values.flag,
}
_ALLOWED: Final[Mapping[str, str]] = {
    "id": values.IDENTIFIER,
    "kind": values.KINDS,
    "anchor": "a day on which it runs, such as 2026-11-23",
    "cron": values.CRON,
    "every_minutes": "a whole number from 1 to 527040",
    "run_at": values.MOMENT,
}
