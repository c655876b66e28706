"""Reviews that end without a worker: their rows are closed and hooks hear of it, once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import (
    Client,
    Interceptor,
    OutboundInterceptor,
    StartWorkflowInput,
    WorkflowHandle,
)
from temporalio.contrib.pydantic import pydantic_data_converter

from account_reviews.audit.history.reconciler import Reconciler
from account_reviews.domain.audit.redaction import Rules
from account_reviews.domain.policy.model import load_policy
from account_reviews.domain.proposals import ItemState
from account_reviews.domain.review.approvals import RequestState
from account_reviews.domain.review.decisions import approved_items
from account_reviews.domain.review.phases import Outcome
from account_reviews.domain.review.state import ReviewState
from account_reviews.hooks.events import Anomaly, HookEvent, HookName
from account_reviews.hooks.registry import hook_of
from account_reviews.hooks.worker import hooked
from account_reviews.local.temporal_server import TemporalServer
from account_reviews.store.review_queries import ReviewReader
from account_reviews.upkeep import rebuild
from account_reviews.upkeep.server_closed_reviews import EndedOutside
from tests.support.connections import statements_on
from tests.support.hooks import Heard, counting
from tests.support.waiting import until
from tests.support.world import Handle, World, create_task, decision, make_world

EVENT_OF_THE_FIRST_TASK = 4


@dataclass
class Passing:
    """The small passes of one worker, what they notified of, and what its hook heard of it."""

    reconciler: Reconciler
    notified: list[str]
    heard: Heard

    async def heard_of(self, since: datetime) -> HookEvent:
        """Pass once; gives the end that was notified of."""
        await self.reconciler.recent(since=since)
        (found,) = await asyncio.to_thread(self.heard.wait, 1)
        assert found.name is HookName.SESSION_END
        return found


@asynccontextmanager
async def passing(world: World) -> AsyncIterator[Passing]:
    """A worker's passes, without its worker."""
    heard, notified = Heard(), list[str]()
    async with hooked(
        [hook_of(heard, "heard")], world.client, load_policy(None), tenant="default"
    ) as listening:

        def notify(workflow_id: str, run_id: str) -> None:
            notified.append(run_id)
            listening.observer.moved(workflow_id, run_id, started=False, ended=True)

        ended = EndedOutside(world.client, world.engine, world.store, notify, world.writer())
        yield Passing(
            Reconciler(world.client, world.engine, world.engine, Rules(), ended.settle),
            notified,
            heard,
        )


