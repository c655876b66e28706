"""Briefs and the portfolio report of cycles over the sample portfolio, on a real PostgreSQL."""

import asyncio
from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.testing import ActivityEnvironment

from account_reviews.domain.analysis.model import Analysis
from account_reviews.domain.cycle.state import AccountMark, AccountState, CycleScope, CycleState
from account_reviews.domain.errors import CycleNotFoundError
from account_reviews.domain.records import AccountStatus
from account_reviews.domain.reports.portfolio import MakeResults, ResultsMade
from account_reviews.presentation.cycle_documents import cycle_document, render_cycle
from account_reviews.presentation.surroundings import Surroundings
from account_reviews.store.cycle_queries import CycleReader
from account_reviews.store.document_queries import DocumentReader
from tests.support.connections import statements_on
from tests.support.portfolio_world import FIRST, HOUR, SECOND, World

DAILY = CycleScope(statuses=(AccountStatus.ACTIVE, AccountStatus.AT_RISK), changed_within_seconds=1)


@dataclass
class Weeks:
    """Two cycles a week apart, with decisions between them, and what they made."""

    world: World
    first: CycleState
    second: CycleState
    made: ResultsMade
    analyses: dict[str, Analysis]
    """Of the second week, by account."""


@pytest.fixture(scope="module")
async def weeks(engine: AsyncEngine) -> Weeks:
    world = World(engine)
    await world.load(FIRST)
    first = await world.cycle(FIRST, kind="weekly", schedule_id="weekly-all")
    await world.make(first)
    for number, review in enumerate(await world.open_reviews()):
        if number % 3:
            verdict = ("approve", "reject", "defer")[number % 4 % 3]
            await world.decide(review, verdict, FIRST + 2 * HOUR)
    await world.load(SECOND)
    second = await world.cycle(
        SECOND, kind="weekly", schedule_id="weekly-all", missing_sources=("memory",)
    )
    made = await world.make(second)
    return Weeks(world, first, second, made, await analyses_of(world, second))


async def analyses_of(world: World, cycle: CycleState) -> dict[str, Analysis]:
    rows = await world.rows(
        "select a.account_id, d.body from reviews.cycle_accounts a "
        "join reviews.review_runs r on r.run_id = a.review_run_id "
        "join reviews.documents d on d.hash = r.analysis_hash where a.run_id = :run_id",
        run_id=cycle.run_id,
    )
    return {row["account_id"]: Analysis.model_validate(row["body"]) for row in rows}


async def test_every_account_is_in_the_brief_of_its_owner(weeks: Weeks) -> None:
    briefs = await weeks.world.briefs(weeks.second)
    assert set(briefs) == {"ow-8", "unassigned", *(f"ow-{n}" for n in range(1, 7))}
    listed = {
        line["account_id"]: owner for owner, brief in briefs.items() for line in brief["accounts"]
    }
    assert len(listed) == sum(brief["accounts_total"] for brief in briefs.values()) == 64
    for account, analysis in weeks.analyses.items():
        assert listed[account] == (analysis.owner_id or "unassigned")
    assert weeks.made == ResultsMade(owners=8, accounts=64, degraded=True)


async def test_briefs_say_what_the_analyses_found(weeks: Weeks) -> None:
    for brief in (await weeks.world.briefs(weeks.second)).values():
        mine = [weeks.analyses[line["account_id"]] for line in brief["accounts"]]
        changed = {one.account_id for one in mine if one.changes_detected}
        assert {update["account_id"] for update in brief["updates"]} == changed
        assert brief["accounts_with_changes"] == len(changed)
        found = Counter(one.id for analysis in mine for one in analysis.recommendations)
        assert Counter(one["id"] for one in brief["recommendations"]) == found
        minutes = 3 * len(changed) + len(mine) - len(changed)
        assert brief["estimated_review_time_minutes"] == minutes
        assert brief["missing_sources"] == ["memory"]
        assert brief["period_start"] == "2026-10-01T00:00:00Z"
        assert brief["period_end"] == "2026-10-08T00:00:00Z"


async def test_owners_have_names_and_addresses(weeks: Weeks) -> None:
    briefs = await weeks.world.briefs(weeks.second)
    assert briefs["ow-6"]["owner_name"] == "Wendel Ashgrove"
    assert briefs["ow-6"]["owner_email"] == "wendel.ashgrove@vendor.example"
    assert briefs["unassigned"]["owner_name"] is None


