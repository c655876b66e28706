"""A worker serves one tenant, and whom it adopts; what another tenant left open finds its way."""

import asyncio
from uuid import uuid4

import pytest
from temporalio.client import WorkflowFailureError

from account_reviews.domain.memory import MemoryItem, MemoryKind, MemorySource
from account_reviews.domain.review.phases import Outcome
from account_reviews.domain.review.state import ReviewInput
from account_reviews.temporal import names
from starter import start_review
from tests.support.world import AS_OF, World, create_task, decision
from workflows.account_review import AccountReviewWorkflow


def somebody() -> str:
    """A tenant that no other test has."""
    return f"acme-{uuid4().hex[:8]}"


async def test_a_review_waits_on_the_queue_of_its_tenant(world: World) -> None:
    tenant = f"acme & söhne {uuid4().hex[:8]}"
    start = ReviewInput(account_id=world.account.id, tenant=tenant, as_of=AS_OF)
    handle, _ = await start_review(world.client, start, world.account)
    shown = await handle.describe()
    assert shown.task_queue == names.task_queue(tenant)
    assert shown.task_queue.startswith("account-reviews/acme%20%26%20s%C3%B6hne%20")
    await handle.terminate()


async def test_the_review_of_another_tenant_is_refused_for_good(world: World) -> None:
    tenant = somebody()
    world.analysis.changes = (create_task(world.account),)
    async with world.worker(tenants={"default"}):
        handle = await world.start(tenant=tenant)
        with pytest.raises(WorkflowFailureError) as error:
            await handle.result()
    assert f"serves default and not the tenant '{tenant}'" in str(error.value.cause)
    assert (world.crm.reads, world.analysis.calls) == (0, 0)


async def test_a_worker_finishes_the_reviews_of_whom_it_adopts(world: World) -> None:
    tenant = somebody()
    world.analysis.changes = (create_task(world.account),)
    async with world.worker(tenants={"default", tenant}):
        handle = await world.start(tenant=tenant)
        request = await world.request(handle)
        await handle.execute_update("decide", decision(request))
        assert (await handle.result()).outcome is Outcome.COMPLETED


async def test_the_crm_of_another_tenant_is_neither_read_nor_written(world: World) -> None:
    world.crm.tenant = "default"
    tenant = somebody()
    async with world.worker(tenants={"default", tenant}):
        handle = await world.start(tenant=tenant)
        with pytest.raises(WorkflowFailureError) as error:
            await handle.result()
    assert "belongs to 'default'" in str(error.value.cause)
    assert world.crm.reads == 0


async def test_what_is_remembered_of_a_tenant_is_recalled_for_it_alone(world: World) -> None:
    """An adopted review asks in the name of its own tenant."""
    tenant = somebody()
    item = MemoryItem(
        account_id=world.account.id,
        kind=MemoryKind.NOTE,
        text="a secret",
        occurred_at=AS_OF,
        source=MemorySource(system="crm"),
    )
    await world.memory.remember((item,), idempotency_key="note", tenant=tenant)
    async with world.worker(tenants={"default", tenant}):
        recalled = []
        for asked in (tenant, "default"):
            handle = await world.start(tenant=asked)
            await handle.result()
            state = await handle.query(AccountReviewWorkflow.snapshot)
            assert state.memory is not None
            recalled.append(state.memory.items)
    assert recalled == [1, 0]


async def test_a_review_leaves_the_queue_of_all_as_it_continues_as_new(world: World) -> None:
    """One that an earlier release began stays there until then."""
    tenant, world.task_queue = somebody(), names.TASK_QUEUE
    world.analysis.changes = (create_task(world.account),)
    async with world.worker(tenants={"default", tenant}):
        handle = await world.start(tenant=tenant, history_limit=20)
        await world.request(handle)
        assert (await handle.describe()).task_queue == names.TASK_QUEUE
        newest = world.client.get_workflow_handle(handle.id)
        while (await newest.describe()).run_id == handle.first_execution_run_id:
            await newest.signal("submit_decision", {"request_id": "unknown"})
            await asyncio.sleep(0.05)
    assert (await newest.describe()).task_queue == names.task_queue(tenant)
    await newest.terminate()
