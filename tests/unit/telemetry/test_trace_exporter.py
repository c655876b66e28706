"""The tracer by OpenTelemetry's own settings."""

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from account_reviews.domain.errors import BadInputError
from account_reviews.telemetry.trace_exporter import Traces, resource

ENDPOINT = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
ONE, OTHER = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"
HTTP = "http/protobuf"
SAMPLERS = ("always_on", "always_off", "traceidratio", "parentbased_always_off")


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*("OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"), ONE, OTHER):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def traces(
    spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Traces]:
    """A tracer with the sampler that the test names."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", request.param)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0")
    made = Traces("tests", spans)
    yield made
    made.close(5)


@pytest.mark.parametrize("given", [{}, {ONE: HTTP, OTHER: "grpc"}, {ONE: "", OTHER: HTTP}])
def test_the_protocol_of_traces_goes_before_that_of_everything(
    given: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (ENDPOINT, *given.items()):
        monkeypatch.setenv(name, value)
    Traces("tests").close(5)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({OTHER: "grpc"}, OTHER),
        ({ONE: "", OTHER: "grpc"}, OTHER),
        ({ONE: "grpc", OTHER: HTTP}, ONE),
    ],
)
def test_a_protocol_nobody_speaks_is_named(
    given: dict[str, str], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (ENDPOINT, *given.items()):
        monkeypatch.setenv(name, value)
    with pytest.raises(BadInputError, match=f"^{named} is 'grpc'"):
        Traces("tests")


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({}, "worker"),
        ({"OTEL_SERVICE_NAME": "theirs"}, "theirs"),
        ({"OTEL_SERVICE_NAME": ""}, "worker"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "team=green, service.name=theirs"}, "theirs"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "peer.service.name=another"}, "worker"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name="}, "worker"),
    ],
)
def test_the_name_of_the_service(
    given: dict[str, str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, value in given.items():
        monkeypatch.setenv(key, value)
    assert resource("worker").attributes["service.name"] == name


def test_resource_attributes_are_exported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
    found = resource("worker").attributes
    assert (found["deployment.environment"], found["service.name"]) == ("test", "worker")


@pytest.mark.parametrize(
    ("traces", "kept"),
    [("always_on", 1), ("always_off", 0), ("parentbased_traceidratio", 0)],
    indirect=["traces"],
)
def test_the_sampler_of_the_settings_decides_where_a_trace_begins(
    traces: Traces, spans: InMemorySpanExporter, kept: int
) -> None:
    traces.tracing.tracer.start_span("first").end()
    traces.flush()
    assert len(spans.get_finished_spans()) == kept


@pytest.mark.parametrize("traces", SAMPLERS, indirect=True)
@pytest.mark.parametrize("sampled", [True, False])
@pytest.mark.parametrize("remote", [True, False])
def test_a_trace_is_decided_on_once(
    traces: Traces, spans: InMemorySpanExporter, sampled: bool, remote: bool
) -> None:
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    parent = SpanContext(trace_id=7, span_id=8, is_remote=remote, trace_flags=flags)
    context = set_span_in_context(NonRecordingSpan(parent))
    traces.tracing.tracer.start_span("second", context).end()
    traces.flush()
    assert len(spans.get_finished_spans()) == sampled
