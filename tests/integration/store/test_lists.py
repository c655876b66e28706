"""Lists: each filter by itself, all of them together, and what finds the rows."""

import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.store.review_queries import RUN_FILTERS, ReviewReader, RunFilter, RunRow
from account_reviews.store.statements import Statements
from tests.support.connections import statements_on
from tests.support.review_states import NOW

TENANT = "lists"
ROWS = 10_000
_FILL = """
insert into reviews.review_runs (
  run_id, review_id, tenant, account_id, owner_id, name, agent, purpose, kind, phase, status,
  outcome, risk_level, waiting_on, needs_attention, state, version, started_at, updated_at,
  closed_at
)
select
  'run-' || n, 'review/a-' || n % 2000, :tenant, 'a-' || n % 2000, 'o-' || n % 40,
  'name ' || n % 500, 'agent ' || n % 25, 'purpose ' || n % 30,
  (array['scheduled', 'on_demand', 'manual', 'event'])[1 + n % 4],
  case when n % 10 > 0 then 'completed' when n % 500 = 0 then 'executing' else 'approval' end,
  case when n % 10 > 0 then 'completed' else 'waiting' end,
  case when n % 10 > 0 then (array['completed', 'rejected', 'nothing_to_do'])[1 + n % 3] end,
  (array['critical', 'high', 'medium', 'low', 'none', 'unknown'])[1 + n % 6],
  case when n % 10 > 0 then '[]' else jsonb_build_array('Ann ' || n % 90, 'boss') end,
  n % 7 = 0, jsonb_build_object(
    'filler', (select string_agg(md5(n || ' ' || i), '') from generate_series(1, 50) as i)
  ), 1,
  cast(:at as timestamptz) + make_interval(mins => n / 3), now(),
  case when n % 10 > 0 then now() end
from generate_series(1, :rows) as n
"""
VALUES: dict[str, tuple[Any, ...]] = {
    "owner": ("o-7", "o-0", "nobody"),
    "account": ("a-77", "nobody"),
    "name": ("name 3", "nobody"),
    "agent": ("agent 3", "agent 20", "nobody"),
    "purpose": ("purpose 6", "nobody"),
    "phase": ("approval", "executing", "completed", "planning"),
    "status": ("waiting", "completed", "paused"),
    "kind": ("scheduled", "event", "undo"),
    "outcome": ("rejected", "nothing_to_do", "failed"),
    "risk_level": ("critical", "none"),
    "since": (NOW, NOW + timedelta(minutes=1500), NOW + timedelta(days=90)),
    "until": (NOW, NOW + timedelta(minutes=1500), NOW + timedelta(days=90)),
    "waiting_on": ("Ann 30", " ann 30", "BOSS", "nobody"),
    "needs_attention": (True, False),
}


@pytest.fixture(scope="module")
async def statements(engine: AsyncEngine) -> AsyncIterator[Statements]:
    found = statements_on(engine)
    await found.execute("delete from reviews.review_runs where tenant = :tenant", tenant=TENANT)
    await found.execute(_FILL, tenant=TENANT, at=NOW, rows=ROWS)
    await found.execute("analyze reviews.review_runs")
    yield found
    await found.execute("delete from reviews.review_runs where tenant = :tenant", tenant=TENANT)


async def all_of(reader: ReviewReader, wanted: RunFilter, limit: int) -> list[RunRow]:
    found: list[RunRow] = []
    cursor: str | None = None
    while True:
        page = await reader.list_runs(wanted, cursor=cursor, limit=limit)
        assert len(page.items) <= limit
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


def fits(row: RunRow, where: dict[str, Any]) -> bool:
    """What the filters mean, said once more."""
    for name, value in where.items():
        match name:
            case "since":
                held = row.started_at >= value
            case "until":
                held = row.started_at < value
            case "waiting_on":
                held = value.strip().lower() in (who.lower() for who in row.waiting_on)
            case "owner" | "account":
                held = getattr(row, f"{name}_id") == value
            case _:
                held = getattr(row, name) == value
        if not held:
            return False
    return True


