"""How the accounts of a cycle are read shows in their reviews, and holds up no other."""

import json
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from account_reviews.crm.protocol import Capabilities
from account_reviews.domain.cycle.state import CycleStatus
from account_reviews.domain.errors import CrmError, CrmRateLimitedError, CrmUnavailableError
from account_reviews.domain.records import AccountSnapshot, RecordType
from account_reviews.temporal import names
from tests.support.cycles import AS_OF, Portfolio, account, at_risk, make_portfolio
from tests.support.moody_crm import MoodyCrm
from tests.support.world import Handle
from workflows.account_review import AccountReviewWorkflow


async def moody(portfolio: Portfolio, *moods: CrmError | None, most: int = 3) -> MoodyCrm:
    crm = await MoodyCrm.of_world(portfolio.crm, *moods)
    crm.capable = Capabilities(name="moody", bulk_reads=most, optimistic_lock=True)
    portfolio.crm = crm
    return crm


async def test_a_limit_in_the_middle_costs_no_order_and_no_read_twice(
    client: Client, engine: AsyncEngine
) -> None:
    accounts = [*(account(f"calm-{n}") for n in range(6)), at_risk("zoe")]
    portfolio = make_portfolio(client, engine, *accounts)
    crm = await moody(portfolio, None, CrmRateLimitedError(retry_after=0.2), None)
    async with portfolio.worker():
        cycle = await portfolio.start(window=1)
        result = await cycle.result()
        rows = await portfolio.accounts_of(cycle)
        review: Handle = client.get_workflow_handle_for(
            AccountReviewWorkflow.run, names.review_id("calm-0", portfolio.tenant)
        )
        state = await review.query(AccountReviewWorkflow.snapshot)
    assert result.status is CycleStatus.COMPLETED
    assert next(iter(rows)) == "zoe"
    assert [len(one) for one in crm.asked] == [3, 3, 1, 3]
    assert {row["snapshot"]["tier"] for row in rows.values()} == {"bulk"}
    lines = [line.text for line in state.timeline if line.kind == "snapshot"]
    assert lines == ["Read from the CRM together with other accounts (tier bulk)"]
    (entry,) = [
        json.loads(row["body"]) if isinstance(row["body"], str) else row["body"]
        for row in await portfolio.rows(
            "select body from reviews.audit_outbox where body->>'action' = 'snapshot' "
            "and body->>'resource' = :review",
            review=names.review_id("calm-0", portfolio.tenant),
        )
    ]
    assert entry["details"]["tier"] == "bulk"


async def test_an_outage_leaves_the_reviews_to_look_for_themselves(
    client: Client, engine: AsyncEngine
) -> None:
    portfolio = make_portfolio(client, engine, account("calm-1"), account("calm-2"))
    crm = await moody(portfolio)
    async with portfolio.worker():
        await (await portfolio.start()).result()
        crm.always = CrmUnavailableError("the CRM cannot be reached")
        cycle = await portfolio.start()
        result = await cycle.result()
        rows = await portfolio.accounts_of(cycle)
    assert result.degraded
    assert result.status is CycleStatus.COMPLETED
    assert {row["state"] for row in rows.values()} == {"done"}


async def test_stages_and_owners_before_come_from_the_cycle_before(
    client: Client, engine: AsyncEngine
) -> None:
    portfolio = make_portfolio(client, engine, without_history(account("calm-3")))
    crm = await moody(portfolio)
    later = AS_OF + timedelta(days=7)
    async with portfolio.worker():
        await (await portfolio.start(as_of=AS_OF)).result()
        (deal,) = (await stored(portfolio, "calm-3")).deals
        changed = AS_OF + timedelta(days=3)
        crm.edit(RecordType.DEAL, deal.id, stage="Negotiation", modified_at=changed)
        crm.edit(RecordType.ACCOUNT, "calm-3", owner_id="owner-2", modified_at=changed)
        await (await portfolio.start(as_of=later)).result()
        found = await stored(portfolio, "calm-3")
    assert deal.stage_changed_at is None
    assert found.deals[0].stage_changed_at == changed
    assert found.previous_owner is not None
    assert (found.previous_owner.id, found.owner_changed_at) == ("owner-1", changed)


def without_history(snapshot: AccountSnapshot) -> AccountSnapshot:
    deals = tuple(
        deal.model_copy(update={"stage_changed_at": None, "stage_history": ()})
        for deal in snapshot.deals
    )
    return snapshot.model_copy(update={"deals": deals})


async def stored(portfolio: Portfolio, account_id: str) -> AccountSnapshot:
    """What its newest review worked on."""
    (row,) = await portfolio.rows(
        "select d.body from reviews.review_runs r "
        "join reviews.documents d on d.hash = r.state#>>'{snapshot,hash}' "
        "where r.tenant = :tenant and r.account_id = :account "
        "order by r.started_at desc limit 1",
        tenant=portfolio.tenant,
        account=account_id,
    )
    return AccountSnapshot.model_validate(row["body"])
