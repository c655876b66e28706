"""docs/telemetry.md names every metric of the page with its labels, and no other."""

import asyncio
import re

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from account_reviews.config import ports
from account_reviews.telemetry import instruments, metrics_page
from account_reviews.telemetry.gauges import COUNTERS, GAUGES, Observed, Source, Values
from account_reviews.telemetry.instruments import Instruments
from tests.support.counted import count_everything
from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "telemetry.md"
ROW = re.compile(r"^\| `((?:orchestrator|reviews)_\w+)` \|([^|]*)\| (.*) \|$", re.MULTILINE)
OBSERVED_LABELS = {
    "reviews_open_sessions": {"phase", "status"},
    "reviews_api_calls_in_flight": {"service"},
    "reviews_api_calls_waiting": {"service", "priority"},
    "reviews_api_breaker_open": {"service"},
    "reviews_schedule_skipped": {"schedule_id"},
    "reviews_schedule_missed_window": {"schedule_id"},
}


async def everything() -> dict[str, tuple[str, set[str]]]:
    """Name on the page -> help text and labels."""
    registry = CollectorRegistry()
    reader = PrometheusMetricReader(
        disable_target_info=True, scope_info_enabled=False, registry=registry
    )
    provider = MeterProvider([reader], shutdown_on_exit=False)
    held = instruments.use(provider)
    count_everything()
    instruments.forget(held)
    watched = Observed(provider.get_meter(instruments.METER))

    async def ask() -> Values:
        return {
            name: [(1, dict.fromkeys(OBSERVED_LABELS.get(name, ()), "x"))]
            for name in (*GAUGES, *COUNTERS)
            if name != "reviews_source_up"
        }

    watched.watch(Source("all", ask))
    nowhere = f"http://{ports.LOOPBACK}:{ports.any_free()}"
    text = (await asyncio.to_thread(metrics_page.text, registry, nowhere)).decode()
    provider.shutdown()
    found: dict[str, tuple[str, set[str]]] = {}
    for family in text_string_to_metric_families(text):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        found[name] = (family.documentation, labels)
    return found


async def test_the_table_is_the_page() -> None:
    found = await everything()
    shown = {name: labels for name, (_, labels) in found.items()}
    documented = {
        name: set(re.findall(r"`(\w+)`", labels))
        for name, labels, _ in ROW.findall(PAGE.read_text(encoding="utf-8"))
    }
    assert documented == shown
    assert all(text for text, _ in found.values()), "every metric has a help text"
    observed = {*GAUGES, *(f"{name}_total" for name in COUNTERS)} - {"reviews_source_up"}
    marked = {
        name
        for name, _, text in ROW.findall(PAGE.read_text(encoding="utf-8"))
        if text.startswith("†")
    }
    assert marked == observed


async def test_every_instrument_was_counted() -> None:
    made = {
        instrument
        for instrument in vars(Instruments(MeterProvider(shutdown_on_exit=False).get_meter("x")))
        if not instrument.startswith("_")
    }
    shown = await everything()
    assert len(made) == len(set(shown) - {*GAUGES, *(f"{n}_total" for n in COUNTERS)}) - 1
