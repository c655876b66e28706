"""Schedules in tables, as the server has them; and what the page for people with SQL shows."""

import re
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from account_reviews.domain.policy.model import load_policy
from account_reviews.domain.schedule.file import Known, parse_schedules
from account_reviews.domain.schedule.runs import UpkeepJob
from account_reviews.services.schedule_rows import kept_up_to_date, save_schedules
from account_reviews.store.schedule_runs import ScheduleRunStore
from account_reviews.store.statements import Row, Statements
from account_reviews.temporal.schedules.control import ScheduleControl
from account_reviews.temporal.schedules.entries import Builder, utc_now
from account_reviews.temporal.schedules.plan import Planner
from tests.support.connections import statements_on
from tests.support.paths import ROOT
from tests.support.waiting import until

FILE = """
[[schedule]]
id = "mornings"
kind = "daily"
cycle = "daily"
time_zone = "Europe/Berlin"
at = "05:00"
owner = "ow-1"

[[schedule]]
id = "often"
kind = "cron"
cycle = "weekly"
cron = "15 */6 * * *"
paused = true
"""
_SHOWN = """
select * from reviews.scheduled_reviews where starts_with(review_id, :tenant || '/')
order by review_id
"""


@pytest.fixture
async def tenant(client: Client, engine: AsyncEngine) -> AsyncIterator[str]:
    """A tenant with two schedules."""
    policy, tenant = load_policy(), f"t-{uuid4().hex[:8]}"
    known = Known(jobs=[*UpkeepJob], cycles=[*policy.cycle.kinds], grace=policy.schedules.grace)
    file = parse_schedules(FILE, source="test.toml", known=known)
    builder = Builder(policy=policy, tenant=tenant)
    await Planner(client, builder, ScheduleRunStore(engine), utc_now).apply(file)
    yield tenant
    for name in ("mornings", "often"):
        control = ScheduleControl(client, tenant)
        if name in dict(await control.describe_all([name])):
            await control.delete(name)


async def shown(statements: Statements, tenant: str) -> list[Row]:
    return await statements.rows(_SHOWN, tenant=tenant)


@pytest.mark.temporal
async def test_rows_are_what_the_server_says(
    client: Client, engine: AsyncEngine, tenant: str
) -> None:
    statements, control = statements_on(engine), ScheduleControl(client, tenant)
    assert await save_schedules(client, statements, tenant, ["mornings", "often"]) == 2
    mornings, often = await shown(statements, tenant)
    assert list(mornings) == [
        "review_id", "schedule_type", "cron_expression", "owner_id", "enabled", "last_run",
        "next_run", "created_at", "updated_at",
    ]  # fmt: skip
    assert (mornings["schedule_type"], mornings["owner_id"]) == ("daily", "ow-1")
    assert mornings["enabled"]
    (standing,) = [one for _, one in await control.describe_all(["mornings"])]
    assert mornings["next_run"] == standing.description.info.next_action_times[0]
    assert mornings["created_at"] == standing.description.info.created_at
    assert mornings["last_run"] is None
    assert (often["schedule_type"], often["cron_expression"]) == ("cron", "15 */6 * * *")
    assert not often["enabled"]
    assert often["next_run"] is None
    await control.pause("mornings", "holidays")
    await save_schedules(client, statements, tenant, ["mornings"])
    after, same = await shown(statements, tenant)
    assert not after["enabled"]
    assert after["updated_at"] > mornings["updated_at"]
    assert same == often, "nothing of another one has changed"
    await control.delete("often")
    await save_schedules(client, statements, tenant, ["often"])
    assert [row["review_id"] for row in await shown(statements, tenant)] == [f"{tenant}/mornings"]


@pytest.mark.temporal
async def test_a_worker_finds_all_of_them_and_what_is_gone(
    client: Client, engine: AsyncEngine, tenant: str
) -> None:
    statements = statements_on(engine)
    await statements.execute(
        "insert into reviews.schedules (tenant, schedule_id, schedule_type, enabled) "
        "values (:tenant, 'long gone', 'daily', true)",
        tenant=tenant,
    )

    async def there() -> bool:
        rows = await shown(statements, tenant)
        return [row["review_id"] for row in rows] == [f"{tenant}/mornings", f"{tenant}/often"]

    async def looked() -> bool:  # the server's list follows within a second
        await save_schedules(client, statements, tenant)
        return await there()

    await until(looked)
    await statements.execute("delete from reviews.schedules where tenant = :tenant", tenant=tenant)
    async with kept_up_to_date(client, statements, tenant):
        await until(there)


async def test_every_query_of_the_page_runs(engine: AsyncEngine) -> None:
    page = (ROOT / "docs" / "database.md").read_text(encoding="utf-8")
    queries = re.findall(r"^```sql\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert len(queries) >= 4
    for query in queries:
        assert isinstance(await statements_on(engine).rows(query), list)


async def test_the_page_names_every_column(engine: AsyncEngine) -> None:
    page = (ROOT / "docs" / "database.md").read_text(encoding="utf-8")
    columns = await statements_on(engine).rows(
        "select table_name, column_name from information_schema.columns "
        "where table_schema = 'reviews' "
        "and table_name in ('agent_sessions', 'scheduled_reviews', 'review_runs')"
    )
    assert len([one for one in columns if one["table_name"] != "review_runs"]) == 18
    internal = {"analysis_hash", "archived_at", "erased_at"}
    for one in columns:
        name = one["column_name"]
        assert name in internal or re.search(rf"`[^`]*\b{name}\b", page), name
