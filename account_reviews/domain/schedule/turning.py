"""What becomes of a schedule's local times where the clock of its zone is set. Pure.

Which of them come twice or not at all the server says; here is where to ask, and what to say of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from account_reviews.domain.schedule.entry import (
    LOOK_AHEAD,
    ScheduleEntry,
    calendar_of,
    is_in_its_week,
)
from account_reviews.domain.schedule.firing import turns


@dataclass(frozen=True, slots=True)
class Window:
    """Around one setting of the clock: the moments to ask for, and the local times meant by them.

    Local times are without a zone.
    """

    since: datetime
    until: datetime
    meant: tuple[datetime, ...]


def windows(entry: ScheduleEntry, now: datetime) -> list[Window]:
    """Where the next three years might have a time of the entry twice, or not at all.

    None for what runs every hour: there the clock jumps, and no day goes without a run.
    """
    calendar = calendar_of(entry)
    if calendar is None or len(calendar.hours) == 24:
        return []
    zone, until = ZoneInfo(entry.time_zone), now + LOOK_AHEAD
    if entry.end_at is not None:
        until = min(until, entry.end_at)
    found = []
    for turn in turns(entry.time_zone, now, until):
        # The server also runs times of the hour before a doubled one a second time.
        first = turn.start - (turn.end - turn.start) if turn.twice else turn.start
        meant = tuple(
            local
            for local in turn.minutes(first)
            if calendar.matches(local) and is_in_its_week(entry, local)
        )
        if meant:
            moments = (
                first.replace(tzinfo=zone, fold=0).astimezone(UTC),
                turn.end.replace(tzinfo=zone, fold=1).astimezone(UTC),
            )
            found.append(Window(min(moments), max(moments), meant))
    return found


def warnings_at(
    entry: ScheduleEntry, asked: Sequence[Window], given: Sequence[Sequence[datetime]]
) -> list[str]:
    """One sentence each for what does not come, and for what comes twice.

    `given` has the server's times in each window.
    """
    zone = ZoneInfo(entry.time_zone)
    lost: list[datetime] = []
    twice: list[tuple[datetime, datetime]] = []
    for window, times in zip(asked, given, strict=True):
        left = list(window.meant)
        for at in sorted(times):
            if not window.since <= at < window.until:
                continue
            local = at.astimezone(zone).replace(tzinfo=None)
            if local in left:
                left.remove(local)
            else:  # the last one that was meant and has passed, once more
                passed = [one for one in window.meant if one <= local]
                twice.append((passed[-1] if passed else local, local))
        lost += left
    found = []
    if lost:
        found.append(f"there is no {_when(entry, lost)}: nothing runs then")
    same = [meant for meant, local in twice if meant == local]
    if same:
        found.append(f"there are two times {_when(entry, same)}: it runs at both")
    again = [local for meant, local in twice if meant != local]
    if again:
        before = [meant for meant, local in twice if meant != local]
        clock = ", ".join(sorted({f"{local:%H:%M}" for local in again}))
        found.append(f"it runs twice at {_when(entry, before)}: at {clock} again")
    return found


def _when(entry: ScheduleEntry, locals_: list[datetime]) -> str:
    clock = ", ".join(sorted({f"{local:%H:%M}" for local in locals_}))
    days = ", ".join(dict.fromkeys(f"{local:%Y-%m-%d}" for local in locals_))
    return f"{clock} in {entry.time_zone} on {days}"
