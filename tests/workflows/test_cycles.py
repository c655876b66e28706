"""Cycles on a real server: who is reviewed, in which order, how many at once, and how it ends."""

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from account_reviews.domain.cycles import CycleStatus
from tests.workflows.cycles import account, at_risk, make_portfolio


async def test_a_cycle_reviews_every_account_once(client: Client, engine: AsyncEngine) -> None:
    portfolio = make_portfolio(client, engine, *(account(f"calm-{n:02}") for n in range(12)))
    async with portfolio.worker():
        cycle = await portfolio.start()
        result = await cycle.result()
    assert result.status is CycleStatus.COMPLETED
    assert (result.accounts, result.done, result.failed) == (12, 12, 0)
    rows = await portfolio.accounts_of(cycle)
    assert {row["state"] for row in rows.values()} == {"done"}
    assert portfolio.crm.reads == 1


async def test_reviews_that_wait_do_not_hold_the_cycle(client: Client, engine: AsyncEngine) -> None:
    portfolio = make_portfolio(client, engine, *(at_risk(f"risk-{n}") for n in range(5)))
    async with portfolio.worker():
        cycle = await portfolio.start(window=2)
        result = await cycle.result()
    assert (result.waiting, result.done) == (5, 0)
    rows = await portfolio.accounts_of(cycle)
    assert {row["state"] for row in rows.values()} == {"waiting"}
    assert all(row["review_run_id"] for row in rows.values())
