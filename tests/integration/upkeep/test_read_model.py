"""The reconciler: rows that were left open, rows that are missing, rows that retention took."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from account_reviews.domain.errors import ReviewNotFoundError
from account_reviews.domain.review.phases import Outcome
from account_reviews.store.review_queries import ReviewReader
from account_reviews.upkeep.read_model import Reconciled, reconcile
from tests.support.connections import statements_on
from tests.support.world import Handle, World, create_task

WEEK = timedelta(days=7)


@pytest.fixture
def tenant() -> str:
    return f"t-{uuid4().hex[:8]}"


async def run(world: World, tenant: str, later: timedelta = timedelta()) -> Reconciled:
    now = datetime.now(UTC) + later
    return await reconcile(world.client, world.engine, world.store, tenant, kept=WEEK, now=now)


async def forget(world: World, handle: Handle) -> None:
    async with world.engine.begin() as connection:
        await connection.execute(
            text("delete from reviews.review_runs where review_id = :id"), {"id": handle.id}
        )


async def until_listed(world: World, handle: Handle, status: str) -> None:
    """Temporal's own lists follow within a second."""
    wanted = f"WorkflowId = '{handle.id}' and ExecutionStatus = '{status}'"
    while True:
        if [one async for one in world.client.list_workflows(wanted)]:
            return
        await asyncio.sleep(0.05)


async def test_a_row_that_was_left_open_is_closed(world: World, tenant: str) -> None:
    world.analysis.changes = (create_task(world.account),)
    reader = ReviewReader(statements_on(world.engine))
    async with world.review(tenant=tenant) as handle:
        await world.request(handle)
        assert await run(world, tenant) == Reconciled(), "it is open there too"
        await handle.terminate("emergency")
        await until_listed(world, handle, "Terminated")
        assert await run(world, tenant) == Reconciled(closed=1)
        found = await reader.find_run(tenant=tenant, review_id=handle.id)
        assert found.state.outcome is Outcome.ABANDONED
        assert await run(world, tenant) == Reconciled()


async def test_a_missing_row_is_made(world: World, tenant: str) -> None:
    world.analysis.changes = (create_task(world.account),)
    reader = ReviewReader(statements_on(world.engine))
    async with world.review(tenant=tenant) as handle:
        await world.request(handle)
        await forget(world, handle)
        await until_listed(world, handle, "Running")
        assert await run(world, tenant) == Reconciled(missing=1)
        assert (await reader.find_run(tenant=tenant, review_id=handle.id)).state.pending
        assert await run(world, tenant) == Reconciled()


async def test_what_retention_took_does_not_come_back(world: World, tenant: str) -> None:
    reader = ReviewReader(statements_on(world.engine))
    async with world.review(tenant=tenant) as handle:
        await handle.result()
        await forget(world, handle)
        await until_listed(world, handle, "Completed")
        assert await run(world, tenant, 2 * WEEK) == Reconciled()
        with pytest.raises(ReviewNotFoundError):
            await reader.find_run(tenant=tenant, review_id=handle.id)
        assert await run(world, tenant) == Reconciled(missing=1)


async def test_a_review_that_temporal_does_not_know_is_left_alone(
    world: World, tenant: str
) -> None:
    world.analysis.changes = (create_task(world.account),)
    async with world.review(tenant=tenant) as handle:
        await world.request(handle)
        async with world.engine.begin() as connection:
            await connection.execute(
                text("update reviews.review_runs set review_id = :new where review_id = :id"),
                {"new": f"{handle.id}-elsewhere", "id": handle.id},
            )
        assert await run(world, tenant) == Reconciled(gone=(handle.id + "-elsewhere",))
        await handle.terminate("the test is over")
