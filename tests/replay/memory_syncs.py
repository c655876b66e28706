"""How syncs of the memory end, recorded for the replay test."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from temporalio.client import WorkflowFailureError, WorkflowHandle

from account_reviews.domain.errors import CrmAuthError
from account_reviews.domain.memory_sync import SyncStatus, SyncType
from account_reviews.services.memory_syncs import command
from tests.support.memory_syncs import Syncing, WatchedMemory, many, syncing
from tests.support.waiting import until
from tests.support.world import World

Handle = WorkflowHandle[Any, Any]


async def full(world: World) -> Handle:
    return await _ended(_work(world), SyncType.FULL)


async def on_demand(world: World) -> Handle:
    return await _ended(_work(world), SyncType.ON_DEMAND, account_ids=("acc-001", "nobody"))


async def failed(world: World) -> Handle:
    work = _work(world)
    work.crm.refusal = CrmAuthError("the token was revoked")
    return await _ended(work, SyncType.FULL)


async def paused_and_resumed(world: World) -> Handle:
    memory = WatchedMemory()
    memory.gate.clear()
    work = _work(world, memory)
    async with work.working():
        await work.start()
        await until(lambda: asyncio.sleep(0, memory.most))
        await command(world.client, work.syncs, work.tenant, "pause", "bob")
        memory.gate.set()
        await until(work.view, lambda seen: seen.status is SyncStatus.PAUSED)
        await command(world.client, work.syncs, work.tenant, "resume", "bob")
        await work.handle.result()
    return work.handle


async def cancelled(world: World) -> Handle:
    memory = WatchedMemory()
    memory.gate.clear()
    work = _work(world, memory)
    async with work.working():
        await work.start()
        await until(lambda: asyncio.sleep(0, memory.most))
        await command(world.client, work.syncs, work.tenant, "cancel_sync", "bob")
        await work.handle.result()
    return work.handle


SYNC_SCENARIOS: tuple[Callable[[World], Awaitable[Handle]], ...] = (
    full,
    on_demand,
    failed,
    paused_and_resumed,
    cancelled,
)


def _work(world: World, memory: WatchedMemory | None = None) -> Syncing:
    return syncing(world.engine, *many(120), client=world.client, memory=memory or WatchedMemory())


async def _ended(work: Syncing, kind: SyncType, **fields: Any) -> Handle:
    async with work.working():
        await work.start(kind, **fields)
        try:
            await work.handle.result()
        except WorkflowFailureError:
            return work.handle
    return work.handle
