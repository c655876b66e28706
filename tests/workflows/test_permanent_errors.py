"""What can never succeed holds up nothing: the database of this module refuses some rows."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client, WorkflowFailureError

from account_reviews.domain.review.phases import Outcome
from tests.support.cycles import account, make_portfolio
from tests.support.world import World, create_task, decision
from workflows.account_review import AccountReviewWorkflow


@pytest.fixture
async def picky(engine: AsyncEngine) -> AsyncIterator[None]:
    """Rows of this name and kind are refused for good, once the first one stands."""
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "alter table reviews.review_runs add constraint picky "
                "check (name <> 'refused' or phase = 'investigating')"
            )
        )
        await connection.execute(
            text("alter table reviews.cycles add constraint picky check (kind <> 'refused')")
        )
    yield
    async with engine.begin() as connection:
        await connection.execute(text("alter table reviews.review_runs drop constraint picky"))
        await connection.execute(text("alter table reviews.cycles drop constraint picky"))


@pytest.mark.usefixtures("picky")
async def test_a_row_that_can_never_be_saved_holds_up_no_review(world: World) -> None:
    world.analysis.changes = (create_task(world.account),)
    async with world.review(name="refused") as handle:
        request = await world.request(handle)
        await handle.execute_update("decide", decision(request))
        result = await handle.result()
        state = await handle.query(AccountReviewWorkflow.snapshot)
    assert result.outcome is Outcome.COMPLETED
    assert len(world.crm.operations) == 1
    assert state.needs_attention
    assert "refuses this value" in (state.last_error or "")


@pytest.mark.usefixtures("picky")
async def test_a_cycle_that_can_never_be_opened_ends_with_the_reason(
    client: Client, engine: AsyncEngine
) -> None:
    portfolio = make_portfolio(client, engine, account("calm"))
    async with portfolio.worker():
        cycle = await portfolio.start(kind="refused")
        with pytest.raises(WorkflowFailureError) as failure:
            await cycle.result()
    assert "refuses this value" in str(failure.value.cause)
