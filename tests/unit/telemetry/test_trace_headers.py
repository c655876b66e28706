"""The header a trace travels in, and which traces are kept."""

import json
import time
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, TraceIdRatioBased
from temporalio.api.common.v1 import Payload

from account_reviews.config.telemetry import exports_spans
from account_reviews.domain.audit.events import trace_of_run
from account_reviews.domain.errors import BadInputError
from account_reviews.telemetry import trace_headers
from account_reviews.telemetry.tracing import Decided

RUN = "01a1fe76-10d9-7754-87c3-dd05c9ac6fe2"


def test_a_run_without_a_header_goes_by_its_run_id() -> None:
    ids = trace_headers.ids_of(trace_headers.carrier_of_run(RUN))
    assert ids == (trace_of_run(RUN), trace_headers.span_of_run(RUN))
    assert trace_headers.carrier_of_run(RUN) == trace_headers.carrier_of_run(RUN)


def test_a_fresh_header_is_read_back() -> None:
    one, other = trace_headers.fresh(), trace_headers.fresh()
    ids = trace_headers.ids_of(trace_headers.carrier_of({trace_headers.HEADER: one}))
    assert ids is not None
    assert ids != trace_headers.ids_of(trace_headers.carrier_of({trace_headers.HEADER: other}))


@given(st.binary(max_size=80) | st.text(max_size=80).map(str.encode))
def test_any_header_is_read_without_an_error(data: bytes) -> None:
    assert trace_headers.carrier_of({trace_headers.HEADER: Payload(data=data)}) == {}


@pytest.mark.parametrize(
    "data",
    [
        b"{}",
        b'{"traceparent": null}',
        b'{"traceparent": "00-1-2-01"}',
        b'["traceparent"]',
        b"[" * 100_000,
        b'{"traceparent": "ff-0123456789abcdef0123456789abcdef-0123456789abcdef-01"}',
        b'{"traceparent": "00-0123456789abcdef0123456789abcdef-0000000000000000-01"}',
        b'{"traceparent": "00-' + b"0" * 32 + b'-0123456789abcdef-01"}',
    ],
)
def test_a_header_that_names_no_trace_counts_as_none(data: bytes) -> None:
    given = {trace_headers.HEADER: Payload(data=data), "more": Payload()}
    assert trace_headers.carrier_of(given) == {}
    assert trace_headers.trace_id_of(given) is None
    assert trace_headers.readable(given) == {"more": Payload()}


def test_what_is_no_text_in_a_header_is_left_out() -> None:
    parent = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"
    data = json.dumps({"traceparent": parent, "baggage": 7, "tracestate": "a=b"}).encode()
    given = {trace_headers.HEADER: Payload(metadata={"encoding": b"binary/odd"}, data=data)}
    kept = {"traceparent": parent, "tracestate": "a=b"}
    assert trace_headers.carrier_of(given) == kept
    assert trace_headers.readable(given) == {trace_headers.HEADER: trace_headers.payload_of(kept)}


def test_a_carrier_is_the_callers_own() -> None:
    given = {trace_headers.HEADER: trace_headers.fresh()}
    trace_headers.carrier_of(given).clear()
    assert trace_headers.carrier_of(given)


@pytest.mark.parametrize(
    ("env", "exports"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://here:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://here:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://here", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "OTLP", "OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_when_spans_are_exported(env: dict[str, str], exports: bool) -> None:
    assert exports_spans(env) is exports


def test_an_exporter_that_is_not_there_is_refused() -> None:
    with pytest.raises(BadInputError, match="OTEL_TRACES_EXPORTER is 'zipkin'"):
        exports_spans({"OTEL_TRACES_EXPORTER": "zipkin"})


def run_ids(count: int) -> list[str]:
    """As the server makes them: time first, then the version, the variant and random bits."""
    now = int(time.time() * 1000)
    return [
        str(UUID(int=((now + n) << 80) | (7 << 76) | (2 << 62) | (n * 2654435761 % 2**62)))
        for n in range(count)
    ]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_runs_are_sampled_by_the_ratio_although_their_ids_are_not_even(share: float) -> None:
    plain, decided = TraceIdRatioBased(share), Decided(ParentBased(TraceIdRatioBased(share)))
    traces = [trace_of_run(run_id) for run_id in run_ids(2000)]
    kept = sum(decided.keeps(trace_id, "RunWorkflow:Any") for trace_id in traces)
    assert abs(kept / 2000 - share) < 0.05
    # The reason for the detour: by the ids themselves it is all or nothing.
    direct = [plain.should_sample(None, int(one, 16), "any").decision for one in traces]
    assert share == 0.5 or len({decision.name for decision in direct}) == 1


def test_two_workers_decide_alike() -> None:
    one, other = (Decided(ParentBased(TraceIdRatioBased(0.5))) for _ in range(2))
    traces = [trace_of_run(run_id) for run_id in run_ids(100)]
    assert [one.keeps(t, "n") for t in traces] == [other.keeps(t, "n") for t in traces]


def test_a_sampler_that_keeps_nothing_keeps_nothing() -> None:
    assert not Decided(ALWAYS_OFF).keeps(trace_of_run(RUN), "RunWorkflow:Any")
