"""Days of waiting, on the real server with time skipping."""

import asyncio
from datetime import UTC, datetime, timedelta

from temporalio.api.enums.v1 import EventType
from temporalio.testing import TimeSkipper

from account_reviews.domain.canonical import rfc3339
from account_reviews.domain.proposals import ItemState, proposal_hash
from account_reviews.domain.review.approvals import Terms
from account_reviews.domain.review.phases import Outcome, Status
from account_reviews.domain.review.state import ReviewResult
from tests.support.world import AS_OF, Handle, World, create_task, decision
from workflows.account_review import AccountReviewWorkflow


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


async def test_a_task_that_waited_long_for_its_approval_is_not_overdue(world: World) -> None:
    skipper = TimeSkipper(world.client)
    plain = create_task(world.account)
    after = {**plain.after, "due_at": rfc3339(AS_OF + timedelta(hours=24))}
    hashed = proposal_hash(plain.action, plain.record, plain.before, after)
    update = {"after": after, "due_in_seconds": 24 * 3600, "hash": hashed}
    world.analysis.changes = (plain.model_copy(update=update),)
    async with world.worker():
        with skipper.with_time_skipping_disabled():
            handle = await world.start(skipper.client)
        request = await world.request(handle)
        await skipper.fast_forward(handle, timedelta(hours=60))
        await handle.signal("submit_decision", decision(request))
        await handle.result()
        state = await handle.query(AccountReviewWorkflow.snapshot)
    (write,) = state.written.values()
    assert datetime.fromisoformat(str(write.written["due_at"])) >= write.at + timedelta(hours=23)
    assert write.verified


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


async def deadline_without_workers(world: World, **sent: str) -> ReviewResult:
    """The result of a review whose decision and deadline come while no worker is there."""
    world.analysis.terms = Terms(timeout_seconds=1)
    world.analysis.changes = (create_task(world.account),)
    async with world.worker():
        handle = await world.start()
        request = await world.request(handle)
        await until_timed(handle)
    await handle.signal("submit_decision", decision(request, **sent))
    await until_fired(handle)
    async with world.worker():
        return await handle.result()


async def until_timed(handle: Handle) -> None:
    await until_event(handle, EventType.EVENT_TYPE_TIMER_STARTED)


async def until_fired(handle: Handle) -> None:
    await until_event(handle, EventType.EVENT_TYPE_TIMER_FIRED)


async def until_event(handle: Handle, kind: "EventType.ValueType") -> None:
    while True:
        history = await handle.fetch_history()
        if any(event.event_type == kind for event in history.events):
            return
        await asyncio.sleep(0.05)


async def test_a_decision_made_in_time_counts_although_the_workers_were_away(world: World) -> None:
    result = await deadline_without_workers(world)
    assert result.outcome is Outcome.COMPLETED
    assert set(result.changes.values()) == {ItemState.EXECUTED}


async def test_a_decision_that_says_it_came_too_late_is_refused(world: World) -> None:
    late = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    result = await deadline_without_workers(world, decided_at=late)
    assert result.outcome is Outcome.EXPIRED
    assert len(world.crm.operations) == 0
    assert result.counters.refusals == 1
