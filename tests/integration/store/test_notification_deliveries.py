"""The ledger of notices: nobody is notified twice, and a crash is no excuse but for its window."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.domain.base import Timestamp
from account_reviews.domain.errors import (
    ChannelUnavailableError,
    NoticeRefusedError,
    UnreachableError,
)
from account_reviews.domain.review.deliveries import Begun, Parcel, Sent
from account_reviews.domain.review.phases import Outcome
from account_reviews.notifications.courier import Courier
from account_reviews.notifications.in_memory import InMemoryNotifier
from account_reviews.notifications.protocol import Message
from account_reviews.store.notification_deliveries import DeliveryLedger
from account_reviews.store.notification_delivery_queries import DeliveryReader
from account_reviews.store.reviews import ReviewStore
from account_reviews.store.statements import Statements
from tests.support.review_states import NOW, fresh


def a_parcel(**values: object) -> Parcel:
    given: dict[str, object] = {
        "key": uuid4().hex,
        "tenant": "default",
        "kind": "request",
        "about": f"request-{uuid4().hex[:8]}",
        "channel": "console",
        "recipient": "owner-1",
        "run_id": "run-1",
        "review_id": "review/ac-1",
        "account_id": "ac-1",
        **values,
    }
    return Parcel.model_validate(given)


def message_of(parcel: Parcel) -> Message:
    return Message(
        key=parcel.key,
        kind=parcel.kind,
        recipient=parcel.recipient,
        name="Ann Smith",
        subject="Decide",
        text="Decide.\n",
        at=NOW,
    )


async def deliver(courier: Courier, parcel: Parcel) -> Sent:
    async def compose() -> Message:
        return message_of(parcel)

    return await courier.deliver(parcel, compose)


async def rows_of(engine: AsyncEngine, parcel: Parcel) -> list[tuple[str, int, str | None]]:
    query = text(
        "select state, attempts, error from reviews.notification_deliveries where key = :key"
    )
    async with engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(query, {"key": parcel.key})]


async def recorded(engine: AsyncEngine, parcel: Parcel) -> list[dict[str, object]]:
    query = text("select body from reviews.audit_outbox where event_id = :id")
    async with engine.connect() as connection:
        found = await connection.execute(query, {"id": f"notice/{parcel.key}"})
        return [row.body for row in found]


async def test_what_was_sent_is_answered_from_the_row(engine: AsyncEngine) -> None:
    parcel, channel = a_parcel(), InMemoryNotifier()
    courier = Courier(DeliveryLedger(engine), {"console": channel})
    first = await deliver(courier, parcel)
    again = await deliver(Courier(DeliveryLedger(engine), {"console": channel}), parcel)
    assert first == again
    assert first.name == "Ann Smith"
    assert len(channel.sent) == 1
    assert await rows_of(engine, parcel) == [("sent", 1, None)]
    (entry,) = await recorded(engine, parcel)
    assert entry["event_type"] == "notice_sent"
    assert entry["action"] == "request"
    assert entry["run_id"] == "run-1"


async def test_a_failure_is_noted_and_the_next_try_may_begin_at_once(engine: AsyncEngine) -> None:
    parcel, channel = a_parcel(), InMemoryNotifier()
    channel.failures = [ChannelUnavailableError("nobody answers")]
    outcomes: list[tuple[str, str, str]] = []
    courier = Courier(
        DeliveryLedger(engine),
        {"console": channel},
        lambda *outcome: outcomes.append(outcome),
    )
    with pytest.raises(ChannelUnavailableError, match="nobody answers"):
        await deliver(courier, parcel)
    assert await rows_of(engine, parcel) == [("trying", 1, "nobody answers")]
    await deliver(courier, parcel)
    assert await rows_of(engine, parcel) == [("sent", 2, None)]
    assert outcomes == [("console", "request", "failed"), ("console", "request", "sent")]


async def test_what_is_refused_for_good_says_so(engine: AsyncEngine) -> None:
    parcel, channel = a_parcel(), InMemoryNotifier()
    channel.refusal = NoticeRefusedError("no such mailbox")
    with pytest.raises(NoticeRefusedError):
        await deliver(Courier(DeliveryLedger(engine), {"console": channel}), parcel)
    assert await rows_of(engine, parcel) == [("failed", 1, "no such mailbox")]
    assert await recorded(engine, parcel) == []


async def test_a_channel_that_is_not_there(engine: AsyncEngine) -> None:
    parcel = a_parcel(channel="pigeon")
    with pytest.raises(NoticeRefusedError, match="no channel 'pigeon'; this worker has console"):
        await deliver(Courier(DeliveryLedger(engine), {"console": InMemoryNotifier()}), parcel)


async def test_while_one_try_is_under_way_no_other_begins(engine: AsyncEngine) -> None:
    parcel, ledger = a_parcel(), DeliveryLedger(engine)
    assert (await ledger.begin(parcel, 60)).ours
    second = await ledger.begin(parcel, 60)
    assert not second.ours
    assert 0 < second.wait_seconds <= 60
    with pytest.raises(ChannelUnavailableError) as caught:
        await deliver(Courier(ledger, {"console": InMemoryNotifier()}), parcel)
    assert caught.value.retry_after is not None
    assert 0 < caught.value.retry_after <= 60


async def test_a_try_whose_worker_died_is_made_again_when_its_time_is_over(
    engine: AsyncEngine,
) -> None:
    parcel, channel, ledger = a_parcel(), InMemoryNotifier(), DeliveryLedger(engine)
    assert (await ledger.begin(parcel, 0)).ours  # it never says what came of it
    await deliver(Courier(ledger, {"console": channel}), parcel)
    assert len(channel.sent) == 1
    assert await rows_of(engine, parcel) == [("sent", 2, None)]


class ForgettingLedger(DeliveryLedger):
    """Its database goes away between the sending and the note of it."""

    async def begin(self, parcel: Parcel, hold_seconds: float) -> Begun:
        return await super().begin(parcel, 0)

    async def sent(self, parcel: Parcel) -> Sent:
        raise UnreachableError("the database is away")


async def test_between_sending_and_noting_it_a_notice_may_go_out_twice_under_one_key(
    engine: AsyncEngine,
) -> None:
    parcel, channel = a_parcel(), InMemoryNotifier()
    with pytest.raises(UnreachableError):
        await deliver(Courier(ForgettingLedger(engine), {"console": channel}), parcel)
    await deliver(Courier(DeliveryLedger(engine), {"console": channel}), parcel)
    assert [one.key for one in channel.sent] == [parcel.key, parcel.key]
    assert len(await recorded(engine, parcel)) == 1


class FlakyNotifier(InMemoryNotifier):
    """Fails now and then, before it has sent, and takes its time."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.chance = chance

    async def send(self, message: Message) -> None:
        await asyncio.sleep(0)
        if self.chance.random() < 0.4:
            raise ChannelUnavailableError("not now")
        await super().send(message)


