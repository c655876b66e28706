"""The doctor finds what is wrong and says what to do."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from google.protobuf.duration_pb2 import Duration
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio import activity, workflow
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.worker import Worker

from account_reviews.config import ports
from account_reviews.config.settings import Settings
from account_reviews.local import namespace
from account_reviews.local.postgres import EmbeddedPostgres
from account_reviews.local.temporal_server import TemporalServer
from account_reviews.temporal import start_options
from account_reviews.temporal.names import TASK_QUEUE, write_queue
from account_reviews.upkeep import doctor
from account_reviews.upkeep.doctor import examine
from account_reviews.upkeep.examination import Check, Report
from tests.support.mail_server import mail_server, silent_server
from tests.support.waiting import until
from tests.support.webhook_receiver import webhook_receiver


@workflow.defn(sandboxed=False)
class Nothing:
    """A workflow to have something to poll for."""

    @workflow.run
    async def run(self) -> None:
        """Does nothing."""


def _failed(report: Report) -> Mapping[str, Check]:
    return {check.name: check for check in report.checks if not check.ok}


@pytest.fixture
async def bare(client: Client, temporal_server: TemporalServer) -> Client:
    """A client of a namespace as servers make them: one day of retention, no attributes."""
    name = f"doctor-{uuid4().hex[:8]}"
    await client.workflow_service.register_namespace(
        RegisterNamespaceRequest(
            namespace=name, workflow_execution_retention_period=Duration(seconds=86_400)
        )
    )
    return await Client.connect(temporal_server.address, namespace=name)


@pytest.fixture
async def ready(bare: Client) -> Client:
    """A client of a namespace of its own that has what reviews need; nobody polls there."""
    await namespace.prepare(bare)
    return bare


@pytest.fixture
def settings(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    temporal_server: TemporalServer,
    ready: Client,
    database_url: str,
) -> Settings:
    """Settings that lead to the servers of this session."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal_server.address)
    monkeypatch.setenv("TEMPORAL_NAMESPACE", ready.namespace)
    return Settings.load(data_dir=tmp_path, database_url=database_url)


async def test_without_a_worker(settings: Settings) -> None:
    report = await examine(settings)
    assert list(_failed(report)) == ["workers"]
    assert not report.ok


async def test_all_is_well(settings: Settings, ready: Client) -> None:
    async with reviewing(ready), writing(ready):
        report = await until(lambda: examine(settings), lambda found: found.ok)
    assert report.ok
    assert _failed(report) == {}
    (workers,) = (check for check in report.checks if check.name == "workers")
    assert workers.detail == (
        "on account-reviews: the worker; on account-reviews:write: the writing worker"
    )


def reviewing(client: Client) -> Worker:
    return Worker(client, task_queue=TASK_QUEUE, workflows=[Nothing], identity="the worker")


def writing(client: Client) -> Worker:
    return Worker(
        client, task_queue=write_queue(), activities=[nothing], identity="the writing worker"
    )


@activity.defn
async def nothing() -> None:
    """Something to poll for."""


async def test_nobody_writes_what_is_approved(settings: Settings, ready: Client) -> None:
    async with reviewing(ready):

        async def detail() -> str:
            return _failed(await examine(settings))["workers"].detail

        await until(detail, lambda found: found.endswith("account-reviews:write"))
        report = await examine(settings)
    failed = _failed(report)["workers"]
    assert failed.detail == "nobody polls the task queue account-reviews:write"
    assert "--only write" in str(failed.hint)


async def test_decisions_that_must_be_signed_need_keys(settings: Settings, tmp_path: Path) -> None:
    policy = tmp_path / "signed.toml"
    policy.write_text('[approvals]\nrequire_signed = true\n[access.users]\n"Ann" = ["admin"]\n')
    asked = replace(settings, policy_file=policy)
    failed = _failed(await examine(asked))
    assert "there are no keys" in failed["access"].detail
    report = await examine(replace(asked, approval_keys="a:" + "k" * 24))
    (found,) = (check for check in report.checks if check.name == "access")
    assert (found.ok, found.detail) == (True, "users with roles: 1; decisions must be signed")


@pytest.mark.parametrize(
    ("mine", "queue", "hint"),
    [
        ("acme", "account-reviews", "as the tenant of that queue"),
        ("default", "account-reviews", "this queue with `--adopt acme`"),
        ("umbrella", "account-reviews/acme", None),
    ],
)
async def test_open_work_of_a_tenant_on_the_queue_of_another(
    settings: Settings, ready: Client, mine: str, queue: str, hint: str | None
) -> None:
    """It began under a release in which all tenants shared one queue."""
    whose = start_options.owned_by("acme", None)
    handle = await ready.start_workflow(
        "AccountReview", id="review/acme/ac-1", task_queue=queue, search_attributes=whose
    )
    checks = {check.name: check for check in (await _until_listed(settings, ready, mine)).checks}
    if hint is None:
        assert checks["tenants"].ok
    else:
        assert "review/acme/ac-1" in checks["tenants"].detail
        assert hint in str(checks["tenants"].hint)
    await handle.terminate()


