"""What reviews recorded of themselves, against the state they were saved with, both ways."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from account_reviews.audit.event_rows import stand_in_id
from account_reviews.audit.seals.faults import Fault, Kind
from account_reviews.audit.seals.leaves import Position
from account_reviews.audit.verify.scope import Scope
from account_reviews.audit.verify.verifier import Report
from account_reviews.domain.audit.entries import review_base, review_entries
from account_reviews.domain.audit.redaction import Rules
from account_reviews.domain.review.state import ReviewState
from account_reviews.store.sql_files import read_sql
from account_reviews.temporal import names

_STATES: Final = text(read_sql("account_reviews.audit.verify", "states.sql"))
_RECORDED: Final = text(read_sql("account_reviews.audit.verify", "recorded_of_runs.sql"))
_STAND_INS: Final = text("select event_id from audit.audit_events where event_id = any(:ids)")
_LEFT: Final = text("select event_id from reviews.audit_facts where event_id = any(:ids)")
_TOLD_BY_UNDOS: Final = text(read_sql("account_reviews.audit.verify", "told_by_undos.sql"))
_COLUMNS: Final = ("event_type", "actor", "action", "resource")


async def add_recorded_reviews(
    report: Report, main: AsyncConnection, trail: AsyncConnection, rules: Rules, scope: Scope
) -> None:
    """Every line of a timeline and every phase that a saved review holds, and no other."""
    after, otherwise, untold = "", 0, 0
    while True:
        values = {"since": scope.since, "review": scope.review_id, "after": after}
        rows = (await main.execute(_STATES, values)).all()
        if not rows:
            break
        after = rows[-1].run_id
        recorded: dict[str, list[Any]] = defaultdict(list)
        runs = {"runs": [row.run_id for row in rows]}
        for one in await trail.execute(_RECORDED, runs):
            recorded[one.run_id].append(one)
        for row in rows:
            try:
                state = ReviewState.model_validate(row.state)
            except ValueError:
                why = "what was saved of the review cannot be read, and was compared with nothing"
                report.warnings.append(f"{row.run_id}: {why}")
                continue
            there = recorded[row.run_id]
            found = await _compare(report, state, rules, there, main, trail)
            otherwise, untold = otherwise + found.otherwise, untold + found.untold
            if row.closed:
                _find_strange(report, state, there)
    if otherwise:
        report.warnings.append(
            f"{otherwise} rows tell of requests and decisions otherwise than this version and "
            "policy do by the states of the reviews"
        )
    if untold:
        report.warnings.append(
            f"{untold} lines of what was taken back have no row of their own, as releases before "
            "left none: the rows of the reviews that took it back are the proof of them"
        )


class _Compared(NamedTuple):
    """What is no fault."""

    otherwise: int
    """Rows of requests and decisions that differ in their details alone."""
    untold: int
    """Lines of writes that were taken back, of which only the undo's own rows tell."""


async def _compare(
    report: Report,
    state: ReviewState,
    rules: Rules,
    recorded: Sequence[Any],
    main: AsyncConnection,
    trail: AsyncConnection,
) -> _Compared:
    base = review_base(state, None)
    expected = {
        entry["body"]["event_id"]: {**entry["body"], **base}
        for entry in review_entries(state, rules)
    }
    there = {one.event_id: one for one in recorded}
    absent = [event_id for event_id in expected if event_id not in there]
    stand_ins: set[str] = set()
    if absent:
        ids = {"ids": [stand_in_id(one) for one in absent]}
        stand_ins = set((await trail.execute(_STAND_INS, ids)).scalars())
    missing = [one for one in absent if stand_in_id(one) not in stand_ins]
    untold = await _untold(state, [expected[one] for one in missing], main, trail)
    for event_id in missing:
        if event_id not in untold:
            why = "the review has this in its state, the trail has no row of it"
            report.faults.append(Fault(kind=Kind.MISSING, why=why, event_id=event_id))
    for event_id, body in expected.items():
        row = there.get(event_id)
        wrong = [] if row is None else _differences(body, row)
        if wrong:
            why = f"the row names another {', '.join(wrong)} than the state of the review"
            report.faults.append(_fault(Kind.DIFFERING, why, row))
    otherwise = sum(
        expected[name]["event_type"].startswith("approval_")
        and expected[name]["details"] != there[name].details
        for name in expected.keys() & there.keys()
    )
    return _Compared(otherwise, len(untold))


async def _untold(
    state: ReviewState,
    missing: Sequence[Mapping[str, Any]],
    main: AsyncConnection,
    trail: AsyncConnection,
) -> set[str]:
    """Lines that releases before added to a closed review without a row: nothing was left for the
    trail of them, and the trail tells that an undo of this review ended at that very time."""
    ids = [one["event_id"] for one in missing if one["action"] == "item_undone"]
    if not ids:
        return set()
    left = set((await main.execute(_LEFT, {"ids": ids})).scalars())
    undos = {"undos": [names.undo_id(state.run_id, change) for change in state.written]}
    ended = set((await trail.execute(_TOLD_BY_UNDOS, undos)).scalars())
    at = {one["event_id"]: datetime.fromisoformat(one["at"]) for one in missing}
    return {one for one in ids if one not in left and at[one] in ended}


def _differences(body: Mapping[str, Any], row: Any) -> list[str]:
    wrong = [name for name in _COLUMNS if body[name] != getattr(row, name)]
    if body["action"] == "refreshed" and "event_type" in wrong:
        wrong.remove("event_type")  # what came of it is known later
    return wrong + (["time"] if datetime.fromisoformat(body["at"]) != row.at else [])


def _find_strange(report: Report, state: ReviewState, recorded: Sequence[Any]) -> None:
    """Rows of lines or phases that the review does not have.

    A step that was done again recorded what it did at another time: of a review that had one,
    only numbers beyond the last are strange.
    """
    times: dict[str, list[datetime | None]] = {
        "timeline": [None] * state.timeline_dropped + [line.at for line in state.timeline],
        "phase": [move.at for move in state.history],
    }
    for row in recorded:
        prefix, _, place = row.event_id.rpartition("/")
        number = place.partition("@")[0]
        known = times[prefix.partition("/")[0]]
        if not number.isdecimal() or int(number) >= len(known):
            strange = True
        else:
            at = known[int(number)]
            strange = at is not None and at != row.at and not row.again
        if strange:
            why = "the review has nothing of this in its state"
            report.faults.append(_fault(Kind.EXTRA, why, row))


def _fault(kind: Kind, why: str, row: Any) -> Fault:
    return Fault(kind=kind, why=why, event_id=row.event_id, position=Position(row.xid, row.seq))
