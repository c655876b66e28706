"""Gaps that rows show among themselves, without a seal: events, lines and ends that have to be."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from account_reviews.audit.archive.review_documents import moment
from account_reviews.audit.seals.faults import Fault, Kind
from account_reviews.domain.audit.events import EventType, Source

_CLOSING: Final = (EventType.SESSION_ENDED.value, EventType.SESSION_CONTINUED.value)
_NUMBERED: Final = ("timeline/", "phase/")
"""Entries that are counted from 0 in each review."""
_END: Final = "/end"
_MOST: Final = 100
"""Gaps reported of one run: whoever cut a thousand events out is found by the first."""

Row = Mapping[str, Any]


def gaps_in_histories(rows: Sequence[Row]) -> Iterator[Fault]:
    """Events of each run that are not there, from the first to the one that closes it."""
    runs: dict[str, dict[int, Row]] = defaultdict(dict)
    for row in rows:
        if row["source"] == Source.HISTORY:
            prefix, _, number = row["event_id"].rpartition("/")
            if number.isdecimal() and len(number) < 10:
                runs[prefix][int(number)] = row
            else:
                yield Fault(
                    kind=Kind.EXTRA, why="no event has such an id", event_id=row["event_id"]
                )
    present = {row["run_id"] for events in runs.values() for row in events.values()}
    followed = {before for events in runs.values() for before in _before(events)}
    for prefix, events in runs.items():
        yield from _gaps(prefix, set(events), 1, "the event is gone")
        for before in _before(events) - present:
            yield _missing(f"the run {before}, which went on in this one, is gone", events[1])
        last = events[max(events)]
        details = _details(last)
        closed = last["event_type"] in _CLOSING and "first_run_id" not in details
        follower = details.get("new_run_id")
        if closed and isinstance(follower, str) and follower not in present | {""}:
            yield _missing(f"the run {follower}, in which the review goes on, is gone", last)
        if not closed and last["run_id"] in followed:
            yield _missing("the end of the run is gone", last)


def _before(events: Mapping[int, Row]) -> set[str]:
    """The run that this one goes on from, as its first event says."""
    before = _details(events[1]).get("continued_run_id") if 1 in events else None
    return {before} if isinstance(before, str) and before else set()


def _details(row: Row) -> Mapping[str, Any]:
    """Nothing where somebody wrote something else into the column."""
    found = row["details"]
    return found if isinstance(found, Mapping) else {}


def gaps_in_entries(rows: Sequence[Row]) -> Iterator[Fault]:
    """Lines of timelines that are not there, and ends of attempts without their start."""
    lines: dict[str, set[int]] = defaultdict(set)
    ids = {row["event_id"] for row in rows}
    for row in rows:
        event_id = row["event_id"]
        prefix, _, place = event_id.rpartition("/")
        number = place.partition("@")[0]
        if row["source"] == Source.FACT and event_id.startswith(_NUMBERED) and number.isdecimal():
            lines[prefix].add(int(number))
        if row["source"] == Source.ATTEMPT and event_id.endswith(_END):
            start = f"{event_id.removesuffix(_END)}/start"
            if start not in ids:
                why = "the start of an attempt is gone"
                yield Fault(kind=Kind.MISSING, why=why, event_id=start)
    for prefix, numbers in lines.items():
        yield from _gaps(prefix, numbers, 0, "the line is gone")


def late_ends(rows: Sequence[Row]) -> set[str]:
    """Ends of attempts that stand twice and may: closed as lost, and recorded after all."""
    ends: dict[str, list[bool]] = defaultdict(list)
    for row in rows:
        if row["source"] == Source.ATTEMPT:
            ends[row["event_id"]].append("lost" in _details(row))
    return {name for name, lost in ends.items() if sorted(lost) == [False, True]}


def open_attempts(rows: Sequence[Row]) -> list[str]:
    """Ids of attempts that began and whose end is not recorded, oldest first."""
    ids = {row["event_id"] for row in rows}
    return [
        row["event_id"]
        for row in sorted(rows, key=moment)
        if row["source"] == Source.ATTEMPT
        and row["event_id"].endswith("/start")
        and f"{row['event_id'].removesuffix('/start')}{_END}" not in ids
    ]


def _gaps(prefix: str, numbers: set[int], first: int, why: str) -> Iterator[Fault]:
    """Numbers that are not there from the first to the last."""
    found = 0
    for number in range(first, max(numbers)):
        if number not in numbers:
            yield Fault(kind=Kind.MISSING, why=why, event_id=f"{prefix}/{number}")
            found += 1
            if found == _MOST:
                return


def _missing(why: str, row: Row) -> Fault:
    return Fault(kind=Kind.MISSING, why=why, event_id=row["event_id"])
