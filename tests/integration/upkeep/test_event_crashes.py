"""What a crash leaves of events, and a review that closes before it has read."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from temporalio.client import Client

from account_reviews.bootstrap import Parts
from account_reviews.domain.crm_events import EventAction
from account_reviews.domain.review.messages import Refresh
from account_reviews.store.event_queue import EventQueue
from account_reviews.temporal import names
from account_reviews.upkeep import event_reviews
from account_reviews.upkeep.event_work import EventWork
from tests.support.commands import rows
from tests.support.events import (
    accounts,
    all_due,
    come_in,
    event,
    outcomes,
    pass_by,
    reviews_of,
    signals,
    stored,
)
from tests.support.world import World, create_task

# What a crash leaves


async def test_a_worker_that_dies_after_the_start_leaves_nothing_twice(
    parts: Parts,
    own_client: Client,
    event_world: World,
    work: EventWork,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settle = EventQueue.settle

    async def dies(*_: Any, **__: Any) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(EventQueue, "settle", dies)
    await come_in(parts, event(event_world.account.id))
    with pytest.raises(asyncio.CancelledError):
        await pass_by(work, parts)
    review_id = names.review_id(event_world.account.id, parts.settings.tenant)
    await own_client.get_workflow_handle(review_id).terminate()  # it came to its end meanwhile
    monkeypatch.setattr(EventQueue, "settle", settle)
    await come_in(parts, event(event_world.account.id))
    again = EventWork(parts, own_client)
    await pass_by(again, parts)
    assert await reviews_of(own_client, parts, event_world.account.id) == 2, "of the later event"
    assert await outcomes(parts) == ["started"] * 2
    runs = {row["run_id"] for row in await reviews_begun(parts)}
    assert len(runs) == 2


async def test_a_worker_that_dies_after_the_signal_leaves_one_signal(
    parts: Parts,
    own_client: Client,
    event_world: World,
    work: EventWork,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await come_in(parts, event(event_world.account.id))
    await pass_by(work, parts)
    settle = EventQueue.settle

    async def dies(*_: Any, **__: Any) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(EventQueue, "settle", dies)
    await come_in(parts, event(event_world.account.id))
    with pytest.raises(asyncio.CancelledError):
        await pass_by(work, parts)
    monkeypatch.setattr(EventQueue, "settle", settle)
    await pass_by(EventWork(parts, own_client), parts)
    assert await outcomes(parts) == ["started", "refreshed"]
    assert await signals(own_client, parts, event_world.account.id) == ["refresh"]


async def reviews_begun(parts: Parts) -> list[dict[str, Any]]:
    query = "select run_id from reviews.review_runs where tenant = :tenant"
    return await rows(parts.engine, query, tenant=parts.settings.tenant)


# Until it was read


async def test_a_review_that_waits_reads_again_and_one_that_closed_first_is_followed_by_another(
    parts: Parts, own_client: Client, event_world: World, work: EventWork
) -> None:
    event_world.task_queue = names.task_queue(parts.settings.tenant)
    event_world.analysis.changes = (create_task(event_world.account),)
    review_id = names.review_id(event_world.account.id, parts.settings.tenant)
    handle = own_client.get_workflow_handle(review_id)
    async with event_world.worker():
        await come_in(parts, event(event_world.account.id))
        await pass_by(work, parts)
        await _rests(parts, review_id, reads=1)
        await come_in(parts, event(event_world.account.id))
        await pass_by(work, parts)
        await _rests(parts, review_id, reads=2)
        (row,) = await accounts(parts)
        assert row["watched_run_id"] is not None
        await pass_by(work, parts)
        (row,) = await accounts(parts)
        assert (row["watched_run_id"], row["due_at"]) == (None, None)
    await come_in(parts, event(event_world.account.id))
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
    assert await reviews_of(own_client, parts, event_world.account.id) == 2


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
    event_world: World,
    work: EventWork,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await come_in(parts, event(event_world.account.id))
    await pass_by(work, parts)
    asked = event_reviews._state

    async def about_to_read(*arguments: Any) -> Any:
        found = await asked(*arguments)
        assert found is not None
        return found.model_copy(update={"refresh": Refresh()})

    monkeypatch.setattr(event_reviews, "_state", about_to_read)
    await come_in(parts, event(event_world.account.id))
    await pass_by(work, parts)
    assert await outcomes(parts) == ["started", "refreshed"]
    assert await signals(own_client, parts, event_world.account.id) == []


async def test_what_is_old_goes(parts: Parts, event_world: World, work: EventWork) -> None:
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
