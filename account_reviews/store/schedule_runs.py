"""Rows of scheduled runs, one per workflow that a schedule started. All of it is idempotent."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from account_reviews.domain.audit.entries import schedule_run_entry
from account_reviews.domain.base import Timestamp
from account_reviews.domain.schedule.runs import (
    KEPT_RUNS,
    CloseRun,
    OpenRun,
    RunStatus,
)
from account_reviews.store.database import reachable
from account_reviews.store.outbox import put_into_outbox
from account_reviews.store.sql_files import read_sql

_OPEN = text(read_sql("account_reviews.store", "open_scheduled_run.sql"))
_CLOSE = text(
    "update reviews.schedule_runs set status = :status, accounts_processed = :accounts_processed, "
    "error = :error, duration_seconds = "
    "greatest(0, extract(epoch from cast(:closed_at as timestamptz) - started_at)) where id = :id"
)
_PRUNE = text(
    "delete from reviews.schedule_runs where id in (select id from reviews.schedule_runs "
    "where tenant = :tenant and schedule_id = :schedule_id "
    "order by started_at desc, id desc offset :kept)"
)
_KNOWS = text(
    "select exists (select from reviews.schedule_runs where tenant = :tenant "
    "and schedule_id = :schedule_id and scheduled_at = :scheduled_at)"
)


class ScheduleRunStore:
    """Writes `reviews.schedule_runs`. UnreachableError when the database is down."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def open(self, call: OpenRun) -> None:
        """Write the first row of a run; a missed one is complete at once.

        A repeat changes nothing; a later attempt of a failed run shows it running again. The
        oldest rows beyond KEPT_RUNS go.
        """
        judgement = call.judgement
        missed = judgement.missed
        row = {
            **call.model_dump(include={"id", "schedule_id", "tenant", "workflow_id", "attempt"}),
            "trigger": judgement.trigger,
            "scheduled_at": judgement.scheduled_at,
            "started_at": judgement.started_at,
            "lateness_seconds": judgement.lateness_seconds,
            "late": judgement.late,
            "status": (RunStatus.MISSED if missed else RunStatus.RUNNING).value,
            "duration_seconds": 0.0 if missed else None,
            "error": judgement.reason if missed else None,
        }
        kept = {"tenant": call.tenant, "schedule_id": call.schedule_id, "kept": KEPT_RUNS}
        async with self._transaction() as connection:
            opened = await connection.execute(_OPEN, row)
            if opened.rowcount:
                await put_into_outbox(connection, [schedule_run_entry(call)])
            await connection.execute(_PRUNE, kept)

    async def close(self, call: CloseRun) -> None:
        """Write how the run ended; the duration counts from its start."""
        row = call.model_dump() | {"status": call.status.value}
        async with self._transaction() as connection:
            await connection.execute(_CLOSE, row)

    async def knows(self, tenant: str, schedule_id: str, scheduled_at: Timestamp) -> bool:
        """True when the schedule has a run for that time."""
        key = {"tenant": tenant, "schedule_id": schedule_id, "scheduled_at": scheduled_at}
        async with self._transaction() as connection:
            return bool((await connection.execute(_KNOWS, key)).scalar_one())

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection]:
        async with reachable(), self._engine.begin() as connection:
            yield connection
