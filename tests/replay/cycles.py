"""How cycles end, and reviews that belong to one, recorded for the replay test."""

from collections.abc import Awaitable, Callable
from typing import Any

from temporalio.client import WorkflowFailureError, WorkflowHandle

from account_reviews.domain.cycle.state import CycleScope
from account_reviews.domain.records import AccountSnapshot
from account_reviews.domain.review.state import ReviewInput
from account_reviews.temporal import names
from starter import start_review
from tests.support.cycles import (
    AS_OF,
    Cycle,
    ExpiringCrm,
    Portfolio,
    account,
    at_risk,
    gated,
    make_portfolio,
    state_of,
)
from tests.support.waiting import until
from tests.support.world import World
from workflows.account_review import AccountReviewWorkflow

Handle = WorkflowHandle[Any, Any]


async def completed(world: World) -> Handle:
    return await _ended(_portfolio(world, account("calm"), at_risk("risk")))


async def without_bulk_reads(world: World) -> Handle:
    portfolio = _portfolio(world, account("calm"), at_risk("risk"))
    return await _ended(portfolio, bulk_reads=False, window=1)


async def some_unknown(world: World) -> Handle:
    ids = ("calm", "nobody")
    return await _ended(_portfolio(world, account("calm")), scope=CycleScope(account_ids=ids))


async def too_many_failed(world: World) -> Handle:
    ids = tuple(f"nobody-{number}" for number in range(10))
    return await _ended(_portfolio(world, account("calm")), scope=CycleScope(account_ids=ids))


async def crm_down(world: World) -> Handle:
    portfolio = _portfolio(world, account("calm"))
    portfolio.crm.available = False
    return await _ended(portfolio, give_up_after_seconds=0.5)


async def paused_resumed_cancelled(world: World) -> Handle:
    portfolio = _portfolio(world, *(account(f"calm-{number}") for number in range(4)))
    memory = gated(portfolio)
    async with portfolio.worker():
        cycle = await portfolio.start(window=1)
        await until(lambda: state_of(cycle), lambda state: state.running == 1)
        await cycle.execute_update("pause", {"by": "ann"})
        memory.gate.set()
        await until(lambda: state_of(cycle), lambda state: state.running == 0)
        memory.gate.clear()
        await cycle.signal("resume", {"by": "ann"})
        await until(lambda: state_of(cycle), lambda state: state.running == 1)
        await cycle.execute_update("cancel_cycle", {"by": "ann"})
        await _closed(cycle)
        memory.gate.set()
    return cycle


async def cancelled_natively(world: World) -> Handle:
    portfolio = _portfolio(world, account("calm"))
    memory = gated(portfolio)
    async with portfolio.worker():
        cycle = await portfolio.start()
        await until(lambda: state_of(cycle), lambda state: state.running == 1)
        await cycle.cancel()
        await _closed(cycle)
        memory.gate.set()
    return cycle


async def continued_and_silent(world: World) -> Handle:
    portfolio = _portfolio(world, *(account(f"calm-{number}") for number in range(3)))
    memory = gated(portfolio)
    async with portfolio.worker():
        cycle = await portfolio.start(window=2, history_limit=24, silent_after_seconds=1)
        await until(
            lambda: state_of(cycle),
            lambda state: state.running == 2 and state.workflow_run_id != state.run_id,
        )
        review = world.client.get_workflow_handle(names.review_id("calm-0", portfolio.tenant))
        await review.terminate("by the test")
        await until(lambda: state_of(cycle), lambda state: state.failed == 1)
        memory.gate.set()
        await _closed(cycle)
    return world.client.get_workflow_handle(cycle.id)


async def joined(world: World) -> Handle:
    cycle, _ = await _joined(world)
    return cycle


async def of_a_cycle(world: World) -> Handle:
    portfolio = _portfolio(world, account("calm"))
    await _ended(portfolio)
    return world.client.get_workflow_handle(names.review_id("calm", portfolio.tenant))


async def refreshed(world: World) -> Handle:
    _, review = await _joined(world)
    return review


async def login_expires(world: World) -> Handle:
    """The accounts are listed, then the CRM refuses the login."""
    portfolio = _portfolio(world, account("calm"))
    portfolio.crm = ExpiringCrm([account("calm")])
    async with portfolio.worker():
        cycle = await portfolio.start()
        await _closed(cycle)
    return cycle


CYCLE_SCENARIOS: tuple[Callable[[World], Awaitable[Handle]], ...] = (
    completed,
    without_bulk_reads,
    some_unknown,
    too_many_failed,
    crm_down,
    paused_resumed_cancelled,
    cancelled_natively,
    continued_and_silent,
    joined,
    login_expires,
)
REVIEWS_OF_CYCLES: tuple[Callable[[World], Awaitable[Handle]], ...] = (of_a_cycle, refreshed)


def _portfolio(world: World, *snapshots: AccountSnapshot) -> Portfolio:
    return make_portfolio(world.client, world.engine, *snapshots)


async def _ended(portfolio: Portfolio, **fields: Any) -> Cycle:
    async with portfolio.worker():
        cycle = await portfolio.start(**fields)
        await _closed(cycle)
    return cycle


async def _joined(world: World) -> tuple[Handle, Handle]:
    portfolio = _portfolio(world, at_risk("risk"))
    async with portfolio.worker():
        start = ReviewInput(account_id="risk", tenant=portfolio.tenant, as_of=AS_OF)
        review, _ = await start_review(
            world.client, start, at_risk("risk").account, task_queue=portfolio.task_queue
        )
        await until(
            lambda: review.query(AccountReviewWorkflow.snapshot), lambda state: bool(state.pending)
        )
        cycle = await portfolio.start()
        await _closed(cycle)
        await review.signal("cancel_review", {"by": "ann"})
        await _closed(review)
    return cycle, review


async def _closed(handle: Handle) -> None:
    try:
        await handle.result()
    except WorkflowFailureError:
        return
