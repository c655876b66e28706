"""The page by itself: names, addresses, and sources that do not answer."""

import asyncio
import gzip
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import CollectorRegistry, Gauge, generate_latest, start_http_server

from account_reviews.cli.commands.metrics import fetch
from account_reviews.config import ports, telemetry
from account_reviews.config.telemetry import Address
from account_reviews.domain.errors import BadInputError, ConflictError
from account_reviews.telemetry import instruments, metrics_page
from account_reviews.telemetry.gauges import Observed, Source, Values
from tests.support.metrics import samples

NOWHERE = f"http://{ports.LOOPBACK}:1/metrics"


@pytest.fixture
def registry() -> CollectorRegistry:
    """What a page shows."""
    return CollectorRegistry()


@pytest.fixture
def provider(registry: CollectorRegistry) -> Iterator[MeterProvider]:
    """A provider whose metrics the registry holds."""
    reader = PrometheusMetricReader(
        disable_target_info=True, scope_info_enabled=False, registry=registry
    )
    made = MeterProvider([reader], shutdown_on_exit=False)
    yield made
    made.shutdown()


def test_the_agreed_names_and_labels(provider: MeterProvider, registry: CollectorRegistry) -> None:
    held = instruments.use(provider)
    instruments.tool_started("crm.apply_change", "AccountReview")
    instruments.tool_ended("crm.apply_change", "AccountReview", 0.2, "CrmError")
    instruments.task_started("store.save_review", "AccountReview")
    instruments.task_ended("store.save_review", "AccountReview", 0.01)
    instruments.session_ended("scheduled", "completed", 42)
    instruments.recommendation_generated("escalation", "high", 0.83)
    instruments.recommendation_accepted("escalation")
    instruments.recommendation_rejected("escalation", "expired")
    instruments.recommendations_took(0.7)
    instruments.forget(held)
    instruments.tool_started("not", "counted")
    found = samples(generate_latest(registry).decode())
    tool = (("agent", "AccountReview"), ("tool", "crm.apply_change"))
    assert found["orchestrator_tool_invocations_total"] == {tool: 1}
    assert found["orchestrator_tool_duration_seconds_sum"] == {tool: 0.2}
    error = (tool[0], ("error_type", "CrmError"), tool[1])
    assert found["orchestrator_tool_errors_total"] == {error: 1}
    task = (("agent", "AccountReview"), ("type", "store.save_review"))
    assert found["orchestrator_task_executions_total"] == {task: 1}
    assert found["orchestrator_task_duration_seconds_count"] == {task: 1}
    session = (("status", "completed"), ("type", "scheduled"))
    assert found["orchestrator_session_duration_seconds_sum"] == {session: 42}
    generated = (("priority", "high"), ("type", "escalation"))
    assert found["reviews_recommendations_generated_total"] == {generated: 1}
    assert found["reviews_recommendations_accepted_total"] == {(("type", "escalation"),): 1}
    rejected = (("reason", "expired"), ("type", "escalation"))
    assert found["reviews_recommendations_rejected_total"] == {rejected: 1}
    assert buckets(found, "reviews_recommendations_confidence_score") == [
        *("0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "1.0", "+Inf")
    ]
    assert buckets(found, "reviews_recommendations_generation_duration_seconds") == [
        *("0.5", "1.0", "2.0", "5.0", "10.0", "30.0", "+Inf")
    ]


def buckets(found: dict[str, dict[tuple[tuple[str, str], ...], float]], name: str) -> list[str]:
    return [dict(labels)["le"] for labels in found[f"{name}_bucket"]]


def test_without_a_provider_counting_does_nothing() -> None:
    instruments.tool_started("crm.apply_change", "AccountReview")
    instruments.audit_rows_dropped(3)


def test_a_taken_port_makes_it_the_next_free_one(registry: CollectorRegistry) -> None:
    with socket.create_server((ports.LOOPBACK, 0)) as other:
        port = other.getsockname()[1]
        with metrics_page.served(registry, NOWHERE, Address(ports.LOOPBACK, port)) as served:
            chosen = int(served.url.split(":")[2].split("/")[0])
            assert port < chosen < port + 100
            with urllib.request.urlopen(served.url) as answer:
                assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert ports.is_free(chosen)


def test_no_free_port_at_all_is_said(registry: CollectorRegistry) -> None:
    with (
        socket.create_server((ports.LOOPBACK, 65535)),
        pytest.raises(ConflictError, match="no port from 65535"),
    ):
        metrics_page.serve(registry, NOWHERE, Address(ports.LOOPBACK, 65535))


@pytest.mark.parametrize(
    ("env", "address"),
    [
        ({}, Address("localhost", 9464)),
        ({"OTEL_EXPORTER_PROMETHEUS_PORT": " 0 "}, Address("localhost", 0)),
        ({"OTEL_EXPORTER_PROMETHEUS_HOST": "0.0.0.0"}, Address("0.0.0.0", 9464)),
        ({"OTEL_METRICS_EXPORTER": "none"}, None),
        ({"OTEL_SDK_DISABLED": "True"}, None),
    ],
)
def test_settings_of_the_page(env: dict[str, str], address: Address | None) -> None:
    assert telemetry.metrics_address(env) == address


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_EXPORTER_PROMETHEUS_PORT", "http"),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", "70000"),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", "-1"),
        ("OTEL_METRICS_EXPORTER", "console"),
    ],
)
def test_settings_that_do_not_fit(name: str, value: str) -> None:
    with pytest.raises(BadInputError, match=name):
        telemetry.metrics_address({name: value})


