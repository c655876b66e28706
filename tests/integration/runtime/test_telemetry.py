"""What a worker shows while it works: ids in the log, counts on the page, and no word on replay."""

import asyncio
import io
import json
import re
import socket
import threading
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio import workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.worker import (
    ExecuteWorkflowInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from account_reviews.bootstrap import open_parts
from account_reviews.config import ports
from account_reviews.config.settings import Settings
from account_reviews.domain.audit.events import trace_of_run
from account_reviews.domain.records import RecordType
from account_reviews.local.temporal_server import TemporalServer
from account_reviews.runtime.telemetry import Telemetry, telemetry
from account_reviews.runtime.worker import watched_sources
from account_reviews.telemetry import instruments
from account_reviews.telemetry.logs import logging_to
from account_reviews.telemetry.trace_exporter import SENDING, Traces
from account_reviews.temporal.client import connect
from account_reviews.upkeep.rebuild import rebuild
from tests.support.connecting import Connect
from tests.support.metrics import samples
from tests.support.waiting import until
from tests.support.world import World, decision, make_world, set_status


@pytest.fixture
async def running(
    monkeypatch: pytest.MonkeyPatch, temporal_server: TemporalServer, database_url: str
) -> AsyncIterator[tuple[Telemetry, Client]]:
    """The telemetry of a worker process, and its client."""
    monkeypatch.setenv("OTEL_EXPORTER_PROMETHEUS_PORT", "0")
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal_server.address)
    settings = Settings.load(database_url=database_url, log_level="error")
    async with (
        telemetry(settings) as measured,
        open_parts(settings, application="tests") as parts,
    ):
        client = await connect(settings, runtime=measured.runtime, interceptors=[measured.tracing])
        async with measured.watching(watched_sources(parts, client)):
            yield measured, client


async def page_of(measured: Telemetry) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """The page as Prometheus reads it. No family is there twice."""
    assert measured.url

    def read() -> str:
        with urllib.request.urlopen(measured.url or "", timeout=10) as answer:
            return str(answer.read().decode())

    text = await asyncio.to_thread(read)
    families = Counter(re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE))
    assert set(families.values()) == {1}, families
    return samples(text)


async def reviewed(world: World, measured: Telemetry) -> None:
    """One review with one approved change, taken over by a second worker on its way."""
    world.analysis.changes = (set_status(world.account),)
    async with world.worker(interceptors=measured.interceptors):
        handle = await world.start()
        request = await world.request(handle)
    async with world.worker(interceptors=measured.interceptors):
        await handle.signal("submit_decision", decision(request))
        await handle.result()


async def test_a_review_is_counted_once_although_it_was_replayed(
    running: tuple[Telemetry, Client], engine: AsyncEngine
) -> None:
    measured, client = running
    await reviewed(make_world(client, engine), measured)
    found = await page_of(measured)
    calls = {
        dict(labels)["tool"]: value
        for labels, value in found["orchestrator_tool_invocations_total"].items()
    }
    assert calls == {
        "crm.fetch_snapshot": 1,
        "memory.recall": 1,
        "crm.apply_change": 1,
        "crm.read_back": 1,
    }
    session = (("status", "completed"), ("type", "on_demand"))
    assert found["orchestrator_session_duration_seconds_count"] == {session: 1}
    assert found["reviews_approval_latency_seconds_count"] == {(("decision", "approved"),): 1}
    assert found["reviews_accounts_processed_total"] == {(): 1}
    assert found["temporal_workflow_completed_total"]
    assert found["reviews_sdk_metrics_up"] == {(): 1}
    sources = {dict(one)["source"] for one, up in found["reviews_source_up"].items() if up}
    assert sources == {
        "database", "audit_database", "temporal", "temporal_schedules", "events", "calls",
    }  # fmt: skip


async def test_counters_of_another_process_are_not_touched(
    running: tuple[Telemetry, Client],
) -> None:
    measured, _ = running
    instruments.crm_rate_limited()
    instruments.schedule_run("weekly", "late", 12.5)
    found = await page_of(measured)
    assert found["reviews_crm_rate_limit_hits_total"] == {(): 1}
    assert found["reviews_schedule_lateness_seconds_sum"] == {(("schedule_id", "weekly"),): 12.5}
    runs = (("schedule_id", "weekly"), ("verdict", "late"))
    assert found["reviews_schedule_runs_total"] == {runs: 1}


