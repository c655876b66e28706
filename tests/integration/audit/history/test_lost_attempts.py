"""Attempts whose end nobody recorded: who closes them, and how."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from temporalio.exceptions import ApplicationError

from account_reviews.audit.store import insert
from account_reviews.domain.audit.events import AuditEvent, EventType, Source, attempt_id
from account_reviews.domain.canonical import rfc3339
from account_reviews.store.outbox import put_into_outbox
from tests.support.live_trail import (
    Trail,
)
from tests.support.waiting import PATIENCE
from tests.support.world import decision, set_status


async def test_attempts_of_dead_processes_are_closed_as_lost(trail: Trail) -> None:
    """Real attempts that Temporal knows: one it still waits for, one that is over."""
    world = trail.world
    held, released = asyncio.Event(), asyncio.Event()

    async def hold(*_: object, **__: object) -> None:
        held.set()
        await released.wait()
        raise ApplicationError("too late", non_retryable=True)

    world.analysis.changes = (set_status(world.account),)
    world.crm.apply = hold  # type: ignore[method-assign,assignment]
    async with world.worker():
        handle = await world.start()
        run_id = handle.first_execution_run_id or ""
        request = await world.request(handle)
        await handle.signal("submit_decision", decision(request))
        await asyncio.wait_for(held.wait(), PATIENCE)
        (pending,) = (await handle.describe()).raw_description.pending_activities
        regular = start_row(handle.id, run_id, pending.activity_id, EventType.TOOL_INVOCATION)
        local = start_row(handle.id, run_id, "99", EventType.TASK_STARTED, local=True)
        await insert(trail.engine, [regular, local])
        assert (await trail.reconcile()).closed_as_lost == 0
        await handle.terminate("enough")
        released.set()
    assert (await trail.reconcile()).closed_as_lost == 2
    query = text("select * from audit.audit_events where event_id = any(:ids)")
    ids = [one.event_id.replace("/start", "/end") for one in (regular, local)]
    async with trail.engine.connect() as connection:
        rows = (await connection.execute(query, {"ids": ids})).mappings().all()
    ends = {row["event_type"]: row for row in rows}
    assert set(ends) == {"tool_error", "task_failed"}
    assert all(row["details"]["lost"] is True and row["severity"] == "error" for row in rows)
    assert all(row["at"] >= regular.at for row in rows)
    assert (await trail.reconcile()).closed_as_lost == 0


async def test_what_waits_in_the_outbox_is_brought_without_a_worker(trail: Trail) -> None:
    handle = await trail.world.start()
    run_id = handle.first_execution_run_id or ""
    start = start_row(handle.id, run_id, "7", EventType.TASK_STARTED)
    end = replace(
        start,
        event_id=attempt_id(run_id, "7", 1, "end"),
        at=start.at + timedelta(seconds=1),
        event_type=EventType.TASK_COMPLETED,
    )
    await insert(trail.engine, [start])
    async with trail.world.engine.begin() as connection:
        await put_into_outbox(connection, [end])
    await handle.terminate("enough")
    assert (await trail.reconcile()).closed_as_lost == 0
    query = text("select event_type from audit.audit_events where event_id = :id")
    async with trail.engine.connect() as connection:
        recorded = await connection.scalar(query, {"id": end.event_id})
    assert recorded == EventType.TASK_COMPLETED


async def test_an_attempt_that_completed_is_not_told_as_failed(trail: Trail) -> None:
    """The worker died when the server had the result and the trail only the start."""
    world = trail.world
    world.analysis.changes = (set_status(world.account),)
    async with world.review() as handle:
        request = await world.request(handle)
        await handle.signal("submit_decision", decision(request))
        await handle.result()
    run_id = handle.first_execution_run_id or ""
    await trail.reconcile()
    rows = {row.event_type: row for row in await trail.rows(run_id)}
    regular, local = (
        rows[kind].details
        for kind in (EventType.ACTIVITY_COMPLETED, EventType.LOCAL_ACTIVITY_RECORDED)
    )
    begun = rows[EventType.SESSION_STARTED].at
    starts = [
        start_row(handle.id, run_id, str(regular["activity_id"]), EventType.TOOL_INVOCATION),
        start_row(handle.id, run_id, str(local["activity_id"]), EventType.TASK_STARTED, local=True),
    ]
    await insert(trail.engine, [replace(one, at=begun) for one in starts])
    assert (await trail.reconcile()).closed_as_lost == 2
    query = text("select * from audit.audit_events where event_id like '%/end'")
    async with trail.engine.connect() as connection:
        ends = (await connection.execute(query)).mappings().all()
    assert sorted((row["event_type"], row["severity"]) for row in ends) == [
        ("task_completed", "info"),
        ("tool_success", "info"),
    ]
    assert all(row["details"]["lost"] is True for row in ends)


async def test_only_the_last_of_equal_attempts_completed(trail: Trail) -> None:
    """A reset of the activity made attempt 1 again; the worker of the first one had died."""
    world = trail.world
    world.analysis.changes = (set_status(world.account),)
    async with world.review() as handle:
        request = await world.request(handle)
        await handle.signal("submit_decision", decision(request))
        await handle.result()
    run_id = handle.first_execution_run_id or ""
    await trail.reconcile()
    found = {row.event_type: row for row in await trail.rows(run_id)}
    done = found[EventType.ACTIVITY_COMPLETED].details
    first = start_row(handle.id, run_id, str(done["activity_id"]), EventType.TOOL_INVOCATION)
    starts = [
        replace(
            first,
            event_id=attempt_id(run_id, str(done["activity_id"]), 1, "start", since=at),
            details={**first.details, "scheduled_at": rfc3339(at)},
        )
        for at in (first.at - timedelta(seconds=9), first.at)
    ]
    await insert(trail.engine, starts)
    assert (await trail.reconcile()).closed_as_lost == 2
    query = text("select event_type from audit.audit_events where event_id = :id")
    async with trail.engine.connect() as connection:
        ends = [
            await connection.scalar(query, {"id": one.event_id.replace("/start", "/end")})
            for one in starts
        ]
    assert ends == ["tool_error", "tool_success"]


def start_row(
    workflow_id: str, run_id: str, activity_id: str, kind: EventType, *, local: bool = False
) -> AuditEvent:
    at = datetime.now(UTC)
    since = at if local else None
    return AuditEvent(
        event_id=attempt_id(run_id, activity_id, 1, "start", since=since),
        at=at,
        source=Source.ATTEMPT,
        event_type=kind,
        tenant="default",
        actor="worker@host",
        action="crm.apply_change start",
        resource=workflow_id,
        workflow_id=workflow_id,
        run_id=run_id,
        details={"activity_id": activity_id, "attempt": 1, "local": local},
    )


async def test_a_row_and_a_place_that_nobody_can_read_hold_up_no_other(trail: Trail) -> None:
    """Both can be put there by whoever may write the trail."""
    handle = await trail.world.start()
    run_id = handle.first_execution_run_id or ""
    start = start_row(handle.id, run_id, "7", EventType.TASK_STARTED)
    await trail.reconcile()
    await insert(trail.engine, [start])
    await trail.execute(
        "insert into audit.audit_events (event_id, at, source, tenant, event_type, severity, "
        "actor, action, resource, run_id) values ('odd/start', now(), 'attempt', 't', 'hearsay', "
        "'info', 'x', 'x', 'x', 'odd')",
        "update audit.runs set context = '{\"begun\": [1]}' where run_id = :run",
        run=run_id,
    )
    await handle.terminate("enough")
    found = await trail.reconcile()
    assert found.closed_as_lost == 1
    assert [row.event_type for row in await trail.rows(run_id)][-1] is EventType.SESSION_ENDED
