"""Does the trail hold every event of every history, and nothing else?

Seals prove that rows were not altered since; only the histories prove that all were written. Rows
younger than the last seal are protected by them alone.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client
from temporalio.service import RPCError

from account_reviews.audit.history.reconciler import WORKFLOW_TYPES, Comparison, compare
from account_reviews.audit.seals.faults import Fault, Kind
from account_reviews.audit.seals.leaves import BEGINNING, Position
from account_reviews.audit.seals.store import last_seal
from account_reviews.audit.verify.verifier import Report
from account_reviews.domain.audit.redaction import Rules
from account_reviews.domain.canonical import rfc3339
from account_reviews.store.database import reachable
from account_reviews.temporal.executions import OPEN, quoted

_BATCH: Final = 200
_WITHOUT: Final = "completeness was not checked, and unsealed rows are not proved"

_KNOWN: Final = text(
    "select workflow_id, run_id from audit.runs where namespace = :namespace "
    "and (cast(:since as timestamptz) is null or not closed or updated_at >= :since) "
    "and (cast(:workflow as text) is null or workflow_id = :workflow)"
)
_YOUNG: Final = text(
    "select distinct workflow_id, run_id from audit.audit_events where source = 'history' "
    "and (xid, seq) > (:xid, :seq) and run_id is not null and workflow_id is not null "
    "and (cast(:workflow as text) is null or workflow_id = :workflow)"
)
_OF_GONE: Final = text(
    "select event_id, xid, seq from audit.audit_events where source = 'history' "
    "and (xid, seq) > (:xid, :seq) and run_id = any(:runs) order by xid, seq"
)
_PLACES: Final = text(
    "select event_id, xid, seq from audit.audit_events where event_id = any(:ids) order by xid, seq"
)

Run = tuple[str, str]
"""Workflow id and run id."""


async def add_completeness(
    report: Report,
    client: Client | None,
    engine: AsyncEngine,
    rules: Rules,
    *,
    since: datetime | None = None,
    workflow_id: str | None = None,
) -> Comparison | None:
    """Compare with the histories and add what is wrong to the report; gives what was found.

    With `since`, runs that were open or moved since then; with `workflow_id`, those of one review.
    Without a client, or when Temporal does not answer, a warning says so. UnreachableError when
    the database is down.
    """
    if client is None:
        report.warnings.append(f"Temporal does not answer: {_WITHOUT}")
        return None
    found, compared = Comparison(), 0
    try:
        runs = sorted(await _runs(report, client, engine, since, workflow_id))
        for start in range(0, len(runs), _BATCH):
            part = await compare(client, engine, runs[start : start + _BATCH], rules)
            found.add(part)
            compared = min(start + _BATCH, len(runs))
    except (RPCError, TimeoutError) as error:
        reason = str(error) or "no answer in time"
        report.warnings.append(f"Temporal does not answer ({reason}): {_WITHOUT}")
        return None
    report.histories = compared - len(found.gone)
    report.histories_gone = len(found.gone)
    async with reachable():
        await _judge(report, engine, found)
    return found


async def _runs(
    report: Report,
    client: Client,
    engine: AsyncEngine,
    since: datetime | None,
    workflow_id: str | None,
) -> set[Run]:
    """Runs that the trail knows, that its young rows name, and that Temporal lists."""
    values = {"namespace": client.namespace, "since": since, "workflow": workflow_id}
    young = {**report.sealed_until._asdict(), "workflow": workflow_id}
    async with reachable(), engine.connect() as connection:
        known = {(row[0], row[1]) for row in await connection.execute(_KNOWN, values)}
        known |= {(row[0], row[1]) for row in await connection.execute(_YOUNG, young)}
    query = f"WorkflowType in ({', '.join(repr(name) for name in WORKFLOW_TYPES)})"
    if workflow_id is not None:
        query += f" and WorkflowId = {quoted(workflow_id)}"
    elif since is not None:
        query += f" and ({OPEN} or CloseTime >= '{rfc3339(since)}')"
    async for run in client.list_workflows(query):
        known.add((run.id, run.run_id))
    return known


async def _judge(report: Report, engine: AsyncEngine, found: Comparison) -> None:
    places = await _places(engine, [*found.extra, *found.differing])
    why = "the history has this event, the trail has no row of it"
    _add(report, Kind.MISSING, found.missing, places, why)
    _add(report, Kind.EXTRA, found.extra, places, "no history has this event")
    young = [one for one in found.differing if _place(places, one) > report.sealed_until]
    _add(report, Kind.DIFFERING, young, places, "the row is not what the history says")
    why = "the row names another actor, type, time, action or resource than the history"
    _add(report, Kind.DIFFERING, found.false, places, why)
    old = [one for one in found.differing if _place(places, one) <= report.sealed_until]
    sealed = [one for one in old if one not in set(found.false)]
    compared = sum(report.compared(_place(places, one)) for one in sealed)
    if compared:
        report.warnings.append(
            f"{compared} sealed rows tell their events otherwise than this version and policy do: "
            "they are as they were sealed"
        )
    if len(sealed) > compared:
        report.warnings.append(
            f"{len(sealed) - compared} rows tell their events otherwise than this version and "
            "policy do, and were not compared with their seals: check the whole trail"
        )
    async with engine.connect() as connection:
        # A history may have gone while we looked, after a seal that came meanwhile.
        newest = await last_seal(connection)
        until = report.sealed_until if newest is None else max(report.sealed_until, newest.until)
        values = {**until._asdict(), "runs": found.gone}
        rows = (await connection.execute(_OF_GONE, values)).all() if found.gone else []
    orphans = {row.event_id: Position(row.xid, row.seq) for row in rows}
    _add(report, Kind.EXTRA, orphans, orphans, "the row is new, but Temporal has no such run")


def _add(
    report: Report, kind: Kind, ids: Iterable[str], places: dict[str, Position], why: str
) -> None:
    known = {one.event_id for one in report.faults if one.kind is kind and one.event_id}
    report.faults += [
        Fault(kind=kind, why=why, event_id=event_id, position=places.get(event_id))
        for event_id in ids
        if event_id not in known
    ]


async def _places(engine: AsyncEngine, ids: list[str]) -> dict[str, Position]:
    """Where rows stand; of a row that is there twice, the later place."""
    async with engine.connect() as connection:
        rows = (await connection.execute(_PLACES, {"ids": ids})).all() if ids else []
    return {row.event_id: Position(row.xid, row.seq) for row in rows}


def _place(places: Mapping[str, Position], event_id: str) -> Position:
    """Where the row stands; before all others when it is gone meanwhile."""
    return places.get(event_id, BEGINNING)
