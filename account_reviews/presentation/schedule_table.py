"""Schedules and their runs as lists show them."""

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol
from zoneinfo import ZoneInfo

from account_reviews.presentation.cron_words import cron_words
from account_reviews.presentation.tables import Cell, Column, word_cell
from account_reviews.presentation.told import told

if TYPE_CHECKING:
    from account_reviews.domain.schedule.runs import ScheduleRun
    from account_reviews.presentation.quick_words import ListWords


class Clock(Protocol):
    """What is asked of the words of a reader."""

    def day(self, at: datetime | date, /) -> str: ...

    def moment(self, at: datetime, /) -> str: ...


SCHEDULE_COLUMNS: Final = (
    Column("id", "Schedule"),
    Column("spec", "When", 2, prose=True),
    Column("next_runs", "Next", 3),
    Column("state", "State", 4),
    Column("owner", "Owner", 5, prose=True),
    Column("missed", "Missed", 6, right=True),
    Column("skipped", "Skipped", 7, right=True),
    Column("time_zone", "Time zone", 8),
    Column("priority", "Priority", wide=True, right=True),
)
RUN_COLUMNS: Final = (
    Column("scheduled_at", "Scheduled"),
    Column("status", "Status"),
    Column("accounts_processed", "Accounts", 2, right=True),
    Column("lateness_seconds", "Late by", 3),
    Column("duration_seconds", "Took", 4),
    Column("trigger", "Why", 5),
    Column("error", "Error", prose=True, folds=True),
    Column("started_at", "Started", wide=True),
    Column("workflow_id", "Cycle", wide=True),
)
_MINUTES: Final = re.compile(r"every (\d{1,9}) minutes")
_ONCE: Final = re.compile(r"^once at (\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d))$")
_FROM: Final = re.compile(r"as on (\d{4}-\d\d-\d\d)$")
_CRON: Final = "cron "
_HARDLY: Final = 1.0
"""Seconds that nobody calls late."""


def rhythm(spec: str | None, words: "Clock", zone: str | None = None) -> str | None:
    """When it runs, as people say it: "every 4 hours", "once on Mon 2 May 2050, 05:00".

    `zone`: that of the schedule, in which its times are told.
    """
    if spec is None:
        return None
    found = _MINUTES.fullmatch(spec)
    if found:
        hours, minutes = divmod(int(found[1]), 60)
        number, unit = (int(found[1]), "minute") if minutes or not hours else (hours, "hour")
        return f"every {unit}" if number == 1 else f"every {number} {unit}s"
    once = _ONCE.fullmatch(spec)
    if once:
        at = datetime.fromisoformat(once[1])
        if zone is None:
            return f"once on {words.moment(at)}"
        there = at.astimezone(ZoneInfo(zone))
        return f"once on {words.day(there.date())}, {there:%H:%M}"
    if spec.startswith(_CRON):
        return cron_words(spec.removeprefix(_CRON)) or spec
    return _FROM.sub(lambda one: f"as on {words.day(date.fromisoformat(one[1]))}", spec)


def schedule_row(one: Mapping[str, Any], words: "ListWords") -> tuple[object, ...]:
    """The cells of a schedule, as SCHEDULE_COLUMNS has them."""
    nexts = one["next_runs"]
    return (
        one["id"],
        rhythm(one["spec"], words, one["time_zone"]),
        Cell(local(nexts[0], one["time_zone"]), nexts[0], short=words.day(nexts[0]))
        if nexts
        else Cell(None),
        word_cell(state_of(one)),
        words.person(one["owner"]) if one["owner"] else None,
        one["missed"],
        one["skipped"],
        one["time_zone"],
        one["priority"],
    )


def run_row(run: "ScheduleRun", words: "ListWords") -> tuple[object, ...]:
    """The cells of a run, as RUN_COLUMNS has them."""
    late, took = run.lateness_seconds, run.duration_seconds
    return (
        Cell(words.moment(run.scheduled_at), run.scheduled_at),
        word_cell(run.status),
        run.accounts_processed,
        Cell(words.span(late) if late >= _HARDLY else None, late),
        Cell(None if took is None else words.span(took), took),
        word_cell(run.trigger),
        told(run.error, words) if run.error else None,
        Cell(words.moment(run.started_at), run.started_at),
        run.workflow_id,
    )


def state_of(one: Mapping[str, Any]) -> str:
    """ "paused", "done" for one that runs no more, "on"."""
    return "paused" if one["paused"] else "done" if one["done"] else "on"


def local(at: datetime, zone: str | None) -> str:
    """A moment on the clock of the schedule: "Mon 7 Dec 2026, 05:00 CET"."""
    there = at.astimezone(ZoneInfo(zone or "UTC"))
    return f"{there:%a} {there.day} {there:%b %Y, %H:%M %Z}"