async def test_the_portfolio_sums_up_the_crm(weeks: Weeks) -> None:
    report = await weeks.world.portfolio(weeks.second)
    (crm,) = await weeks.world.rows(
        "select sum(annual_revenue) as revenue, count(*) filter (where annual_revenue is null) "
        "as unknown, count(*) as accounts from crm.accounts"
    )
    assert Decimal(report["revenue"]) == crm["revenue"]
    assert report["revenue_unknown_accounts"] == crm["unknown"]
    assert report["total_accounts"] == crm["accounts"] == 64
    levels = Counter(one.risk.level.value for one in weeks.analyses.values())
    assert {level: n for level, n in report["risk_distribution"].items() if n} == levels
    bands = Counter(one.health.band.value for one in weeks.analyses.values())
    assert {band: n for band, n in report["health_distribution"].items() if n} == bands
    threatened = [
        one.account_id for one in weeks.analyses.values() if one.risk.level in ("high", "critical")
    ]
    (at_risk,) = await weeks.world.rows(
        "select sum(annual_revenue) as revenue from crm.accounts where id = any(:ids)",
        ids=threatened,
    )
    assert Decimal(report["at_risk_value"]) == at_risk["revenue"]
    assert report["accounts_at_risk"] == len(threatened)


async def test_the_portfolio_knows_open_and_overdue_approvals(weeks: Weeks) -> None:
    report = await weeks.world.portfolio(weeks.second)
    pending = await weeks.world.open_reviews()
    assert report["open_approvals"] == len(pending)
    late = [one for one in pending if one.pending[0].deadline < SECOND + HOUR]
    assert report["overdue_approvals"] == len(late) > 0
    by_owner = {one["owner_id"]: one["open_approvals"] for one in report["owners"]}
    assert sum(by_owner.values()) == len(pending)


async def test_uptake_counts_the_decisions_between_the_cycles(weeks: Weeks) -> None:
    report = await weeks.world.portfolio(weeks.second)
    items = await weeks.world.rows(
        "select item->>'state' as state from reviews.approval_requests q cross join lateral "
        "jsonb_array_elements(q.body->'items') item where q.tenant = :tenant "
        "and item->>'decided_by' = 'anna'"
    )
    states = Counter(row["state"] for row in items)
    for word, state in (("approved", "executed"), ("rejected",) * 2, ("deferred",) * 2):
        assert sum(one[word] for one in report["uptake"]) == states[state] > 0
    assert sum(one["decided"] for one in report["uptake"]) == len(items)
    for one in report["uptake"]:
        expected = one["approved"] / one["decided"] if one["decided"] else None
        assert one["acceptance_rate"] == (expected and round(expected, 4))


async def test_since_last_compares_with_the_cycle_before(weeks: Weeks) -> None:
    since = (await weeks.world.portfolio(weeks.second))["since_last"]
    before = await analyses_of(weeks.world, weeks.first)
    grave = ("high", "critical")
    known = {
        account: (before[account].risk.level, now.risk.level)
        for account, now in weeks.analyses.items()
    }
    newly = {one for one, (old, now) in known.items() if now in grave and old not in grave}
    assert {one["account_id"] for one in since["newly_at_risk"]} == newly
    assert newly
    recovered = {
        one for one, (old, now) in known.items()
        if old in grave and now not in (*grave, "unknown")
    }  # fmt: skip
    assert {one["account_id"] for one in since["recovered"]} == recovered
    assert recovered
    assert since["cycle_id"] == weeks.first.cycle_id
    assert since["new_accounts"] == since["gone_accounts"] == []
    first = await weeks.world.portfolio(weeks.first)
    assert since["risk_before"] == first["risk_distribution"]
    assert first["since_last"]["cycle_id"] is None


async def results(world: World, cycle: CycleState) -> tuple[Any, Any]:
    return await world.briefs(cycle), await world.portfolio(cycle)


async def test_making_them_again_changes_nothing(weeks: Weeks) -> None:
    before = await results(weeks.world, weeks.second)
    assert await weeks.world.make(weeks.second) == weeks.made
    assert await results(weeks.world, weeks.second) == before


async def test_a_brief_that_was_read_stays_read(weeks: Weeks) -> None:
    await _mark(weeks, '{"status": "reviewed"}')
    await weeks.world.make(weeks.second)
    briefs = await weeks.world.briefs(weeks.second)
    assert {brief["status"] for brief in briefs.values()} == {"reviewed"}
    await _mark(weeks, '{"status": "generated"}')


