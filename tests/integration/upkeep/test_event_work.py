"""What follows from events: one review of an account, once, whatever happens meanwhile."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import Client

from account_reviews.bootstrap import Parts
from account_reviews.crm.protocol import Belonging
from account_reviews.domain.crm_events import EventAction
from account_reviews.domain.errors import CrmAuthError, CrmRateLimitedError, CrmUnreadableError
from account_reviews.domain.proposals import ProposedChange
from account_reviews.domain.records import RecordRef, RecordType
from account_reviews.store.operation_rows import Intent
from account_reviews.store.operations import OperationLedger
from account_reviews.temporal import names
from account_reviews.upkeep.event_work import EventWork
from tests.support.events import (
    accounts,
    come_in,
    event,
    outcomes,
    pass_by,
    reviews_of,
    signals,
    stored,
)
from tests.support.world import World, create_task


async def test_an_event_begins_a_review_and_a_burst_begins_one(
    parts: Parts, own_client: Client, event_world: World, work: EventWork
) -> None:
    await asyncio.gather(*(come_in(parts, event(event_world.account.id)) for _ in range(50)))
    await pass_by(work, parts)
    assert await outcomes(parts) == ["started"] * 50
    assert await reviews_of(own_client, parts, event_world.account.id) == 1
    assert await signals(own_client, parts, event_world.account.id) == []
    found = await parts.reader.find_run(
        tenant=parts.settings.tenant,
        review_id=names.review_id(event_world.account.id, parts.settings.tenant),
    )
    assert (found.state.kind, found.state.started_by) == ("event", "crm/crm")


async def test_an_open_review_is_asked_once_for_a_burst(
    parts: Parts, own_client: Client, event_world: World, work: EventWork
) -> None:
    await come_in(parts, event(event_world.account.id))
    await pass_by(work, parts)
    for _ in range(20):
        await come_in(parts, event(event_world.account.id))
    await pass_by(work, parts)
    assert await outcomes(parts) == ["started"] + ["refreshed"] * 20
    assert await signals(own_client, parts, event_world.account.id) == ["refresh"]


async def test_an_account_is_not_followed_again_within_its_quiet_time(
    parts: Parts, own_client: Client, event_world: World, work: EventWork
) -> None:
    await come_in(parts, event(event_world.account.id))
    await pass_by(work, parts)
    await come_in(parts, event(event_world.account.id))
    await work.work()
    await work.work()
    assert await outcomes(parts) == ["started", "waiting"]
    (row,) = await accounts(parts)
    assert row["due_at"] - row["handled_at"] == timedelta(minutes=1)


async def test_workers_at_the_same_time_begin_one_review(
    parts: Parts, own_client: Client, event_world: World
) -> None:
    workers = [EventWork(parts, own_client) for _ in range(4)]
    for _ in range(10):
        await come_in(parts, event(event_world.account.id))
    for _ in range(2):
        await asyncio.gather(*(one.work() for one in workers))
    assert await outcomes(parts) == ["started"] * 10
    assert await signals(own_client, parts, event_world.account.id) == []


async def test_records_are_followed_by_their_account(
    parts: Parts, own_client: Client, event_world: World, work: EventWork
) -> None:
    change = create_task(event_world.account)
    made = await event_world.crm.apply(change, expected_version=None, operation_id="op-1")
    task = made.record.id or ""
    await come_in(parts, event(task, RecordType.TASK), event("gone", RecordType.NOTE))
    await come_in(
        parts, event("deleted", RecordType.DEAL, EventAction.DELETED, event_world.account.id)
    )
    await pass_by(work, parts)
    assert await outcomes(parts) == ["started", "deleted", "started"]


async def test_what_our_own_write_has_left_begins_nothing(
    parts: Parts, event_world: World, work: EventWork
) -> None:
    change = create_task(event_world.account)
    made = await event_world.crm.apply(change, expected_version=None, operation_id="op-1")
    task = made.record.id or ""
    await begun(parts, change, "under way")
    await come_in(parts, event(task, RecordType.TASK, EventAction.CREATED))
    await pass_by(work, parts)
    assert await outcomes(parts) == ["new"], "it cannot be told yet"
    await OperationLedger(parts.engine).settle(f"{parts.settings.tenant}:under way", made)
    await pass_by(work, parts)
    assert await outcomes(parts) == ["own_write"]
    event_world.crm.edit(RecordType.TASK, task, subject="Somebody else")
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
    parts: Parts, own_client: Client, event_world: World, work: EventWork
) -> None:
    await come_in(parts, event("a-9", action=EventAction.DELETED))
    await come_in(parts, event("a-10"))
    await pass_by(work, parts)
    assert await outcomes(parts) == ["deleted", "dead"]
    (_, dead) = await stored(parts)
    assert dead["error"] == "the CRM has no account 'a-10'"
    assert await reviews_of(own_client, parts, "a-9") == 0


async def test_while_everything_is_stopped_events_wait(
    parts: Parts, own_client: Client, event_world: World, work: EventWork
) -> None:
    await parts.halts.halt(parts.settings.tenant, "ann", "a drill")
    await come_in(parts, event(event_world.account.id))
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
    parts: Parts, event_world: World, work: EventWork, error: Any, seconds: int
) -> None:
    event_world.crm.available, event_world.crm.refusal = error is not None, error
    await come_in(parts, event(event_world.account.id))
    for _ in range(5):
        await pass_by(work, parts)
    (row,) = await stored(parts)
    assert (row["state"], row["attempts"]) == ("new", 0)
    assert row["next_at"] - row["received_at"] > timedelta(seconds=seconds - 1)
    event_world.crm.available, event_world.crm.refusal = True, None
    await pass_by(work, parts)
    assert await outcomes(parts) == ["started"]


async def test_what_fails_by_itself_is_a_dead_letter_and_harms_no_other(
    parts: Parts, event_world: World, work: EventWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = type(event_world.crm).accounts_of

    async def accounts_of(crm: Any, records: Sequence[RecordRef]) -> tuple[Belonging | None, ...]:
        if any(one.id == "bad" for one in records):
            raise CrmUnreadableError("the deal 'bad' cannot be read")
        return await whole(crm, records)

    monkeypatch.setattr(type(event_world.crm), "accounts_of", accounts_of)
    await come_in(parts, event("bad", RecordType.DEAL), event(event_world.account.id))
    for _ in range(3):
        await pass_by(work, parts)
    assert await outcomes(parts) == ["dead", "started"]
    assert (await stored(parts))[0]["error"] == "the deal 'bad' cannot be read"


async def test_a_crm_that_cannot_be_asked_has_events_of_accounts(
    parts: Parts, own_client: Client, event_world: World
) -> None:
    parts.__dict__["crm"] = Plain(event_world)
    work = EventWork(parts, own_client)
    await come_in(parts, event(event_world.account.id))
    await come_in(parts, event("d-1", RecordType.DEAL, account_id=event_world.account.id))
    await come_in(parts, event("d-2", RecordType.DEAL))
    for _ in range(3):
        await pass_by(work, parts)
    assert await outcomes(parts) == ["started", "started", "dead"]


class Plain:
    """A CRM that offers nothing beyond what is asked for here."""

    def __init__(self, event_world: World) -> None:
        self.list_accounts = event_world.crm.list_accounts

    def of(self, tenant: str | None) -> "Plain":
        return self
