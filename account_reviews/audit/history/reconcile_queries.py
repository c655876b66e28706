"""What reconciling asks the audit database, and what it writes there besides rows of histories."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.audit.store import insert
from account_reviews.domain.audit.events import (
    AuditEvent,
    EventType,
    Severity,
    Source,
    audit_entry_id,
)
from account_reviews.domain.base import Model
from account_reviews.store.sql_files import read_sql
from account_reviews.temporal.names import DEFAULT_TENANT, is_review_id, parse_review_id

RECONCILER: Final = "reconciler"
"""The actor of rows that nobody asked for: they record what was found."""

OLDER_LOCK: Final = "reviews-audit-reconcile {namespace}"
"""The lock of releases before 0003_proven."""
_LAST: Final = text("select max(began_at) from audit.reconciliations where namespace = :namespace")
_RECORD: Final = text(
    "insert into audit.reconciliations "
    "(namespace, began_at, ended_at, runs, rows_added, closed_as_lost, gaps) values "
    "(:namespace, :began_at, clock_timestamp(), :runs, :rows_added, :closed_as_lost, :gaps)"
)
_OLDEST: Final = text("select min(started_at) from audit.runs where namespace = :namespace")
_OPEN: Final = text(
    "select workflow_id, run_id from audit.runs where not closed and namespace = :namespace "
    "and run_id > :after order by run_id limit :limit"
)
_STORED: Final = text(
    "select run_id, count(*) as rows from audit.audit_events "
    "where run_id = any(:ids) and source = 'history' group by run_id"
)
_WITHOUT_HISTORY: Final = text(
    read_sql("account_reviews.audit.history", "runs_without_history.sql")
)
_CLOSE: Final = text(read_sql("account_reviews.audit.history", "close_run.sql"))


async def last(engine: AsyncEngine, namespace: str) -> datetime | None:
    """When the last full pass began."""
    async with engine.connect() as connection:
        found: datetime | None = await connection.scalar(_LAST, {"namespace": namespace})
    return found


async def record(
    engine: AsyncEngine,
    namespace: str,
    began_at: datetime,
    runs: int,
    rows_added: int,
    lost: int,
    gaps: int,
) -> None:
    """Write down that a full pass was made."""
    values = {
        "namespace": namespace,
        "began_at": began_at,
        "runs": runs,
        "rows_added": rows_added,
        "closed_as_lost": lost,
        "gaps": gaps,
    }
    async with engine.begin() as connection:
        await connection.execute(_RECORD, values)


async def oldest_run(engine: AsyncEngine, namespace: str) -> datetime | None:
    """When the first run began that the trail knows."""
    async with engine.connect() as connection:
        found: datetime | None = await connection.scalar(_OLDEST, {"namespace": namespace})
    return found


async def open_runs(
    engine: AsyncEngine, namespace: str, *, after: str = "", limit: int | None = None
) -> list[tuple[str, str]]:
    """Runs whose end is not stored, as (workflow id, run id), by run id."""
    values = {"namespace": namespace, "after": after, "limit": limit}
    async with engine.connect() as connection:
        return [(row[0], row[1]) for row in await connection.execute(_OPEN, values)]


async def without_history(engine: AsyncEngine, since: datetime | None) -> list[tuple[str, str]]:
    """Runs known by what their activities recorded since then, and by no event."""
    async with engine.connect() as connection:
        found = await connection.execute(_WITHOUT_HISTORY, {"since": since})
        return [(row[0], row[1]) for row in found]


async def stored(engine: AsyncEngine, run_ids: Sequence[str]) -> dict[str, int]:
    """How many events of each run are stored; runs without any are left out."""
    if not run_ids:
        return {}
    async with engine.connect() as connection:
        found = await connection.execute(_STORED, {"ids": list(run_ids)})
        return {row.run_id: row.rows for row in found}


async def record_gap(engine: AsyncEngine, namespace: str, gap: "Gap") -> bool:
    """Say in the trail that a history is gone; False when that was said before."""
    try:
        account_id, tenant = parse_review_id(gap.workflow_id)
    except ValueError:
        account_id, tenant = None, DEFAULT_TENANT
    values = {"namespace": namespace, "tenant": tenant, **gap.model_dump()}
    async with engine.begin() as connection:
        closed = (await connection.execute(_CLOSE, values)).one_or_none()
        if closed is None:
            return False
        event = AuditEvent(
            event_id=audit_entry_id("gap", gap.run_id),
            at=closed.at,
            source=Source.FACT,
            event_type=EventType.AUDIT_GAP,
            tenant=closed.tenant,
            actor=RECONCILER,
            action="history deleted",
            resource=gap.workflow_id,
            severity=Severity.CRITICAL,
            review_id=gap.workflow_id if is_review_id(gap.workflow_id) else None,
            account_id=account_id,
            workflow_id=gap.workflow_id,
            run_id=gap.run_id,
            details={"last_event": gap.last_event, "namespace": namespace},
        )
        await insert(connection, [event])
    return True


class Gap(Model):
    """A history that was gone before all of it was stored."""

    workflow_id: str
    run_id: str
    last_event: int
    """What is stored ends with this event."""
