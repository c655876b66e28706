"""One trace per review, on a real server: across processes, signals, worker restarts, replays."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import (
    Client,
    Interceptor,
    OutboundInterceptor,
    QueryWorkflowInput,
    SignalWorkflowInput,
    StartWorkflowInput,
    StartWorkflowUpdateInput,
    WorkflowHandle,
    WorkflowHistory,
    WorkflowUpdateHandle,
)
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import TimeSkipper
from temporalio.worker import Replayer

from account_reviews.domain.audit.events import trace_of_run
from account_reviews.domain.records import RecordType
from account_reviews.domain.review.approvals import Terms
from account_reviews.telemetry import trace_headers
from account_reviews.telemetry.trace_exporter import Traces
from account_reviews.telemetry.trace_headers import TraceHeaders
from account_reviews.temporal.sandbox import sandboxed_runner
from account_reviews.temporal.worker_interceptor import ReviewInterceptor
from tests.replay.commands import ALL, load
from tests.support.connecting import Connect
from tests.support.cycles import at_risk, make_portfolio
from tests.support.waiting import PATIENCE
from tests.support.world import decision, make_world, set_status
from worker import WORKFLOWS
from workflows.account_review import AccountReviewWorkflow


@pytest.fixture
def spans() -> InMemorySpanExporter:
    """Where the spans of the workers end."""
    return InMemorySpanExporter()


@pytest.fixture
def traces(spans: InMemorySpanExporter) -> Iterator[Traces]:
    """The tracer of a worker that exports."""
    made = Traces("worker", spans)
    yield made
    made.close(5)


def made(traces: Traces, spans: InMemorySpanExporter) -> list[ReadableSpan]:
    """The spans so far, without those of questions: who asks has a trace of his own."""
    traces.flush()
    return [span for span in spans.get_finished_spans() if "Query" not in span.name]


def trace_ids(found: list[ReadableSpan]) -> set[str]:
    return {f"{span.context.trace_id:032x}" for span in found if span.context}


def of(found: list[ReadableSpan], name: str) -> list[ReadableSpan]:
    return [span for span in found if span.name.partition("#")[0] == name]


async def events(handle: Any) -> list[HistoryEvent]:
    return [event async for event in handle.fetch_history_events()]


async def test_one_trace_from_the_start_to_the_write_over_months_and_a_restart(
    client: Client,
    engine: AsyncEngine,
    connected: Connect,
    traces: Traces,
    spans: InMemorySpanExporter,
) -> None:
    starting, starter_spans = (Traces("starter", own := InMemorySpanExporter()), own)
    world = make_world(await connected(traces.tracing), engine)
    world.analysis.changes = (set_status(world.account),)
    world.analysis.terms = Terms(timeout_seconds=timedelta(days=200).total_seconds())
    starter = await connected(starting.tracing)
    skipper = TimeSkipper(starter)
    async with world.worker():
        with skipper.with_time_skipping_disabled():
            handle = await world.start(skipper.client)
        request = await world.request(handle)
        await skipper.fast_forward(handle, timedelta(days=120))
    # Another worker takes it up, and has nothing but the history.
    async with world.worker():
        same = starter.get_workflow_handle(handle.id)
        await same.signal("submit_decision", decision(request))
        result = await handle.result()
    assert result.duration_seconds >= timedelta(days=120).total_seconds()
    assert world.status() == "At Risk"
    starting.close(5)
    begun = {span.name: span for span in starter_spans.get_finished_spans()}
    first = begun["StartWorkflow:AccountReview"].context
    assert first is not None
    found = made(traces, spans)
    assert trace_ids(found) == {f"{first.trace_id:032x}"}
    names = {span.name for span in found}
    assert {
        *("RunWorkflow:AccountReview", "RunActivity:crm.fetch_snapshot"),
        *("RunActivity:analysis.analyse", "HandleSignal:submit_decision"),
        *("RunActivity:crm.apply_change", "crm.write", "CompleteWorkflow:AccountReview"),
    } <= names
    (write,) = of(found, "crm.write")
    assert write.attributes is not None
    (item,) = request.items
    assert write.attributes["operation_id"] == f"{handle.first_execution_run_id}:{item.item_id}"
    assert write.attributes["record.id"] == world.account.id
    assert write.attributes["result"] == "applied"
    (asked,) = of(found, "HandleSignal:submit_decision")
    sent = begun["SignalWorkflow:submit_decision"].context
    assert sent is not None
    assert [link.context.trace_id for link in asked.links] == [sent.trace_id]
    # Nothing was held open while the review waited.
    workflow_spans = [span for span in found if not span.name.startswith(("RunAct", "crm."))]
    assert all(span.start_time == span.end_time for span in workflow_spans)


async def test_a_run_nobody_gave_a_trace_has_its_own(
    client: Client,
    engine: AsyncEngine,
    connected: Connect,
    traces: Traces,
    spans: InMemorySpanExporter,
) -> None:
    world = make_world(await connected(traces.tracing), engine)
    async with world.worker():
        handle = await world.start(client)
        await handle.result()
    found = made(traces, spans)
    assert handle.first_execution_run_id
    assert trace_ids(found) == {trace_of_run(handle.first_execution_run_id)}
    (root,) = [span for span in found if span.parent is None]
    assert root.name == "RunWorkflow:AccountReview"
    assert root.context is not None
    assert {span.parent.span_id for span in found if span.parent} == {root.context.span_id}


async def test_a_starter_that_exports_nothing_leaves_the_trace_to_the_worker(
    engine: AsyncEngine, connected: Connect, traces: Traces, spans: InMemorySpanExporter
) -> None:
    world = make_world(await connected(traces.tracing), engine)
    async with world.worker():
        handle = await world.start(await connected(TraceHeaders()))
        await handle.result()
    started = (await events(handle))[0].workflow_execution_started_event_attributes
    ids = trace_headers.ids_of(trace_headers.carrier_of(dict(started.header.fields)))
    assert ids is not None
    found = made(traces, spans)
    assert trace_ids(found) == {ids[0]}
    (root,) = [span for span in found if span.parent is None]
    assert root.context is not None
    assert f"{root.context.span_id:016x}" == ids[1]


async def test_a_cycle_and_its_reviews_share_a_trace(
    engine: AsyncEngine, connected: Connect, traces: Traces, spans: InMemorySpanExporter
) -> None:
    worker_client = await connected(traces.tracing)
    portfolio = make_portfolio(worker_client, engine, at_risk("risk-1"), at_risk("risk-2"))
    async with portfolio.worker():
        bare = replace(portfolio, client=await connected(_Nothing()))
        cycle = await bare.start()
        await cycle.result()
    found = made(traces, spans)
    assert cycle.first_execution_run_id
    assert trace_ids(found) == {trace_of_run(cycle.first_execution_run_id)}
    assert len(of(found, "RunWorkflow:AccountReview")) == 2


async def test_without_an_exporter_ids_are_passed_on_and_no_span_is_made(
    client: Client, engine: AsyncEngine, connected: Connect
) -> None:
    traces = Traces("worker")
    world = make_world(await connected(traces.tracing), engine)
    world = replace(world, execution=world.execution.model_copy(update={"crm_reads": "regular"}))
    async with world.worker():
        handle = await world.start(client)
        await handle.result()
    traces.close(1)
    run_id = handle.first_execution_run_id
    assert run_id
    scheduled = [
        event.activity_task_scheduled_event_attributes.header.fields
        for event in await events(handle)
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    ]
    assert scheduled
    for fields in scheduled:
        carrier = trace_headers.carrier_of(dict(fields))
        assert trace_headers.ids_of(carrier) == (
            trace_of_run(run_id),
            trace_headers.span_of_run(run_id),
        )
        assert trace_headers.UNDECIDED in carrier


async def test_tracing_adds_no_event(
    client: Client, engine: AsyncEngine, connected: Connect
) -> None:
    traces = Traces("worker", InMemorySpanExporter())
    lengths = []
    for one in (client, await connected(traces.tracing)):
        world = make_world(one, engine)
        async with world.worker():
            handle = await world.start()
            await handle.result()
        lengths.append([event.event_type for event in await events(handle)])
    traces.close(5)
    assert lengths[0] == lengths[1]


async def test_a_replay_makes_no_span(traces: Traces, spans: InMemorySpanExporter) -> None:
    replayer = Replayer(
        workflows=WORKFLOWS,
        workflow_runner=sandboxed_runner(),
        interceptors=[traces.tracing, ReviewInterceptor()],
        data_converter=pydantic_data_converter,
    )
    histories = [load(path) for path in ALL]

    async def every() -> AsyncIterator[WorkflowHistory]:
        for history in histories:
            yield history

    results = await replayer.replay_workflows(every())
    assert not results.replay_failures
    assert made(traces, spans) == []


async def test_an_error_is_told_without_its_message(
    client: Client,
    engine: AsyncEngine,
    connected: Connect,
    traces: Traces,
    spans: InMemorySpanExporter,
) -> None:
    world = make_world(await connected(traces.tracing), engine)
    world.crm.remove(RecordType.ACCOUNT, world.account.id)
    async with world.worker():
        handle = await world.start(client)
        with pytest.raises(Exception, match="Workflow execution failed"):
            await handle.result()
    (failed,) = of(made(traces, spans), "RunActivity:crm.fetch_snapshot")
    assert failed.status.description == "AccountNotFoundError"
    assert world.account.id not in json.dumps([dict(e.attributes or {}) for e in failed.events])


PARENT = '"traceparent": "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"'
ODD_HEADERS = {
    "a list": (b"json/plain", b"[]"),
    "a number": (b"json/plain", b"5"),
    "not JSON": (b"json/plain", b"{"),
    "deep": (b"json/plain", b"[" * 5_000),
    "encrypted": (b"binary/encrypted", b"\x00\xff"),
    "odd encoding": (b"odd", b"{" + PARENT.encode() + b"}"),
    "baggage": (b"json/plain", b'{"baggage": 7, ' + PARENT.encode() + b"}"),
    "nothing known": (b"json/plain", b'{"traceparent": null, "baggage": {}}'),
}


@pytest.mark.parametrize("odd", [*ODD_HEADERS])
async def test_a_review_goes_on_whatever_stands_in_the_headers(
    engine: AsyncEngine, connected: Connect, traces: Traces, odd: str
) -> None:
    encoding, data = ODD_HEADERS[odd]
    header = Payload(metadata={"encoding": encoding}, data=data)
    sender = await connected(_Heading(header))
    world = make_world(await connected(traces.tracing), engine)
    world.analysis.changes = (set_status(world.account),)
    async with asyncio.timeout(PATIENCE), world.worker():
        handle = await world.start(sender)
        request = await world.request(handle)
        await handle.signal("submit_decision", {"request_id": "unknown"})
        assert (await handle.query(AccountReviewWorkflow.status)).status == "waiting"
        await handle.execute_update("decide", decision(request))
        result = await handle.result()
    assert result.outcome == "completed"


class _Heading(Interceptor):
    """Sends one trace header with everything."""

    def __init__(self, header: Payload) -> None:
        self.header = header

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        return _Headed(next, self.header)


class _Headed(OutboundInterceptor):
    def __init__(self, next: OutboundInterceptor, header: Payload) -> None:
        super().__init__(next)
        self._headers = {trace_headers.HEADER: header}

    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:
        input.headers = self._headers
        return await super().start_workflow(input)

    async def signal_workflow(self, input: SignalWorkflowInput) -> None:
        input.headers = self._headers
        await super().signal_workflow(input)

    async def query_workflow(self, input: QueryWorkflowInput) -> Any:
        input.headers = self._headers
        return await super().query_workflow(input)

    async def start_workflow_update(
        self, input: StartWorkflowUpdateInput
    ) -> WorkflowUpdateHandle[Any]:
        input.headers = self._headers
        return await super().start_workflow_update(input)


class _Nothing(Interceptor):
    """Adds nothing."""
