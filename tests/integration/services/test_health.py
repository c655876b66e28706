"""What `reviews health` finds, without a worker: that alone makes it minimal."""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from account_reviews.bootstrap import Parts
from account_reviews.crm.http.limits import Limits
from account_reviews.crm.in_memory import InMemoryCrm
from account_reviews.domain.backends import Health
from account_reviews.domain.service_levels import Service, ServiceLevel
from account_reviews.services import health
from account_reviews.services.halts import stop_all
from account_reviews.services.health import Report, _looked
from account_reviews.store.statements import Statements

SINCE = datetime(2026, 11, 30, 12, tzinfo=UTC)


async def found(parts: Parts) -> tuple[Report, dict[str, Service]]:
    report = await _looked(parts)
    return report, {one.name: one for one in report.services}


async def test_what_is_away_is_said_with_what_to_do(parts: Parts) -> None:
    crm = InMemoryCrm()
    crm.available = False
    parts.__dict__["crm"] = crm
    report, services = await found(parts)
    assert report.level is ServiceLevel.MINIMAL
    assert {name for name, one in services.items() if not one.ok} == {"workers", "crm"}
    assert services["crm"].detail == "the CRM cannot be reached"
    assert services["crm"].hint
    assert report.snapshot_age_seconds is None
    assert report.sessions["total_sessions"] == 0


async def test_a_breaker_that_is_open_is_shown_and_nobody_is_asked(parts: Parts) -> None:
    class Unasked(InMemoryCrm):
        async def health(self) -> object:  # type: ignore[override]
            raise AssertionError("it is to be left alone")

    parts.__dict__["crm"] = Unasked()
    parts.settings = replace(parts.settings, crm_url="zoho://")
    async with parts.engine.begin() as connection:
        await connection.execute(
            text(
                "insert into reviews.api_breakers values ('zoho', 'key', 'open', :since, 5, 0, 0) "
                "on conflict (service, key) do update set standing = 'open', since = :since"
            ),
            {"since": SINCE},
        )
    _, services = await found(parts)
    async with parts.engine.begin() as connection:
        await connection.execute(text("delete from reviews.api_breakers where key = 'key'"))
    crm = services["crm"]
    assert (crm.ok, crm.breaker, crm.since) == (False, "open", SINCE)
    assert crm.detail == ("zoho failed too often and is left alone since 2026-11-30T12:00:00Z")


async def test_a_crm_without_a_place_to_ask_it_is_said_to_be_that(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a worker was killed with all its calls under way: its places are kept a while."""

    class Full(InMemoryCrm):
        calls = ("zoho", Limits(key="full", concurrency=1))

        async def health(self) -> Health:
            return await asyncio.Event().wait()  # type: ignore[return-value]

    parts.__dict__["crm"] = Full()
    monkeypatch.setattr(health, "PATIENCE", 0.5)
    _, services = await found(parts)
    assert services["crm"].detail == health._SILENT
    async with parts.engine.begin() as connection:
        await connection.execute(
            text(
                "insert into reviews.api_leases (id, service, key, worker, people, credits, "
                "taken_at, expires_at) values (gen_random_uuid(), 'zoho', 'full', 'dead', true, 1, "
                "now(), now() + interval '1 hour')"
            )
        )
    _, services = await found(parts)
    assert services["crm"].detail.startswith("all 1 calls it takes at once are under way")
    assert services["crm"].hint == "`reviews crm limits` shows whose they are"


async def test_a_breaker_that_never_opened_is_of_no_time(parts: Parts) -> None:
    parts.__dict__["crm"] = InMemoryCrm()
    parts.settings = replace(parts.settings, crm_url="zoho://")
    row = (
        "insert into reviews.api_breakers "
        "values ('zoho', 'new', 'closed', to_timestamp(0), 2, 0, 0)"
    )
    async with parts.engine.begin() as connection:
        await connection.execute(text(row))
    _, services = await found(parts)
    async with parts.engine.begin() as connection:
        await connection.execute(text("delete from reviews.api_breakers where key = 'new'"))
    assert (services["crm"].breaker, services["crm"].since) == ("closed", None)


async def test_a_stop_of_everything_is_maintenance(parts: Parts) -> None:
    await stop_all(parts, by="ann", reason="the move", notify=lambda *_: None)
    report, _ = await found(parts)
    assert report.level is ServiceLevel.MAINTENANCE
    assert report.halted is not None
    assert "ann" in report.halted
    assert report.halted.endswith("the move")


async def test_a_database_that_hangs_is_not_waited_for_look_by_look(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hangs(*_: Any, **__: Any) -> Any:
        await asyncio.sleep(60)

    monkeypatch.setattr(health, "PATIENCE", 0.3)
    monkeypatch.setattr(Statements, "rows", hangs)
    monkeypatch.setattr(Statements, "scalar", hangs)
    began = time.monotonic()
    report, services = await found(parts)
    assert time.monotonic() - began < 1.2
    assert not services["database"].ok
    assert report.snapshot_age_seconds is None


async def test_what_we_load_ourselves_is_not_the_slowness_of_a_service(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*_: Any, **__: Any) -> InMemoryCrm:
        time.sleep(1)
        return InMemoryCrm()

    monkeypatch.setattr(health, "PATIENCE", 0.8)
    monkeypatch.setattr(type(parts), "_open_crm", slow)
    _, services = await found(parts)
    assert services["database"].ok
    assert services["crm"].ok
