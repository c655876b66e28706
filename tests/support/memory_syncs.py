"""Syncs of a memory, with a CRM and a memory inside the test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client, WorkflowHandle

from account_reviews.crm.in_memory import InMemoryCrm
from account_reviews.domain.memory import MemoryHit, MemoryItem
from account_reviews.domain.memory_sync import OpenSync, SyncInput, SyncStep, SyncType, SyncView
from account_reviews.domain.records import AccountSnapshot, SnapshotLimits
from account_reviews.memory.in_memory import InMemoryMemory
from account_reviews.memory.protocol import MemoryBackend, MemoryRef, RecallQuery
from account_reviews.services.memory_syncs import start_sync
from account_reviews.store.memory_syncs import MemorySyncs
from account_reviews.temporal import names
from account_reviews.temporal.sandbox import sandboxed_runner
from activities.memory_sync import MemorySyncActivities
from tests.support.cycles import AS_OF, account
from worker import build_worker

Handle = WorkflowHandle[Any, Any]


class WatchedMemory(InMemoryMemory):
    """Counts what is handed over; may stop at a gate, or break after some calls."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()
        self.calls = 0
        self.most = 0
        self._inside = 0
        self.breaks_after: int | None = None

    async def remember(
        self, items: tuple[MemoryItem, ...], *, idempotency_key: str, tenant: str | None = None
    ) -> tuple[MemoryRef, ...]:
        self._inside += 1
        self.most = max(self.most, self._inside)
        try:
            await self.gate.wait()
            await asyncio.sleep(0.01)  # as long as something over a network
        finally:
            self._inside -= 1
        self.calls += 1
        refs = await super().remember(items, idempotency_key=idempotency_key, tenant=tenant)
        if self.breaks_after is not None and self.calls > self.breaks_after:
            raise asyncio.CancelledError  # as when the process is killed: it was stored
        return refs


@dataclass
class Syncing:
    """What one test works with."""

    engine: AsyncEngine
    crm: InMemoryCrm
    memory: MemoryBackend
    client: Client | None = None
    tenant: str = field(default_factory=lambda: f"t{uuid4().hex[:8]}")
    as_of: datetime = AS_OF

    @property
    def syncs(self) -> MemorySyncs:
        return MemorySyncs(self.engine)

    @property
    def activities(self) -> MemorySyncActivities:
        async def clock() -> datetime:
            return self.as_of

        limits = SnapshotLimits()
        return MemorySyncActivities(self.crm, self.memory, self.syncs, limits, clock)

    async def open(self, kind: SyncType = SyncType.FULL, **fields: Any) -> str:
        """Its first steps, without a workflow. The id of the sync."""
        sync_id = f"sync-{uuid4().hex}"
        call = OpenSync(
            sync_id=sync_id,
            tenant=self.tenant,
            type=kind,
            started_by="ann",
            started_at=datetime.now(UTC),
            **fields,
        )
        opened = await self.activities.open(call)
        cursor = None
        while not opened.listed:
            step = self.step(sync_id, cursor)
            cursor = (await self.activities.list_accounts(step)).next_cursor
            if cursor is None:
                break
        return sync_id

    async def batch(self, sync_id: str) -> bool:
        """One batch; whether another one may find more."""
        return (await self.activities.sync_batch(self.step(sync_id))).more

    def step(self, sync_id: str, cursor: str | None = None) -> SyncStep:
        return SyncStep(sync_id=sync_id, tenant=self.tenant, cursor=cursor, catches_up=True)

    async def view(self, sync_id: str | None = None) -> SyncView:
        return await self.syncs.view(self.tenant, sync_id)

    async def remembered(self, account_id: str, **query: Any) -> list[MemoryHit]:
        wanted = RecallQuery(account_id=account_id, tenant=self.tenant, **query)
        return list(await self.memory.recall(wanted))

    # with workflows

    async def start(self, kind: SyncType = SyncType.FULL, **fields: Any) -> SyncView:
        start = SyncInput(type=kind, tenant=self.tenant, started_by="ann", **fields)
        return await start_sync(self._client, self.syncs, start)

    async def ended(self) -> SyncView:
        """Wait for its end, and show it."""
        await self.handle.result()
        return await self.view()

    @property
    def handle(self) -> Handle:
        return self._client.get_workflow_handle(names.memory_sync_id(self.tenant))

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """A worker of the tenant, inside."""
        queue = names.task_queue(self.tenant)
        runner = sandboxed_runner(strict=True)
        owners = [self.activities]
        async with build_worker(self._client, owners, task_queue=queue, workflow_runner=runner):
            yield

    @property
    def _client(self) -> Client:
        assert self.client is not None
        return self.client


def syncing(engine: AsyncEngine, *accounts: AccountSnapshot, **parts: Any) -> Syncing:
    """A CRM with these accounts, and an empty memory."""
    return Syncing(engine, InMemoryCrm(accounts), parts.pop("memory", WatchedMemory()), **parts)


def many(number: int) -> list[AccountSnapshot]:
    return [account(f"acc-{n:03}") for n in range(number)]
