"""A schedule starts a cycle, and the history tells how it went."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from account_reviews.domain.schedule.runs import ScheduleRun
from tests.support.cycles import Portfolio, account, at_risk, make_portfolio
from tests.support.scheduled_jobs import GRACE, PAST_GRACE
from tests.support.schedules import Place, entry
from tests.support.waiting import until


def portfolio_of(place: Place, client: Client, engine: AsyncEngine) -> Portfolio:
    made = make_portfolio(client, engine, account("calm"), at_risk("risk"))
    made.tenant, made.task_queue = place.tenant, place.task_queue
    return made


async def schedule(place: Place, lines: str = "") -> None:
    """A cycle that starts once, in two or three seconds."""
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=3)
    text = f'kind = "one_time"\ncycle = "on_demand"\nrun_at = {at.isoformat()}\n{lines}'
    await place.apply(entry(text))


async def ended(place: Place) -> ScheduleRun:
    """The row of the only run, once it has ended."""

    async def runs() -> Any:
        return await place.history.history(place.tenant, "a", limit=10)

    page = await until(
        runs, lambda page: bool(page.items) and page.items[0].status.value != "running"
    )
    (row,) = page.items
    found: ScheduleRun = row
    return found


async def test_a_scheduled_cycle_has_its_row(
    place: Place, client: Client, engine: AsyncEngine
) -> None:
    portfolio = portfolio_of(place, client, engine)
    async with portfolio.worker():
        await schedule(place)
        row = await ended(place)
    assert (row.status.value, row.accounts_processed, row.late) == ("success", 2, False)
    cycles = await portfolio.rows(
        "select * from reviews.cycles where tenant = :tenant", tenant=place.tenant
    )
    assert [(one["schedule_id"], one["status"]) for one in cycles] == [("a", "completed")]
    assert cycles[0]["scheduled_at"] == row.scheduled_at
    reviews = await portfolio.rows(
        "select kind, cycle_id from reviews.review_runs where tenant = :tenant",
        tenant=place.tenant,
    )
    assert {one["kind"] for one in reviews} == {"scheduled"}
    assert {one["cycle_id"] for one in reviews} == {row.workflow_id}


async def test_a_cycle_that_no_worker_took_is_missed(
    place: Place, client: Client, engine: AsyncEngine
) -> None:
    portfolio = portfolio_of(place, client, engine)
    await schedule(place, GRACE)
    await until(lambda: place.control.get("a"), lambda one: one.description.info.num_actions > 0)
    await asyncio.sleep(PAST_GRACE)
    async with portfolio.worker():
        row = await ended(place)
        shown = client.get_workflow_handle(row.workflow_id)
        result = await shown.result()
    assert (row.status.value, row.late, row.accounts_processed) == ("missed", True, 0)
    assert result["status"] == "cancelled"
    assert result["reason"].startswith("missed: no worker took it for")
    assert portfolio.crm.reads == 0
