"""Syncs of the memory, in our tables: their accounts, how far they are, what the memory holds."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from account_reviews.domain.base import Timestamp
from account_reviews.domain.memory_sync import (
    SHOWN_ERRORS,
    MarkSync,
    OpenSync,
    SyncError,
    SyncStatus,
    SyncType,
    SyncView,
    is_stale,
    percent,
)
from account_reviews.store.database import reachable
from account_reviews.store.sql_files import read_sql

KEPT: Final = 100
"""Syncs of a tenant; the oldest make room."""

_REVIEWS: Final = text(read_sql("account_reviews.store", "sync_memory_last_reviews.sql"))
_SETTLE: Final = text(read_sql("account_reviews.store", "sync_memory_settle_batch.sql"))
_OPEN: Final = text(read_sql("account_reviews.store", "open_memory_sync.sql"))
_BEGIN: Final = text(
    "update reviews.memory_syncs set status = 'running', type = :type, "
    "changed_since = :changed_since where sync_id = :sync_id and status = 'pending'"
)
_LEFT_BEHIND: Final = text(
    "update reviews.memory_syncs set status = 'failed', finished_at = now(), "
    "reason = 'it ended in Temporal' where tenant = :tenant and sync_id <> :sync_id "
    "and started_at <= :started_at and status in ('pending', 'running', 'paused')"
)
_ADOPT: Final = text(read_sql("account_reviews.store", "adopt_memory_sync.sql"))
_COUNT_ADOPTED: Final = text(read_sql("account_reviews.store", "count_adopted_accounts.sql"))
_LIST: Final = text(
    "insert into reviews.memory_sync_accounts (sync_id, tenant, account_id, state) "
    "select :sync_id, :tenant, unnest(cast(:account_ids as text[])), 'pending' "
    "on conflict do nothing"
)
_TOTAL: Final = text(
    "update reviews.memory_syncs set total = ("
    "select count(*) from reviews.memory_sync_accounts where sync_id = :sync_id) "
    "where sync_id = :sync_id"
)
_NEXT: Final = text(
    "select account_id from reviews.memory_sync_accounts "
    "where sync_id = :sync_id and state = 'pending' order by account_id limit :most"
)
_SNAPSHOTS: Final = text(
    "select account_id, item_id, checksum, sent_checksum from reviews.memory_snapshots "
    "where tenant = :tenant and account_id = any(:account_ids)"
)
_INTEND: Final = text(
    "insert into reviews.memory_snapshots (tenant, account_id, sent_checksum) "
    "values (:tenant, :account_id, :checksum) on conflict (tenant, account_id) "
    "do update set sent_checksum = excluded.sent_checksum"
)
_KEPT: Final = text(
    "update reviews.memory_snapshots set item_id = :item_id, checksum = :checksum, "
    "sent_checksum = null, synced_at = now() "
    "where tenant = :tenant and account_id = :account_id"
)
_SEEN: Final = text(
    "update reviews.memory_snapshots set synced_at = now() "
    "where tenant = :tenant and account_id = any(:account_ids)"
)
_MARK: Final = text(
    "update reviews.memory_syncs set status = :status, reason = :reason, "
    "finished_at = case when :over then cast(:at as timestamptz) end where sync_id = :sync_id"
)
_TIDY: Final = text(
    "delete from reviews.memory_sync_accounts a using reviews.memory_syncs s "
    "where s.sync_id = a.sync_id and s.tenant = :tenant and s.status = 'completed' "
    "and a.state <> 'failed'"
)
_DROP: Final = text(
    "delete from reviews.memory_syncs where tenant = :tenant and sync_id in ("
    "select sync_id from reviews.memory_syncs where tenant = :tenant "
    "order by started_at desc offset :kept)"
)
_FIND: Final = text(
    "select * from reviews.memory_syncs where tenant = :tenant "
    "and (cast(:sync_id as text) is null or sync_id = :sync_id) "
    "order by started_at desc, sync_id limit 1"
)
_ERRORS: Final = text(
    "select account_id, message from reviews.memory_sync_accounts "
    "where sync_id = :sync_id and state = 'failed' order by account_id limit :most"
)
_TIMES: Final = text(
    "select max(started_at) filter (where status = 'completed' and type <> 'on_demand') as last, "
    "min(started_at) filter (where type <> 'on_demand') as first "
    "from reviews.memory_syncs where tenant = :tenant"
)


class Remembered(NamedTuple):
    """What the memory holds of an account."""

    item_id: UUID | None
    checksum: str | None
    sent_checksum: str | None
    """Was about to be handed over; whether it was nobody knows. None: nothing is under way."""


class Settled(NamedTuple):
    account_id: str
    state: str
    """done, skipped or failed."""
    message: str | None = None


class MemorySyncs:
    """Rows of syncs. UnreachableError when the database is down."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def note(self, call: OpenSync) -> None:
        """Show a sync that was started; once it is shown nothing changes."""
        await self._do(_OPEN, _row_of(call))

    async def begin(self, call: OpenSync, kind: SyncType, since: Timestamp | None) -> None:
        """It runs. One that goes on for another takes over the accounts which that one has left."""
        values = {**_row_of(call), "continues": call.continues}
        begun = {"sync_id": call.sync_id, "type": kind.value, "changed_since": since}
        async with reachable(), self._engine.begin() as connection:
            await connection.execute(_OPEN, values)
            await connection.execute(_LEFT_BEHIND, values)  # one is open at a time
            await connection.execute(_BEGIN, begun)
            if call.continues is not None:
                await connection.execute(_ADOPT, values)
                await connection.execute(_COUNT_ADOPTED, values)
            if call.account_ids:
                await self._add(connection, call.sync_id, call.tenant, call.account_ids)

    async def add_accounts(self, sync_id: str, tenant: str, account_ids: Sequence[str]) -> None:
        """These accounts are to be synced; one that is listed already stays as it is."""
        async with reachable(), self._engine.begin() as connection:
            await self._add(connection, sync_id, tenant, account_ids)

    async def next(self, sync_id: str, most: int) -> list[str]:
        """The accounts to sync next."""
        rows = await self._all(_NEXT, sync_id=sync_id, most=most)
        return [row.account_id for row in rows]

    async def settle(self, sync_id: str, outcomes: Sequence[Settled]) -> None:
        """How accounts came out; each counts once, however often it is said."""
        await self._do(_SETTLE, _outcomes(sync_id, outcomes))

    async def remembered(self, tenant: str, account_ids: Sequence[str]) -> dict[str, Remembered]:
        """What the memory holds of accounts, by id."""
        rows = await self._all(_SNAPSHOTS, tenant=tenant, account_ids=list(account_ids))
        return {
            row.account_id: Remembered(row.item_id, row.checksum, row.sent_checksum) for row in rows
        }

    async def intend(self, tenant: str, account_id: str, checksum: str) -> None:
        """That is about to be handed over."""
        await self._do(_INTEND, {"tenant": tenant, "account_id": account_id, "checksum": checksum})

    async def kept(
        self, sync_id: str, tenant: str, account_id: str, item_id: UUID, checksum: str
    ) -> None:
        """The memory has it, and the account is done: both or none."""
        values = {"tenant": tenant, "account_id": account_id, "checksum": checksum}
        async with reachable(), self._engine.begin() as connection:
            await connection.execute(_KEPT, {**values, "item_id": item_id})
            await connection.execute(_SETTLE, _outcomes(sync_id, [Settled(account_id, "done")]))

    async def seen(self, tenant: str, account_ids: Sequence[str]) -> None:
        """They are unchanged."""
        await self._do(_SEEN, {"tenant": tenant, "account_ids": list(account_ids)})

    async def last_reviews(
        self, tenant: str, account_ids: Sequence[str]
    ) -> dict[str, Mapping[str, Any]]:
        """How accounts stood when their last review closed, by id."""
        rows = await self._all(_REVIEWS, tenant=tenant, account_ids=list(account_ids))
        return {row.account_id: dict(row._mapping) for row in rows}  # noqa: SLF001  its public name

    async def mark(self, call: MarkSync) -> None:
        """How it stands. The accounts of those that completed make room, but for what failed."""
        values = {
            "sync_id": call.sync_id,
            "status": call.status.value,
            "reason": call.reason,
            "at": call.at,
            "over": call.status.is_over,
        }
        async with reachable(), self._engine.begin() as connection:
            await connection.execute(_MARK, values)
            if call.status.is_over:
                await connection.execute(_TIDY, {"tenant": call.tenant})
                await connection.execute(_DROP, {"tenant": call.tenant, "kept": KEPT})

    async def since(self, tenant: str) -> datetime | None:
        """When the last success began to read; None where there was none."""
        found: datetime | None = (await self._all(_TIMES, tenant=tenant))[0].last
        return found

    async def changed_since(self, tenant: str, sync_id: str) -> datetime | None:
        """From when on an incremental sync looks."""
        rows = await self._all(_FIND, tenant=tenant, sync_id=sync_id)
        return rows[0].changed_since if rows else None

    async def view(
        self, tenant: str, sync_id: str | None = None, *, now: datetime | None = None
    ) -> SyncView:
        """The newest sync, or that one; without any only what is known of all."""
        times = (await self._all(_TIMES, tenant=tenant))[0]
        stale = is_stale(times.last, times.first, now or datetime.now(UTC))
        rows = await self._all(_FIND, tenant=tenant, sync_id=sync_id)
        if not rows:
            return SyncView(last_success_at=times.last, stale=stale)
        row = rows[0]
        errors = await self._all(_ERRORS, sync_id=row.sync_id, most=SHOWN_ERRORS)
        failed = [SyncError(message=row.reason)] if row.reason and row.status == "failed" else []
        over = row.done + row.skipped + row.failed
        return SyncView(
            **{name: row._mapping[name] for name in _SHOWN},  # noqa: SLF001  its public name
            percent=percent(row.total, over, SyncStatus(row.status)),
            last_success_at=times.last,
            stale=stale,
            errors=(
                *failed,
                *(
                    SyncError(account_id=one.account_id, message=one.message or "")
                    for one in errors
                ),
            ),
        )

    async def _add(
        self, connection: AsyncConnection, sync_id: str, tenant: str, account_ids: Sequence[str]
    ) -> None:
        values = {"sync_id": sync_id, "tenant": tenant, "account_ids": list(account_ids)}
        await connection.execute(_LIST, values)
        await connection.execute(_TOTAL, {"sync_id": sync_id})

    async def _all(self, statement: Any, **values: Any) -> Sequence[Row[Any]]:
        async with reachable(), self._engine.connect() as connection:
            found: Sequence[Row[Any]] = (await connection.execute(statement, values)).all()
            return found

    async def _do(self, statement: Any, values: Mapping[str, Any]) -> None:
        async with reachable(), self._engine.begin() as connection:
            await connection.execute(statement, values)


_SHOWN: Final = (
    "sync_id", "type", "status", "total", "done", "skipped", "failed", "cursor",
    "started_at", "finished_at",
)  # fmt: skip


def _outcomes(sync_id: str, outcomes: Sequence[Settled]) -> dict[str, Any]:
    return {
        "sync_id": sync_id,
        "account_ids": [one.account_id for one in outcomes],
        "states": [one.state for one in outcomes],
        "messages": [one.message for one in outcomes],
        "cursor": max((one.account_id for one in outcomes), default=None),
    }


def _row_of(call: OpenSync) -> dict[str, Any]:
    return {
        "sync_id": call.sync_id,
        "tenant": call.tenant,
        "type": call.type.value,
        "started_by": call.started_by,
        "started_at": call.started_at,
    }