async def test_all_filters_hold_together(statements: Statements) -> None:
    reader = ReviewReader(statements)
    every = await all_of(reader, RunFilter(tenant=TENANT), 1000)
    assert len(every) == ROWS
    assert every == sorted(every, key=lambda row: (row.started_at, row.run_id), reverse=True)
    random = Random(14)
    for _ in range(150):
        names = random.sample(sorted(VALUES), random.randint(1, 4))
        where = {name: random.choice(VALUES[name]) for name in names}
        open_only = random.random() < 0.2
        wanted = RunFilter(tenant=TENANT, where=where, open_only=open_only)
        expected = [row for row in every if fits(row, where)]
        if open_only:
            expected = [row for row in expected if row.status == "waiting"]
        page = await reader.list_runs(wanted, cursor=None, limit=100)
        assert list(page.items) == expected[:100], where
        assert (page.next_cursor is not None) is (len(expected) > 100)
    where = {"kind": "event", "risk_level": "low"}
    few = await all_of(reader, RunFilter(tenant=TENANT, where=where), 37)
    assert few == [row for row in every if fits(row, where)]


async def test_of_another_tenant_nothing_is_listed(statements: Statements) -> None:
    reader = ReviewReader(statements)
    page = await reader.list_runs(RunFilter(tenant="nobody's"), cursor=None, limit=10)
    assert page.items == ()


@pytest.mark.parametrize("name", [None, "open", *RUN_FILTERS])
async def test_every_filter_finds_its_rows_by_an_index(
    statements: Statements, name: str | None
) -> None:
    for value in VALUES.get(name or "", (None,)):
        where: dict[str, Any] = {name: value} if name in RUN_FILTERS else {}
        wanted = RunFilter(tenant=TENANT, where=where, open_only=name == "open")
        for later in (False, True):
            place = {"after_at": NOW + timedelta(days=2), "after_id": "run-9"} if later else {}
            plan = await explained(statements, wanted.statement(later=later), where | place)
            assert "Seq Scan" not in nodes(plan), (name, value, plan)
            if name == "waiting_on" and value == "nobody":
                assert "review_runs_waiting_on" in json.dumps(plan)


async def explained(statements: Statements, query: str, values: dict[str, Any]) -> Any:
    plan = await statements.scalar(
        f"explain (format json) {query}", tenant=TENANT, limit=101, **values
    )
    return json.loads(plan)[0]["Plan"]


def nodes(plan: dict[str, Any]) -> list[str]:
    """The kinds of the steps of a plan."""
    return [plan["Node Type"], *(one for part in plan.get("Plans", ()) for one in nodes(part))]


@pytest.mark.parametrize("wanted", ["review_id", "run_id"])
async def test_one_review_is_found_by_an_index(statements: Statements, wanted: str) -> None:
    from account_reviews.store.review_queries import _FIND_RUN

    values: dict[str, Any] = {"tenant": TENANT, "review_id": "review/a-7", "run_id": None}
    if wanted == "run_id":
        values["run_id"] = "run-7"
    plan = json.loads(await statements.scalar(f"explain (format json) {_FIND_RUN}", **values))
    assert "Seq Scan" not in nodes(plan[0]["Plan"])


async def test_a_change_by_hand_moves_its_time_and_a_save_brings_its_own(
    statements: Statements,
) -> None:
    key = {"run_id": "run-1"}
    query = "select updated_at from reviews.review_runs where run_id = :run_id"
    before: datetime = await statements.scalar(query, **key)
    update = "update reviews.review_runs set {} where run_id = :run_id"
    await statements.execute(update.format("owner_id = owner_id"), **key)
    assert await statements.scalar(query, **key) == before
    await statements.execute(update.format("owner_id = 'by hand'"), **key)
    assert await statements.scalar(query, **key) > before
    await statements.execute(update.format("updated_at = :at, owner_id = 'o-1'"), at=NOW, **key)
    assert await statements.scalar(query, **key) == NOW


@pytest.mark.parametrize(
    "change", ["phase = 'nowhere'", "status = 'odd'", "kind = 'x'", "kind = ''"]
)
async def test_a_row_holds_no_word_that_no_review_has(statements: Statements, change: str) -> None:
    import asyncpg

    with pytest.raises(asyncpg.CheckViolationError):
        await statements.execute(f"update reviews.review_runs set {change} where run_id = 'run-2'")