async def _until_listed(settings: Settings, client: Client, tenant: str) -> Report:
    """Lists follow within a second."""

    async def open_work() -> int:
        return (await client.count_workflows("ExecutionStatus = 'Running'")).count

    await until(open_work, lambda count: count > 0)
    return await examine(replace(settings, tenant=tenant))


async def test_a_crm_of_another_tenant(settings: Settings, engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("insert into crm.belongs_to (tenant) values ('acme')"))
    failed = _failed(await examine(settings))
    assert "belongs to the tenant 'acme'" in failed["crm"].detail
    async with engine.begin() as connection:
        await connection.execute(text("delete from crm.belongs_to"))


async def test_nothing_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", f"{ports.LOOPBACK}:{ports.any_free()}")
    url = f"postgresql://postgres@{ports.LOOPBACK}:{ports.any_free()}/reviews"
    report = await examine(Settings.load(data_dir=tmp_path, database_url=url))
    failed = _failed(report)
    assert {check.name for check in report.checks} - set(failed) == {
        *("time zones", "policy", "access", "notifications", "disk")
    }
    assert all(check.hint for check in failed.values())


_LATE = """
import asyncio, sys
from account_reviews.config.settings import Settings
from account_reviews.upkeep.doctor import examine
slow = {"asyncpg", "opentelemetry", "sqlalchemy", "temporalio"}
before = set(sys.modules)
asyncio.run(examine(Settings.load()))
print(*sorted(slow & set(sys.modules) - before))
"""


