"""Days of waiting, on the real server with time skipping."""

from datetime import timedelta

from temporalio.testing import TimeSkipper

from account_reviews.domain.proposals import ItemState
from account_reviews.domain.review.approvals import Terms
from account_reviews.domain.review.phases import Outcome, Status
from tests.support.world import World, create_task, decision


async def test_72_hours_without_an_answer_expire(world: World) -> None:
    skipper = TimeSkipper(world.client)
    world.analysis.changes = (create_task(world.account),)
    async with world.worker():
        handle = await world.start(skipper.client)
        result = await handle.result()
    assert result.outcome is Outcome.EXPIRED
    assert result.status is Status.EXPIRED
    assert set(result.changes.values()) == {ItemState.EXPIRED}
    assert result.duration_seconds >= timedelta(hours=72).total_seconds()
    assert len(world.crm.operations) == 0


async def test_an_answer_after_months_still_counts(world: World) -> None:
    skipper = TimeSkipper(world.client)
    world.analysis.terms = Terms(timeout_seconds=timedelta(days=200).total_seconds())
    world.analysis.changes = (create_task(world.account),)
    async with world.worker():
        with skipper.with_time_skipping_disabled():
            handle = await world.start(skipper.client)
        request = await world.request(handle)
        await skipper.fast_forward(handle, timedelta(days=120))
        await handle.signal("submit_decision", decision(request))
        result = await handle.result()
    assert result.outcome is Outcome.COMPLETED
    assert result.duration_seconds >= timedelta(days=120).total_seconds()
    assert len(world.crm.operations) == 1


async def test_what_was_approved_is_written_before_the_rest_expires(world: World) -> None:
    skipper = TimeSkipper(world.client)
    one, two = create_task(world.account, "One"), create_task(world.account, "Two")
    world.analysis.changes = (one, two)
    async with world.worker():
        with skipper.with_time_skipping_disabled():
            handle = await world.start(skipper.client)
        request = await world.request(handle)
        await handle.execute_update("decide", decision(request, item_ids=[one.change_id]))
        await skipper.fast_forward(handle, timedelta(hours=80))
        result = await handle.result()
    assert result.outcome is Outcome.COMPLETED
    assert result.changes == {one.change_id: ItemState.EXECUTED, two.change_id: ItemState.EXPIRED}
