"""What a sync of the memory does with accounts: once each, and again only what has changed."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.domain.errors import MemoryUnavailableError
from account_reviews.domain.memory import MemoryKind
from account_reviews.domain.memory_sync import MarkSync, SyncStatus, SyncType
from account_reviews.domain.records import AccountStatus, RecordType
from account_reviews.memory.protocol import MemorySelector
from tests.support.cognee import cognee
from tests.support.cycles import OddCrm, account, at_risk
from tests.support.memory_syncs import Syncing, WatchedMemory, many, syncing
from tests.support.moody_crm import MergingCrm


async def end(work: Syncing, sync_id: str) -> None:
    while await work.batch(sync_id):
        pass
    over = MarkSync(
        sync_id=sync_id, tenant=work.tenant, status=SyncStatus.COMPLETED, at=datetime.now(UTC)
    )
    await work.activities.mark(over)


async def whole(work: Syncing, kind: SyncType = SyncType.FULL) -> str:
    sync_id = await work.open(kind)
    await end(work, sync_id)
    return sync_id


async def test_a_full_sync_remembers_each_account_once(engine: AsyncEngine) -> None:
    work = syncing(engine, account("a"), at_risk("b"))
    await whole(work)
    (hit,) = await work.remembered("b")
    assert hit.kind is MemoryKind.FACT
    assert "status At Risk" in hit.text
    assert hit.attributes["snapshot"] is True
    seen = await work.view()
    assert (seen.status, seen.percent, seen.total) == (SyncStatus.COMPLETED, 100.0, 2)
    assert (seen.done, seen.skipped, seen.failed) == (2, 0, 0)
    assert not seen.stale
    assert seen.last_success_at == seen.started_at


async def test_what_is_unchanged_is_skipped_and_what_changed_takes_its_place(
    engine: AsyncEngine,
) -> None:
    work = syncing(engine, account("a"), account("b"))
    await whole(work)
    work.as_of += timedelta(days=1)
    work.crm.edit(RecordType.ACCOUNT, "b", status=AccountStatus.AT_RISK)
    await whole(work)
    seen = await work.view()
    assert (seen.done, seen.skipped) == (1, 1)
    (now,) = await work.remembered("b")
    assert "At Risk" in now.text
    (before,) = await work.remembered("b", as_of=work.as_of - timedelta(hours=12))
    assert "At Risk" not in before.text
    assert len((await work.memory.timeline("a")).items) <= 1


async def test_batches_of_a_hundred_five_at_a_time(engine: AsyncEngine) -> None:
    memory = WatchedMemory()
    work = syncing(engine, *many(120), memory=memory)
    sync_id = await work.open()
    assert await work.batch(sync_id)
    half = await work.view()
    assert (half.total, half.done, half.percent, half.cursor) == (120, 100, 83.3, "acc-099")
    assert memory.most == 5
    assert await work.batch(sync_id)
    assert not await work.batch(sync_id), "there is nothing more"
    assert memory.calls == 120


async def test_an_incremental_sync_is_full_at_first_and_then_takes_what_changed(
    engine: AsyncEngine,
) -> None:
    work = syncing(engine, account("a"), account("b"))
    first = await whole(work, SyncType.INCREMENTAL)
    assert (await work.view(first)).type is SyncType.FULL
    second = await whole(work, SyncType.INCREMENTAL)
    seen = await work.view(second)
    assert (seen.type, seen.total) == (SyncType.INCREMENTAL, 0)
    assert seen.percent == 100.0


async def test_accounts_that_cannot_be_read_fail_alone(engine: AsyncEngine) -> None:
    work = syncing(engine)
    work.crm = OddCrm([account("a"), account("odd-1")])
    ids = ("a", "odd-1", "nobody")
    await end(work, await work.open(SyncType.ON_DEMAND, account_ids=ids))
    seen = await work.view()
    assert (seen.done, seen.failed) == (1, 2)
    errors = {error.account_id: error.message for error in seen.errors}
    assert errors.keys() == {"odd-1", "nobody"}
    assert "is no stage" in errors["odd-1"]
    assert seen.last_success_at is None, "an account is not the memory"


async def test_an_account_that_was_merged_fails_alone_and_ends(engine: AsyncEngine) -> None:
    work = syncing(engine)
    work.crm = crm = MergingCrm([account("a"), account("b")])
    crm.merged, crm.moods, crm.asked = {"gone": "b"}, [], []
    await end(work, await work.open(SyncType.ON_DEMAND, account_ids=("a", "b", "gone")))
    seen = await work.view()
    assert (seen.done, seen.failed) == (2, 1)
    assert "'gone' was merged into 'b'" in seen.errors[0].message


async def test_a_worker_that_is_killed_loses_and_repeats_nothing(engine: AsyncEngine) -> None:
    memory = WatchedMemory()
    work = syncing(engine, *many(12), memory=memory)
    sync_id = await work.open()
    memory.breaks_after = 4
    with pytest.raises(asyncio.CancelledError):
        await work.batch(sync_id)
    memory.breaks_after = None
    pending = await work.syncs.next(sync_id, 100)
    lost = [one for one in pending if await work.remembered(one)]
    assert lost, "it was stored, and nobody knows"
    work.crm.edit(RecordType.ACCOUNT, lost[0], status=AccountStatus.AT_RISK)
    await end(work, sync_id)
    seen = await work.view()
    assert (seen.done, seen.skipped, seen.failed) == (12, 0, 0)
    for number in range(12):
        (hit,) = await work.remembered(f"acc-{number:03}")
        assert ("At Risk" in hit.text) == (hit.source.record_id == lost[0])


async def test_a_memory_that_is_away_fails_the_batch_and_no_account(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = WatchedMemory()
    work = syncing(engine, account("a"), memory=memory)
    sync_id = await work.open()
    memory.available = False
    monkeypatch.setattr("activities.memory_sync.pause", lambda *_: 0.0)
    with pytest.raises(MemoryUnavailableError):
        await work.batch(sync_id)
    assert (await work.view()).failed == 0
    memory.available = True
    await end(work, sync_id)
    assert (await work.view()).done == 1


async def test_a_memory_that_says_when_to_come_again_is_not_asked_sooner(
    engine: AsyncEngine,
) -> None:
    class LeftAlone(WatchedMemory):
        async def remember(self, *_: Any, **__: Any) -> Any:
            self.calls += 1
            raise MemoryUnavailableError("it is left alone for 57 s", retry_after=57)

    memory = LeftAlone()
    work = syncing(engine, *many(7), memory=memory)
    with pytest.raises(MemoryUnavailableError):
        await work.batch(await work.open())
    assert memory.calls == 7


async def test_what_was_forgotten_is_remembered_anew_once_it_changes(engine: AsyncEngine) -> None:
    work = syncing(engine, account("a"))
    await whole(work)
    await work.memory.forget(
        MemorySelector(account_id="a"), reason="asked", requested_by="dpo", tenant=work.tenant
    )
    await whole(work)
    assert await work.remembered("a") == []
    work.crm.edit(RecordType.ACCOUNT, "a", status=AccountStatus.AT_RISK)
    await whole(work)
    assert len(await work.remembered("a")) == 1


async def test_a_sync_goes_on_for_another_one(engine: AsyncEngine) -> None:
    work = syncing(engine, *many(120))
    first = await work.open()
    await work.batch(first)
    over = MarkSync(
        sync_id=first,
        tenant=work.tenant,
        status=SyncStatus.FAILED,
        at=datetime.now(UTC),
        reason="the memory stayed away",
    )
    await work.activities.mark(over)
    failed = await work.view(first)
    assert failed.errors[0].model_dump() == {
        "account_id": None,
        "message": "the memory stayed away",
    }
    second = await work.open(continues=first)
    begun = await work.view(second)
    assert (begun.total, begun.done) == (120, 100)
    await end(work, second)
    assert (await work.view(second)).done == 120


async def test_a_sync_hands_over_what_a_memory_elsewhere_has_lost(engine: AsyncEngine) -> None:
    server = cognee(engine)
    work = syncing(engine, account("a"), account("b"))
    work.memory = server.memory(work.tenant)
    await whole(work)
    assert len(server.store.documents) == 2
    server.store.datasets.clear()
    server.store.documents.clear()
    with pytest.raises(MemoryUnavailableError, match="gone"):
        await work.remembered("a")
    await whole(work)
    assert (await work.view()).skipped == 2
    assert len(await work.remembered("a")) == len(await work.remembered("b")) == 1
    assert len(server.store.documents) == 2


async def test_a_memory_is_stale_after_a_week(engine: AsyncEngine) -> None:
    work = syncing(engine, account("a"))
    never = await work.view()
    assert (never.sync_id, never.stale, never.last_success_at) == (None, False, None)
    await whole(work)
    week = "update reviews.memory_syncs set started_at = started_at - interval '8 days'"
    async with engine.begin() as connection:
        await connection.execute(text(week))
    assert (await work.view()).stale