async def test_a_further_attempt_goes_on_after_the_last_owner(weeks: Weeks) -> None:
    world, before = weeks.world, await results(weeks.world, weeks.second)
    await _mark(weeks, '{"mark": true}')
    environment = ActivityEnvironment()
    environment.info = _with_details(environment, "ow-3")
    beats: list[Any] = []
    environment.on_heartbeat = lambda *details: beats.append(details)
    call = MakeResults(
        run_id=weeks.second.run_id,
        tenant=world.tenant,
        as_of=SECOND,
        missing_sources=("memory",),
    )
    assert await world.make_in(environment, call, SECOND + HOUR) == weeks.made
    assert beats == [("ow-4",), ("ow-5",), ("ow-6",), ("ow-8",), ("unassigned",)]
    briefs = await world.briefs(weeks.second)
    assert {owner for owner, brief in briefs.items() if "mark" in brief} == {
        "ow-1", "ow-2", "ow-3",
    }  # fmt: skip
    await world.make(weeks.second)
    assert await results(world, weeks.second) == before


def _with_details(environment: ActivityEnvironment, owner: str) -> Any:
    return replace(environment.info, heartbeat_details=[owner], attempt=2)


async def _mark(weeks: Weeks, values: str) -> None:
    async with weeks.world.engine.begin() as connection:
        await connection.execute(
            text(
                "update reviews.cycle_briefs set body = body || cast(:values as jsonb) "
                "where run_id = :run_id"
            ),
            {"values": values, "run_id": weeks.second.run_id},
        )


async def test_briefs_of_owners_who_left_the_cycle_go(weeks: Weeks) -> None:
    async with weeks.world.engine.begin() as connection:
        await connection.execute(
            text(
                "insert into reviews.cycle_briefs (run_id, owner_id, body) values (:r, 'x', '{}')"
            ),
            {"r": weeks.second.run_id},
        )
    await weeks.world.make(weeks.second)
    assert "x" not in await weeks.world.briefs(weeks.second)


async def test_pages_are_made_of_what_is_stored(weeks: Weeks) -> None:
    world = weeks.world
    reader = CycleReader(statements_on(world.engine))
    row = await reader.find(world.tenant, weeks.second.cycle_id)
    briefs = await reader.briefs(row.run_id)
    document = cycle_document(row, briefs, await reader.portfolio(row.run_id))
    assert document["degraded"]
    page = render_cycle(document, "html")
    assert "Wendel Ashgrove" in page
    assert page.count('class="sheet"') == 8
    mine = cycle_document(row, await reader.briefs(row.run_id, "ow-6"), document["portfolio"])
    page = render_cycle(mine, "md")
    assert page.startswith("# Brief for Wendel Ashgrove")
    assert "Oren Salvat" not in page


async def test_the_accounts_of_high_risk_come_first_and_the_largest_of_them_leads(
    weeks: Weeks,
) -> None:
    statements = statements_on(weeks.world.engine)
    reader = CycleReader(statements)
    row = await reader.find(weeks.world.tenant, weeks.second.cycle_id)
    report = await reader.portfolio(row.run_id)
    grave = [one for one in weeks.analyses.values() if one.risk.level in ("high", "critical")]
    values = await DocumentReader(statements).revenue(row.run_id, [one.account_id for one in grave])
    assert report is not None
    assert sum(filter(None, values.values())) == Decimal(report["at_risk_value"])
    document = cycle_document(row, await reader.briefs(row.run_id), report)
    page = render_cycle(document, "md", None, Surroundings(values=values))
    places = {one.account_id: page.index(f"({one.account_id})") for one in grave}
    wanted = sorted(grave, key=lambda one: -(values[one.account_id] or Decimal(-1)))
    amounts = [values[one] for one in sorted(places, key=lambda one: places[one])]
    assert amounts == [values[one.account_id] for one in wanted]
    assert len(amounts) > 2
    assert page.index("## Owners") > max(places.values())
    assert "of 100, up from" in page


async def test_owners_without_changes_are_told_so(weeks: Weeks) -> None:
    world = World(weeks.world.engine)
    cycle = await world.cycle(SECOND, ids=["ac-019", "ac-060"], kind="daily")
    made = await world.make(cycle, scope=DAILY)
    assert made == ResultsMade(owners=8, accounts=2, degraded=False)
    briefs = await world.briefs(cycle)
    quiet = briefs["ow-3"]
    assert quiet["no_updates"]
    assert quiet["summary"].startswith("No updates since the last review.")
    assert (quiet["accounts_total"], quiet["figures"]["revenue"]["value"]) == (0, "0")
    assert sum(brief["accounts_total"] for brief in briefs.values()) == 2
    assert quiet["period_start"] == "2026-10-07T23:59:59Z"


