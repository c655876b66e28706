"""Who tried what and who asked for what, on real Temporal: a start and an end for every try."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio import activity, workflow
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetActivityRequest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleSpec,
    ScheduleUpdate,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowUpdateFailedError,
)
from temporalio.common import RetryPolicy
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from temporalio.workflow import ActivityCancellationType

from account_reviews.audit.capture.activity_interceptor import AttemptInterceptor
from account_reviews.audit.capture.client_interceptor import AskingInterceptor
from account_reviews.audit.capture.log import AuditLog
from account_reviews.audit.capture.refused_updates import refusals
from account_reviews.audit.capture.workflow_runner import Moved, TapRunner
from account_reviews.domain.audit.events import AuditEvent, EventType, Severity, Source
from account_reviews.domain.audit.redaction import DEFAULT
from account_reviews.domain.errors import ReviewAlreadyRunningError, UnreachableError
from account_reviews.local.temporal_server import TemporalServer
from account_reviews.telemetry.trace_headers import TraceHeaders, trace_id_of
from account_reviews.temporal.sandbox import sandboxed_runner
from account_reviews.temporal.worker_interceptor import ReviewInterceptor
from tests.support.connections import statements_on
from tests.support.trail_rows import trail
from tests.support.waiting import until
from tests.support.world import World, create_task, decision, make_world

REMOTE = timedelta(seconds=20)
LOCAL = timedelta(seconds=1)
Mapping = dict[str, Any]


@activity.defn(name="odd.fails")
async def fails(call: Mapping) -> str:
    if activity.info().attempt < 3:
        raise UnreachableError("no way to postgres://u:hunter2@db/x")
    return "at last"


@activity.defn(name="odd.waits")
async def waits(_: Mapping) -> None:
    while True:
        await asyncio.sleep(0.05)
        activity.heartbeat()


@activity.defn(name="odd.breaks")
async def breaks(_: Mapping) -> None:
    raise ValueError("broken")


@workflow.defn(name="Odd")
class Odd:
    """Activities that end in every way there is."""

    def __init__(self) -> None:
        self.open = False

    @workflow.run
    async def run(self, call: Mapping) -> None:
        quick = RetryPolicy(initial_interval=timedelta(milliseconds=20), maximum_attempts=3)
        for name in ("odd.fails", "odd.breaks"):
            local = workflow.execute_local_activity(
                name, call, start_to_close_timeout=LOCAL, retry_policy=quick
            )
            await asyncio.gather(local, return_exceptions=True)
        await workflow.execute_activity(
            "odd.fails", call, start_to_close_timeout=REMOTE, retry_policy=quick
        )
        once = RetryPolicy(maximum_attempts=1)
        timed_out = workflow.execute_activity(
            "odd.waits", call, start_to_close_timeout=timedelta(seconds=1), retry_policy=once,
            heartbeat_timeout=timedelta(seconds=0.5),
        )  # fmt: skip
        await asyncio.gather(timed_out, return_exceptions=True)
        handle = workflow.start_activity(
            "odd.waits", call, start_to_close_timeout=REMOTE, retry_policy=once,
            heartbeat_timeout=timedelta(seconds=1),
            cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )  # fmt: skip
        await workflow.wait_condition(lambda: self.open)
        handle.cancel()
        await asyncio.gather(handle, return_exceptions=True)

    @workflow.signal
    def go_on(self, _: Mapping) -> None:
        self.open = True


@workflow.defn(name="Slow")
class Slow:
    """Waits long after its second try."""

    @workflow.run
    async def run(self, call: Mapping) -> None:
        patient = RetryPolicy(initial_interval=timedelta(seconds=0.4), backoff_coefficient=4)
        await workflow.execute_activity(
            "odd.fails", call, start_to_close_timeout=REMOTE, retry_policy=patient
        )


@dataclass
class Watched:
    """A world whose worker and client record in the trail."""

    world: World
    log: AuditLog
    asking: AskingInterceptor
    client: Client

    @property
    def engine(self) -> AsyncEngine:
        return self.world.engine

    @property
    def attempts(self) -> AttemptInterceptor:
        return AttemptInterceptor(self.log, DEFAULT, "worker-1")

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[None]:
        runner = TapRunner(sandboxed_runner(), self)
        options = {"interceptors": [self.attempts], "workflow_runner": runner}
        async with self.world.worker(**options):
            yield

    def moved(self, workflow_id: str, run_id: str, moved: Moved) -> None:
        """Histories are others' business."""

    def refused(self, info: Any, act: Any, completion: Any) -> None:
        self.log.put(*refusals(info, act, completion))

    async def rows(self, prefix: str = "") -> list[AuditEvent]:
        assert await self.log.flush(20)
        return await trail(self.engine, prefix)


