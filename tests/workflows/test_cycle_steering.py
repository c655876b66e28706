"""Cycles on a real server: steering them, halting them, a CRM that is down, and their scope."""

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import CancelledError

from account_reviews.domain.cycle.state import CycleScope, CycleStatus
from account_reviews.domain.records import AccountStatus
from account_reviews.domain.review.state import ReviewInput
from account_reviews.temporal import names
from starter import start_review
from tests.support.cycles import AS_OF, account, at_risk, gated, make_portfolio, state_of
from tests.support.waiting import until
from tests.support.world import Handle
from workflows.account_review import AccountReviewWorkflow


async def test_pause_resume_and_cancel_reach_what_was_not_started(
    client: Client, engine: AsyncEngine
) -> None:
    portfolio = make_portfolio(client, engine, *(account(f"calm-{n}") for n in range(6)))
    memory = gated(portfolio)
    async with portfolio.worker():
        cycle = await portfolio.start(window=2)
        await until(lambda: state_of(cycle), lambda state: state.running == 2)
        await cycle.execute_update("pause", {"by": "ann"})
        memory.gate.set()
        state = await until(lambda: state_of(cycle), lambda state: state.running == 0)
        assert (state.done, state.next_position) == (2, 2)
        memory.gate.clear()
        await cycle.signal("resume", {"by": "ann"})
        await until(lambda: state_of(cycle), lambda state: state.running == 2)
        await cycle.execute_update("cancel_cycle", {"by": "ann", "reason": "enough"})
        result = await cycle.result()
        memory.gate.set()
    assert result.status is CycleStatus.CANCELLED
    assert result.reason == "by ann: enough"
    states = [row["state"] for row in (await portfolio.accounts_of(cycle)).values()]
    assert states.count("skipped") == 2


async def test_a_native_cancel_ends_the_cycle_and_not_its_reviews(
    client: Client, engine: AsyncEngine
) -> None:
    portfolio = make_portfolio(client, engine, *(account(f"calm-{n}") for n in range(3)))
    memory = gated(portfolio)
    async with portfolio.worker():
        cycle = await portfolio.start(window=1)
        await until(lambda: state_of(cycle), lambda state: state.running == 1)
        await cycle.cancel()
        with pytest.raises(WorkflowFailureError) as caught:
            await cycle.result()
        assert isinstance(caught.value.cause, CancelledError)
        memory.gate.set()
        review: Handle = client.get_workflow_handle_for(
            AccountReviewWorkflow.run, names.review_id("calm-0", portfolio.tenant)
        )
        ended = await review.result()
    assert ended.outcome.value == "nothing_to_do"
    rows = await portfolio.rows(
        "select status from reviews.cycles where run_id = :run_id",
        run_id=cycle.first_execution_run_id,
    )
    assert rows == [{"status": "cancelled"}]


async def test_malformed_messages_are_left_out(client: Client, engine: AsyncEngine) -> None:
    portfolio = make_portfolio(client, engine, *(account(f"calm-{n}") for n in range(2)))
    memory = gated(portfolio)
    async with portfolio.worker():
        cycle = await portfolio.start()
        await until(lambda: state_of(cycle), lambda state: state.running == 2)
        for args in ([], ["pause"], [{"by": "x"}, 2], [b"\xff"]):
            await cycle.signal("review_progress", args=args)
        memory.gate.set()
        result = await cycle.result()
    assert result.done == 2


async def test_a_halted_cycle_starts_nothing(client: Client, engine: AsyncEngine) -> None:
    portfolio = make_portfolio(client, engine, account("calm-0"))
    async with engine.begin() as connection:
        await connection.execute(
            text("insert into reviews.halts (tenant, by, reason) values (:tenant, 'ann', 'x')"),
            {"tenant": portfolio.tenant},
        )
    async with portfolio.worker():
        cycle = await portfolio.start()
        state = await until(lambda: state_of(cycle), lambda state: state.loaded)
        assert (state.next_position, state.running) == (0, 0)
        await cycle.execute_update("cancel_cycle", {"by": "ann"})
        result = await cycle.result()
    assert result.done == 0


async def test_a_crm_that_is_down_fails_the_cycle_after_its_patience(
    client: Client, engine: AsyncEngine
) -> None:
    portfolio = make_portfolio(client, engine, account("calm-0"))
    portfolio.crm.available = False
    async with portfolio.worker():
        cycle = await portfolio.start(give_up_after_seconds=1)
        with pytest.raises(WorkflowFailureError) as caught:
            await cycle.result()
    assert "no_data" in str(caught.value.cause)


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (CycleScope(), ["active", "asleep", "marked", "old"]),
        (CycleScope(segment="mid"), ["asleep"]),
        (CycleScope(statuses=(AccountStatus.ACTIVE,)), ["active", "asleep", "old"]),
        (CycleScope(changed_within_seconds=86_400), ["active", "asleep", "marked"]),
        (CycleScope(owner="Olga Owner", account_ids=("old", "active")), ["active", "old"]),
    ],
)
async def test_the_scope_decides_who_is_reviewed(
    client: Client, engine: AsyncEngine, scope: CycleScope, expected: list[str]
) -> None:
    old = AS_OF - timedelta(days=9)
    snapshots = [
        account("active"),
        account("asleep", segment="mid"),
        account("marked", status=AccountStatus.AT_RISK),
        account("old", modified_at=old, quiet_days=9),
    ]
    old_deal = snapshots[3].deals[0].model_copy(update={"created_at": old, "stage_changed_at": old})
    snapshots[3] = snapshots[3].model_copy(update={"deals": (old_deal,)})
    portfolio = make_portfolio(client, engine, *snapshots)
    async with portfolio.worker():
        cycle = await portfolio.start(scope=scope, as_of=AS_OF)
        await cycle.result()
    assert sorted(await portfolio.accounts_of(cycle)) == expected


async def test_an_interactive_review_does_not_hold_the_cycle(
    client: Client, engine: AsyncEngine
) -> None:
    """Nor does one that is paused: both work no more until somebody says something."""
    portfolio = make_portfolio(client, engine, at_risk("risk-1"), at_risk("risk-2"))
    async with portfolio.worker():
        for snapshot in (at_risk("risk-1"), at_risk("risk-2")):
            start = ReviewInput(
                account_id=snapshot.account.id,
                tenant=portfolio.tenant,
                as_of=AS_OF,
                interactive=snapshot.account.id == "risk-1",
            )
            review, _ = await start_review(
                client, start, snapshot.account, task_queue=portfolio.task_queue
            )
        await until(
            lambda: review.query(AccountReviewWorkflow.snapshot), lambda state: bool(state.pending)
        )
        await review.execute_update("pause", {"by": "olga"})
        cycle = await portfolio.start()
        result = await cycle.result()
    assert (result.joined, result.waiting, result.failed) == (2, 2, 0)
    assert {row["state"] for row in (await portfolio.accounts_of(cycle)).values()} == {"waiting"}