async def test_without_a_crm_only_owners_in_the_cycle_are_known(weeks: Weeks) -> None:
    world = World(weeks.world.engine)
    cycle = await world.cycle(SECOND, ids=["ac-019"], kind="daily", missing_sources=("crm",))
    made = await world.make(cycle, scope=DAILY)
    assert made == ResultsMade(owners=1, accounts=1, degraded=True)


async def test_a_name_that_was_known_is_used_for_the_quiet(weeks: Weeks) -> None:
    world = World(weeks.world.engine)
    await world.make(await world.cycle(FIRST, ids=["ac-021"]))
    cycle = await world.cycle(SECOND, ids=["ac-019"], kind="daily")
    await world.make(cycle, scope=DAILY)
    quiet = (await world.briefs(cycle))["ow-4"]
    assert (quiet["owner_name"], quiet["accounts_total"]) == ("Oren Salvat", 0)


async def test_failed_and_unstarted_accounts_are_named(weeks: Weeks) -> None:
    world = World(weeks.world.engine)
    snapshots = await world.snapshots(SECOND, ["ac-001", "ac-002", "ac-003"])
    cycle = world.state(SECOND)
    await world.cycles.save(cycle)
    await world.queue(cycle, snapshots)
    review = await world.review(snapshots["ac-001"], SECOND)
    world.mark(cycle, review)
    lost = AccountMark(
        account_id="ac-002", state=AccountState.FAILED, reason="no_data: the CRM is down"
    )
    cycle.marks = (*cycle.marks, lost)
    await world.end(cycle)
    await world.make(cycle)
    report = await world.portfolio(cycle)
    assert [(one["account_id"], one["reason"]) for one in report["failed_accounts"]] == [
        ("ac-002", "no_data: the CRM is down")
    ]
    assert (report["total_accounts"], report["accounts_reviewed"]) == (3, 1)
    assert report["health_distribution"]["unknown"] == 2
    lines = {
        line["account_id"]: line["state"]
        for brief in (await world.briefs(cycle)).values()
        for line in brief["accounts"]
    }
    assert lines == {"ac-001": "done", "ac-002": "failed", "ac-003": "skipped"}


@pytest.mark.parametrize("part", ["analysis", "snapshot", "review", "request"])
async def test_an_unreadable_document_fails_its_account_alone(weeks: Weeks, part: str) -> None:
    world = World(weeks.world.engine)
    snapshots = await world.snapshots(SECOND, ["ac-001", "ac-002"])
    cycle = world.state(SECOND)
    await world.cycles.save(cycle)
    await world.queue(cycle, snapshots)
    reviews = [await world.review(one, SECOND) for one in snapshots.values()]
    broken = reviews[0]
    for review in reviews:
        world.mark(cycle, review)
    await world.end(cycle)
    odd = await world.reviews.put_document(part, {"of_another": "release"})
    await world.write(SPOILT[part], run_id=broken.run_id, hash=odd)
    await world.make(cycle)
    report = await world.portfolio(cycle)
    failed = {one["account_id"]: one["reason"] for one in report["failed_accounts"]}
    assert report["total_accounts"] == 2
    if part == "request":  # of which only the count of decisions is told
        assert failed == {}
        return
    assert failed == {broken.account_id: f"its {part} cannot be read"}
    assert report["accounts_reviewed"] == (1 if part == "analysis" else 2)


SPOILT = {
    "analysis": "update reviews.review_runs set analysis_hash = :hash where run_id = :run_id",
    "snapshot": "update reviews.review_runs set state = jsonb_set(state, '{snapshot,hash}', "
    "to_jsonb(cast(:hash as text))) where run_id = :run_id",
    "review": "update reviews.review_runs set outcome = :hash where run_id = :run_id",
    "request": "update reviews.approval_requests set body = jsonb_build_object('items', "
    "case when length(:hash) > 0 then cast('\"none\"' as jsonb) end) where run_id = :run_id",
}
"""How a stored part is made one that nobody can read."""


