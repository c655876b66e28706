"""Cycles on a real server: who is reviewed, in which order, how many at once, and how it ends."""

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

from account_reviews.domain.cycle.state import CycleScope, CycleStatus
from account_reviews.domain.review.state import ReviewInput
from account_reviews.temporal import names
from starter import start_review
from tests.support.cycles import (
    AS_OF,
    account,
    at_risk,
    gated,
    make_portfolio,
    state_of,
)
from tests.support.waiting import until
from tests.support.world import Handle
from workflows.account_review import AccountReviewWorkflow


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
        review: Handle = portfolio.client.get_workflow_handle_for(
            AccountReviewWorkflow.run, names.review_id("risk-0", portfolio.tenant)
        )
        state = await review.query(AccountReviewWorkflow.snapshot)
        message = {"request_id": state.pending[0].request_id, "approver": "ann"}
        await review.signal("submit_decision", {**message, "decision": "approve"})
        ended = await review.result()
    assert ended.outcome.value == "completed"
    assert state.cycle_id == cycle.id
    assert state.counters.crm_reads == 0


async def test_those_most_at_risk_are_started_first(client: Client, engine: AsyncEngine) -> None:
    snapshots = [account("a-calm"), at_risk("b-risk"), account("c-calm"), at_risk("d-risk")]
    portfolio = make_portfolio(client, engine, *snapshots)
    memory = gated(portfolio)
    async with portfolio.worker():
        cycle = await portfolio.start(window=2)
        state = await until(lambda: state_of(cycle), lambda state: state.running == 2)
        assert set(state.in_flight) == {"b-risk", "d-risk"}
        memory.gate.set()
        await cycle.result()
    assert list(await portfolio.accounts_of(cycle)) == ["b-risk", "d-risk", "a-calm", "c-calm"]


@pytest.mark.parametrize("bulk", [True, False])
async def test_no_more_reviews_work_at_once_than_the_window_has_places(
    client: Client, engine: AsyncEngine, *, bulk: bool
) -> None:
    portfolio = make_portfolio(client, engine, *(account(f"calm-{n:02}") for n in range(9)))
    memory = gated(portfolio)
    async with portfolio.worker():
        cycle = await portfolio.start(window=3, bulk_reads=bulk)
        await until(lambda: state_of(cycle), lambda state: state.running == 3)
        memory.gate.set()
        result = await cycle.result()
    assert memory.most <= 3
    assert (result.done, portfolio.crm.reads) == (9, 1 if bulk else 9)


async def test_an_open_review_is_refreshed_and_keeps_its_decisions(
    client: Client, engine: AsyncEngine
) -> None:
    portfolio = make_portfolio(client, engine, at_risk("risk-1"), account("calm-1"))
    async with portfolio.worker():
        snapshot = at_risk("risk-1")
        start = ReviewInput(account_id="risk-1", tenant=portfolio.tenant, as_of=AS_OF)
        review, _ = await start_review(
            client, start, snapshot.account, task_queue=portfolio.task_queue
        )
        before = await until(
            lambda: review.query(AccountReviewWorkflow.snapshot), lambda state: bool(state.pending)
        )
        first = before.pending[0]
        message = {"request_id": first.request_id, "approver": "ann", "decision": "defer"}
        await review.signal("submit_decision", {**message, "item_ids": [first.items[0].item_id]})
        cycle = await portfolio.start()
        result = await cycle.result()
        after = await review.query(AccountReviewWorkflow.snapshot)
    assert (result.joined, result.failed) == (1, 0)
    assert after.cycle_id == cycle.id
    kept = after.request(first.request_id)
    assert kept is not None
    assert kept.deadline == first.deadline
    assert kept.items[0].state.value == "deferred"
    assert any(line.kind == "refreshed" for line in after.timeline)
    assert (await portfolio.accounts_of(cycle))["risk-1"]["joined"]


