"""Prometheus, Grafana and the collector: their files are valid and ask for what there is."""

import asyncio
import json
import re
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio import activity, workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import Worker

from account_reviews.bootstrap import open_parts
from account_reviews.config import ports
from account_reviews.config.settings import Settings
from account_reviews.local.temporal_server import TemporalServer, find_cli
from account_reviews.runtime.telemetry import telemetry
from account_reviews.runtime.worker import watched_sources
from account_reviews.telemetry.gauges import COUNTERS, Source, Values
from account_reviews.temporal.names import TASK_QUEUE
from tests.support.compose import tool
from tests.support.counted import count_everything
from tests.support.paths import ROOT
from tests.support.promql import Asked, asked
from tests.support.waiting import PATIENCE

DEPLOY = ROOT / "deploy"
DASHBOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
PROMETHEUS = DEPLOY / "prometheus" / "prometheus.yml"
BACKLOG = "approximate_backlog_count"
FAILED = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
OWN_NAMES = {"up": {"job", "instance"}, "ALERTS": {"alertname", "alertstate"}}
"""What Prometheus itself adds."""

Labels = dict[str, set[str]]
"""Name of a metric -> the names of its labels."""


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def rules() -> list[dict[str, Any]]:
    return [rule for group in read(ALERTS)["groups"] for rule in group["rules"]]


