"""Facts stand in the transaction of what they are about, and come into the trail once each."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from account_reviews.audit.capture.outbox_relay import Relay
from account_reviews.domain.audit.events import AuditEvent, EventType, Severity, trace_of_run
from account_reviews.domain.audit.redaction import DEFAULT, Rules
from account_reviews.domain.errors import UnreachableError
from account_reviews.domain.review.opening import opening_state
from account_reviews.domain.review.phases import Outcome, Phase
from account_reviews.domain.review.state import TIMELINE_LIMIT, ReviewInput, ReviewState
from account_reviews.domain.schedule.lateness import Judgement, Verdict
from account_reviews.domain.schedule.runs import OpenRun
from account_reviews.store.halts import HaltStore
from account_reviews.store.policy_in_force import see_policy
from account_reviews.store.reviews import ReviewStore
from account_reviews.store.schedule_runs import ScheduleRunStore
from tests.support.trail_rows import outbox, trail
from tests.support.world import create_task, decision, make_world

NOW = datetime(2026, 11, 21, 9, 0, 0, 250000, tzinfo=UTC)


def fresh() -> ReviewState:
    """A review that has just begun."""
    start = ReviewInput(account_id="a-1", tenant="acme")
    run = str(uuid4())
    return opening_state(
        start, review_id="review/acme/a-1", run_id=run, workflow_run_id=run, now=NOW
    )


def actions(rows: list[AuditEvent]) -> list[str]:
    return [row.action for row in rows]


async def facts_of(engine: AsyncEngine, state: ReviewState) -> list[AuditEvent]:
    """What waits in the outbox of this review, in order."""
    return [row for row in await outbox(engine) if row.run_id == state.run_id]


async def test_each_line_and_move_is_recorded_once_however_often_it_is_saved(
    engine: AsyncEngine,
) -> None:
    store, state = ReviewStore(engine), fresh()
    await store.open_run(state)
    state.move(Phase.INVESTIGATING, NOW)
    state.record(NOW, "degraded", "CRM down")
    await store.save(state)
    await store.save(state)
    older = state.model_copy(deep=True)
    state.record(NOW + timedelta(seconds=1), "approval_refused", "mail a@b.example first", "ann")
    state.record(NOW + timedelta(seconds=2), "hello", "a note")
    state.move(Phase.PLANNING, NOW + timedelta(seconds=3))
    await store.save(state)
    await store.save(older)
    state.last_error = "token=abcdefghijklmnop1234"
    state.close(Outcome.FAILED, NOW + timedelta(seconds=4), "why")
    await store.save(state)
    await store.save(state)
    rows = await facts_of(engine, state)
    assert actions(rows) == [
        "initializing -> investigating", "degraded", "approval_refused", "hello",
        "investigating -> planning", "planning -> failed",
    ]  # fmt: skip
    assert [row.event_id for row in rows] == [
        f"{kind}/{state.run_id}/{n}@{place.at.timestamp() * 1_000_000:.0f}"
        for place, (kind, n) in zip(
            rows,
            [
                ("phase", 0), ("timeline", 0), ("timeline", 1), ("timeline", 2), ("phase", 1),
                ("phase", 2),
            ],
            strict=True,
        )
    ]  # fmt: skip
    assert [row.event_type for row in rows] == [
        EventType.PHASE_CHANGED, EventType.ERROR_OCCURRED, EventType.APPROVAL_REFUSED,
        EventType.REVIEW_NOTE, EventType.PHASE_CHANGED, EventType.PHASE_CHANGED,
    ]  # fmt: skip
    assert rows[2].actor == "ann"
    assert rows[2].at == NOW + timedelta(seconds=1)
    assert "a@b.example" not in str(rows)
    assert (rows[5].severity, rows[5].details["outcome"]) == (Severity.ERROR, "failed")
    assert "abcdefghijklmnop" not in str(rows[5].details)
    assert {row.tenant for row in rows} == {"acme"}
    assert {row.trace_id for row in rows} == {trace_of_run(state.run_id)}


@pytest.mark.parametrize(("rules", "seen"), [(DEFAULT, False), (Rules(mask_personal=False), True)])
async def test_the_policy_says_what_is_masked(
    engine: AsyncEngine, rules: Rules, seen: bool
) -> None:
    state, halts = fresh(), HaltStore(engine, rules=rules)
    tenant = f"t-{uuid4().hex[:8]}"
    state.record(NOW, "approval_refused", "mail a@b.example first", "ann")
    await ReviewStore(engine, rules).save(state)
    await halts.halt(tenant, "ann", "ask a@b.example")
    (line,) = await facts_of(engine, state)
    (halt,) = [row for row in await outbox(engine) if row.tenant == tenant]
    assert [("a@b.example" in str(row.details)) for row in (line, halt)] == [seen, seen]


async def test_numbers_of_lines_go_on_when_the_oldest_are_gone(engine: AsyncEngine) -> None:
    store, state = ReviewStore(engine), fresh()
    for n in range(TIMELINE_LIMIT - 5):
        state.record(NOW, "note", str(n))
    await store.save(state)
    for n in range(TIMELINE_LIMIT - 5, TIMELINE_LIMIT + 5):
        state.record(NOW, "note", str(n))
    await store.save(state)
    rows = await facts_of(engine, state)
    numbers = [row.event_id.rpartition("/")[2].partition("@")[0] for row in rows]
    assert numbers == [str(n) for n in range(TIMELINE_LIMIT + 5)]
    assert [row.details["text"] for row in rows] == [str(n) for n in range(TIMELINE_LIMIT + 5)]


async def test_saves_that_race_and_a_reset_leave_each_fact_in_the_trail_once(
    engine: AsyncEngine,
) -> None:
    store, state = ReviewStore(engine), fresh()
    versions = []
    for n in range(12):
        state.record(NOW + timedelta(seconds=n), "note", str(n))
        versions.append(state.model_copy(deep=True))
    await asyncio.gather(*(store.save(version) for version in versions * 2))
    reset = versions[5].model_copy(update={"workflow_run_id": str(uuid4())}, deep=True)
    reset.record(NOW + timedelta(hours=1), "note", "recorded otherwise")
    await store.save(reset)
    relay = Relay(engine, engine, DEFAULT)
    while await relay.outbox():
        pass
    rows = await trail(engine, f"timeline/{state.run_id}/")
    ids = [row.event_id for row in rows]
    assert len(ids) == len(set(ids)), "an id stands for one row"
    texts = sorted(str(row.details["text"]) for row in rows)
    assert texts == sorted([*(str(n) for n in range(12)), "recorded otherwise"])


async def test_what_a_task_tells_that_is_done_again_is_told_too(engine: AsyncEngine) -> None:
    """The first save was never reported: its task was lost, and a signal came before the second."""
    store, begun = ReviewStore(engine), fresh()
    begun.record(NOW, "note", "begun")
    await store.save(begun)
    lost, again = begun.model_copy(deep=True), begun.model_copy(deep=True)
    lost.record(NOW + timedelta(seconds=1), "analysed", "at first")
    lost.record(NOW + timedelta(seconds=1), "note", "the request")
    await store.save(lost)
    again.record(NOW + timedelta(seconds=5), "refresh_requested", "please")
    await store.save(again)
    again.record(NOW + timedelta(seconds=5), "analysed", "once more")
    again.record(NOW + timedelta(seconds=6), "note", "the request")
    again.record(NOW + timedelta(seconds=7), "note", "decided")
    await store.save(again)
    await store.replace(again, seen=await store.seen(again.run_id))
    relay = Relay(engine, engine, DEFAULT)
    while await relay.outbox():
        pass
    rows = await trail(engine, f"timeline/{begun.run_id}/")
    assert len(rows) == len({row.event_id for row in rows})
    actions = [str(row.details["text"]) for row in sorted(rows, key=lambda row: row.at)]
    assert actions == [
        "begun", "at first", "the request", "please", "once more", "the request", "decided",
    ]  # fmt: skip


async def test_a_fact_is_there_only_with_what_it_tells_of(engine: AsyncEngine) -> None:
    store, state = ReviewStore(engine), fresh()
    state.record(NOW, "note", "never")
    async with engine.begin() as connection:
        await connection.execute(text("alter table reviews.approval_requests rename to away"))
    try:
        async with engine.connect() as connection:
            with pytest.raises(UnreachableError):
                await store.replace(state, seen=None)
            found = await connection.scalar(
                text("select count(*) from reviews.review_runs where run_id = :run"),
                {"run": state.run_id},
            )
    finally:
        async with engine.begin() as connection:
            await connection.execute(text("alter table reviews.away rename to approval_requests"))
    assert (found, await facts_of(engine, state)) == (0, [])


async def test_a_whole_review_tells_its_story(client: Client, engine: AsyncEngine) -> None:
    world = make_world(client, engine)
    world.analysis.changes = (create_task(world.account),)
    recommendation = {
        "id": "r-1", "type": "engagement", "priority": "high", "confidence": 0.85, "change_ids": [],
    }  # fmt: skip
    put = world.store.put_document

    async def put_with_recommendation(kind: str, body: object) -> str:
        return await put(kind, {"recommendations": [recommendation]} if body else body)

    world.store.put_document = put_with_recommendation  # type: ignore[method-assign]
    async with world.review() as handle:
        request = await world.request(handle)
        await handle.execute_update("decide", decision(request, reason="good"))
        await handle.result()
    run = handle.first_execution_run_id
    rows = [row for row in await outbox(engine) if row.run_id == run]
    assert len({row.event_id for row in rows}) == len(rows)
    by_type = {row.event_type: row for row in rows}
    generated = by_type[EventType.RECOMMENDATION_GENERATED]
    assert generated.details["recommendations"] == [
        {"id": "r-1", "type": "engagement", "priority": "high", "confidence": "0.85"}
    ]
    decided = by_type[EventType.APPROVAL_DECIDED]
    assert (decided.actor, decided.details["decision"]) == ("ann", "approve")
    assert decided.details["request_id"] == request.request_id
    item = request.items[0]
    assert decided.details["items"] == [
        {"item_id": item.item_id, "action": "create_task", "hash": item.change.hash}
    ]
    assert by_type[EventType.RECOMMENDATION_IMPLEMENTED].actor == "ann"
    moves = [row.action for row in rows if row.event_type is EventType.PHASE_CHANGED]
    assert (moves[0], moves[-1]) == ("initializing -> investigating", "validating -> completed")
    assert {row.account_id for row in rows} == {world.account.id}


async def test_halts_schedule_runs_and_policies(engine: AsyncEngine) -> None:
    tenant = f"t-{uuid4().hex[:8]}"
    halts = HaltStore(engine)
    await halts.halt(tenant, "ann", "odd writes")
    await halts.halt(tenant, "bob", "me too")
    await halts.release(tenant, "bob", "over")
    await halts.release(tenant, "bob", "again")
    runs = ScheduleRunStore(engine)
    for verdict in (Verdict.ON_TIME, Verdict.MISSED):
        judged = Judgement(
            verdict=verdict, scheduled_at=NOW, started_at=NOW, lateness_seconds=0.5, reason="late"
        )
        call = OpenRun(
            id=f"{tenant}-{verdict}", schedule_id="nightly", tenant=tenant,
            workflow_id="cycle/nightly", judgement=judged,
        )  # fmt: skip
        await runs.open(call)
        await runs.open(call)
    assert [
        await see_policy(engine, tenant, policy, actor="worker") for policy in ("a", "a", "b", "a")
    ] == [True, False, True, True]
    rows = [row for row in await outbox(engine) if row.tenant == tenant]
    assert len(rows) == len({row.event_id for row in rows}), "an id stands for one row"
    assert [(row.event_type.value, row.actor) for row in rows] == [
        ("writes_halted", "ann"),
        ("writes_released", "bob"),
        ("schedule_fired", "schedule/nightly"),
        ("schedule_missed", "schedule/nightly"),
        *[("configuration_changed", "worker")] * 3,
    ]
    assert (rows[0].details["reason"], rows[1].details["reason"]) == ("odd writes", "over")
    assert rows[2].details["lateness_ms"] == 500
    assert [(row.details["before"], row.details["after"]) for row in rows[-3:]] == [
        (None, "a"), ("a", "b"), ("b", "a"),
    ]  # fmt: skip
