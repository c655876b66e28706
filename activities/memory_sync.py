"""Syncs of the memory: which accounts, and what of them the memory is told, a batch at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from temporalio import activity

from account_reviews.crm.http.priorities import Priority, calling_for
from account_reviews.crm.merged import refuse_merged
from account_reviews.crm.protocol import AccountFilter, CrmBackend
from account_reviews.domain.base import Timestamp
from account_reviews.domain.bursts import pause
from account_reviews.domain.errors import (
    AccountNotFoundError,
    CrmUnreadableError,
    MemoryUnavailableError,
    NotFoundError,
    ReviewsError,
)
from account_reviews.domain.memory import MemoryItem
from account_reviews.domain.memory_sync import (
    AT_ONCE,
    BATCH,
    OVERLAP,
    TRIES,
    MarkSync,
    OpenedSync,
    OpenSync,
    SyncedBatch,
    SyncedPage,
    SyncStep,
    SyncType,
)
from account_reviews.domain.records import AccountSnapshot, SnapshotLimits
from account_reviews.memory.account_items import LastReview, checksum, item_of
from account_reviews.memory.protocol import MemoryBackend, MemoryRef
from account_reviews.store.memory_syncs import MemorySyncs, Remembered, Settled

PAGE: Final = 200
"""Accounts per page of the CRM's list."""

Clock = Callable[[], Awaitable[Timestamp | None]]


