"""The trail against real histories: live, after outages, repaired, tampered with and deleted."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from account_reviews.audit.capture.workflow_runner import Moved, TapRunner
from account_reviews.audit.history.exporter import Exporter
from account_reviews.audit.history.reader import LONG, Export, HistoryReader
from account_reviews.audit.history.reconcile_queries import Gap
from account_reviews.audit.history.reconciler import compare
from account_reviews.audit.locks import RECONCILING, alone
from account_reviews.domain.audit.events import EventType, Severity
from account_reviews.temporal.sandbox import sandboxed_runner
from account_reviews.temporal.worker_interceptor import ReviewInterceptor
from tests.replay.commands import HISTORIES
from tests.support.hooks import counting
from tests.support.live_trail import (
    RULES,
    Trail,
    Watcher,
    at_least,
    length,
)
from tests.support.waiting import PATIENCE, until
from tests.support.world import create_task, decision, make_world, set_status
from worker import WORKFLOWS
from workflows.account_review import AccountReviewWorkflow


@dataclass
class Seen:
    """An observer."""

    edges: list[tuple[str, bool, bool]] = field(default_factory=list)

    def moved(self, workflow_id: str, run_id: str, *, started: bool, ended: bool) -> None:
        self.edges.append((run_id, started, ended))


class Broken:
    """One that harms nobody."""

    def moved(self, workflow_id: str, run_id: str, *, started: bool, ended: bool) -> None:
        raise RuntimeError("no")


async def test_a_review_leaves_each_event_once(trail: Trail) -> None:
    world = trail.world
    world.analysis.changes = (set_status(world.account), create_task(world.account))
    await trail.reconcile()  # what other tests left on this server
    good = Seen()
    async with trail.worker(Broken(), good) as watcher:
        handle = await world.start()
        run_id = handle.first_execution_run_id
        assert run_id
        request = await world.request(handle)
        waiting = await length(trail, handle.id, run_id)
        await until(at_least(trail, run_id, waiting))
        malformed = "nothing like a decision"
        with pytest.raises(Exception, match="update failed"):
            await handle.execute_update("decide", malformed)
        await handle.execute_update(AccountReviewWorkflow.decide, decision(request))  # type: ignore[arg-type, unused-coroutine]
        await handle.result()
        events = await length(trail, handle.id, run_id)
        await until(at_least(trail, run_id, events))
    assert await trail.numbers(run_id) == list(range(1, events + 1))
    assert watcher.refusals == 1
    assert (good.edges[0], good.edges[-1]) == ((run_id, True, False), (run_id, False, True))
    assert not any(started or ended for _, started, ended in good.edges[1:-1])
    assert (await compare(trail.client, trail.engine, [(handle.id, run_id)], RULES)).ok
    again = await trail.reconcile()
    assert (again.rows_added, again.gaps, again.closed_as_lost) == (0, (), 0)


async def test_the_tap_tells_what_to_wait_for(trail: Trail) -> None:
    world = trail.world
    world.analysis.changes = (create_task(world.account),)
    async with trail.worker() as watcher:
        handle = await world.start()
        await world.request(handle)
        run_id = handle.first_execution_run_id or ""
        events = await length(trail, handle.id, run_id)
        await until(at_least(trail, run_id, events))
        moves = [moved for moved_id, moved in watcher.moves if moved_id == run_id]
        await handle.terminate()
    assert [moved.fresh for moved in moves] == [True] + [False] * (len(moves) - 1)
    assert moves[0] == Moved(3, fresh=True, held=True), "its first step is a local activity"
    last = moves[-1]
    assert not last.held
    assert last.events <= events
    rows = await trail.rows(run_id)
    reported = rows[last.events - 1]
    assert reported.event_type is EventType.WORKFLOW_TASK_COMPLETED, "the task that asked"


async def test_a_refused_update_of_a_quiet_review_holds_up_no_other(trail: Trail) -> None:
    quiet, other = trail.world, make_world(trail.client, trail.world.engine)
    quiet.analysis.changes = (create_task(quiet.account),)
    other.task_queue = quiet.task_queue  # where the CRM has no such account: it fails soon
    async with trail.worker() as watcher:
        handle = await quiet.start()
        await quiet.request(handle)
        run_id = handle.first_execution_run_id or ""
        events = await length(trail, handle.id, run_id)
        await until(at_least(trail, run_id, events))
        moves = len(watcher.moves)
        with pytest.raises(Exception, match="update failed"):
            await handle.execute_update("decide", {"request_id": "nope", "decision": "approve"})
        assert await length(trail, handle.id, run_id) == events, "it left nothing in the history"
        assert len(watcher.moves) > moves, "the exporter is asked to look all the same"
        second = await other.start()
        await until(at_least(trail, second.first_execution_run_id or "", 3))
        assert watcher.exporter is not None
        await until(_as_empty(watcher.exporter))
        await handle.terminate()
    assert watcher.failures == 0


def _as_empty(exporter: Exporter) -> Callable[[], Awaitable[bool]]:
    async def empty() -> bool:
        return not len(exporter)

    return empty


class Blind(HistoryReader):
    """Reads all histories but one."""

    cannot: str = ""

    async def export(self, workflow_id: str, run_id: str, *more: Any) -> Export:
        if workflow_id == self.cannot:
            raise RuntimeError("nobody can tell this")
        return await super().export(workflow_id, run_id, *more)


async def test_a_history_that_cannot_be_told_holds_up_no_other(trail: Trail) -> None:
    reconciler = trail.reconciler()
    reader = Blind(trail.client, RULES)
    reconciler._reader = reader
    odd = await trail.world.start()
    reader.cannot = odd.id
    other = make_world(trail.client, trail.world.engine)
    handle = await other.start()
    exporter = Exporter(reader, trail.engine)
    exporter.start()
    for one in (odd, handle):
        exporter.moved(one.id, one.first_execution_run_id or "", Moved(1))
    assert await exporter.flush(PATIENCE)
    assert len(await trail.rows(handle.first_execution_run_id or "")) == 2
    found = await reconciler.full(now=datetime.now(UTC), settle=0)
    assert [odd.id in warning for warning in found.warnings] == [True]
    assert await trail.rows(odd.first_execution_run_id or "") == []
    await odd.terminate()
    await handle.terminate()


class Strange(HistoryReader):
    """What it makes of one history, nobody can store."""

    strange: str = ""

    async def export(self, workflow_id: str, run_id: str, *more: Any) -> Export:
        export = await super().export(workflow_id, run_id, *more)
        return replace(export, context=None) if workflow_id == self.strange else export  # type: ignore[arg-type]  # the fault


async def test_a_history_that_cannot_be_stored_holds_up_no_other(trail: Trail) -> None:
    reconciler = trail.reconciler()
    reader = Strange(trail.client, RULES)
    reconciler._reader = reader
    odd = await trail.world.start()
    reader.strange = odd.id
    other = make_world(trail.client, trail.world.engine)
    handle = await other.start()
    exporter = Exporter(reader, trail.engine)
    exporter.start()
    for one in (odd, handle):
        exporter.moved(one.id, one.first_execution_run_id or "", Moved(1))
    assert await exporter.flush(PATIENCE)
    assert len(await trail.rows(handle.first_execution_run_id or "")) == 2
    found = await reconciler.full(now=datetime.now(UTC), settle=0)
    assert [odd.id in warning for warning in found.warnings] == [True]
    await odd.terminate()
    await handle.terminate()


async def test_the_trail_is_whole_after_its_database_was_away(trail: Trail) -> None:
    world = trail.world
    world.analysis.changes = (set_status(world.account),)
    async with trail.worker() as watcher:
        first = await world.start()
        request = await world.request(first)
        await until(at_least(trail, first.first_execution_run_id or "", 5))
        async with trail.away():
            await first.signal("submit_decision", decision(request))
            assert (await first.result()).outcome == "completed"
            second = await world.start()
            request = await world.request(second)
            await until(lambda: has_failed(watcher))
        await second.signal("submit_decision", decision(request))
        await second.result()
    for handle in (first, second):
        run_id = handle.first_execution_run_id or ""
        events = await length(trail, handle.id, run_id)
        assert await trail.numbers(run_id) == list(range(1, events + 1))


async def has_failed(watcher: Watcher) -> bool:
    return watcher.failures > 0


async def test_a_run_that_no_worker_sees_is_found_by_reconciling(trail: Trail) -> None:
    handle = await trail.world.start()
    run_id = handle.first_execution_run_id or ""
    await handle.signal("cancel_review", {"by": "ann"})
    found = await trail.reconcile()
    assert found.rows_added >= 3
    assert await trail.numbers(run_id) == [1, 2, 3]
    await handle.terminate("enough")
    await until(lambda: closed_in_list(trail, run_id))
    await trail.reconcile()
    assert await trail.numbers(run_id) == [1, 2, 3, 4]
    (end,) = [row for row in await trail.rows(run_id) if row.event_type is EventType.SESSION_ENDED]
    assert (end.severity, end.details["status"]) == (Severity.WARNING, "terminated")
    assert (await trail.reconcile()).rows_added == 0


async def test_a_small_pass_finds_what_is_new_and_what_is_open(trail: Trail) -> None:
    handle = await trail.world.start()
    run_id = handle.first_execution_run_id or ""
    reconciler = trail.reconciler()
    since = datetime.now(UTC) - timedelta(minutes=1)

    async def is_stored() -> bool:
        await reconciler.recent(since=since)
        return await trail.numbers(run_id) == [1, 2]

    await until(is_stored)
    await handle.signal("cancel_review", {"by": "ann"})
    later = datetime.now(UTC) + timedelta(minutes=1)
    async with alone(trail.engine, RECONCILING) as held:
        assert held is not None
        assert await reconciler.recent(since=later) is None
    with counting() as counted:
        found = await reconciler.recent(since=later)
        assert found is not None
        assert found.rows_added == 1, "its turn, though not listed"
        assert counted("reviews_audit_rows_written") == {("history",): 1}
        assert counted("reviews_audit_lag") == {("history",): 1}
    await handle.terminate("enough")


async def closed_in_list(trail: Trail, run_id: str) -> bool:
    query = f"RunId = '{run_id}' and ExecutionStatus != 'Running'"
    return bool([one async for one in trail.client.list_workflows(query)])


async def test_a_long_history_is_read_on_from_where_it_was_left(trail: Trail) -> None:
    handle = await trail.world.start()
    run_id = handle.first_execution_run_id or ""

    async def signals(count: int) -> None:
        for _ in range(count // 50):
            await asyncio.gather(*(handle.signal("touched", number) for number in range(50)))

    await signals(LONG + 50)
    reader = HistoryReader(trail.client, RULES)
    whole = await reader.export(handle.id, run_id)
    assert whole.last_event == LONG + 52
    for more in (50, 100):
        await signals(more)
        part = await reader.export(handle.id, run_id, whole.last_event, whole.context)
        assert [row.event_id for row in part.rows] == [
            f"default/{handle.id}/{run_id}/{number}"
            for number in range(whole.last_event + 1, whole.last_event + more + 1)
        ]
        nothing = await reader.export(handle.id, run_id, part.last_event, part.context)
        assert (nothing.rows, nothing.last_event) == ([], part.last_event)
        whole = part
    await handle.terminate("enough")
    end = await reader.export(handle.id, run_id, whole.last_event, whole.context)
    assert end.closed
    fresh = await HistoryReader(trail.client, RULES).export(handle.id, run_id)
    assert fresh.rows[-1:] == end.rows
    assert len(fresh.rows) == end.last_event


async def test_what_the_server_writes_alone_is_missed_after_some_passes(trail: Trail) -> None:
    """A review that is paused in Temporal gets messages, and no worker notices."""
    handle = await trail.world.start()
    run_id = handle.first_execution_run_id or ""
    await trail.reconcile()
    await handle.signal("submit_decision", {"request_id": "r", "approver": "ann"})
    runs = [(handle.id, run_id)]

    async def missing(seconds: int) -> tuple[int, bool]:
        now = datetime.now(UTC) + timedelta(seconds=seconds)
        found = await compare(trail.client, trail.engine, runs, RULES, now=now)
        return len(found.missing), found.chains[run_id].asked[0].waits

    assert await missing(60) == (0, True), "nobody could have answered"
    assert await missing(600) == (1, True)
    await trail.reconcile()
    assert await missing(600) == (0, True)
    await handle.terminate()


async def test_tampering_is_found_against_the_history(trail: Trail) -> None:
    handle = await trail.world.start()
    run_id = handle.first_execution_run_id or ""
    await handle.signal("cancel_review", {"by": "ann"})
    await handle.terminate("enough")
    await trail.reconcile()
    runs = [(handle.id, run_id)]
    later = datetime.now(UTC) + timedelta(minutes=1)
    assert (await compare(trail.client, trail.engine, runs, RULES, now=later)).ok
    prefix = f"default/{handle.id}/{run_id}/"
    await trail.execute(
        "delete from audit.audit_events where event_id = :second",
        "update audit.audit_events set actor = 'nobody' where event_id = :third",
        "insert into audit.audit_events (event_id, at, source, tenant, event_type, severity, "
        "actor, action, resource, workflow_id, run_id) select :fifth, at, source, tenant, "
        "event_type, severity, actor, action, resource, workflow_id, run_id "
        "from audit.audit_events where event_id = :third",
        second=f"{prefix}2",
        third=f"{prefix}3",
        fifth=f"{prefix}5",
    )
    found = await compare(trail.client, trail.engine, runs, RULES, now=later)
    assert (found.missing, found.differing, found.extra) == (
        [f"{prefix}2"],
        [f"{prefix}3"],
        [f"{prefix}5"],
    )
    assert not found.ok


async def test_rows_that_were_stored_once_come_back(trail: Trail) -> None:
    handle = await trail.world.start()
    run_id = handle.first_execution_run_id or ""
    await trail.reconcile()
    await trail.execute("delete from audit.audit_events where run_id = :run", run=run_id)
    found = await trail.reconcile()
    assert found.rows_added == 2
    assert "had been stored" in found.warnings[0]
    assert await trail.numbers(run_id) == [1, 2]
    await handle.terminate("enough")


async def test_a_deleted_history_is_told_once_as_a_gap(trail: Trail) -> None:
    handle = await trail.world.start()
    run_id = handle.first_execution_run_id or ""
    await trail.reconcile()
    await handle.signal("cancel_review", {"by": "ann"})
    await trail.client.workflow_service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(
            namespace="default",
            workflow_execution=WorkflowExecution(workflow_id=handle.id, run_id=run_id),
        )
    )
    compared = await compare(trail.client, trail.engine, [(handle.id, run_id)], RULES)
    assert compared.gone == [run_id]
    found = await trail.reconcile()
    assert found.gaps == (Gap(workflow_id=handle.id, run_id=run_id, last_event=2),)
    assert any("deleted before they were stored whole" in sentence for sentence in found.warnings)
    query = text("select * from audit.audit_events where event_type = 'audit_gap'")
    async with trail.engine.connect() as connection:
        (row,) = (await connection.execute(query)).mappings().all()
    assert (row["severity"], row["run_id"], row["review_id"]) == ("critical", run_id, handle.id)
    assert (await trail.reconcile()).gaps == ()


async def test_a_pass_that_comes_too_late_for_the_retention_warns(trail: Trail) -> None:
    handle = await trail.world.start()
    assert (await trail.reconcile()).warnings == ()
    (warning,) = (await trail.reconcile(now=datetime.now(UTC) + timedelta(days=16))).warnings
    assert "Temporal deletes histories 30 days after their end" in warning
    await handle.terminate("enough")


async def test_the_tap_is_silent_on_replay() -> None:
    watcher = Watcher()
    replayer = Replayer(
        workflows=WORKFLOWS,
        workflow_runner=TapRunner(sandboxed_runner(), watcher),
        interceptors=[ReviewInterceptor()],
        data_converter=pydantic_data_converter,
    )
    for name in ("completed_by_update", "worker_restarted", "continued_as_new"):
        path = HISTORIES / "AccountReview" / f"{name}.1.json"
        await replayer.replay_workflow(
            WorkflowHistory.from_json("review/replayed", path.read_text())
        )
    assert watcher.moves == []