async def test_cycles_of_another_scope_are_not_compared(weeks: Weeks) -> None:
    world = World(weeks.world.engine)
    scopes = [CycleScope(account_ids=("ac-001",)), CycleScope(), CycleScope()]
    previous: list[str | None] = []
    for number, scope in enumerate(scopes):
        at = SECOND + timedelta(days=number)
        cycle = await world.cycle(SECOND, ids=["ac-001"], started_at=at)
        await world.make(cycle, scope=scope)
        previous.append((await world.portfolio(cycle))["since_last"]["cycle_id"])
    assert previous[:2] == [None, None]
    assert previous[2] is not None


async def test_accounts_that_came_and_went(weeks: Weeks) -> None:
    world = World(weeks.world.engine)
    for number, ids in enumerate((["ac-001", "ac-002"], ["ac-002", "ac-003"])):
        at = SECOND + timedelta(days=number)
        cycle = await world.cycle(SECOND, ids=ids, schedule_id="weekly", started_at=at)
        await world.make(cycle)
    since = (await world.portfolio(cycle))["since_last"]
    assert [one["account_id"] for one in since["new_accounts"]] == ["ac-003"]
    assert [one["account_id"] for one in since["gone_accounts"]] == ["ac-001"]


async def test_an_account_that_a_daily_cycle_left_out_is_compared_with_its_last_review(
    weeks: Weeks,
) -> None:
    world = World(weeks.world.engine)
    calm = await world.snapshots(SECOND, ["ac-021"])
    (snapshot,) = calm.values()
    before = snapshot.model_copy(
        update={"account": snapshot.account.model_copy(update={"status": AccountStatus.ACTIVE})}
    )
    early = await world.review(before, FIRST)
    if early.pending:
        await world.decide(early, "reject", FIRST)
    for number, ids in enumerate((["ac-001"], ["ac-021"])):
        cycle = await world.cycle(
            SECOND, ids=ids, kind="daily", started_at=SECOND + timedelta(days=number)
        )
        await world.make(cycle, scope=DAILY)
    since = (await world.portfolio(cycle))["since_last"]
    assert [one["account_id"] for one in since["risk_up"]] == ["ac-021"]
    assert since["new_accounts"] == since["gone_accounts"] == []


async def test_a_review_that_both_cycles_met_is_compared_as_it_was_then(weeks: Weeks) -> None:
    world = World(weeks.world.engine)
    (snapshot,) = (await world.snapshots(SECOND, ["ac-021"])).values()
    calm = snapshot.model_copy(
        update={"account": snapshot.account.model_copy(update={"status": AccountStatus.ACTIVE})}
    )
    review = await world.review(calm, SECOND)
    cycles = []
    for number in range(2):
        cycle = world.state(SECOND, schedule_id="s", started_at=SECOND + timedelta(days=number))
        await world.cycles.save(cycle)
        await world.queue(cycle, {"ac-021": snapshot})
        if number:
            refreshed = await world.review(snapshot, SECOND)
            review.analysis = refreshed.analysis
            review.touch(SECOND)
            await world.reviews.save(review)
        world.mark(cycle, review)
        await world.end(cycle)
        await world.make(cycle)
        cycles.append(cycle)
    (moved,) = (await world.portfolio(cycles[1]))["since_last"]["risk_up"]
    assert moved["before"]["score"] < moved["after"]["score"]


async def test_decisions_count_after_their_requests_are_gone(weeks: Weeks) -> None:
    world = World(weeks.world.engine)
    first = await world.cycle(FIRST, ids=["ac-034"])
    (review,) = await world.open_reviews()
    await world.decide(review, "approve", FIRST + HOUR)
    await world.make(first, now=FIRST + 2 * HOUR)
    uptake = (await world.portfolio(first))["uptake"]
    assert uptake[0]["approved"] == len(review.changes) > 0
    async with world.engine.begin() as connection:
        for table in ("approval_requests", "review_runs"):
            await connection.execute(
                text(f"delete from reviews.{table} where tenant = :tenant"),
                {"tenant": world.tenant},
            )
    await world.make(first, now=FIRST + 2 * HOUR)
    assert (await world.portfolio(first))["uptake"] == uptake
    await world.make(first, now=FIRST + timedelta(days=31))
    assert (await world.portfolio(first))["uptake"][0]["decided"] == 0


async def test_an_unknown_cycle_is_said(weeks: Weeks) -> None:
    with pytest.raises(CycleNotFoundError):
        await weeks.world.make(weeks.world.state(SECOND))


async def test_two_attempts_at_once_agree(weeks: Weeks) -> None:
    before = await results(weeks.world, weeks.second)
    await asyncio.gather(*(weeks.world.make(weeks.second) for _ in range(2)))
    assert await results(weeks.world, weeks.second) == before