def test_the_sdks_page_that_is_gone_is_reported(registry: CollectorRegistry) -> None:
    gone = f"http://{ports.LOOPBACK}:{ports.any_free()}/metrics"
    assert samples(metrics_page.text(registry, gone).decode()) == {
        "reviews_sdk_metrics_up": {(): 0}
    }


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_the_sdks_own_page_follows_ours_as_it_stands(
    provider: MeterProvider, registry: CollectorRegistry, encoding: str
) -> None:
    """Another page of ours stands for it."""
    theirs = CollectorRegistry()
    Gauge("temporal_num_pollers", "How many ask", ["queue"], registry=theirs).labels('a"b').set(2)
    provider.get_meter("tests").create_counter("reviews_things").add(3)
    with (
        start(theirs) as core,
        metrics_page.served(registry, core, Address(ports.LOOPBACK, 0)) as served,
    ):
        asked = urllib.request.Request(
            served.url,
            headers={"Accept-Encoding": encoding, "Accept": "application/openmetrics-text"},
        )
        with urllib.request.urlopen(asked) as answer:
            body = answer.read()
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    text = (gzip.decompress(body) if encoding == "gzip" else body).decode()
    assert text.endswith(generate_latest(theirs).decode())
    assert samples(text) == {
        "reviews_things_total": {(): 3},
        "reviews_sdk_metrics_up": {(): 1},
        "temporal_num_pollers": {(("queue", 'a"b'),): 2},
    }


def test_a_loopback_address_is_never_asked_for_through_a_proxy(
    registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://{ports.LOOPBACK}:1")
    monkeypatch.delenv("no_proxy", raising=False)
    theirs = CollectorRegistry()
    Gauge("temporal_num_pollers", "How many ask", registry=theirs).set(2)
    with start(theirs) as core:
        found = samples(metrics_page.text(registry, core).decode())
        assert found["reviews_sdk_metrics_up"] == {(): 1}
        assert "temporal_num_pollers 2.0" in fetch(core)


@contextmanager
def start(registry: CollectorRegistry) -> Iterator[str]:
    """The address of a page."""
    server, thread = start_http_server(0, ports.LOOPBACK, registry)
    yield f"http://{ports.LOOPBACK}:{server.server_port}/metrics"
    server.shutdown()
    server.server_close()
    thread.join()


async def test_a_source_that_hangs_or_fails_leaves_its_figures_out(
    provider: MeterProvider, registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("account_reviews.telemetry.gauges.LIMIT_SECONDS", 0.05)

    async def works() -> Values:
        return {"orchestrator_active_sessions": [(3, {})]}

    async def hangs() -> Values:
        await asyncio.Event().wait()
        raise AssertionError

    async def fails() -> Values:
        raise OSError

    watched = Observed(provider.get_meter("tests"))
    watched.watch(Source("works", works), Source("hangs", hangs), Source("fails", fails))
    text = await asyncio.to_thread(lambda: generate_latest(registry).decode())
    found = samples(text)
    assert found["orchestrator_active_sessions"] == {(): 3}
    up = {dict(labels)["source"]: value for labels, value in found["reviews_source_up"].items()}
    assert up == {"works": 1, "hangs": 0, "fails": 0}
    assert "reviews_audit_gaps" not in found