@pytest.mark.parametrize("seed", range(5))
async def test_however_often_it_is_tried_it_is_sent_once(engine: AsyncEngine, seed: int) -> None:
    """Several workers at once, each with a ledger of its own, some of whose tries fail."""
    chance = random.Random(seed)
    channel = FlakyNotifier(chance)
    parcels = [a_parcel() for _ in range(5)]

    async def insist(parcel: Parcel) -> Sent:
        courier = Courier(DeliveryLedger(engine), {"console": channel})
        while True:
            try:
                return await deliver(courier, parcel)
            except ChannelUnavailableError:
                await asyncio.sleep(0.01)

    tries = [parcel for parcel in parcels for _ in range(4)]
    chance.shuffle(tries)
    answers = await asyncio.gather(*map(insist, tries))
    assert sorted(one.key for one in channel.sent) == sorted(one.key for one in parcels)
    by_key: dict[str, set[Timestamp]] = {one.key: set() for one in parcels}
    for parcel, answer in zip(tries, answers, strict=True):
        by_key[parcel.key].add(answer.at)
    assert all(len(moments) == 1 for moments in by_key.values())
    for parcel in parcels:
        assert len(await recorded(engine, parcel)) == 1


async def test_deliveries_of_a_request_are_read_together(
    engine: AsyncEngine, database_url: str
) -> None:
    about = f"request-{uuid4().hex[:8]}"
    ann, bob = a_parcel(about=about), a_parcel(about=about, recipient="bob", channel="email")
    other = a_parcel(about=about, tenant="other")
    ledger = DeliveryLedger(engine)
    for parcel in (ann, bob, other):
        await ledger.begin(parcel, 60)
    await ledger.sent(ann)
    await ledger.failed(bob, "no answer", final=False)
    statements = Statements(database_url, application_name="tests")
    found = await DeliveryReader(statements).of("default", [about, "another"])
    await statements.close()
    assert set(found) == {about}
    shown = [(one.recipient, one.channel, one.state, one.error) for one in found[about]]
    assert sorted(shown) == [
        ("bob", "email", "trying", "no answer"),
        ("owner-1", "console", "sent", None),
    ]


async def test_what_a_closed_review_left_untold_is_not_told_to_be_under_way(
    engine: AsyncEngine, database_url: str
) -> None:
    """Nobody tries any more once a review has ended: its dead channel has failed."""
    parcels = [a_parcel(about=f"request-{uuid4().hex}", run_id=uuid4().hex) for _ in range(2)]
    ended = [datetime.now(UTC) - timedelta(minutes=5), datetime.now(UTC)]
    channel = InMemoryNotifier()
    channel.refusal = ChannelUnavailableError("away")
    courier = Courier(DeliveryLedger(engine), {"console": channel})
    for parcel, closed_at in zip(parcels, ended, strict=True):
        state = fresh().model_copy(update={"run_id": parcel.run_id})
        state.close(Outcome.CANCELLED, closed_at, None)
        await ReviewStore(engine).save(state)
        with pytest.raises(ChannelUnavailableError):
            await deliver(courier, parcel)
    statements = Statements(database_url, application_name="test")
    found = await DeliveryReader(statements).of("default", [one.about for one in parcels])
    await statements.close()
    assert [found[one.about][0].state for one in parcels] == ["failed", "trying"]
