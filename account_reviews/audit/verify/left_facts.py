"""Did all come to the trail that was left for it? Facts are numbered per run as they are left."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from account_reviews.audit.event_rows import stand_in_id
from account_reviews.audit.seals.faults import Fault, Kind
from account_reviews.audit.verify.scope import Scope
from account_reviews.audit.verify.verifier import Report
from account_reviews.store.sql_files import read_sql

_LEFT: Final = text(read_sql("account_reviews.audit.verify", "facts_left.sql"))
_GONE: Final = text(read_sql("account_reviews.audit.verify", "numbers_gone.sql"))
_THERE: Final = text("select event_id from audit.audit_events where event_id = any(:ids)")
_WAITING: Final = text("select event_id from reviews.audit_outbox where event_id = any(:ids)")
_QUARANTINED: Final = text("select count(*) from reviews.audit_quarantine")


async def add_left_facts(
    report: Report, main: AsyncConnection, trail: AsyncConnection, scope: Scope
) -> None:
    """Every fact that was left a minute ago or earlier, and the numbers of each run."""
    waiting, place = 0, ("", 0)
    while True:
        values = {"since": scope.since, "runs": scope.runs, "scope": place[0], "number": place[1]}
        rows = (await main.execute(_LEFT, values)).all()
        if not rows:
            break
        place = (rows[-1].scope, rows[-1].number)
        waiting += await _check(report, main, trail, rows)
    if waiting:
        report.warnings.append(f"{waiting} facts wait for the trail: a running worker brings them")
    for run in await main.execute(_GONE, {"runs": scope.runs}):
        why = (
            f"of {run.last} facts that {run.scope} left for the trail, {run.kept} are known: "
            "the list of them was changed"
        )
        report.faults.append(Fault(kind=Kind.MISSING, why=why, rows=max(1, run.last - run.kept)))
    apart = await main.scalar(_QUARANTINED)
    if apart:
        report.warnings.append(
            f"{apart} facts stand in reviews.audit_quarantine: the trail cannot hold them, and a "
            "row in the place of each says so"
        )


async def _check(
    report: Report, main: AsyncConnection, trail: AsyncConnection, rows: Sequence[Any]
) -> int:
    """Find those that are nowhere; gives how many wait."""
    absent = await _absent(trail, {row.event_id for row in rows})
    waiting = set((await main.execute(_WAITING, {"ids": sorted(absent)})).scalars())
    # In this order: what is moved meanwhile is found there.
    absent = await _absent(trail, absent - waiting)
    numbers = {row.event_id: (row.scope, row.number) for row in rows}
    for event_id in sorted(absent, key=lambda one: numbers[one]):
        run, number = numbers[event_id]
        why = f"fact {number} of {run} was left for the trail, and did not come there"
        report.faults.append(Fault(kind=Kind.MISSING, why=why, event_id=event_id))
    return len(waiting)


async def _absent(trail: AsyncConnection, ids: set[str]) -> set[str]:
    """Those that the trail does not have, nor a row in their place."""
    if not ids:
        return ids
    stand_ins = {stand_in_id(one): one for one in ids}
    asked = {"ids": sorted({*ids, *stand_ins})}
    found = set((await trail.execute(_THERE, asked)).scalars())
    return ids - {stand_ins.get(one, one) for one in found}
