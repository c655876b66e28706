"""Days of waiting, on the real server with time skipping."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.testing import TimeSkipper

from account_reviews.domain.canonical import rfc3339
from account_reviews.domain.proposals import ItemState, proposal_hash
from account_reviews.domain.review.phases import Outcome, Status
from account_reviews.domain.review.state import ReviewResult
from account_reviews.domain.review.terms import Escalation, Terms
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


@pytest.mark.parametrize("days", [10 / 24 / 60, 1, 3, 30])
async def test_a_deadline_outlives_workers_and_runs(world: World, days: float) -> None:
    """10 minutes, 24 and 72 hours, 30 days: not a minute too early, and once."""
    skipper, limit = TimeSkipper(world.client), timedelta(days=days)
    world.analysis.terms = Terms(timeout_seconds=limit.total_seconds())
    world.analysis.changes = (create_task(world.account),)
    async with world.worker():
        with skipper.with_time_skipping_disabled():
            handle = await world.start(skipper.client, history_limit=30)
        request = await world.request(handle)
    newest: Handle = world.client.get_workflow_handle(handle.id, result_type=ReviewResult)
    async with world.worker():
        for number in range(12):
            await newest.execute_update("annotate", {"by": "x", "metadata": {"n": number}})
        assert (await newest.describe()).run_id != handle.first_execution_run_id
        await skipper.fast_forward(newest, limit / 2)
    async with world.worker():
        await skipper.fast_forward(newest, limit / 2 - timedelta(minutes=2))
        state = await newest.query(AccountReviewWorkflow.snapshot)
        assert state.pending == state.requests
        assert state.requests[0].deadline == request.deadline
        await skipper.fast_forward(newest, timedelta(minutes=3))
        result = await newest.result()
        state = await newest.query(AccountReviewWorkflow.snapshot)
    assert result.outcome is Outcome.EXPIRED
    assert [one.kind for one in state.timeline].count("approval_expired") == 1


async def test_reminder_and_levels_come_once_over_restarts_and_runs(world: World) -> None:
    skipper = TimeSkipper(world.client)
    world.analysis.terms = Terms(
        timeout_seconds=30 * 86400,
        reminder_seconds=48 * 3600,
        escalate_seconds=24 * 3600,
        escalation=Escalation(levels=("lead", "director", "vp")),
    )
    world.analysis.changes = (create_task(world.account),)
    async with world.worker():
        with skipper.with_time_skipping_disabled():
            handle = await world.start(skipper.client, history_limit=30)
        request = await world.request(handle)
    newest: Handle = world.client.get_workflow_handle(handle.id, result_type=ReviewResult)
    for _ in range(5):  # five days, each with a worker of its own
        async with world.worker():
            for number in range(4):
                await newest.execute_update("annotate", {"by": "x", "metadata": {"n": number}})
            await skipper.fast_forward(newest, timedelta(hours=25))
    async with world.worker():
        state = await newest.query(AccountReviewWorkflow.snapshot)
        kinds = [one.kind for one in state.timeline]
        await newest.execute_update("decide", decision(request))
        result = await newest.result()
    assert kinds.count("approval_reminder") == 1
    assert kinds.count("approval_escalated") == 3 - state.requests[0].first_level
    assert result.outcome is Outcome.COMPLETED


async def test_nothing_is_abandoned_before_anybody_could_say_anything(world: World) -> None:
    handle = await world.start(interactive=True, idle_seconds=2)
    await asyncio.sleep(3)  # no worker is there
    async with world.worker():
        result = await handle.result()
        state = await handle.query(AccountReviewWorkflow.snapshot)
    assert result.outcome is Outcome.ABANDONED
    assert state.touched_at is not None
    assert state.touched_at > state.started_at + timedelta(seconds=2)