class _Short(Interceptor):
    """Starts workflows that may take a second."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        return _Shortened(next)


class _Shortened(OutboundInterceptor):
    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:
        input.execution_timeout = timedelta(seconds=2)
        return await super().start_workflow(input)


@pytest.fixture
def since() -> datetime:
    """What other tests ended is none of our business: nobody works at their queues."""
    return datetime.now(UTC)


@pytest.fixture
def world(client: Client, engine: AsyncEngine) -> World:
    made = make_world(client, engine)
    made.analysis.changes = (create_task(made.account),)
    return made


async def listed(world: World, handle: Handle, status: str) -> None:
    """Lists follow a moment after the end."""
    query = f"WorkflowId = '{handle.id}' AND ExecutionStatus = '{status}'"
    await until(lambda: world.client.count_workflows(query), lambda found: found.count)


async def row(world: World, handle: Handle) -> ReviewState:
    found = await ReviewReader(statements_on(world.engine)).find_run(
        tenant="default", review_id=handle.id
    )
    return found.state


async def test_a_terminated_review_is_closed_and_told_by_one_worker(
    world: World, since: datetime
) -> None:
    async with passing(world) as one, passing(world) as other, world.worker():
        handle = await world.start()
        await world.request(handle)
        await one.reconciler.recent(since=since)
        assert one.notified == [], "it is open"
        await handle.terminate("emergency")
        await listed(world, handle, "Terminated")
        event = await one.heard_of(since)
        state = await row(world, handle)
        for again in (other, one):
            await again.reconciler.recent(since=since)
        assert (one.notified, other.notified) == ([handle.first_execution_run_id], [])
    assert (event.status, event.outcome, event.review_id) == ("cancelled", None, handle.id)
    assert event.run_id == handle.first_execution_run_id
    assert (state.outcome, state.pending) == (Outcome.ABANDONED, ())
    assert [request.state for request in state.requests] == [RequestState.CANCELLED]


async def test_a_review_that_timed_out_has_failed(
    world: World, since: datetime, temporal_server: TemporalServer
) -> None:
    short = await Client.connect(
        temporal_server.address, data_converter=pydantic_data_converter, interceptors=[_Short()]
    )
    with counting() as counted:
        async with passing(world) as one, world.worker():
            handle = await world.start(short)
            await listed(world, handle, "TimedOut")
            event = await one.heard_of(since)
        assert counted("reviews_session_anomalies") == {("failed",): 1}
    assert (event.status, event.error_type) == ("failed", "TimeoutError")
    assert event.anomalies == (Anomaly.FAILED,)
    assert (await row(world, handle)).outcome is Outcome.ABANDONED


async def test_one_that_cannot_be_asked_is_closed_as_it_was_saved(
    world: World, since: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuild, "QUERY_SECONDS", 0.2)
    async with passing(world) as one:
        async with world.worker():
            handle = await world.start()
            await world.request(handle)
        await handle.terminate("its tasks fail")
        await listed(world, handle, "Terminated")
        assert (await one.heard_of(since)).status == "cancelled"
    state = await row(world, handle)
    assert (state.outcome, state.pending) == (Outcome.ABANDONED, ())


async def test_one_that_cannot_be_closed_holds_up_no_other(
    world: World, since: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuild, "QUERY_SECONDS", 0.2)
    other = make_world(world.client, world.engine)
    other.analysis.changes = (create_task(other.account),)
    handles = []
    for one in (world, other):
        async with one.worker():
            handle = await one.start()
            await one.request(handle)
        await handle.terminate("its tasks fail")
        await listed(one, handle, "Terminated")
        handles.append(handle)
    odd, good = handles
    async with world.engine.begin() as connection:
        spoil = text("update reviews.review_runs set state = '{}' where run_id = :run")
        await connection.execute(spoil, {"run": odd.first_execution_run_id})
    with counting() as counted:
        async with passing(world) as passes:
            for _ in range(2):
                await passes.reconciler.recent(since=since)
        assert counted("reviews_audit_export_errors") == {("ValidationError", "reconcile"): 1}
    assert passes.notified == [good.first_execution_run_id]
    assert (await row(other, good)).outcome is Outcome.ABANDONED


async def test_one_that_was_writing_stays_open_until_its_crm_says_what_stands(
    world: World, since: datetime
) -> None:
    async with passing(world) as one, world.worker():
        handle = await world.start()
        request = await world.request(handle)
        world.crm.available = False
        await handle.signal("submit_decision", decision(request))
        await until(lambda: row(world, handle), approved_items)
        await handle.terminate("emergency")
        await listed(world, handle, "Terminated")
        await one.reconciler.recent(since=since)
        assert one.notified == []
        assert (await row(world, handle)).outcome is None, "nobody knows what was written"
        world.crm.available = True
        await one.heard_of(since)
    (change,) = (await row(world, handle)).changes
    assert change[1] is ItemState.SKIPPED


async def test_a_review_that_was_reset_goes_on(world: World, since: datetime) -> None:
    async with passing(world) as one, world.worker():
        handle = await world.start()
        await world.request(handle)
        await reset(world, handle)
        await listed(world, handle, "Terminated")
        await one.reconciler.recent(since=since)
        assert one.notified == []
        assert (await row(world, handle)).outcome is None
        await world.client.get_workflow_handle(handle.id).terminate("the test is over")


async def reset(world: World, handle: Handle) -> None:
    await world.client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=world.client.namespace,
            workflow_execution=WorkflowExecution(
                workflow_id=handle.id, run_id=handle.first_execution_run_id or ""
            ),
            workflow_task_finish_event_id=EVENT_OF_THE_FIRST_TASK,
            request_id=uuid4().hex,
            reason="a test",
        )
    )
