"""What a person and a collector see: figures, pages of real workers, spans of real commands."""

import http.server
import os
import re
import signal
import threading
from collections.abc import Iterator

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from temporalio.client import Client

from account_reviews.config import ports
from account_reviews.local.stack import LocalStack
from account_reviews.telemetry import trace_headers
from tests.support.commands import Reviews
from tests.support.waiting import until


class Sink(http.server.ThreadingHTTPServer):
    """Takes what OTLP exporters send."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((ports.LOOPBACK, 0), _Taker)
        self.requests: list[ExportTraceServiceRequest] = []

    @property
    def endpoint(self) -> str:
        return f"http://{ports.LOOPBACK}:{self.server_port}"

    def spans(self) -> dict[str, Span]:
        """Name -> the last span of that name."""
        return {
            span.name: span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        }


class _Taker(http.server.BaseHTTPRequestHandler):
    server: Sink

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def sink() -> Iterator[Sink]:
    """A collector."""
    with Sink() as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def gauge(page: str, name: str) -> float:
    """The value of a metric without labels."""
    found = re.search(rf"^{name} (\S+)$", page, re.MULTILINE)
    assert found, page
    return float(found[1])


def test_the_page_of_the_stack(reviews: Reviews, stack: LocalStack) -> None:
    request = reviews.request("ac-030")
    reviews.quick("approvals", "approve", request["request_id"], "--as", "ann")
    reviews.closed("ac-030")
    assert stack.metrics_url
    page = reviews.quick("metrics", "--page")
    assert page.code == 0, page.err
    families = set(re.findall(r"^# TYPE (\w+) ", page.out, re.MULTILINE))
    assert {
        *("orchestrator_tool_invocations_total", "orchestrator_tool_duration_seconds"),
        *("orchestrator_task_executions_total", "orchestrator_task_duration_seconds"),
        *("orchestrator_session_duration_seconds", "orchestrator_active_sessions"),
        *("reviews_recommendations_generated_total", "reviews_recommendations_accepted_total"),
        *("temporal_workflow_completed_total", "reviews_sdk_metrics_up"),
    } <= families
    named = reviews.quick("metrics", "--url", stack.metrics_url)
    assert "orchestrator_active_sessions" in named.out


def test_figures(reviews: Reviews) -> None:
    reviews.request("ac-031")
    found = reviews.json("metrics")
    assert found["active_sessions"] >= 1
    assert found["open_in_temporal"] >= 1
    assert found["total_sessions"] >= found["active_sessions"]
    assert sum(found["by_phase"].values()) == sum(found["by_status"].values())
    assert sum(found["by_status"].values()) == found["total_sessions"]
    assert found["by_status"]["waiting"] >= 1
    assert 0 < found["newest_session_age"] <= found["avg_session_age"]
    assert found["avg_session_age"] <= found["oldest_session_age"]
    assert 0 <= found["approval_rate"] <= 1
    assert {"mean_approval_seconds", "error_rate", "resume_rate"} <= set(found)
    assert "Open reviews" in reviews.quick("metrics").out


@pytest.mark.parametrize(
    ("flags", "code", "word"),
    [
        (("--url", "localhost:9464"), 2, "http://"),
        (("--url", "http://127.0.0.1:9/metrics"), 5, "127.0.0.1:9"),
    ],
)
def test_pages_that_are_none(
    reviews: Reviews, flags: tuple[str, ...], code: int, word: str
) -> None:
    assert word in reviews.quick("metrics", *flags).sentence(code)


async def test_the_active_gauge_is_true_after_kill_9_and_terminate(
    reviews: Reviews, stack: LocalStack
) -> None:
    reviews.request("ac-032")
    reviews.request("ac-033")
    client = await Client.connect(stack.address)
    await client.get_workflow_handle("review/ac-033").terminate("emergency")
    worker = reviews.worker(OTEL_EXPORTER_PROMETHEUS_PORT="0")
    os.kill(worker.pid, signal.SIGKILL)
    worker.communicate()
    after = reviews.worker(OTEL_EXPORTER_PROMETHEUS_PORT="0")
    try:
        assert after.stderr is not None
        said = after.stderr.readline().split()
        assert said[:2] == ["metrics", "page"]
        query = "WorkflowType = 'AccountReview' AND ExecutionStatus = 'Running'"
        await until(
            lambda: client.count_workflows(f"{query} AND WorkflowId = 'review/ac-033'"),
            lambda found: not found.count,
        )
        page = reviews.quick("metrics", "--url", said[2]).out
        # A worker looks around soon after it has begun.
        assert reviews.closed("ac-033")["outcome"] == "abandoned"
    finally:
        after.terminate()
        after.communicate()
    active = (await client.count_workflows(query)).count
    assert gauge(page, "orchestrator_active_sessions") == active > 0
    assert reviews.json("metrics")["open_in_temporal"] == active
    assert after.returncode == 0


def test_what_temporal_has_is_unknown_while_it_is_away(reviews: Reviews) -> None:
    found = reviews.json("metrics", TEMPORAL_ADDRESS=f"{ports.LOOPBACK}:{ports.any_free()}")
    assert found["open_in_temporal"] is None
    assert found["total_sessions"] > 0


def test_bad_settings_of_the_page_end_a_worker_with_one_sentence(reviews: Reviews) -> None:
    done = reviews("worker", OTEL_EXPORTER_PROMETHEUS_PORT="many")
    assert "OTEL_EXPORTER_PROMETHEUS_PORT is 'many'" in done.sentence(2)


async def test_a_command_exports_its_span(reviews: Reviews, stack: LocalStack, sink: Sink) -> None:
    """Not through a proxy, which knows nothing of this machine."""
    proxy = f"http://{ports.LOOPBACK}:1"
    given = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint, "http_proxy": proxy, "no_proxy": ""}
    answer = reviews("start", "ac-016", "-o", "json", **given)
    started = answer.document()
    span = sink.spans()["StartWorkflow:AccountReview"]
    client = await Client.connect(stack.address)
    handle = client.get_workflow_handle(started["review_id"], run_id=started["run_id"])
    async for event in handle.fetch_history_events():
        header = event.workflow_execution_started_event_attributes.header.fields
        assert trace_headers.trace_id_of(dict(header)) == span.trace_id.hex()
        break


@pytest.mark.parametrize("path", ["list", "metrics"])
def test_a_dead_collector_is_no_concern_of_a_command(reviews: Reviews, path: str) -> None:
    endpoint = f"http://{ports.LOOPBACK}:{ports.any_free()}"
    answer = reviews(path, "-o", "json", OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
    answer.document()
    assert answer.err == ""