async def test_what_changed_is_superseded_and_proposed_anew(
    client: Client, engine: AsyncEngine
) -> None:
    portfolio = make_portfolio(client, engine, at_risk("risk-2"))
    async with portfolio.worker():
        first = await portfolio.start()
        await first.result()
        review: Handle = client.get_workflow_handle_for(
            AccountReviewWorkflow.run, names.review_id("risk-2", portfolio.tenant)
        )
        before = await review.query(AccountReviewWorkflow.snapshot)
        calm = account("risk-2")
        portfolio.crm = type(portfolio.crm)([calm])
    async with portfolio.worker():
        second = await portfolio.start()
        await second.result()
        after = await until(
            lambda: review.query(AccountReviewWorkflow.snapshot),
            lambda state: any(line.kind == "refreshed" for line in state.timeline),
        )
        ended = await review.result()
    old = {item.item_id for request in before.requests for item in request.items}
    new = {change.change_id for change in after.analysis.changes} if after.analysis else set()
    gone = [item for item in after.requests[0].items if item.item_id not in new]
    assert gone
    assert {item.state.value for item in gone} == {"superseded"}
    assert old
    assert (ended.outcome.value, new) == ("nothing_to_do", set()), "nobody rejected anything"


async def test_a_terminated_review_frees_its_place(client: Client, engine: AsyncEngine) -> None:
    portfolio = make_portfolio(client, engine, *(account(f"calm-{n}") for n in range(3)))
    memory = gated(portfolio)
    async with portfolio.worker():
        cycle = await portfolio.start(window=1)
        await until(lambda: state_of(cycle), lambda state: state.running == 1)
        review = client.get_workflow_handle(names.review_id("calm-0", portfolio.tenant))
        await review.terminate("by the test")
        memory.gate.set()
        result = await cycle.result()
    assert (result.done, result.failed) == (2, 1)
    row = (await portfolio.accounts_of(cycle))["calm-0"]
    assert row["state"] == "failed"
    assert "terminated" in row["reason"].lower()


async def test_a_silent_review_is_looked_up_after_continue_as_new(
    client: Client, engine: AsyncEngine
) -> None:
    """The new run of the cycle hears nothing of children that the old one started."""
    portfolio = make_portfolio(client, engine, *(account(f"calm-{n}") for n in range(4)))
    memory = gated(portfolio)
    async with portfolio.worker():
        cycle = await portfolio.start(window=2, history_limit=24, silent_after_seconds=1)
        await until(
            lambda: state_of(cycle),
            lambda state: state.running == 2 and state.workflow_run_id != state.run_id,
        )
        review = client.get_workflow_handle(names.review_id("calm-0", portfolio.tenant))
        await review.terminate("by the test")
        await until(lambda: state_of(cycle), lambda state: state.failed == 1)
        memory.gate.set()
        result = await cycle.result()
    assert (result.done, result.failed) == (3, 1)


async def test_a_long_cycle_continues_as_new_and_loses_nothing(
    client: Client, engine: AsyncEngine
) -> None:
    snapshots = [account(f"calm-{n:02}") for n in range(20)] + [at_risk(f"r-{n}") for n in range(5)]
    portfolio = make_portfolio(client, engine, *snapshots)
    async with portfolio.worker():
        cycle = await portfolio.start(window=4, history_limit=60)
        result = await cycle.result()
        first = client.get_workflow_handle(cycle.id, run_id=cycle.first_execution_run_id)
        shown = await first.describe()
    assert (result.done, result.waiting, result.failed) == (20, 5, 0)
    assert shown.status is not None
    assert shown.status.name == "CONTINUED_AS_NEW"
    states = [row["state"] for row in (await portfolio.accounts_of(cycle)).values()]
    assert sorted(set(states)) == ["done", "waiting"]


async def test_one_failing_account_does_not_fail_the_cycle(
    client: Client, engine: AsyncEngine
) -> None:
    portfolio = make_portfolio(client, engine, *(account(f"calm-{n}") for n in range(4)))
    async with portfolio.worker():
        ids = ("calm-0", "calm-1", "nobody")
        cycle = await portfolio.start(scope=CycleScope(account_ids=ids))
        result = await cycle.result()
    assert (result.accounts, result.done, result.failed) == (3, 2, 1)
    assert result.status is CycleStatus.COMPLETED
    assert "no account 'nobody'" in (await portfolio.accounts_of(cycle))["nobody"]["reason"]


