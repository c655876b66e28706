"""What a cycle asks: which accounts, and how its reviews stand."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from account_reviews.domain.cycle.state import (
    AccountMark,
    AccountState,
    CycleScope,
    CycleState,
    CycleStatus,
    Found,
    InFlight,
    ListAccounts,
    LookUp,
)
from account_reviews.domain.review.opening import opening_state
from account_reviews.domain.review.state import ReviewInput
from account_reviews.store.cycles import CycleStore
from account_reviews.store.reviews import ReviewStore
from activities.cycles import CycleActivities
from starter import start_review
from tests.support.cycles import AS_OF, Portfolio, account, make_portfolio

DAILY = CycleScope(changed_within_seconds=86400)
TWO_DAYS_AGO = "changed-two-days-ago"


@pytest.fixture
def portfolio(client: Client, engine: AsyncEngine) -> Portfolio:
    old = {"modified_at": AS_OF - timedelta(days=2)}
    today = account("changed-today", quiet_days=0)
    return make_portfolio(client, engine, today, account(TWO_DAYS_AGO, quiet_days=2, **old))


def activities(portfolio: Portfolio) -> CycleActivities:
    (found,) = (one for one in portfolio.owners() if isinstance(one, CycleActivities))
    return found


async def cycle_of(portfolio: Portfolio, as_of: datetime, **fields: Any) -> CycleState:
    values = {
        "cycle_id": f"cycle/{uuid4()}",
        "run_id": str(uuid4()),
        "workflow_run_id": "run",
        "kind": "daily",
        "tenant": portfolio.tenant,
        "schedule_id": "daily",
        "as_of": as_of,
        "started_at": as_of,
        "updated_at": as_of,
        **fields,
    }
    state = CycleState.model_validate(values)
    await CycleStore(portfolio.engine).save(state)
    return state


COMPLETED = {"status": CycleStatus.COMPLETED}
MISSED = {"status": CycleStatus.CANCELLED}


@pytest.mark.parametrize(
    ("before", "taken"),
    [
        pytest.param([], 1, id="the first one takes a day"),
        pytest.param([(60, COMPLETED), (24, MISSED)], 2, id="one was missed"),
        pytest.param([(60, COMPLETED), (24, COMPLETED)], 1, id="none was missed"),
        pytest.param([(24, MISSED)], 2, id="the first one was missed"),
        pytest.param([(60, COMPLETED | {"schedule_id": "other"})], 1, id="another schedule"),
    ],
)
async def test_no_change_is_left_out_when_a_cycle_was_missed_or_late(
    portfolio: Portfolio, before: list[tuple[int, dict[str, Any]]], taken: int
) -> None:
    for hours, fields in before:
        at = AS_OF - timedelta(hours=hours)
        await cycle_of(portfolio, at, closed_at=at, **fields)
    now = await cycle_of(portfolio, AS_OF)
    call = ListAccounts(run_id=now.run_id, tenant=now.tenant, scope=DAILY, as_of=AS_OF)
    assert (await activities(portfolio).list_accounts(call)).selected == taken


@pytest.mark.parametrize(
    ("state", "taken"), [("failed", 2), ("skipped", 2), ("done", 1), ("waiting", 1)]
)
async def test_an_account_that_nobody_reviewed_is_taken_again_until_somebody_has(
    portfolio: Portfolio, state: str, taken: int
) -> None:
    store, left = CycleStore(portfolio.engine), account(TWO_DAYS_AGO).account
    at = AS_OF - timedelta(hours=30)
    before = await cycle_of(portfolio, at)
    await store.queue(before.run_id, before.tenant, [left])
    mark = AccountMark(account_id=TWO_DAYS_AGO, state=AccountState(state))
    end = {"status": CycleStatus.COMPLETED, "closed_at": at, "marks": (mark,), "version": 1}
    await store.save(before.model_copy(update=end))
    await cycle_of(portfolio, AS_OF - timedelta(hours=24), closed_at=AS_OF, **MISSED)
    now = await cycle_of(portfolio, AS_OF)
    call = ListAccounts(run_id=now.run_id, tenant=now.tenant, scope=DAILY, as_of=AS_OF)
    assert (await activities(portfolio).list_accounts(call)).selected == taken


async def note_review(portfolio: Portfolio, account_id: str, at: datetime) -> None:
    """A review outside of cycles, started at that time, is the last one that saw the account."""
    run_id = str(uuid4())
    start = ReviewInput(account_id=account_id, tenant=portfolio.tenant, as_of=at)
    review_id = f"review/{portfolio.tenant}/{account_id}"
    state = opening_state(start, review_id=review_id, run_id=run_id, workflow_run_id="w", now=at)
    stored = await ReviewStore(portfolio.engine).open_run(state, account(account_id))
    async with portfolio.engine.begin() as connection:
        await connection.execute(
            text(
                "insert into reviews.account_baselines (tenant, account_id, snapshot_hash, run_id,"
                " risk_level, taken_at) values (:tenant, :account_id, :stored, :run_id, 'low', :at)"
                " on conflict (tenant, account_id) do update set run_id = excluded.run_id"
            ),
            {
                "tenant": portfolio.tenant,
                "account_id": account_id,
                "stored": stored,
                "run_id": run_id,
                "at": at,
            },
        )


async def test_an_account_that_was_reviewed_otherwise_is_not_taken_again(
    portfolio: Portfolio,
) -> None:
    store, left = CycleStore(portfolio.engine), account(TWO_DAYS_AGO)
    at = AS_OF - timedelta(hours=30)
    before = await cycle_of(portfolio, at)
    await store.queue(before.run_id, before.tenant, [left.account])
    mark = AccountMark(account_id=TWO_DAYS_AGO, state=AccountState.FAILED)
    end = {"status": CycleStatus.COMPLETED, "closed_at": at, "marks": (mark,), "version": 1}
    await store.save(before.model_copy(update=end))
    now = await cycle_of(portfolio, AS_OF)
    reviewed = await store.unreviewed(now.run_id, now.tenant, DAILY)
    assert reviewed == [TWO_DAYS_AGO]
    await note_review(portfolio, TWO_DAYS_AGO, at - timedelta(hours=1))
    assert await store.unreviewed(now.run_id, now.tenant, DAILY) == [TWO_DAYS_AGO]
    await note_review(portfolio, TWO_DAYS_AGO, at + timedelta(hours=1))
    assert await store.unreviewed(now.run_id, now.tenant, DAILY) == []


async def test_the_next_review_of_an_account_is_not_taken_for_the_one_of_the_cycle(
    portfolio: Portfolio, client: Client
) -> None:
    start = ReviewInput(account_id="ac-1", tenant=portfolio.tenant, as_of=AS_OF)
    whose = account("ac-1").account
    old, _ = await start_review(client, start, whose, task_queue="nobody")
    flight = InFlight(account_id="ac-1", run_id=old.first_execution_run_id, since=AS_OF)
    call = LookUp(tenant=portfolio.tenant, reviews=(flight,))
    look_up = activities(portfolio).look_up
    running = await ActivityEnvironment(client=client).run(look_up, call)
    assert running.found == (Found(account_id="ac-1", state=AccountState.RUNNING),)
    await old.terminate("by the test")
    newer, _ = await start_review(client, start, whose, task_queue="nobody")
    ended = await ActivityEnvironment(client=client).run(look_up, call)
    assert [(one.state, one.reason) for one in ended.found] == [
        (AccountState.FAILED, "its review was terminated")
    ]
    await newer.terminate("by the test")