def services() -> dict[str, Any]:
    done = tool("docker-compose", "--profile", "monitoring", "config", "--format", "json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["services"]
    return found


def panels(board: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def board(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def expressions() -> list[tuple[str, str]]:
    """Everything anybody asks Prometheus, and where."""
    found = [(rule["alert"], rule["expr"]) for rule in rules()]
    for path in DASHBOARDS:
        shown = board(path)
        found += [
            (f"{path.name}: {panel['title']}", target["expr"])
            for panel in panels(shown)
            for target in panel["targets"]
        ]
        notes = shown["annotations"]["list"]
        found += [(path.name, note["expr"]) for note in notes if "expr" in note]
    return found


# Dashboards, by Grafana's own models


@pytest.fixture(scope="module", autouse=True)
def grafana() -> None:
    register_default_plugins()


def lost(given: Any, kept: Any, place: str = "") -> Iterator[str]:
    """What Grafana's models did not know, and so did not give back."""
    if isinstance(given, dict) and isinstance(kept, dict):
        for key, value in given.items():
            if key in kept:
                yield from lost(value, kept[key], f"{place}.{key}")
            elif value not in (None, [], {}):
                yield f"{place}.{key}"
    elif isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        for number, (one, other) in enumerate(zip(given, kept, strict=True)):
            yield from lost(one, other, f"{place}[{number}]")
    elif given != kept:
        yield place


def through_grafana(document: dict[str, Any]) -> Any:
    return json.loads(json.dumps(Dashboard.from_json(document), cls=JSONEncoder))


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_grafana_knows_every_word_of_a_dashboard(path: Path) -> None:
    document = board(path)
    assert list(lost(document, through_grafana(document))) == []


def test_grafana_would_not_know_a_wrong_word() -> None:
    document = board(DASHBOARDS[0])
    panel = panels(document)[0]
    panel["grdPos"] = panel.pop("gridPos")
    panel["options"]["textmode"] = "value"
    panel["targets"][0]["expression"] = "up"
    found = {place.rpartition(".")[2] for place in lost(document, through_grafana(document))}
    assert found == {"textmode", "expression", "grdPos"}


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_panels_are_explained_and_do_not_overlap(path: Path) -> None:
    document = board(path)
    seen: set[tuple[int, int]] = set()
    assert len({panel["id"] for panel in document["panels"]}) == len(document["panels"])
    for panel in document["panels"]:
        at = panel["gridPos"]
        cells = {
            (at["x"] + column, at["y"] + row) for column in range(at["w"]) for row in range(at["h"])
        }
        assert at["x"] + at["w"] <= 24, panel["title"]
        assert not cells & seen, panel["title"]
        seen |= cells
    for panel in panels(document):
        assert panel["description"], panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}"
        units = panel["fieldConfig"]["defaults"]["unit"]
        seconds = any(re.search(r"_seconds(_bucket)?\b", t["expr"]) for t in panel["targets"])
        assert (units == "s") == (seconds and "_count" not in panel["targets"][0]["expr"]), panel[
            "title"
        ]


def test_dashboards_are_provisioned_where_they_are_mounted() -> None:
    mounts = {volume["target"] for volume in services()["grafana"]["volumes"]}
    provisioning = DEPLOY / "grafana" / "provisioning"
    (provider,) = read(provisioning / "dashboards" / "files.yml")["providers"]
    assert provider["options"]["path"] in mounts
    home = services()["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{provider['options']['path']}/overview.json"
    assert (DEPLOY / "grafana" / "dashboards" / "overview.json").is_file()
    for source in read(provisioning / "datasources" / "sources.yml")["datasources"]:
        host, _, port = source["url"].removeprefix("http://").partition(":")
        assert int(port) in {one["target"] for one in services()[host]["ports"]}
    linked = {link["url"] for path in DASHBOARDS for link in board(path)["links"]}
    assert linked <= {f"/d/{board(path)['uid']}" for path in DASHBOARDS}


# The profile of compose


def test_the_profile_adds_four_services_that_can_do_little() -> None:
    without = json.loads(tool("docker-compose", "config", "--format", "json").stdout)["services"]
    added = set(services()) - set(without)
    assert added == {"prometheus", "grafana", "collector", "traces"}
    for name in added:
        service = services()[name]
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert re.fullmatch(r"[1-9]\d*", service["user"]), f"{name} runs as root"
        assert re.search(r":v?\d+\.\d+\.\d+@sha256:", service["image"]), name
        assert {port["host_ip"] for port in service["ports"]} == {"127.0.0.1"}, name
        for volume in service.get("volumes", ()):
            if volume["type"] == "bind":
                assert volume["read_only"], volume
                assert Path(volume["source"]).is_dir(), volume


def test_prometheus_reads_pages_that_are_served() -> None:
    jobs = {job["job_name"]: job for job in read(PROMETHEUS)["scrape_configs"]}
    assert set(jobs) == {"workers", "webhooks", "temporal", "collector", "prometheus"}
    (found,) = jobs["workers"]["dns_sd_configs"]
    assert found["names"] == ["worker"]
    assert services()["worker"]["environment"]["OTEL_EXPORTER_PROMETHEUS_HOST"] == "0.0.0.0"
    assert found["port"] == 9464
    (temporal,) = jobs["temporal"]["static_configs"][0]["targets"]
    host, port = temporal.split(":")
    assert services()[host]["environment"]["PROMETHEUS_ENDPOINT"] == f"0.0.0.0:{port}"
    collector = read(DEPLOY / "otel" / "collector.yaml")
    (reader,) = collector["service"]["telemetry"]["metrics"]["readers"]
    shown = reader["pull"]["exporter"]["prometheus"]["port"]
    assert jobs["collector"]["static_configs"][0]["targets"] == [f"collector:{shown}"]


def test_settings_of_opentelemetry_reach_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://elsewhere:4318",
        "OTEL_EXPORTER_OTLP_HEADERS": "key=word",
        "OTEL_SERVICE_NAME": "ours",
        "OTEL_RESOURCE_ATTRIBUTES": "team=green",
        "OTEL_SDK_DISABLED": "true",
        "OTEL_TRACES_SAMPLER": "always_on",
        "OTEL_TRACES_SAMPLER_ARG": "0.5",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert given.items() <= services()["worker"]["environment"].items()


def test_versions_agree_with_the_tools_that_check() -> None:
    made = (ROOT / "Makefile").read_text("utf-8")
    image = services()["prometheus"]["image"].partition("@")[0].rpartition(":v3.")[2]
    minor, patch = image.split(".")
    assert f"PROMETHEUS_VERSION := v0.3{int(minor):02d}.{patch}\n" in made
    version = services()["collector"]["image"].partition("@")[0].rpartition(":")[2]
    assert f"COLLECTOR_VERSION := v{version}\n" in made
    manifest = read(ROOT / "tests" / "collector" / "otelcol.yaml")
    for kind in ("receivers", "processors", "exporters", "extensions"):
        assert all(one["gomod"].endswith(f" v{version}") for one in manifest[kind])


def test_each_alert_has_tests_and_a_line_in_the_documentation() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)
    cases = [
        one
        for case in read(ROOT / "tests" / "tools" / "alerts.yml")["tests"]
        for one in case["alert_rule_test"]
    ]
    page = (ROOT / "docs" / "monitoring.md").read_text("utf-8")
    for rule in rules():
        mine = [case for case in cases if case["alertname"] == rule["alert"]]
        assert any(case["exp_alerts"] for case in mine), f"{rule['alert']} is not seen to fire"
        assert any(not case["exp_alerts"] for case in mine), f"{rule['alert']} is not seen quiet"
        assert rule["annotations"]["summary"]
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert f"| `{rule['alert']}` |" in page


# What is asked for is there


def test_the_reader_of_expressions_reads() -> None:
    text = 'sum by (le, a) (rate(x_bucket{b=~"c{d}", e!="f"}[5m])) > 2 or y unless z offset 1h'
    assert asked(text) == Asked(frozenset({"x_bucket", "y", "z"}), frozenset({"a", "b", "e"}))


@workflow.defn(name="Working", sandboxed=False)
class Working:
    """One activity of the server's, so that the SDK counts what it counts of them."""

    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(nothing, schedule_to_close_timeout=timedelta(seconds=10))


@workflow.defn(name="Broken", sandboxed=False)
class Broken:
    """Its task fails, again and again."""

    @workflow.run
    async def run(self) -> None:
        raise RuntimeError("on purpose")


@activity.defn
async def nothing() -> None:
    pass


async def use_temporal(client: Client) -> None:
    """Whatever the SDK counts happens once, failures too."""
    queue = f"test-{uuid4().hex[:12]}"
    async with Worker(client, task_queue=queue, workflows=[Working, Broken], activities=[nothing]):
        await client.execute_workflow(Working.run, id=uuid4().hex, task_queue=queue)
        broken = await client.start_workflow(Broken.run, id=uuid4().hex, task_queue=queue)
        with pytest.raises(RPCError):
            await client.get_workflow_handle("nobody").describe()
        async with asyncio.timeout(PATIENCE):
            async for event in broken.fetch_history_events(wait_new_event=True):
                if event.event_type == FAILED:
                    break
        await broken.terminate()


async def one_of_each() -> Values:
    found: Values = {name: [(1.0, {"schedule_id": "weekly-reviews"})] for name in COUNTERS}
    shop = {"service": "shop"}
    found["reviews_api_calls_in_flight"] = found["reviews_api_breaker_open"] = [(1.0, shop)]
    found["reviews_api_calls_waiting"] = [(1.0, {**shop, "priority": "people"})]
    found["reviews_open_sessions"] = [(1.0, {"phase": "approval", "status": "waiting"})]
    return found


async def fetched(url: str) -> str:
    """The text of a page."""
    return await asyncio.to_thread(lambda: urllib.request.urlopen(url).read().decode())


def labels_of(page: str) -> Labels:
    """The metrics of a page, with the names of their labels."""
    found: Labels = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


@contextmanager
def server_with_page() -> Iterator[tuple[str, str]]:
    """A Temporal of our own: its address, and its page."""
    port, page = ports.any_free(), ports.any_free()
    words = ["server", "start-dev", "--headless", "--port", str(port), "--log-level", "never"]
    words += ["--metrics-port", str(page)]
    # How often it reports its backlog; otherwise once a minute.
    words += ["--dynamic-config-value", 'matching.backlogMetricsEmitInterval="200ms"']
    with subprocess.Popen([find_cli(), *words]) as process:
        try:
            yield f"127.0.0.1:{port}", f"http://127.0.0.1:{page}/metrics"
        finally:
            process.kill()


async def server_labels() -> Labels:
    """Of what the alert on the backlog asks for, once a task waits in the queue of our workers."""
    (expression,) = (rule["expr"] for rule in rules() if rule["alert"] == "TaskBacklog")
    found = re.search(rf'{BACKLOG}{{taskqueue=~"([^"]+)"}}', expression)
    assert found is not None
    waiting = re.compile(rf'{BACKLOG}{{.*taskqueue="{found[1]}".*}} 1(\.0)?')
    with server_with_page() as (address, url):
        async with asyncio.timeout(PATIENCE):
            client = await _connected(address)
            await client.start_workflow("Nobody", id="waits", task_queue=TASK_QUEUE)
            while True:
                page = await fetched(url)
                ours = [line for line in page.splitlines() if waiting.fullmatch(line)]
                if ours:
                    return labels_of("\n".join([*ours, ""]))
                await asyncio.sleep(0.1)


async def _connected(address: str) -> Client:
    while True:
        try:
            return await Client.connect(address)
        except RuntimeError:
            await asyncio.sleep(0.05)


async def test_what_dashboards_and_alerts_ask_for_is_on_the_pages(
    temporal_server: TemporalServer,
    engine: AsyncEngine,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_PROMETHEUS_PORT", "0")
    settings = Settings.load(database_url=database_url)
    async with telemetry(settings) as measured, open_parts(settings, application="tests") as parts:
        assert measured.url is not None
        assert measured.observed is not None
        client = await Client.connect(temporal_server.address, runtime=measured.runtime)
        async with measured.watching(watched_sources(parts, client)):
            measured.observed.watch(Source("test", one_of_each))
            count_everything()
            await use_temporal(client)
            there = labels_of(await fetched(measured.url))
    there |= await server_labels() | OWN_NAMES
    for where, expression in expressions():
        wanted = asked(expression)
        assert wanted.metrics, where
        assert wanted.metrics <= set(there), f"{where} asks for {wanted.metrics - set(there)}"
        labels = set().union(*(there[name] for name in wanted.metrics))
        assert wanted.labels <= labels | {"instance", "job"}, (
            f"{where} looks at {wanted.labels - labels}"
        )
    kinds = set().union(*(asked(expression).metrics for _, expression in expressions()))
    shown = {re.sub("_(bucket|count|sum)$", "", name) for name in kinds}
    ours = {
        re.sub("_(bucket|count|sum)$", "", name)
        for name in there
        if name.startswith(("orchestrator_", "reviews_")) and not name.endswith("_created")
    }
    assert ours - shown <= {"reviews_sdk_metrics_up"}, "nobody looks at these"
