"""Syncs of the memory on a real server: paused, cancelled, taken up again, one at a time."""

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client, WorkflowFailureError

from account_reviews.domain.errors import ConflictError, CrmAuthError, NotFoundError
from account_reviews.domain.memory_sync import SyncStatus, SyncType, SyncView
from account_reviews.domain.policy.model import Policy
from account_reviews.services.memory_syncs import command, look, resume
from account_reviews.store.reviews import ReviewStore
from account_reviews.store.schedule_runs import ScheduleRunStore
from account_reviews.upkeep.jobs import Tools, memory_sync, memory_sync_full
from tests.support.memory_syncs import Syncing, WatchedMemory, many, syncing
from tests.support.waiting import until


@pytest.fixture
def memory() -> WatchedMemory:
    return WatchedMemory()


@pytest.fixture
def work(client: Client, engine: AsyncEngine, memory: WatchedMemory) -> Syncing:
    return syncing(engine, *many(120), client=client, memory=memory)


async def say(work: Syncing, verb: str) -> SyncView:
    assert work.client is not None
    return await command(work.client, work.syncs, work.tenant, verb, "bob")


async def reaches(work: Syncing, status: SyncStatus) -> SyncView:
    return await until(work.view, lambda seen: seen.status is status)


async def test_a_sync_is_pending_until_a_worker_takes_it_up(work: Syncing) -> None:
    started = await work.start()
    assert (started.status, started.type, started.total) == (SyncStatus.PENDING, SyncType.FULL, 0)
    with pytest.raises(ConflictError, match="open already"):
        await work.start(SyncType.INCREMENTAL)
    async with work.working():
        seen = await work.ended()
    assert seen.sync_id == started.sync_id
    assert (seen.status, seen.done, seen.percent) == (SyncStatus.COMPLETED, 120, 100.0)
    assert seen.finished_at is not None
    with pytest.raises(ConflictError, match="no sync of the memory is open"):
        await say(work, "pause")


async def test_a_sync_that_is_paused_stops_between_two_batches(
    work: Syncing, memory: WatchedMemory
) -> None:
    memory.gate.clear()
    async with work.working():
        await work.start()
        await until(lambda: asyncio.sleep(0, memory.most))  # a batch is under way
        await say(work, "pause")
        memory.gate.set()
        paused = await reaches(work, SyncStatus.PAUSED)
        assert paused.done == 100
        assert work.client is not None
        await resume(work.client, work.syncs, work.tenant, "bob")
        seen = await work.ended()
    assert (seen.status, seen.done, seen.skipped) == (SyncStatus.COMPLETED, 120, 0)


async def test_a_sync_that_was_cancelled_is_taken_up_again(
    work: Syncing, memory: WatchedMemory
) -> None:
    memory.gate.clear()
    assert work.client is not None
    async with work.working():
        with pytest.raises(NotFoundError, match="never synced"):
            await resume(work.client, work.syncs, work.tenant, "bob")
        await work.start(history_limit=10)
        await reaches(work, SyncStatus.RUNNING)
        await say(work, "cancel_sync")
        cancelled = await reaches(work, SyncStatus.CANCELLED)
        await work.handle.result()
        memory.gate.set()
        again = await resume(work.client, work.syncs, work.tenant, "bob")
        assert again.sync_id != cancelled.sync_id
        seen = await work.ended()
        assert (seen.status, seen.done) == (SyncStatus.COMPLETED, 120)
        with pytest.raises(ConflictError, match="nothing to resume"):
            await resume(work.client, work.syncs, work.tenant, "bob")


async def test_a_sync_that_was_terminated_is_seen_to_have_failed_and_is_taken_up_again(
    work: Syncing,
) -> None:
    client = work._client
    started = await work.start()
    assert await look(client, work.syncs, work.tenant) == started
    await work.handle.terminate()
    seen = await look(client, work.syncs, work.tenant)
    assert (seen.status, seen.errors[0].message) == (SyncStatus.FAILED, "it ended in Temporal")
    async with work.working():
        again = await resume(client, work.syncs, work.tenant, "bob")
        assert again.sync_id != started.sync_id
        assert (await work.ended()).status is SyncStatus.COMPLETED
    assert (await look(client, work.syncs, work.tenant)).sync_id == again.sync_id


async def test_a_sync_without_credentials_fails_with_the_reason(work: Syncing) -> None:
    work.crm.refusal = CrmAuthError("the token was revoked")
    async with work.working():
        await work.start()
        with pytest.raises(WorkflowFailureError):
            await work.handle.result()
    seen = await work.view()
    assert seen.status is SyncStatus.FAILED
    assert seen.errors[0].message == "the token was revoked"


async def test_a_long_sync_continues_as_new_under_its_id(work: Syncing) -> None:
    async with work.working():
        started = await work.start(history_limit=1)
        seen = await work.ended()
    assert seen.sync_id == started.sync_id
    assert (seen.status, seen.total, seen.done) == (SyncStatus.COMPLETED, 120, 120)


async def test_odd_messages_stop_nothing(work: Syncing, memory: WatchedMemory) -> None:
    memory.gate.clear()
    async with work.working():
        await work.start()
        await reaches(work, SyncStatus.RUNNING)
        for odd in ({}, {"by": 7}, "who"):
            await work.handle.signal("pause", odd)
        memory.gate.set()
        assert (await work.ended()).status is SyncStatus.COMPLETED


async def test_a_schedule_begins_a_sync_unless_one_is_open(work: Syncing) -> None:
    assert work.client is not None
    now, runs = datetime.now(UTC), ScheduleRunStore(work.engine)
    store = ReviewStore(work.engine)
    tools = Tools(work.client, work.engine, store, runs, Policy(), work.tenant, now)
    begun = await memory_sync(tools)
    assert begun.summary.startswith("the incremental sync ")
    again = await memory_sync_full(tools)
    assert (again.summary, again.changed) == ("a sync of the memory is open already", 0)
    async with work.working():
        seen = await work.ended()
    assert (seen.type, seen.done) == (SyncType.FULL, 120), "there was none before"
