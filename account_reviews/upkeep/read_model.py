"""The read model against Temporal: rows that were left behind, and rows that are missing."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from typing import Final, TypeVar

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from account_reviews.domain.base import Model
from account_reviews.domain.canonical import rfc3339
from account_reviews.store.database import reachable
from account_reviews.store.reviews import ReviewStore
from account_reviews.upkeep.rebuild import ALL_REVIEWS, rebuild

_AT_ONCE: Final = 8
_BATCH: Final = 1000
_OPEN = text(
    "select run_id, review_id from reviews.review_runs where tenant = :tenant "
    "and closed_at is null order by run_id"
)
_KNOWN = text("select run_id from reviews.review_runs where run_id = any(:ids)")
_T = TypeVar("_T")


class Reconciled(Model):
    """What was found and brought up to date."""

    closed: int = 0
    """Reviews whose row was open while Temporal has them closed."""
    missing: int = 0
    """Reviews that had no row."""
    unknown: int = 0
    """Open rows of reviews that Temporal does not know: left as they are."""
    failed: tuple[str, ...] = ()
    """Reviews that did not answer."""


async def reconcile(
    client: Client,
    engine: AsyncEngine,
    store: ReviewStore,
    tenant: str,
    *,
    kept: timedelta,
    now: datetime,
) -> Reconciled:
    """Compare and repair. Needs a running worker.

    Reviews that were closed longer ago than `kept` are not missed: retention took their rows.
    UnreachableError when the database or Temporal is down.
    """
    stale, unknown = await _left_behind(client, engine, tenant)
    closed = [await rebuild(client, store, only=f"WorkflowId = '{one}'") for one in stale]
    gone = await _without_row(client, engine, tenant, now - kept)
    made = [await rebuild(client, store, only=f"RunId = '{one}'") for one in gone]
    return Reconciled(
        closed=sum(report.rebuilt > 0 for report in closed),
        missing=sum(report.rebuilt for report in made),
        unknown=unknown,
        failed=tuple(name for report in (*closed, *made) for name in report.failed),
    )


async def _left_behind(client: Client, engine: AsyncEngine, tenant: str) -> tuple[list[str], int]:
    """Review ids with an open row that is not open in Temporal, and how many it does not know."""
    async with reachable(), engine.connect() as connection:
        rows = (await connection.execute(_OPEN, {"tenant": tenant})).all()

    async def is_open(row: tuple[str, str]) -> bool | None:
        run_id, review_id = row
        try:
            found = await client.get_workflow_handle(review_id).describe()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise
        same = found.raw_info.first_run_id == run_id
        return same and found.status is WorkflowExecutionStatus.RUNNING

    answers = await _each(((row.run_id, row.review_id) for row in rows), is_open)
    stale = {row.review_id for row, is_it in zip(rows, answers, strict=True) if is_it is False}
    return sorted(stale), sum(is_it is None for is_it in answers)


async def _without_row(
    client: Client, engine: AsyncEngine, tenant: str, since: datetime
) -> list[str]:
    """Newest run ids of reviews that Temporal has and the table has not."""
    recent = f"(ExecutionStatus = 'Running' or CloseTime > '{rfc3339(since)}')"
    wanted = f"{ALL_REVIEWS} and Tenant = '{tenant}' and {recent}"
    listed = [
        found
        async for found in client.list_workflows(wanted)
        if found.status is not WorkflowExecutionStatus.CONTINUED_AS_NEW
    ]
    known = await _known(engine, [found.run_id for found in listed])
    unsure = [found for found in listed if found.run_id not in known]
    firsts = await _each(unsure, lambda found: _first_run(client, found))
    known |= await _known(engine, firsts)
    return [found.run_id for found, first in zip(unsure, firsts, strict=True) if first not in known]


async def _first_run(client: Client, found: WorkflowExecution) -> str:
    """A review that continued as new has its row under its first run id."""
    described = await client.get_workflow_handle(found.id, run_id=found.run_id).describe()
    return described.raw_info.first_run_id or found.run_id


async def _known(engine: AsyncEngine, ids: list[str]) -> set[str]:
    found: set[str] = set()
    async with reachable(), engine.connect() as connection:
        for start in range(0, len(ids), _BATCH):
            batch = {"ids": ids[start : start + _BATCH]}
            found.update((await connection.execute(_KNOWN, batch)).scalars())
    return found


_U = TypeVar("_U")


async def _each(many: Iterable[_T], one: Callable[[_T], Awaitable[_U]]) -> list[_U]:
    gate = asyncio.Semaphore(_AT_ONCE)

    async def gated(item: _T) -> _U:
        async with gate:
            return await one(item)

    return list(await asyncio.gather(*(gated(item) for item in many)))
