"""What follows from events: one review of an account, once, whatever happens meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from temporalio.client import Client
from temporalio.service import RPCError

from account_reviews.bootstrap import Parts
from account_reviews.crm.protocol import Belonging
from account_reviews.domain.crm_events import EventAction
from account_reviews.domain.errors import CrmAuthError, CrmRateLimitedError, CrmUnreadableError
from account_reviews.domain.proposals import ProposedChange
from account_reviews.domain.records import RecordRef, RecordType
from account_reviews.domain.review.messages import Refresh
from account_reviews.services import review_workflows
from account_reviews.store.event_queue import EventQueue
from account_reviews.store.operation_rows import Intent
from account_reviews.store.operations import OperationLedger
from account_reviews.temporal import names
from account_reviews.upkeep import event_reviews
from account_reviews.upkeep.event_work import EventWork
from tests.support.events import (
    accounts,
    all_due,
    come_in,
    event,
    outcomes,
    pass_by,
    prepare,
    reviews_of,
    signals,
    stored,
)
from tests.support.world import World, create_task, make_world


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """No worker answers here."""
    monkeypatch.setattr(review_workflows, "QUERY_SECONDS", 0.2)


@pytest.fixture
async def world(parts: Parts, own_client: Client) -> AsyncIterator[World]:
    world = make_world(own_client, parts.engine)
    prepare(parts, world.crm)
    yield world
    handle = own_client.get_workflow_handle(
        names.review_id(world.account.id, parts.settings.tenant)
    )
    with suppress(RPCError):  # it is closed, or there never was one
        await handle.terminate()


@pytest.fixture
def work(parts: Parts, own_client: Client, world: World) -> EventWork:
    return EventWork(parts, own_client)


async def test_an_event_begins_a_review_and_a_burst_begins_one(
    parts: Parts, own_client: Client, world: World, work: EventWork
) -> None:
    await asyncio.gather(*(come_in(parts, event(world.account.id)) for _ in range(50)))
    await pass_by(work, parts)
    assert await outcomes(parts) == ["started"] * 50
    assert await reviews_of(own_client, parts, world.account.id) == 1
    assert await signals(own_client, parts, world.account.id) == []
    found = await parts.reader.find_run(
        tenant=parts.settings.tenant,
        review_id=names.review_id(world.account.id, parts.settings.tenant),
    )
    assert (found.state.kind, found.state.started_by) == ("event", "crm/crm")


async def test_an_open_review_is_asked_once_for_a_burst(
    parts: Parts, own_client: Client, world: World, work: EventWork
) -> None:
    await come_in(parts, event(world.account.id))
    await pass_by(work, parts)
    for _ in range(20):
        await come_in(parts, event(world.account.id))
    await pass_by(work, parts)
    assert await outcomes(parts) == ["started"] + ["refreshed"] * 20
    assert await signals(own_client, parts, world.account.id) == ["refresh"]


async def test_an_account_is_not_followed_again_within_its_quiet_time(
    parts: Parts, own_client: Client, world: World, work: EventWork
) -> None:
    await come_in(parts, event(world.account.id))
    await pass_by(work, parts)
    await come_in(parts, event(world.account.id))
    await work.work()
    await work.work()
    assert await outcomes(parts) == ["started", "waiting"]
    (row,) = await accounts(parts)
    assert row["due_at"] - row["handled_at"] == timedelta(minutes=1)


async def test_workers_at_the_same_time_begin_one_review(
    parts: Parts, own_client: Client, world: World
) -> None:
    workers = [EventWork(parts, own_client) for _ in range(4)]
    for _ in range(10):
        await come_in(parts, event(world.account.id))
    for _ in range(2):
        await asyncio.gather(*(one.work() for one in workers))
    assert await outcomes(parts) == ["started"] * 10
    assert await signals(own_client, parts, world.account.id) == []


async def test_records_are_followed_by_their_account(
    parts: Parts, own_client: Client, world: World, work: EventWork
) -> None:
    change = create_task(world.account)
    made = await world.crm.apply(change, expected_version=None, operation_id="op-1")
    task = made.record.id or ""
    await come_in(parts, event(task, RecordType.TASK), event("gone", RecordType.NOTE))
    await come_in(parts, event("deleted", RecordType.DEAL, EventAction.DELETED, world.account.id))
    await pass_by(work, parts)
    assert await outcomes(parts) == ["started", "deleted", "started"]


async def test_what_our_own_write_has_left_begins_nothing(
    parts: Parts, world: World, work: EventWork
) -> None:
    change = create_task(world.account)
    made = await world.crm.apply(change, expected_version=None, operation_id="op-1")
    task = made.record.id or ""
    await begun(parts, change, "under way")
    await come_in(parts, event(task, RecordType.TASK, EventAction.CREATED))
    await pass_by(work, parts)
    assert await outcomes(parts) == ["new"], "it cannot be told yet"
    await OperationLedger(parts.engine).settle(f"{parts.settings.tenant}:under way", made)
    await pass_by(work, parts)
    assert await outcomes(parts) == ["own_write"]
    world.crm.edit(RecordType.TASK, task, subject="Somebody else")
    await come_in(parts, event(task, RecordType.TASK))
    await pass_by(work, parts)
    assert await outcomes(parts) == ["own_write", "started"]


async def begun(parts: Parts, change: ProposedChange, name: str) -> None:
    """A write of ours begins."""
    ledger = OperationLedger(parts.engine)
    tenant = parts.settings.tenant
    async with ledger.transaction() as connection:
        wanted = Intent(f"{tenant}:{name}", tenant, change, None)
        await ledger.begin(connection, wanted, lease_seconds=60)


async def test_an_account_that_is_gone_begins_nothing(
    parts: Parts, own_client: Client, world: World, work: EventWork
) -> None:
    await come_in(parts, event("a-9", action=EventAction.DELETED))
    await come_in(parts, event("a-10"))
    await pass_by(work, parts)
    assert await outcomes(parts) == ["deleted", "dead"]
    (_, dead) = await stored(parts)
    assert dead["error"] == "the CRM has no account 'a-10'"
    assert await reviews_of(own_client, parts, "a-9") == 0


async def test_while_everything_is_stopped_events_wait(
    parts: Parts, own_client: Client, world: World, work: EventWork
) -> None:
    await parts.halts.halt(parts.settings.tenant, "ann", "a drill")
    await come_in(parts, event(world.account.id))
    assert await work.work() == 0
    await parts.halts.release(parts.settings.tenant, "ann", "over")
    await pass_by(work, parts)
    assert await outcomes(parts) == ["started"]


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (None, 30),
        (CrmRateLimitedError("slowly", retry_after=7), 7),
        (CrmAuthError("the token is wrong"), 30),
    ],
)
async def test_while_the_crm_is_away_events_wait_and_no_try_is_counted(
    parts: Parts, world: World, work: EventWork, error: Any, seconds: int
) -> None:
    world.crm.available, world.crm.refusal = error is not None, error
    await come_in(parts, event(world.account.id))
    for _ in range(5):
        await pass_by(work, parts)
    (row,) = await stored(parts)
    assert (row["state"], row["attempts"]) == ("new", 0)
    assert row["next_at"] - row["received_at"] > timedelta(seconds=seconds - 1)
    world.crm.available, world.crm.refusal = True, None
    await pass_by(work, parts)
    assert await outcomes(parts) == ["started"]


async def test_what_fails_by_itself_is_a_dead_letter_and_harms_no_other(
    parts: Parts, world: World, work: EventWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = type(world.crm).accounts_of

    async def accounts_of(crm: Any, records: Sequence[RecordRef]) -> tuple[Belonging | None, ...]:
        if any(one.id == "bad" for one in records):
            raise CrmUnreadableError("the deal 'bad' cannot be read")
        return await whole(crm, records)

    monkeypatch.setattr(type(world.crm), "accounts_of", accounts_of)
    await come_in(parts, event("bad", RecordType.DEAL), event(world.account.id))
    for _ in range(3):
        await pass_by(work, parts)
    assert await outcomes(parts) == ["dead", "started"]
    assert (await stored(parts))[0]["error"] == "the deal 'bad' cannot be read"


async def test_a_crm_that_cannot_be_asked_has_events_of_accounts(
    parts: Parts, own_client: Client, world: World
) -> None:
    parts.__dict__["crm"] = Plain(world)
    work = EventWork(parts, own_client)
    await come_in(parts, event(world.account.id))
    await come_in(parts, event("d-1", RecordType.DEAL, account_id=world.account.id))
    await come_in(parts, event("d-2", RecordType.DEAL))
    for _ in range(3):
        await pass_by(work, parts)
    assert await outcomes(parts) == ["started", "started", "dead"]


class Plain:
    """A CRM that offers nothing beyond what is asked for here."""

    def __init__(self, world: World) -> None:
        self.list_accounts = world.crm.list_accounts

    def of(self, tenant: str | None) -> "Plain":
        return self


# What a crash leaves


async def test_a_worker_that_dies_after_the_start_leaves_nothing_twice(
    parts: Parts,
    own_client: Client,
    world: World,
    work: EventWork,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settle = EventQueue.settle

    async def dies(*_: Any, **__: Any) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(EventQueue, "settle", dies)
    await come_in(parts, event(world.account.id))
    with pytest.raises(asyncio.CancelledError):
        await pass_by(work, parts)
    review_id = names.review_id(world.account.id, parts.settings.tenant)
    await own_client.get_workflow_handle(review_id).terminate()  # it came to its end meanwhile
    monkeypatch.setattr(EventQueue, "settle", settle)
    await pass_by(EventWork(parts, own_client), parts)
    assert await outcomes(parts) == ["started"]
    assert await reviews_of(own_client, parts, world.account.id) == 1


async def test_a_worker_that_dies_after_the_signal_leaves_one_signal(
    parts: Parts,
    own_client: Client,
    world: World,
    work: EventWork,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await come_in(parts, event(world.account.id))
    await pass_by(work, parts)
    settle = EventQueue.settle

    async def dies(*_: Any, **__: Any) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(EventQueue, "settle", dies)
    await come_in(parts, event(world.account.id))
    with pytest.raises(asyncio.CancelledError):
        await pass_by(work, parts)
    monkeypatch.setattr(EventQueue, "settle", settle)
    await pass_by(EventWork(parts, own_client), parts)
    assert await outcomes(parts) == ["started", "refreshed"]
    assert await signals(own_client, parts, world.account.id) == ["refresh"]


# Until it was read


async def test_a_review_that_waits_reads_again_and_one_that_closed_first_is_followed_by_another(
    parts: Parts, own_client: Client, world: World, work: EventWork
) -> None:
    world.task_queue = names.task_queue(parts.settings.tenant)
    world.analysis.changes = (create_task(world.account),)
    review_id = names.review_id(world.account.id, parts.settings.tenant)
    handle = own_client.get_workflow_handle(review_id)
    async with world.worker():
        await come_in(parts, event(world.account.id))
        await pass_by(work, parts)
        await _rests(parts, review_id, reads=1)
        await come_in(parts, event(world.account.id))
        await pass_by(work, parts)
        await _rests(parts, review_id, reads=2)
        (row,) = await accounts(parts)
        assert row["watched_run_id"] is not None
        await pass_by(work, parts)
        (row,) = await accounts(parts)
        assert (row["watched_run_id"], row["due_at"]) == (None, None)
    await come_in(parts, event(world.account.id))
    await pass_by(work, parts)  # nobody is there who could read
    assert (await accounts(parts))[0]["watched_run_id"] is not None
    await handle.terminate()
    async with parts.engine.begin() as connection:
        await connection.execute(
            text(
                "update reviews.review_runs set closed_at = now(), state = jsonb_set(state, "
                "'{closed_at}', to_jsonb(now())) where review_id = :id"
            ),
            {"id": review_id},
        )
    await pass_by(work, parts)
    assert await reviews_of(own_client, parts, world.account.id) == 2


async def _rests(parts: Parts, review_id: str, reads: int) -> None:
    """Until the review waits and has read so often."""
    while True:
        found = await parts.reader.find_run(tenant=parts.settings.tenant, review_id=review_id)
        state = found.state
        seen = sum(line.kind == "refreshed" for line in state.timeline) + 1
        if state.status == "waiting" and seen >= reads:
            return
        assert state.closed_at is None, state.summary
        await asyncio.sleep(0.05)


async def test_a_review_that_is_about_to_read_is_not_asked_again(
    parts: Parts,
    own_client: Client,
    world: World,
    work: EventWork,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await come_in(parts, event(world.account.id))
    await pass_by(work, parts)
    asked = event_reviews._state

    async def about_to_read(*arguments: Any) -> Any:
        found = await asked(*arguments)
        assert found is not None
        return found.model_copy(update={"refresh": Refresh()})

    monkeypatch.setattr(event_reviews, "_state", about_to_read)
    await come_in(parts, event(world.account.id))
    await pass_by(work, parts)
    assert await outcomes(parts) == ["started", "refreshed"]
    assert await signals(own_client, parts, world.account.id) == []


async def test_what_is_old_goes(parts: Parts, world: World, work: EventWork) -> None:
    await come_in(parts, event("a-9", action=EventAction.DELETED))
    await pass_by(work, parts)
    queue = work._queue
    assert await queue.forget_old(timedelta(hours=1)) == 0
    async with parts.engine.begin() as connection:
        await connection.execute(
            text(
                "update reviews.webhook_events set ended_at = now() - interval '8 days' "
                "where tenant = :tenant"
            ),
            {"tenant": parts.settings.tenant},
        )
    assert await queue.forget_old(timedelta(hours=1)) == 1
    assert await stored(parts) == []
    await all_due(parts)
