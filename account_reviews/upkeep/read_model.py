"""The read model against Temporal: rows that were left behind, and rows that are missing."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple, TypeVar

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client, WorkflowExecutionStatus

from account_reviews.crm.writer import CrmWriter
from account_reviews.domain.base import Model
from account_reviews.domain.canonical import rfc3339
from account_reviews.store.database import reachable
from account_reviews.store.reviews import ReviewStore
from account_reviews.store.sql_files import read_sql
from account_reviews.telemetry import instruments
from account_reviews.temporal.executions import (
    OPEN,
    Standing,
    describe,
    first_run_of,
    is_paused,
    quoted,
    standing_of,
    was_reset,
)
from account_reviews.upkeep.rebuild import ALL_REVIEWS, rebuild

_AT_ONCE: Final = 8
_BATCH: Final = 1000
_NAMED: Final = 10
_OPEN = text(
    "select run_id, review_id, state->>'workflow_run_id' as last_run_id "
    "from reviews.review_runs where tenant = :tenant and closed_at is null order by run_id"
)
_OPEN_CYCLES = text(
    "select cycle_id, run_id from reviews.cycles where tenant = :tenant "
    "and closed_at is null and updated_at < now() - interval '1 minute' order by cycle_id"
)
_KNOWN = text(read_sql("account_reviews.upkeep", "known_reviews.sql"))
GONE_ERROR: Final = (
    "Temporal does not know this review any more: end it with `reviews cancel --run`"
)
_MARK_GONE = text(read_sql("account_reviews.upkeep", "mark_gone_reviews.sql"))
_T = TypeVar("_T")


class Reconciled(Model):
    """What was found and brought up to date."""

    closed: int = 0
    """Reviews whose row was open while Temporal has them closed."""
    missing: int = 0
    """Reviews that had no row."""
    gone: tuple[str, ...] = ()
    """Open rows of reviews that Temporal does not know: a person ends them."""
    paused: tuple[str, ...] = ()
    """Reviews that are paused in Temporal, and so could not be asked."""
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
    writer: CrmWriter | None = None,
) -> Reconciled:
    """Compare and repair. Needs a running worker.

    Reviews that were closed longer ago than `kept` are not missed: retention took their rows.
    UnreachableError when the database or Temporal is down.
    """
    since = now - kept
    rows = await standings(client, engine, tenant)
    stale = sorted({row.review_id for row in rows if row.standing is Standing.CLOSED})
    gone = [row for row in rows if row.standing is Standing.GONE]
    await _mark_gone(engine, gone)
    closed = [
        await rebuild(
            client, store, only=f"WorkflowId = {quoted(one)}", closed_since=since, writer=writer
        )
        for one in stale
    ]
    strange = await _without_row(client, engine, tenant, since)
    made = [await rebuild(client, store, only=f"RunId = '{one}'", writer=writer) for one in strange]
    both = (*closed, *made)
    return Reconciled(
        closed=sum(report.rebuilt > 0 for report in closed),
        missing=sum(report.rebuilt for report in made),
        gone=tuple(row.review_id for row in gone),
        paused=tuple(row.review_id for row in rows if row.standing is Standing.PAUSED),
        failed=tuple(name for report in both for name in report.failed),
    )


class OpenRow(NamedTuple):
    """An open row, and how its review stands in Temporal."""

    review_id: str
    run_id: str
    standing: Standing


async def standings(client: Client, engine: AsyncEngine, tenant: str) -> list[OpenRow]:
    """Each open row of the tenant. UnreachableError, RPCError."""
    async with reachable(), engine.connect() as connection:
        rows = (await connection.execute(_OPEN, {"tenant": tenant})).all()
    wanted = f"{ALL_REVIEWS} and Tenant = {quoted(tenant)} and {OPEN}"
    listed = {found.run_id: found async for found in client.list_workflows(wanted)} if rows else {}

    async def one(row: Row[tuple[str, str, str]]) -> OpenRow:
        # Most are listed as what they are, by the thousand; the others are asked for one by one.
        found = listed.get(row.last_run_id)
        if found is not None and found.id == row.review_id:
            standing = Standing.PAUSED if is_paused(found) else Standing.OPEN
        else:
            standing = await standing_of(client, row.review_id, row.run_id, row.last_run_id)
        return OpenRow(row.review_id, row.run_id, standing)

    return await _each(rows, one)


async def ended_cycles(client: Client, engine: AsyncEngine, tenant: str) -> list[str]:
    """Ids of cycles with an open row that Temporal has ended, or does not know.

    UnreachableError, RPCError.
    """
    async with reachable(), engine.connect() as connection:
        rows = (await connection.execute(_OPEN_CYCLES, {"tenant": tenant})).all()

    async def one(row: Row[tuple[str, str]]) -> bool:
        return await standing_of(client, row.cycle_id, row.run_id) in (
            Standing.CLOSED,
            Standing.GONE,
        )

    ended = await _each(rows, one)
    return [row.cycle_id for row, is_it in zip(rows, ended, strict=True) if is_it]


async def _mark_gone(engine: AsyncEngine, rows: Iterable[OpenRow]) -> None:
    """Have lists and `show` say so. A save of the review itself, should it come back, wins."""
    ids = [row.run_id for row in rows]
    if ids:
        async with reachable(), engine.begin() as connection:
            marked = await connection.execute(_MARK_GONE, {"ids": ids, "error": GONE_ERROR})
        instruments.reviews_gone(marked.rowcount)


async def _without_row(
    client: Client, engine: AsyncEngine, tenant: str, since: datetime
) -> list[str]:
    """Last run ids of reviews that Temporal has and the table has not."""
    recent = f"({OPEN} or CloseTime > '{rfc3339(since)}')"
    wanted = f"{ALL_REVIEWS} and Tenant = {quoted(tenant)} and {recent}"
    listed = [
        found
        async for found in client.list_workflows(wanted)
        if found.status is not WorkflowExecutionStatus.CONTINUED_AS_NEW
    ]
    known = await _known(engine, [found.run_id for found in listed])
    unsure = [found for found in listed if found.run_id not in known]
    described = await _each(unsure, lambda found: describe(client, found.id, found.run_id))
    last = [one for one in described if one is not None and not was_reset(one)]
    known |= await _known(engine, [first_run_of(one) for one in last])
    return [one.run_id for one in last if first_run_of(one) not in known]


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


def few(names: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
