"""Reviews whose write is halted: they wait, they can be cancelled, and they write once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import CancelledError
from temporalio.testing import ActivityEnvironment

from account_reviews.domain.halts import AskHalt
from account_reviews.domain.proposals import ItemState
from account_reviews.domain.review.phases import Outcome
from account_reviews.domain.review.steps import ApplyChange
from activities.crm_writes import CrmWriteActivities
from activities.halts import HaltActivities
from tests.support.world import Handle, World, create_task, decision, eventually
from workflows.account_review import AccountReviewWorkflow

NEVER = 600.0
"""Seconds: longer than any test."""

WAITING = (
    "select count(*) from pg_locks where locktype = 'advisory' and not granted "
    "and database = (select oid from pg_database where datname = current_database())"
)


@asynccontextmanager
async def halted_write(world: World, tenant: str) -> AsyncIterator[Handle]:
    """A review of which two tasks were approved while everything was stopped."""
    world.analysis.changes = (
        create_task(world.account, "One"),
        create_task(world.account, "Two"),
    )
    async with world.review(tenant=tenant) as handle:
        request = await world.request(handle)
        await world.halts().halt(tenant, "ann", "bad data")
        await handle.execute_update("decide", decision(request))
        await retried(handle, attempt=2)
        yield handle


async def retried(handle: Handle, attempt: int) -> Any:
    """The write as the server shows it, once this attempt is the next."""
    while True:
        shown = (await handle.describe()).raw_description.pending_activities
        if shown and shown[0].attempt >= attempt and shown[0].HasField("last_failure"):
            return shown[0]
        await asyncio.sleep(0.02)


@pytest.fixture
def tenant() -> str:
    """A tenant that nobody has stopped."""
    return f"t-{uuid4().hex[:8]}"


async def test_a_halted_write_is_made_once_after_the_release(world: World, tenant: str) -> None:
    world.halted_retry = 0.2
    async with halted_write(world, tenant) as handle:
        pending = await retried(handle, attempt=4)
        assert pending.activity_type.name == "crm.apply_change"
        assert pending.last_failure.application_failure_info.type == "WritesHaltedError"
        assert "writes are stopped by ann since" in pending.last_failure.message
        assert "bad data" in pending.last_failure.message
        assert len(world.crm.operations) == 0
        state = await handle.query(AccountReviewWorkflow.snapshot)
        assert state.error_count == 0
        await world.halts().release(tenant, "bob", "all is well")
        result = await handle.result()
    assert result.outcome is Outcome.COMPLETED
    assert set(result.changes.values()) == {ItemState.EXECUTED}
    assert len(world.crm.operations) == world.crm.writes == 2


async def test_the_server_waits_thirty_seconds_between_tries(world: World, tenant: str) -> None:
    async with halted_write(world, tenant) as handle:
        pending = await retried(handle, attempt=2)
        assert pending.current_retry_interval.ToSeconds() == 30
        assert pending.maximum_attempts == 0
        assert not pending.HasField("expiration_time")
        await handle.terminate()


@pytest.mark.parametrize("native", [True, False])
async def test_a_cancel_does_not_wait_for_the_release(
    world: World, tenant: str, native: bool
) -> None:
    world.halted_retry = NEVER
    async with halted_write(world, tenant) as handle:
        if native:
            await handle.cancel()
            with pytest.raises(WorkflowFailureError) as failure:
                await handle.result()
            assert isinstance(failure.value.cause, CancelledError)
        else:
            await handle.signal("cancel_review", {"by": "ann"})
            assert (await handle.result()).outcome is Outcome.CANCELLED
        state = await handle.query(AccountReviewWorkflow.snapshot)
    assert {item_state for _, item_state in state.changes} == {ItemState.SKIPPED}
    assert state.error_count == 0
    assert len(world.crm.operations) == 0


async def test_a_cancel_in_the_middle_of_a_halted_try_is_a_cancel(
    world: World, tenant: str
) -> None:
    change = create_task(world.account)
    call = ApplyChange(
        operation_id="run:1",
        change=change,
        expected_version=None,
        approved_hash=change.hash,
        approved_by="ann",
        tenant=tenant,
    )
    environment = ActivityEnvironment()
    activities = CrmWriteActivities(world.writer())
    lock = text("select pg_advisory_xact_lock(hashtextextended(:name, 0))")
    async with world.engine.begin() as connection:
        await connection.execute(lock, {"name": f"reviews-writes:{tenant}"})
        write = asyncio.ensure_future(environment.run(activities.apply_change, call))
        while not await connection.scalar(text(WAITING)):  # noqa: ASYNC110  nobody notifies
            await asyncio.sleep(0.02)
        await world.halts().halt(tenant, "ann", "bad data")
        environment.cancel()
    with pytest.raises(asyncio.CancelledError):
        await write
    assert len(world.crm.operations) == 0


async def test_a_stop_in_the_middle_of_a_review_stops_the_rest(world: World, tenant: str) -> None:
    world.halted_retry = 0.2
    one, two = create_task(world.account, "One"), create_task(world.account, "Two")
    world.analysis.changes = (one, two)
    async with world.review(tenant=tenant) as handle:
        request = await world.request(handle)
        await handle.execute_update("decide", decision(request, item_ids=[one.change_id]))
        await eventually(
            lambda: handle.query(AccountReviewWorkflow.snapshot),
            lambda state: one.change_id in state.written,
        )
        await world.halts().halt(tenant, "ann", "bad data")
        await handle.execute_update("decide", decision(request, item_ids=[two.change_id]))
        await retried(handle, attempt=3)
        assert len(world.crm.operations) == 1
        await world.halts().release(tenant, "bob", "all is well")
        result = await handle.result()
    assert set(result.changes.values()) == {ItemState.EXECUTED}
    assert len(world.crm.operations) == 2


async def test_a_halt_of_another_tenant_stops_nothing(world: World, tenant: str) -> None:
    await world.halts().halt("somebody-else", "ann", "bad data")
    world.analysis.changes = (create_task(world.account),)
    async with world.review(tenant=tenant) as handle:
        request = await world.request(handle)
        await handle.execute_update("decide", decision(request))
        assert (await handle.result()).outcome is Outcome.COMPLETED
    await world.halts().release("somebody-else", "ann", "done")


async def test_a_workflow_can_ask_whether_it_may_start_something(world: World, tenant: str) -> None:
    ask = HaltActivities(world.halts()).current
    free = await ActivityEnvironment().run(ask, AskHalt(tenant=tenant))
    assert (free.halted, free.halt) == (False, None)
    await world.halts().halt(tenant, "ann", "bad data")
    answer = await ActivityEnvironment().run(ask, AskHalt(tenant=tenant))
    assert answer.halted
    assert answer.halt is not None
    assert (answer.halt.by, answer.halt.reason) == ("ann", "bad data")