def test_no_library_is_imported_while_a_check_waits(settings: Settings) -> None:
    """On a busy machine that takes longer than a check may, and nothing would seem to answer."""
    env = {**os.environ, "REVIEWS_DATABASE_URL": settings.require_database_url()}
    done = subprocess.run(
        [sys.executable, "-c", _LATE], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout == "\n"


async def test_an_empty_database(settings: Settings, postgres: EmbeddedPostgres) -> None:
    postgres.create_database("empty")
    report = await examine(replace(settings, database_url=postgres.url("empty")))
    failed = _failed(report)
    assert set(failed) == {
        *(
            "database revision",
            "audit trail",
            "stop-all",
            "reviews",
            "cycles",
            "crm",
            "memory",
            "events",
            "workers",
        )
    }
    assert failed["database revision"].hint == "run `reviews db upgrade`"


async def test_an_unknown_namespace(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "elsewhere")
    failed = _failed(await examine(settings))
    assert "temporal operator namespace create" in str(failed["namespace"].hint)


async def test_a_bad_policy(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text("[risk]\ninactivity_days = 'soon'\n")
    failed = _failed(await examine(replace(settings, policy_file=file)))
    assert "risk.inactivity_days" in failed["policy"].detail


async def test_a_server_without_what_reviews_need(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, bare: Client
) -> None:
    fresh = bare.namespace + "-fresh"
    await bare.workflow_service.register_namespace(
        RegisterNamespaceRequest(
            namespace=fresh, workflow_execution_retention_period=Duration(seconds=86_400)
        )
    )
    monkeypatch.setenv("TEMPORAL_NAMESPACE", fresh)
    failed = _failed(await examine(settings))
    assert "--retention 30d" in str(failed["retention"].hint)
    assert "--name Tenant --type Keyword" in str(failed["search attributes"].hint)


async def test_a_full_disk_under_a_stack_is_told(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "disk" not in _failed(await examine(settings))
    (tmp_path / "stack.json").write_text(json.dumps({"pid": os.getpid()}))
    running = Settings.load(data_dir=tmp_path, database_url=settings.database_url)
    assert "disk" not in _failed(await examine(running))
    monkeypatch.setattr(doctor, "LEAST_FREE", 2**62)
    failed = _failed(await examine(running))
    assert f"MiB are free for {tmp_path}" in failed["disk"].detail


async def test_outcomes_that_wait_to_be_remembered(settings: Settings, engine: AsyncEngine) -> None:
    tenant = f"t-{uuid4().hex[:8]}"
    mine = replace(settings, tenant=tenant)
    assert (await _memory(mine)).detail.endswith("; no outcome waits to be remembered")
    await _wait_since(engine, tenant, "now()")
    assert (
        "; the outcome of one review waits to be remembered, since " in (await _memory(mine)).detail
    )
    await _wait_since(engine, tenant, "timestamptz '2020-10-01 06:30Z'")
    late = await _memory(mine)
    assert not late.ok
    assert late.detail == (
        "the outcomes of 2 reviews wait to be remembered, since 2020-10-01 06:30Z: no such account"
    )
    assert "worker" in str(late.hint)


async def _memory(settings: Settings) -> Check:
    return next(check for check in (await examine(settings)).checks if check.name == "memory")


async def _wait_since(engine: AsyncEngine, tenant: str, since: str) -> None:
    """A closed review of which the memory has heard nothing."""
    statement = (
        "insert into reviews.memory_outbox (run_id, tenant, account_id, items, put_at, last_error)"
        f" values (:run_id, :tenant, 'ac-1', '[]', {since}, 'no such account')"
    )
    async with engine.begin() as connection:
        await connection.execute(text(statement), {"run_id": uuid4().hex, "tenant": tenant})


async def _notifications(settings: Settings, tmp_path: Path, channels: str, **more: Any) -> Check:
    policy = tmp_path / "policy.toml"
    policy.write_text(f"[notifications]\nchannels = [{channels}]\n")
    report = await examine(replace(settings, policy_file=policy, **more))
    return next(check for check in report.checks if check.name == "notifications")


async def test_channels_that_nobody_has_set_up(settings: Settings, tmp_path: Path) -> None:
    found = await _notifications(settings, tmp_path, '"console", "email", "webhook"')
    assert not found.ok
    assert "REVIEWS_SMTP_URL is not set" in found.detail
    assert "REVIEWS_WEBHOOK_URL is not set" in found.detail
    assert found.hint == "see docs/notifications.md"


async def test_a_log_that_shows_no_notices(settings: Settings, tmp_path: Path) -> None:
    assert (await _notifications(settings, tmp_path, '"console"')).ok
    found = await _notifications(settings, tmp_path, '"console"', log_level="error")
    assert (found.ok, found.hint) == (False, "set REVIEWS_LOG_LEVEL=info")


async def test_channels_that_answer_and_one_that_does_not(
    settings: Settings, tmp_path: Path
) -> None:
    async with mail_server() as mail, webhook_receiver() as receiver:
        set_up = {
            "smtp_url": f"smtp://{ports.LOOPBACK}:{mail.port}?starttls=off",
            "smtp_from": "reviews@example.com",
            "webhook_url": receiver.url,
            "webhook_secret": "whsec_" + "a" * 32,
        }
        well = await _notifications(settings, tmp_path, '"email", "webhook"', **set_up)
    assert well.ok, well
    assert "takes mail, with no encryption" in well.detail
    assert "no e-mail address under [notifications.addresses]: " in well.detail
    assert "team_lead" in well.detail
    assert mail.seen == []
    away = await _notifications(settings, tmp_path, '"email", "webhook"', **set_up)
    assert not away.ok
    assert "s3cret" not in away.detail
    async with silent_server() as port:
        hung = f"smtp://{ports.LOOPBACK}:{port}"
        found = await _notifications(
            settings, tmp_path, '"email"', smtp_url=hung, smtp_from="reviews@example.com"
        )
    assert "did not answer in time" in found.detail


async def test_a_url_that_cannot_be_used_is_said_without_its_password(
    settings: Settings, tmp_path: Path
) -> None:
    found = await _notifications(
        settings, tmp_path, '"email"', smtp_url="smtp://u:s3cret@", smtp_from="a@example.com"
    )
    assert "REVIEWS_SMTP_URL cannot be used" in found.detail
    assert "s3cret" not in f"{found.detail}{found.hint}"


async def test_events_that_nobody_follows(settings: Settings, engine: AsyncEngine) -> None:
    put = (
        "insert into reviews.webhook_events (tenant, source, key, record_type, record_id, action, "
        "state, received_at, error) values (:tenant, 'zoho', 'k', 'deal', '1', 'updated', :state, "
        "now() - interval '20 minutes', 'the CRM is away')"
    )
    mine = replace(settings, tenant="events-wait")
    async with engine.begin() as connection:
        await connection.execute(text(put), {"tenant": mine.tenant, "state": "dead"})
    found = {check.name: check for check in (await examine(mine)).checks}
    assert found["events"].ok
    assert found["events"].detail.endswith("1 of the last 7 days could not be followed")
    async with engine.begin() as connection:
        await connection.execute(text(put), {"tenant": mine.tenant, "state": "new"})
    found = {check.name: check for check in (await examine(mine)).checks}
    assert not found["events"].ok
    assert "the oldest for 20 minutes: the CRM is away" in found["events"].detail
