"""Rows of scheduled runs, one per workflow that a schedule started. All of it is idempotent."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from account_reviews.domain.audit.entries import schedule_run_entry
from account_reviews.domain.base import Timestamp
from account_reviews.domain.schedule.runs import (
    KEPT_RUNS,
    CloseRun,
    OpenRun,
    RunStatus,
    ScheduleRun,
    ScheduleRunPage,
)
from account_reviews.store.database import reachable
from account_reviews.store.outbox import put_into_outbox
from account_reviews.store.review_queries import make_cursor, read_cursor

_OPEN = text(
    "insert into reviews.schedule_runs as known (id, schedule_id, tenant, workflow_id, trigger, "
    "scheduled_at, started_at, lateness_seconds, late, status, duration_seconds, error) values "
    "(:id, :schedule_id, :tenant, :workflow_id, :trigger, :scheduled_at, :started_at, "
    ":lateness_seconds, :late, :status, :duration_seconds, :error) on conflict (id) do update "
    "set status = 'running', error = null, duration_seconds = null "
    "where :attempt > 1 and known.status = 'failed'"
)
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
_PAGE = (
    "select id, schedule_id, workflow_id, trigger, scheduled_at, started_at, lateness_seconds, "
    "late, status, accounts_processed, duration_seconds, error from reviews.schedule_runs "
    "where tenant = :tenant and schedule_id = :schedule_id"
)
_MISSED = text(
    "select schedule_id, count(*) as missed from reviews.schedule_runs where tenant = :tenant "
    "and schedule_id = any(:ids) and status = 'missed' group by schedule_id"
)
_KNOWS = text(
    "select exists (select from reviews.schedule_runs where tenant = :tenant "
    "and schedule_id = :schedule_id and scheduled_at = :scheduled_at)"
)


class ScheduleRunStore:
    """Reads and writes `reviews.schedule_runs`. UnreachableError when the database is down."""

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

    async def history(
        self, tenant: str, schedule_id: str, *, cursor: str | None = None, limit: int = 100
    ) -> ScheduleRunPage:
        """Runs of one schedule, newest first."""
        query, values = _PAGE, {"tenant": tenant, "schedule_id": schedule_id, "limit": limit + 1}
        if cursor is not None:
            query += " and (started_at, id) < (:after_at, :after_id)"
            values |= dict(zip(("after_at", "after_id"), read_cursor(cursor), strict=True))
        rows = await self._rows(f"{query} order by started_at desc, id desc limit :limit", values)
        items = tuple(ScheduleRun.model_validate(row) for row in rows[:limit])
        last = items[-1] if len(rows) > limit else None
        return ScheduleRunPage(
            items=items, next_cursor=make_cursor(last.started_at, last.id) if last else None
        )

    async def missed(self, tenant: str, ids: Sequence[str]) -> dict[str, int]:
        """Schedule id -> runs that were missed because no worker was there; 0 is left out."""
        async with self._transaction() as connection:
            found = await connection.execute(_MISSED, {"tenant": tenant, "ids": list(ids)})
            return {row.schedule_id: row.missed for row in found}

    async def knows(self, tenant: str, schedule_id: str, scheduled_at: Timestamp) -> bool:
        """True when the schedule has a run for that time."""
        key = {"tenant": tenant, "schedule_id": schedule_id, "scheduled_at": scheduled_at}
        async with self._transaction() as connection:
            return bool((await connection.execute(_KNOWS, key)).scalar_one())

    async def _rows(self, query: str, values: dict[str, Any]) -> list[dict[str, Any]]:
        async with self._transaction() as connection:
            found = await connection.execute(text(query), values)
            return [dict(row) for row in found.mappings()]

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection]:
        async with reachable(), self._engine.begin() as connection:
            yield connection