class MemorySyncActivities:
    """Reads accounts of one CRM and hands them to one memory.

    `default_as_of` gives the clock of a reading; None is now.
    """

    def __init__(
        self,
        crm: CrmBackend,
        memory: MemoryBackend,
        syncs: MemorySyncs,
        limits: SnapshotLimits,
        default_as_of: Clock,
    ) -> None:
        self._crm = crm
        self._memory = memory
        self._syncs = syncs
        self._limits = limits
        self._default_as_of = default_as_of

    @activity.defn(name="memory_sync.open")
    async def open(self, call: OpenSync) -> OpenedSync:
        """Show it. An incremental one is a full one where no sync was ever completed."""
        since = await self._syncs.since(call.tenant)
        kind = call.type
        if kind is SyncType.INCREMENTAL and since is None and call.continues is None:
            kind = SyncType.FULL
        changed = since - OVERLAP if kind is SyncType.INCREMENTAL and since else None
        await self._syncs.begin(call, kind, changed)
        return OpenedSync(type=kind, listed=kind is SyncType.ON_DEMAND)

    @activity.defn(name="memory_sync.list_accounts")
    async def list_accounts(self, call: SyncStep) -> SyncedPage:
        """One page of the accounts to sync. The errors of the CRM."""
        where = AccountFilter(
            changed_since=await self._syncs.changed_since(call.tenant, call.sync_id)
        )
        with calling_for(Priority.SCHEDULES):
            page = await self._crm.of(call.tenant).list_accounts(
                where, cursor=call.cursor, limit=PAGE
            )
        ids = [account.id for account in page.items]
        await self._syncs.add_accounts(call.sync_id, call.tenant, ids)
        return SyncedPage(next_cursor=page.next_cursor)

    @activity.defn(name="memory_sync.sync_batch")
    async def sync_batch(self, call: SyncStep) -> SyncedBatch:
        """The next accounts. What cannot be read or is refused fails alone; a CRM or a memory that
        is away fails the batch, which goes on where it was. The errors of both."""
        ids = await self._syncs.next(call.sync_id, BATCH)
        with calling_for(Priority.SCHEDULES):
            if ids:
                await self._sync(call, ids)
                return SyncedBatch(more=True)
            lacking = await self._memory.catch_up(limit=BATCH) if call.catches_up else 0
            return SyncedBatch(more=lacking > 0)

    @activity.defn(name="memory_sync.mark")
    async def mark(self, call: MarkSync) -> None:
        """Show how it stands."""
        await self._syncs.mark(call)

    async def _sync(self, call: SyncStep, ids: Sequence[str]) -> None:
        wrong: dict[str, str] = {}
        snapshots = await self._read(call.tenant, ids, wrong)
        rows = await self._syncs.last_reviews(call.tenant, ids)
        reviews = {name: LastReview.model_validate(row) for name, row in rows.items()}
        items = {one: item_of(found, reviews.get(one)) for one, found in snapshots.items()}
        known = await self._syncs.remembered(call.tenant, ids)
        nothing = Remembered(None, None, None)
        same = [
            one
            for one, item in items.items()
            if known.get(one, nothing)[1:] == (checksum(item), None)
        ]
        await self._syncs.seen(call.tenant, same)
        failed = [Settled(one, "failed", why) for one, why in wrong.items()]
        await self._syncs.settle(
            call.sync_id, [*failed, *(Settled(one, "skipped") for one in same)]
        )
        gate = asyncio.Semaphore(AT_ONCE)

        async def keep(account_id: str) -> None:
            async with gate:
                await self._keep(call, items[account_id], known.get(account_id, nothing))

        changed = [one for one in items if one not in set(same)]
        found = await asyncio.gather(*(keep(one) for one in changed), return_exceptions=True)
        for error in found:
            if isinstance(error, BaseException):
                raise error

    async def _keep(self, call: SyncStep, item: MemoryItem, known: Remembered) -> None:
        """Tried three times, unless the memory says when to come again; what is refused for good is
        the account's error."""
        for tried in range(1, TRIES + 1):
            try:
                await self._hand_over(call, item, known)
                return
            except MemoryUnavailableError as error:
                if tried == TRIES or not error.retryable or error.retry_after is not None:
                    raise
                await asyncio.sleep(pause(tried, 0.5))
            except ReviewsError as error:
                if error.retryable:
                    raise
                failed = Settled(item.account_id, "failed", error.message)
                await self._syncs.settle(call.sync_id, [failed])
                return

    async def _hand_over(self, call: SyncStep, item: MemoryItem, known: Remembered) -> None:
        """The item takes the place of the one before. What is handed over is noted first: after a
        crash nobody knows whether it was, and the next item takes the place of whatever came."""
        digest = checksum(item)
        await self._syncs.intend(call.tenant, item.account_id, digest)
        ref = await self._after(call, item, known.item_id, digest)
        if known.sent_checksum not in (None, digest):
            ref = await self._after(call, item, ref, digest)
        await self._syncs.kept(call.sync_id, call.tenant, item.account_id, ref, digest)

    async def _after(
        self, call: SyncStep, item: MemoryItem, before: UUID | None, digest: str
    ) -> UUID:
        if before is not None:
            try:
                ref = await self._memory.supersede(
                    MemoryRef(id=str(before)), item, tenant=call.tenant
                )
                return UUID(ref.id)
            except NotFoundError:  # it was forgotten
                key = f"snapshot/{item.account_id}/{before}/{digest}"
        else:
            key = f"snapshot/{item.account_id}"
        (ref,) = await self._memory.remember((item,), idempotency_key=key, tenant=call.tenant)
        return UUID(ref.id)

    async def _read(
        self, tenant: str, ids: Sequence[str], wrong: dict[str, str]
    ) -> dict[str, AccountSnapshot]:
        """Snapshots by id; `wrong` gets why an account has none."""
        crm, as_of = self._crm.of(tenant), await self._default_as_of() or datetime.now(UTC)
        most = (await crm.capabilities()).bulk_reads
        found: dict[str, AccountSnapshot] = {}
        if most > 1:
            for start in range(0, len(ids), most):
                part = ids[start : start + most]
                found |= await crm.snapshots(part, as_of=as_of, limits=self._limits)
        gate = asyncio.Semaphore(AT_ONCE)

        async def read(account_id: str) -> None:
            async with gate:
                with _noting(wrong, account_id):
                    found[account_id] = await crm.snapshot(
                        account_id, as_of=as_of, limits=self._limits
                    )

        await asyncio.gather(*(read(one) for one in ids if one not in found))
        for one, snapshot in found.items():
            with _noting(wrong, one):
                refuse_merged(one, snapshot)
        return {one: snapshot for one, snapshot in found.items() if one not in wrong}


@contextmanager
def _noting(wrong: dict[str, str], account_id: str) -> Iterator[None]:
    """What cannot be read of an account is its own error, and takes no other with it."""
    try:
        yield
    except (AccountNotFoundError, CrmUnreadableError) as error:
        wrong[account_id] = error.message