async def test_too_many_failed_reviews_stop_the_cycle(client: Client, engine: AsyncEngine) -> None:
    portfolio = make_portfolio(client, engine, *(account(f"calm-{n}") for n in range(6)))
    async with portfolio.worker():
        ids = tuple(f"calm-{n}" for n in range(6)) + tuple(f"nobody-{n}" for n in range(4))
        cycle = await portfolio.start(scope=CycleScope(account_ids=ids))
        with pytest.raises(WorkflowFailureError) as caught:
            await cycle.result()
    assert isinstance(caught.value.cause, ApplicationError)
    assert caught.value.cause.type == "CycleFailed"
    assert "4 of 10 finished reviews failed" in str(caught.value.cause)


async def test_a_later_attempt_of_a_cycle_is_a_cycle_of_its_own(
    client: Client, engine: AsyncEngine
) -> None:
    """Schedules may start a failed cycle again; it must read and report anew, not go on."""
    portfolio = make_portfolio(client, engine, at_risk("risk-9"))
    ids = ("risk-9", *(f"nobody-{number}" for number in range(9)))
    retry = RetryPolicy(initial_interval=timedelta(milliseconds=100), maximum_attempts=2)
    async with portfolio.worker():
        cycle = await portfolio.start(scope=CycleScope(account_ids=ids), retry=retry)
        with pytest.raises(WorkflowFailureError):
            await cycle.result()
    rows = await portfolio.rows(
        "select run_id, status, accounts, joined, waiting, failed from reviews.cycles "
        "where cycle_id = :cycle_id order by started_at",
        cycle_id=cycle.id,
    )
    assert len({row.pop("run_id") for row in rows}) == 2
    common = {"status": "failed", "accounts": 10, "waiting": 1, "failed": 9}
    assert rows == [{**common, "joined": 0}, {**common, "joined": 1}]


@pytest.mark.parametrize("bulk", [True, False])
async def test_accounts_that_cannot_be_reviewed_take_no_other_with_them(
    client: Client, engine: AsyncEngine, bulk: bool
) -> None:
    """One has an id that makes too long a workflow id, one cannot be read, one is unknown."""
    long = "ш" * 166
    broken = (account(long), account("odd"))
    portfolio = make_portfolio(client, engine, account("calm-1"), *broken, account("calm-2"))
    portfolio.crm.unreadable = {"odd"}
    scope = CycleScope(account_ids=("calm-1", "calm-2", "gone", "odd", long))
    async with portfolio.worker():
        cycle = await portfolio.start(bulk_reads=bulk, scope=scope, min_finished=10)
        result = await cycle.result()
        rows = await portfolio.accounts_of(cycle)
    assert (result.done, result.failed) == (2, 3)
    assert {name for name, row in rows.items() if row["state"] == "failed"} == {long, "odd", "gone"}
    assert "too long to be reviewed" in rows[long]["reason"]
    assert "cannot be read" in rows["odd"]["reason"]
    assert rows["gone"]["reason"] == "the CRM has no account 'gone'"


async def test_a_cycle_whose_accounts_are_gone_ends_and_says_so(
    client: Client, engine: AsyncEngine
) -> None:
    """As after a backup of the database was put back."""
    portfolio = make_portfolio(client, engine, *(account(f"calm-{n}") for n in range(3)))
    memory = gated(portfolio)
    async with portfolio.worker():
        cycle = await portfolio.start(window=1)
        await until(lambda: state_of(cycle), lambda state: state.running == 1)
        async with engine.begin() as connection:
            gone = text("delete from reviews.cycle_accounts where run_id = :id and position > 0")
            await connection.execute(gone, {"id": cycle.first_execution_run_id})
        memory.gate.set()
        with pytest.raises(WorkflowFailureError) as error:
            await cycle.result()
    assert "2 accounts of the cycle are gone from the database" in str(error.value.cause)