@pytest.fixture
async def watched(
    client: Client, engine: AsyncEngine, temporal_server: TemporalServer
) -> AsyncIterator[Watched]:
    async with AuditLog(statements_on(engine), statements_on(engine)) as log:
        asking = AskingInterceptor(log, DEFAULT, tenant="default", actor="root@here")
        own = await Client.connect(
            temporal_server.address,
            data_converter=pydantic_data_converter,
            interceptors=[TraceHeaders(), asking],
        )
        yield Watched(make_world(own, engine), log, asking, own)


def ends(rows: list[AuditEvent]) -> list[AuditEvent]:
    return [row for row in rows if row.event_id.endswith("/end")]


async def test_a_reset_activity_counts_anew_and_each_try_has_rows_of_its_own(
    watched: Watched, task_queue: str
) -> None:
    async with Worker(
        watched.client,
        task_queue=task_queue,
        workflows=[Slow],
        activities=[fails],
        interceptors=[watched.attempts, ReviewInterceptor()],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        handle = await watched.client.start_workflow(
            "Slow", {"tenant": "acme"}, id=f"odd-{uuid4()}", task_queue=task_queue
        )
        prefix = f"{handle.result_run_id}/"

        async def failed_twice() -> bool:
            found = await handle.describe()
            return [one.attempt for one in found.raw_description.pending_activities] == [3]

        await until(failed_twice)
        await watched.client.workflow_service.reset_activity(
            ResetActivityRequest(
                namespace=watched.client.namespace,
                execution=WorkflowExecution(workflow_id=handle.id),
                id="1",
            )
        )
        await handle.result()
    rows = await watched.rows(prefix)
    attempts = [str(row.details["attempt"]) for row in rows if row.event_id.endswith("/start")]
    assert sorted(attempts) == ["1", "1", "2", "2", "3"]
    assert len({row.event_id for row in rows}) == len(rows) == 2 * len(attempts)


async def test_every_way_a_try_can_end(watched: Watched, task_queue: str) -> None:
    async with Worker(
        watched.client,
        task_queue=task_queue,
        workflows=[Odd],
        activities=[fails, waits, breaks],
        interceptors=[watched.attempts, ReviewInterceptor()],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        handle = await watched.client.start_workflow(
            "Odd", {"tenant": "acme", "secret": "x"}, id=f"odd-{uuid4()}", task_queue=task_queue
        )
        prefix = f"{handle.result_run_id}/"
        await until(lambda: _is_there(watched, prefix, "Cancelled"))  # its time was over
        await until(lambda: _runs(handle))
        await handle.signal("go_on", {"by": "ann"})
        await handle.result()
    rows = await watched.rows(prefix)
    starts = [row for row in rows if row.event_id.endswith("/start")]
    assert {row.event_id.removesuffix("/start") for row in starts} == {
        row.event_id.removesuffix("/end") for row in ends(rows)
    }
    assert len(starts) == len(ends(rows)) == 3 + 3 + 3 + 1 + 1
    assert all(row.source is Source.ATTEMPT and row.actor == "worker-1" for row in rows)
    keys = ("activity", "local", "attempt")
    recorded = [
        (*(row.details[key] for key in keys), row.event_type.value, row.details.get("error_type"))
        for row in ends(rows)
    ]
    for local in (True, False):
        for attempt in (1, 2):
            assert ("odd.fails", local, attempt, "task_failed", "UnreachableError") in recorded
        assert ("odd.fails", local, 3, "task_completed", None) in recorded
    assert ("odd.breaks", True, 1, "task_failed", "ValueError") in recorded
    cancelled = [row for row in ends(rows) if row.details.get("error_type") == "Cancelled"]
    reasons = [row.details["cancel_reasons"] for row in cancelled]
    assert reasons == [["not_found"], ["cancel_requested"]]
    assert {row.severity for row in cancelled} == {Severity.WARNING}
    assert all(isinstance(row.details["duration_ms"], int) for row in ends(rows))
    assert "hunter2" not in str(rows)
    (shown,) = {str(row.details["input"]) for row in starts}
    assert "secret" in shown
    assert "'x'" not in shown
    assert len({row.trace_id for row in rows}) == 1


async def _is_there(watched: Watched, prefix: str, error_type: str) -> bool:
    """A try that ended so is recorded."""
    found = await watched.rows(prefix)
    return any(row.details.get("error_type") == error_type for row in found)


async def _runs(handle: WorkflowHandle[Any, Any]) -> bool:
    """The last activity is with a worker."""
    shown = await handle.describe()
    return any(one.last_worker_identity for one in shown.raw_description.pending_activities)


async def test_a_review_with_a_refused_and_an_accepted_decision(watched: Watched) -> None:
    world = watched.world
    world.analysis.changes = (create_task(world.account),)
    async with watched.worker():
        handle = await world.start()
        request = await world.request(handle)
        wrong = {**decision(request), "request_id": "another"}
        with pytest.raises(WorkflowUpdateFailedError):
            await handle.execute_update("decide", wrong, id="wrong-1")
        await handle.execute_update("decide", decision(request, reason="mail a@b.example"))
        await handle.result()
    run = handle.first_execution_run_id
    rows = await watched.rows()
    mine = [row for row in rows if row.run_id == run]
    assert {row.account_id for row in mine} == {world.account.id}
    assert {row.review_id for row in mine} == {handle.id}

    requests = [row for row in mine if row.event_id.startswith("request/")]
    assert [(row.action, row.event_type, row.actor, row.details["result"]) for row in requests] == [
        ("start AccountReview", EventType.REQUEST_MADE, "starter", "accepted"),
        ("update decide", EventType.APPROVAL_REFUSED, "ann", "refused"),
        ("update decide", EventType.REQUEST_MADE, "ann", "accepted"),
    ]
    assert requests[1].details["code"] == "unknown_request"
    assert requests[1].details["machine"] == "root@here"

    (refused,) = [row for row in mine if row.event_id.startswith(f"refused/{run}/wrong-1@")]
    assert (refused.event_type, refused.actor) == (EventType.APPROVAL_REFUSED, "ann")
    assert (refused.details["code"], refused.details["request_id"]) == (
        "unknown_request",
        "another",
    )
    assert refused.details["asked_as"] == requests[1].details["request_id"]
    assert refused.trace_id == requests[1].trace_id

    tried = [row for row in mine if row.source is Source.ATTEMPT]
    assert len(tried) == 2 * len(ends(tried))
    assert {row.event_type.value for row in tried} == {
        *("tool_invocation", "tool_success", "task_started", "task_completed"),
    }
    (read, *_) = [row for row in mine if row.event_type is EventType.CRM_READ]
    assert read.account_id == world.account.id
    assert len(str(read.details["hash"])) == 64
    (written,) = [row for row in mine if row.event_type is EventType.CRM_WRITE]
    assert (written.actor, written.action) == ("ann", "create_task")
    assert written.details["after"]["subject"] == "Call them"  # type: ignore[index,call-overload]

    events = (await handle.fetch_history()).events
    begun = next(
        one for one in events if one.HasField("workflow_execution_started_event_attributes")
    )
    fields = begun.workflow_execution_started_event_attributes.header.fields
    assert b'"actor":"starter"' in fields["reviews-audit"].data
    assert requests[0].trace_id == trace_id_of(fields)


async def test_requests_that_come_to_nothing_are_told_too(
    watched: Watched, task_queue: str
) -> None:
    world = watched.world
    world.task_queue = task_queue  # nobody works there
    handle = await world.start()
    with pytest.raises(ReviewAlreadyRunningError):
        await world.start()
    await handle.signal("cancel_review", {"by": "bob", "reason": "over"})
    await handle.cancel()
    await handle.terminate("enough, says root@x.example")
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    with pytest.raises(RPCError, match="completed"):
        await handle.signal("cancel_review", {"by": "bob"})
    rows = [row for row in await watched.rows("request/") if row.workflow_id == handle.id]
    recorded = [
        (row.action, row.actor, row.details["result"], row.details.get("code")) for row in rows
    ]
    assert recorded == [
        ("start AccountReview", "starter", "accepted", None),
        ("start AccountReview", "starter", "refused", WorkflowAlreadyStartedError.__name__),
        ("signal cancel_review", "bob", "accepted", None),
        ("cancel", "root@here", "accepted", None),
        ("terminate", "root@here", "accepted", None),
        ("signal cancel_review", "bob", "refused", "not_found"),
    ]
    assert "x.example" not in str(rows)


async def test_what_is_done_to_schedules(watched: Watched, task_queue: str) -> None:
    client, name = watched.client, f"own-{uuid4()}"
    action = ScheduleActionStartWorkflow("Odd", {}, id=f"{name}-run", task_queue=task_queue)
    schedule = Schedule(action=action, spec=ScheduleSpec())
    handle = await client.create_schedule(name, schedule)
    with pytest.raises(ScheduleAlreadyRunningError):
        await client.create_schedule(name, schedule)
    await handle.pause(note="holiday")
    await handle.unpause()
    await handle.trigger()
    await handle.update(lambda found: ScheduleUpdate(found.description.schedule))
    await handle.delete()
    rows = [row for row in await watched.rows("request/") if row.resource == f"schedule/{name}"]
    assert [(row.event_type.value, row.details["result"]) for row in rows] == [
        ("schedule_created", "accepted"),
        ("request_made", "refused"),
        ("schedule_paused", "accepted"),
        ("schedule_resumed", "accepted"),
        ("schedule_triggered", "accepted"),
        ("schedule_updated", "accepted"),
        ("schedule_deleted", "accepted"),
    ]
    assert rows[2].details["note"] == "holiday"
