"""What the reviews of a cycle work on: its clock, its snapshots, and a CRM that refuses it."""

import json
from datetime import datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client, WorkflowFailureError

from account_reviews.domain.analysis.model import Analysis
from account_reviews.domain.errors import CrmAuthError
from account_reviews.domain.records import Activity, ActivityMark, ActivityType
from account_reviews.store.reviews import ReviewStore
from account_reviews.temporal import names
from tests.support.cycles import AS_OF, ExpiringCrm, OddCrm, account, at_risk, make_portfolio
from tests.support.world import Handle
from workflows.account_review import AccountReviewWorkflow


async def test_a_joined_review_goes_by_the_clock_of_the_cycle(
    client: Client, engine: AsyncEngine
) -> None:
    """A contact after the first review is seen by the second cycle, and so is its day."""
    silent = at_risk("risk-3")
    at = AS_OF + timedelta(days=5)
    demo = Activity(id="demo", version="1", account_id="risk-3", type=ActivityType.DEMO, at=at)
    mark = ActivityMark(id=demo.id, type=demo.type, at=at)
    snapshot = silent.model_copy(
        update={
            "activities": (*silent.activities, demo),
            "activity_marks": (*silent.activity_marks, mark),
        }
    )
    portfolio = make_portfolio(client, engine, snapshot)
    later = AS_OF + timedelta(days=7)
    async with portfolio.worker():
        await (await portfolio.start(as_of=AS_OF)).result()
        review: Handle = client.get_workflow_handle_for(
            AccountReviewWorkflow.run, names.review_id("risk-3", portfolio.tenant)
        )
        before = await review.query(AccountReviewWorkflow.snapshot)
        second = await portfolio.start(as_of=later)
        assert (await second.result()).joined == 1
        after = await review.query(AccountReviewWorkflow.snapshot)
    assert (before.as_of, after.as_of) == (AS_OF, later)
    assert before.analysis is not None
    assert after.analysis is not None
    first, newest = [
        Analysis.model_validate(await ReviewStore(engine).get_document(one.hash))
        for one in (before.analysis, after.analysis)
    ]
    assert (first.as_of, newest.as_of) == (AS_OF, later)
    assert "engagement" in {one.rule for one in first.recommendations}
    assert "engagement" not in {one.rule for one in newest.recommendations}


@pytest.mark.parametrize("given", [AS_OF, None])
async def test_a_cycle_asks_for_a_clock_only_when_it_was_given_one(
    client: Client, engine: AsyncEngine, given: datetime | None
) -> None:
    """It may have waited for a week: what a start would take is later than where it began."""
    portfolio = make_portfolio(client, engine, at_risk("risk-4"))
    async with portfolio.worker():
        await (await portfolio.start(as_of=AS_OF)).result()
        assert (await (await portfolio.start(as_of=given)).result()).joined == 1
        review = client.get_workflow_handle(names.review_id("risk-4", portfolio.tenant))
        history = await review.fetch_history()
    (asked,) = [
        json.loads(event.workflow_execution_signaled_event_attributes.input.payloads[0].data)
        for event in history.events
        if event.workflow_execution_signaled_event_attributes.signal_name == "refresh"
    ]
    assert asked["snapshot_ref"] is not None
    assert (asked["as_of"] is None) is (given is None)


@pytest.mark.parametrize("listed", [True, False])
async def test_a_cycle_whose_login_is_refused_ends_with_that(
    client: Client, engine: AsyncEngine, *, listed: bool
) -> None:
    calm = [account(f"calm-{n}") for n in range(3)]
    portfolio = make_portfolio(client, engine, *calm)
    portfolio.crm = ExpiringCrm(calm)
    if not listed:
        portfolio.crm.refusal = CrmAuthError("the token was revoked")
    async with portfolio.worker():
        cycle = await portfolio.start()
        with pytest.raises(WorkflowFailureError) as failure:
            await cycle.result()
    assert "crm_auth: the token was revoked" in str(failure.value.cause)


@pytest.mark.parametrize("bulk", [True, False])
async def test_an_account_that_cannot_be_read_takes_no_other_with_it(
    client: Client, engine: AsyncEngine, *, bulk: bool
) -> None:
    accounts = [account(name) for name in ("calm-1", "calm-2", "odd-1")]
    portfolio = make_portfolio(client, engine, *accounts)
    portfolio.crm = OddCrm(accounts)
    async with portfolio.worker():
        cycle = await portfolio.start(bulk=bulk)
        await cycle.result()
        rows = await portfolio.accounts_of(cycle)
    assert {name: row["state"] for name, row in rows.items()} == {
        "calm-1": "done", "calm-2": "done", "odd-1": "failed",
    }  # fmt: skip
    assert rows["odd-1"]["reason"] == "the stage of odd-1 is no stage"
