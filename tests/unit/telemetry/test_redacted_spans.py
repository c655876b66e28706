"""No span leaves the process with what a secret or a person is called."""

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Status, StatusCode

from account_reviews.telemetry.trace_exporter import Traces

SECRET = "password=hunter2hunter2 of ann@example.org"


def finished(spans: InMemorySpanExporter, traces: Traces) -> ReadableSpan:
    traces.close(5)
    (span,) = spans.get_finished_spans()
    return span


def test_errors_are_told_without_secrets() -> None:
    traces = Traces("worker", spans := InMemorySpanExporter())
    span = traces.tracing.tracer.start_span("StartWorkflow:AccountReview")
    span.set_attribute("account", "ac-001")
    span.record_exception(ValueError(SECRET))
    span.set_status(Status(StatusCode.ERROR, f"ValueError: {SECRET}"))
    span.end()
    exported = finished(spans, traces)
    assert "hunter2" not in exported.to_json()
    assert "ann@example.org" not in exported.to_json()
    assert exported.events[0].attributes is not None
    assert exported.events[0].attributes["exception.type"] == "ValueError"
    assert exported.events[0].timestamp
    assert (exported.status.status_code, exported.name) == (
        StatusCode.ERROR,
        "StartWorkflow:AccountReview",
    )
    assert exported.attributes == {"account": "ac-001"}
    assert exported.resource.attributes["service.name"] == "worker"
    assert exported.context == span.get_span_context()
    assert exported.start_time
    assert exported.end_time
    assert exported.instrumentation_scope is not None


def test_a_span_without_errors_stays_as_it_is() -> None:
    traces = Traces("worker", spans := InMemorySpanExporter())
    with traces.tracing.tracer.start_as_current_span("RunActivity:crm.apply_change") as span:
        span.set_status(Status(StatusCode.OK))
    assert finished(spans, traces).status.status_code is StatusCode.OK
