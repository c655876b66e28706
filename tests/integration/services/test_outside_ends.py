"""Reviews that are terminated, reset or paused with Temporal's own tools, or time out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from account_reviews.bootstrap import Parts
from account_reviews.domain.errors import NegativeAnswerError, ReviewsError
from account_reviews.domain.review.approvals import ApprovalRequest
from account_reviews.services.reviews import show_review
from account_reviews.services.waits import wait_for
from account_reviews.store.review_queries import RunFilter, RunRow
from account_reviews.upkeep.outside_watch import OutsideWatch
from account_reviews.upkeep.server_closed_reviews import EndedOutside
from tests.support.operations import pause, reset, unpause
from tests.support.waiting import PATIENCE, until
from tests.support.world import Handle, World, create_task, decision, make_world


@pytest.fixture
async def world(own_client: Client, engine: AsyncEngine) -> World:
    """A world in the namespace of `parts`."""
    world = make_world(own_client, engine)
    world.analysis.changes = (create_task(world.account),)
    return world


@pytest.fixture
async def waiting(world: World, parts: Parts) -> AsyncIterator[tuple[Handle, ApprovalRequest]]:
    """A review that waits for a decision, and its request."""
    async with world.review(tenant=parts.settings.tenant) as handle:
        yield handle, await world.request(handle)
        with suppress(Exception):
            await handle.terminate()


async def shown(parts: Parts, client: Client, review_id: str) -> dict[str, Any]:
    async with parts.engine.begin() as connection:  # this world has no real ones
        await connection.execute(text("delete from reviews.documents where kind = 'analysis'"))

    async def connect() -> Client:
        return client

    _, _, document = await show_review(parts, connect, review_id)
    return document


async def listed(parts: Parts, **where: Any) -> RunRow:
    wanted = RunFilter(tenant=parts.settings.tenant, where=where)
    page = await parts.reader.list_runs(wanted, cursor=None, limit=10)
    (row,) = page.items
    return row


def watch_of(parts: Parts, world: World, told: list[tuple[str, str]]) -> OutsideWatch:
    def note(*ended: str) -> None:
        told.append((ended[0], ended[1]))

    ended = EndedOutside(world.client, parts.engine, parts.store, note, None)
    return OutsideWatch(
        world.client,
        parts.engine,
        parts.audit.engine,
        ended.settle,
        tenant=parts.settings.tenant,
    )


async def waited(parts: Parts, world: World, handle: Handle) -> ReviewsError:
    """What a caller of `--wait closed` is told."""
    run_id = str(handle.first_execution_run_id)
    row = {"review_id": handle.id, "run_id": run_id}

    async def connect() -> Client:
        return world.client

    def hush(_: str) -> None:
        """Progress is for people."""

    work = wait_for(parts, connect, [row], closed=True, say=hush, look_seconds=0.1)
    refused = await asyncio.wait_for(work, PATIENCE)
    assert row["error"] == f"{refused[run_id].message}; {refused[run_id].hint}"
    return refused[run_id]


async def test_a_terminated_review_is_shown_as_that_and_whoever_waits_is_told(
    world: World, parts: Parts, waiting: tuple[Handle, ApprovalRequest]
) -> None:
    handle, request = waiting
    waits = asyncio.create_task(waited(parts, world, handle))
    await handle.terminate("an emergency")
    error = await waits
    assert isinstance(error, NegativeAnswerError)
    assert error.exit_code == 1
    assert error.message.startswith(f"the review {handle.id} was terminated in Temporal at ")
    document = await shown(parts, world.client, handle.id)
    assert (document["outcome"], document["temporal_status"]) == ("abandoned", "terminated")
    assert document["reason"] == "terminated in Temporal"
    assert document["closed_at"] is not None
    assert [one["state"] for one in document["approvals"]] == ["cancelled"]
    told: list[tuple[str, str]] = []
    watch = watch_of(parts, world, told)

    async def looked() -> RunRow:
        await watch.look()
        return await listed(parts)

    row = await until(looked, lambda row: row.outcome is not None)
    assert (row.status, row.outcome) == ("abandoned", "abandoned")
    ended = await parts.reader.find_request(parts.settings.tenant, request.request_id)
    assert ended.request.state == "cancelled"
    for _ in range(2):
        await watch.look()
    assert told == [(handle.id, handle.first_execution_run_id)], "hooks hear of it once"
    assert (await waited(parts, world, handle)).message == (
        f"the review {handle.id} was terminated in Temporal"
    ), "also when a worker has closed its row already"
    assert (await shown(parts, world.client, handle.id))["temporal_status"] == "terminated"


async def test_a_paused_review_is_listed_as_that_until_it_goes_on(
    world: World, parts: Parts, waiting: tuple[Handle, ApprovalRequest]
) -> None:
    handle, request = waiting
    watch = watch_of(parts, world, [])
    await watch.look()
    assert (await listed(parts)).status == "waiting"
    await pause(world.client, handle.id)
    error = await waited(parts, world, handle)
    assert "is paused in Temporal" in error.message
    assert error.hint == f"unpause it: temporal workflow unpause -w {handle.id}"
    await watch.look()
    assert (await listed(parts)).status == "paused"
    assert (await listed(parts, status="paused")).review_id == handle.id
    document = await shown(parts, world.client, handle.id)
    assert (document["status"], document["temporal_status"]) == ("paused", "paused")
    assert document["failing"][0]["error"].startswith("the whole review is paused in Temporal")
    await unpause(world.client, handle.id)

    async def looked() -> str:
        await watch.look()
        return (await listed(parts)).status

    await until(looked, lambda status: status == "waiting")
    await handle.execute_update("decide", decision(request))
    await handle.result()
    assert (await listed(parts)).status == "completed"


async def test_a_reset_review_is_a_recovery_and_whoever_waits_is_told(
    world: World, parts: Parts, waiting: tuple[Handle, ApprovalRequest]
) -> None:
    handle, _ = waiting
    waits = asyncio.create_task(waited(parts, world, handle))
    await reset(world.client, handle.id, str(handle.first_execution_run_id))
    error = await waits
    assert "was reset in Temporal" in error.message
    assert error.exit_code == 1
    row = await until(lambda: listed(parts), lambda row: row.kind == "recovery")
    assert (row.review_id, row.status) == (handle.id, "waiting")
    assert (await listed(parts, kind="recovery")).run_id == handle.first_execution_run_id
    document = await shown(parts, world.client, handle.id)
    assert (document["kind"], document["started_as"]) == ("recovery", "on_demand")
    assert document["source"] == "workflow"
    newest = world.client.get_workflow_handle(handle.id)
    await newest.signal("cancel_review", {"by": "olga"})
    await until(lambda: listed(parts), lambda row: row.outcome == "cancelled")
    await until(lambda: shown(parts, world.client, handle.id), lambda one: one["closed_at"])


async def test_a_review_that_timed_out_says_so(world: World, parts: Parts) -> None:
    handle = await world.client.start_workflow(
        "AccountReview",
        {"account_id": world.account.id, "tenant": parts.settings.tenant, "logic": 3},
        id=f"review/{parts.settings.tenant}/{world.account.id}",
        task_queue=world.task_queue,
        run_timeout=timedelta(seconds=3),
    )
    async with world.worker():
        await until(lambda: has_row(parts, handle.id))
        error = await waited(parts, world, handle)
    assert error.message.startswith(f"the review {handle.id} timed out in Temporal at ")
    document = await shown(parts, world.client, handle.id)
    assert (document["outcome"], document["temporal_status"]) == ("abandoned", "timed_out")


async def has_row(parts: Parts, review_id: str) -> bool:
    page = await parts.reader.list_runs(
        RunFilter(tenant=parts.settings.tenant), cursor=None, limit=10
    )
    return [one.review_id for one in page.items] == [review_id]


async def test_a_stuck_review_is_shown_with_its_step(world: World, parts: Parts) -> None:
    async with world.worker():
        handle = await world.start(tenant=parts.settings.tenant)
        request = await world.request(handle)
        world.crm.available = False
        await handle.execute_update("decide", decision(request))

        async def failing() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = (await shown(parts, world.client, handle.id))["failing"]
            return found

        (step,) = await until(failing, lambda found: found and found[0]["attempt"] > 3)
        assert (step["step"], step["activity"]) == ("write", "crm.apply_change")
        assert "CRM" in step["error"]
        world.crm.available = True
        await handle.result()
    document = await shown(parts, world.client, handle.id)
    assert document["failing"] == []
    assert document["counters"]["failed_attempts"] >= 3
    assert document["counters"]["api_call_count"] >= 3
