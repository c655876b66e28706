"""The doctor finds what is wrong and says what to do."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

from account_reviews.doctor import Check, Report, examine
from account_reviews.local import ports
from account_reviews.local.postgres import EmbeddedPostgres
from account_reviews.local.temporal_server import TemporalServer
from account_reviews.settings import Settings
from account_reviews.temporal.names import TASK_QUEUE


@activity.defn
async def nothing() -> None:
    """Does nothing."""


def _failed(report: Report) -> Mapping[str, Check]:
    return {check.name: check for check in report.checks if not check.ok}


@pytest.fixture
def settings(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    temporal_server: TemporalServer,
    database_url: str,
) -> Settings:
    """Settings that lead to the servers of this session."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal_server.address)
    return Settings.load(data_dir=tmp_path, database_url=database_url)


async def test_without_a_worker(settings: Settings) -> None:
    report = await examine(settings)
    assert list(_failed(report)) == ["workers"]
    assert not report.ok


async def test_all_is_well(settings: Settings, client: Client) -> None:
    async with Worker(
        client,
        task_queue=TASK_QUEUE,
        activities=[nothing],
        graceful_shutdown_timeout=timedelta(seconds=1),
        identity="the worker",
    ):
        report = await examine(settings)
    missing = _failed(report)
    assert set(missing) <= {"workers"}


async def test_nothing_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", f"{ports.LOOPBACK}:{ports.any_free()}")
    url = f"postgresql://postgres@{ports.LOOPBACK}:{ports.any_free()}/reviews"
    report = await examine(Settings.load(data_dir=tmp_path, database_url=url))
    failed = _failed(report)
    assert {check.name for check in report.checks} - set(failed) == {"time zones", "policy"}
    assert all(check.hint for check in failed.values())


async def test_an_empty_database(settings: Settings, postgres: EmbeddedPostgres) -> None:
    postgres.create_database("empty")
    report = await examine(settings.model_copy(update={"database_url": postgres.url("empty")}))
    failed = _failed(report)
    assert set(failed) == {"database revision", "crm", "memory", "workers"}
    assert failed["database revision"].hint == "run `reviews db upgrade`"


async def test_an_unknown_namespace(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "elsewhere")
    failed = _failed(await examine(settings))
    assert "temporal operator namespace create" in str(failed["namespace"].hint)


async def test_a_bad_policy(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text("[risk]\ninactivity_days = 'soon'\n")
    failed = _failed(await examine(settings.model_copy(update={"policy_file": file})))
    assert "risk.inactivity_days" in failed["policy"].detail


async def test_a_server_without_what_reviews_need(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, client: Client
) -> None:
    from google.protobuf.duration_pb2 import Duration
    from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest

    await client.workflow_service.register_namespace(
        RegisterNamespaceRequest(
            namespace="bare", workflow_execution_retention_period=Duration(seconds=86_400)
        )
    )
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "bare")
    failed = _failed(await examine(settings))
    assert "--retention 30d" in str(failed["retention"].hint)
    assert "--name Tenant --type Keyword" in str(failed["search attributes"].hint)
