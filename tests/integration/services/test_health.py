"""What `reviews health` finds, without a worker: that alone makes it minimal."""

from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy import text

from account_reviews.bootstrap import Parts
from account_reviews.crm.in_memory import InMemoryCrm
from account_reviews.domain.service_levels import Service, ServiceLevel
from account_reviews.services.halts import stop_all
from account_reviews.services.health import Report, _looked

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


async def test_a_stop_of_everything_is_maintenance(parts: Parts) -> None:
    await stop_all(parts, by="ann", reason="the move", notify=lambda *_: None)
    report, _ = await found(parts)
    assert report.level is ServiceLevel.MAINTENANCE
    assert report.halted is not None
    assert "ann" in report.halted
    assert report.halted.endswith("the move")