async def test_active_is_what_temporal_has_open_with_or_without_a_row(
    running: tuple[Telemetry, Client], engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A CRM that hangs keeps a review from having a row; a terminated one keeps its open row."""
    measured, client = running

    async def hangs(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    hanging, ended = make_world(client, engine), make_world(client, engine)
    monkeypatch.setattr(hanging.crm, "snapshot", hangs)
    ended.analysis.changes = (set_status(ended.account),)
    async with hanging.worker(), ended.worker():
        without_row = await hanging.start()
        left_behind = await ended.start()
        await ended.request(left_behind)
        both = [without_row.id, left_behind.id]
        open_ones = await until(lambda: open_in_temporal(client), lambda ids: {*both} <= ids)
        await shows_active(measured, len(open_ones))
        await left_behind.terminate("emergency")
        await until(lambda: open_in_temporal(client), lambda ids: left_behind.id not in ids)
        await shows_active(measured, len(open_ones) - 1)
        rows = (await page_of(measured))["reviews_open_sessions"]
        assert rows == {(("phase", "approval"), ("status", "waiting")): 1}
        await without_row.terminate("the test is over")
        await rebuild(client, ended.store, only=f"WorkflowId = '{left_behind.id}'")


async def open_in_temporal(client: Client) -> set[str]:
    """Workflow ids, listed one by one."""
    query = "WorkflowType = 'AccountReview' AND ExecutionStatus = 'Running'"
    return {found.id async for found in client.list_workflows(query)}


async def shows_active(measured: Telemetry, number: int) -> None:
    """Wait until the gauge says so: it may be some seconds old."""
    await until(
        lambda: page_of(measured),
        lambda page: page["orchestrator_active_sessions"] == {(): number},
    )


async def test_an_open_review_is_active_whoever_died(
    running: tuple[Telemetry, Client], engine: AsyncEngine
) -> None:
    measured, client = running
    world = make_world(client, engine)
    world.analysis.changes = (set_status(world.account),)
    async with world.worker():  # counts nothing: its process is another one
        handle = await world.start()
        request = await world.request(handle)
    found = await page_of(measured)
    waiting = (("phase", "approval"), ("status", "waiting"))
    assert found["reviews_open_sessions"] == {waiting: 1}
    assert found["reviews_approvals_pending"] == {(): 1}
    async with world.worker():
        await handle.signal("submit_decision", decision(request, "reject", reason="no"))
        await handle.result()


async def test_the_page_answers_without_the_database(
    monkeypatch: pytest.MonkeyPatch, temporal_server: TemporalServer, client: Client
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_PROMETHEUS_PORT", "0")
    with socket.create_server((ports.LOOPBACK, 0)) as silent:
        url = f"postgresql://u@{ports.LOOPBACK}:{silent.getsockname()[1]}/d"
        settings = Settings.load(database_url=url, log_level="error")
        async with (
            telemetry(settings) as measured,
            open_parts(settings, application="tests") as parts,
            measured.watching(watched_sources(parts, client)),
        ):
            found = await page_of(measured)
    up = {dict(labels)["source"]: value for labels, value in found["reviews_source_up"].items()}
    assert up == {
        "database": 0, "audit_database": 0, "temporal": 1, "temporal_schedules": 1,
        "events": 0, "calls": 0,
    }  # fmt: skip
    assert "reviews_open_sessions" not in found
    assert found["orchestrator_active_sessions"][()] >= 0
    assert found["reviews_audit_rows_dropped_total"] == {(): 0}


async def test_log_lines_of_a_review_carry_its_ids(
    engine: AsyncEngine, client: Client, connected: Connect
) -> None:
    stream, traces = io.StringIO(), Traces("worker")
    world = make_world(await connected(traces.tracing), engine)
    world.crm.remove(RecordType.ACCOUNT, world.account.id)
    with logging_to(stream):
        async with world.worker(interceptors=[_Saying()]):
            handle = await world.start(client)
            with pytest.raises(WorkflowFailureError):
                await handle.result()
    traces.close(1)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    (line,) = [one for one in lines if one.get("activity") == "crm.fetch_snapshot"]
    run_id = handle.first_execution_run_id
    assert run_id
    assert line["review_id"] == line["workflow_id"] == handle.id
    assert (line["run_id"], line["account_id"]) == (run_id, world.account.id)
    assert (line["trace_id"], line["attempt"]) == (trace_of_run(run_id), 1)
    assert line["level"] == "warning"
    assert line["activity_id"]
    assert "AccountNotFoundError: " in line["exception"]
    (line,) = [one for one in lines if one["event"] == "began"]
    assert (line["review_id"], line["run_id"]) == (handle.id, run_id)
    assert (line["trace_id"], line["workflow_type"]) == (trace_of_run(run_id), "AccountReview")


class _Saying(Interceptor):
    """A workflow that logs, from inside its sandbox."""

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,
    ) -> type[WorkflowInboundInterceptor]:
        return _Says


class _Says(WorkflowInboundInterceptor):
    async def execute_workflow(self, input: ExecuteWorkflowInput) -> object:
        workflow.logger.info("began")
        return await super().execute_workflow(input)


@pytest.mark.parametrize("answers", [True, False])
async def test_a_dead_collector_holds_up_nothing(
    monkeypatch: pytest.MonkeyPatch, engine: AsyncEngine, connected: Connect, answers: bool
) -> None:
    """One that refuses, and one that takes the spans and never says so."""
    with socket.create_server((ports.LOOPBACK, 0)) as silent:
        port = silent.getsockname()[1] if answers else ports.any_free()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://{ports.LOOPBACK}:{port}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        traces = Traces("worker")
        world = make_world(await connected(traces.tracing), engine)
        with logging_to(io.StringIO()):
            async with world.worker():
                result = await (await world.start()).result()
            traces.close(0.2)
    assert result.outcome == "nothing_to_do"
    for thread in threading.enumerate():  # it draws random pauses, which other tests would see
        if thread.name == SENDING:
            await asyncio.to_thread(thread.join)
