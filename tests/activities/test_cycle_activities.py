"""What a cycle asks: which accounts, and how its reviews stand."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from account_reviews.domain.cycle.state import (
    AccountState,
    CycleScope,
    CycleState,
    CycleStatus,
    Found,
    InFlight,
    ListAccounts,
    LookUp,
)
from account_reviews.domain.review.state import ReviewInput
from account_reviews.store.cycles import CycleStore
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
