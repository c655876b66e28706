"""Reviews that do not get on: found with step, error and next try, and tried again on request."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from account_reviews.bootstrap import Parts
from account_reviews.domain.errors import (
    ConflictError,
    CrmUnavailableError,
    NotAllowedError,
    ReviewNotFoundError,
)
from account_reviews.domain.review.pending import StuckReview
from account_reviews.domain.review.phases import Outcome
from account_reviews.local.temporal_server import TemporalServer
from account_reviews.services.stuck import find_stuck, retry
from account_reviews.temporal.failures import DATA_CONVERTER
from account_reviews.temporal.sandbox import sandboxed_runner
from tests.support.operations import pause, unpause
from tests.support.waiting import until
from tests.support.world import Handle, World, create_task, decision, make_world


@pytest.fixture
async def world(own_client: Client, engine: AsyncEngine) -> World:
    """A world in the namespace of `parts`."""
    world = make_world(own_client, engine)
    world.analysis.changes = (create_task(world.account),)
    return world


async def stuck_write(world: World, tenant: str) -> Handle:
    """A review whose write the CRM does not take."""
    handle = await world.start(tenant=tenant)
    request = await world.request(handle)
    world.crm.available = False
    await handle.execute_update("decide", decision(request))
    return handle


async def found(world: World, tenant: str, step: str, attempt: int = 2) -> StuckReview:
    """The one review that is stuck, once it is so in that step."""

    async def ask() -> list[StuckReview]:
        return (await find_stuck(world.client, tenant, limit=10)).found

    def holds(stuck: list[StuckReview]) -> bool:
        return any(one.step == step and one.attempt >= attempt for s in stuck for one in s.steps)

    (only,) = await until(ask, holds)
    return only


async def signals(handle: Handle) -> list[str]:
    kind = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
    return [
        event.workflow_execution_signaled_event_attributes.signal_name
        async for event in handle.fetch_history_events()
        if event.event_type == kind
    ]


async def test_a_write_that_the_crm_does_not_take_is_listed_and_retried(
    world: World, parts: Parts, temporal_server: TemporalServer
) -> None:
    tenant = parts.settings.tenant
    second = await Client.connect(
        temporal_server.address, namespace=world.client.namespace, data_converter=DATA_CONVERTER
    )
    async with world.worker(), replace(world, client=second).worker():
        handle = await stuck_write(world, tenant)
        stuck = await found(world, tenant, "write", attempt=7)
        assert (stuck.review_id, stuck.account_id) == (handle.id, world.account.id)
        assert stuck.run_id == handle.first_execution_run_id
        (step,) = stuck.steps
        assert step.activity == "crm.apply_change"
        assert step.error == CrmUnavailableError().message
        assert step.since is not None
        assert step.since <= datetime.now(UTC)
        assert await signals(handle) == ["step_failing"], "once, whoever tries it"
        world.crm.available = True
        done = await retry(parts, world.client, world.account.id, run_id=None, reason="CRM is up")
        assert [one.activity_id for one in done.steps] == [step.activity_id]
        result = await handle.result()
    assert result.outcome is Outcome.COMPLETED
    assert (await signals(handle)).count("step_recovered") == 1
    assert await parts.audit.log.flush(20)
    query = text("select action, details from audit.audit_events where action like 'retry%'")
    async with parts.engine.connect() as connection:
        (row,) = (await connection.execute(query)).all()
    assert row.action == "retry crm.apply_change"
    assert row.details["reason"] == "CRM is up"
    assert row.details["result"] == "accepted"


async def test_a_retry_does_not_wait_for_its_time(world: World, parts: Parts) -> None:
    tenant = parts.settings.tenant
    async with world.worker():
        handle = await stuck_write(world, tenant)

        async def later() -> float:
            stuck = (await find_stuck(world.client, tenant, limit=10)).found
            nexts = [one.next_retry_at for s in stuck for one in s.steps if one.next_retry_at]
            return max(((at - datetime.now(UTC)).total_seconds() for at in nexts), default=0.0)

        await until(later, lambda seconds: seconds > 4)
        world.crm.available = True
        await retry(parts, world.client, handle.id, run_id=None, reason=None)
        await handle.result()

        def of_apply(event: Any) -> bool:
            return bool(event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED)

        started = [one async for one in handle.fetch_history_events() if of_apply(one)]
    assert started[0].activity_task_started_event_attributes.attempt <= 2, "counted anew"


async def test_code_of_the_review_that_fails_is_named_with_its_error(
    world: World, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> str:
        raise KeyError("no such rule")

    monkeypatch.setattr("workflows.account_review.summarise", broken)
    tenant = parts.settings.tenant
    async with world.worker(workflow_runner=sandboxed_runner()):
        handle = await world.start(tenant=tenant)
        request = await world.request(handle)
        await handle.signal("submit_decision", decision(request, "reject", reason="no"))
        stuck = await found(world, tenant, "workflow")
        (step,) = stuck.steps
        assert "no such rule" in step.error
        assert step.since is not None
        with pytest.raises(ConflictError, match="no such rule") as refused:
            await retry(parts, world.client, handle.id, run_id=None, reason=None)
        assert "start a worker" in str(refused.value.hint)
        await handle.terminate()


async def test_a_review_that_is_paused_in_temporal_is_stuck_in_its_own_code(
    world: World, parts: Parts
) -> None:
    tenant = parts.settings.tenant
    async with world.review(tenant=tenant) as handle:
        await world.request(handle)
        await pause(world.client, handle.id)
        stuck = await found(world, tenant, "workflow", attempt=0)
        assert stuck.steps[0].error == "the whole review is paused in Temporal by op: op"
        with pytest.raises(ConflictError) as refused:
            await retry(parts, world.client, handle.id, run_id=None, reason=None)
        assert refused.value.hint == f"unpause it: temporal workflow unpause -w {handle.id}"
        await unpause(world.client, handle.id)


async def test_what_gets_on_is_neither_listed_nor_retried(world: World, parts: Parts) -> None:
    tenant = parts.settings.tenant
    with pytest.raises(ReviewNotFoundError):
        await retry(parts, world.client, "nobody", run_id=None, reason=None)
    async with world.review(tenant=tenant) as handle:
        await world.request(handle)

        async def looked_at() -> int:
            report = await find_stuck(world.client, tenant, limit=10)
            assert report.found == []
            return report.looked_at

        await until(looked_at)
        with pytest.raises(ConflictError, match="no step"):
            await retry(parts, world.client, handle.id, run_id=None, reason=None)
        with pytest.raises(ReviewNotFoundError, match="run other"):
            await retry(parts, world.client, handle.id, run_id="other", reason=None)
        await handle.signal("cancel_review", {"by": "olga"})
        await handle.result()
        with pytest.raises(ConflictError, match="closed"):
            await retry(parts, world.client, handle.id, run_id=None, reason=None)


async def test_a_limit_is_kept_and_what_was_left_out_is_counted(world: World, parts: Parts) -> None:
    tenant = parts.settings.tenant
    other = make_world(world.client, world.engine)
    other.analysis.changes = (create_task(other.account),)
    async with world.worker(), other.worker():
        handles = [await stuck_write(one, tenant) for one in (world, other)]

        async def both() -> int:
            return len((await find_stuck(world.client, tenant, limit=10)).found)

        await until(both, lambda n: n == 2)
        report = await find_stuck(world.client, tenant, limit=1)
        assert (len(report.found), report.left_out) == (1, 1)
        for one in handles:
            await one.terminate()


async def test_who_may_not_retry_is_refused_before_anything_is_sent(
    world: World, parts: Parts, tmp_path: Path
) -> None:
    file = tmp_path / "policy.toml"
    file.write_text('[access.users]\nann = ["auditor"]\nolga = ["operator"]\n')
    parts.settings = replace(parts.settings, policy_file=file)
    tenant = parts.settings.tenant
    async with world.worker():
        handle = await stuck_write(world, tenant)
        await found(world, tenant, "write")
        with pytest.raises(NotAllowedError):
            await retry(parts, world.client, handle.id, run_id=None, reason=None, by="ann")
        assert await parts.audit.log.flush(20)
        query = text("select count(*) from audit.audit_events where action like 'retry crm%'")
        async with parts.engine.connect() as connection:
            before = await connection.scalar(query)
        world.crm.available = True
        await retry(parts, world.client, handle.id, run_id=None, reason=None, by="olga")
        await handle.result()
        assert await parts.audit.log.flush(20)
        async with parts.engine.connect() as connection:
            assert await connection.scalar(query) == before + 1
