"""A real-shaped export: 85 accounts, 35 agents, 8,800 opportunities, and its dirt."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.crm.importing.importer import ImportReport, import_directory
from account_reviews.crm.importing.mapping import load_mapping
from account_reviews.crm.sql import tables
from account_reviews.crm.sql.backend import SqlCrm
from account_reviews.domain.records import RecordType, SnapshotLimits
from tests.support.crm_loading import last_as_of
from tests.support.paths import ROOT

DATA = ROOT.parent / "shared" / "data" / "crm_sales_opportunities"
MAPPING = ROOT / "examples" / "mappings" / "crm_sales_opportunities.yaml"
AS_OF = datetime(2017, 12, 31, tzinfo=UTC)


@pytest.fixture(scope="module")
async def report(engine: AsyncEngine) -> ImportReport:
    return await import_directory(engine, DATA, load_mapping(MAPPING), as_of=AS_OF)


def test_everything_arrives(report: ImportReport) -> None:
    assert report.problem_count == 0
    assert [
        (file.file, file.module, file.rows, file.inserted, file.skipped) for file in report.files
    ] == [
        ("sales_teams.csv", "owners", 35, 35, 0),
        ("sales_teams.csv", "owners", 35, 6, 29),
        ("accounts.csv", "accounts", 85, 85, 0),
        ("sales_pipeline.csv", "deals", 8800, 7375, 1425),
    ]


async def test_again_changes_nothing(report: ImportReport, engine: AsyncEngine) -> None:
    again = await import_directory(engine, DATA, load_mapping(MAPPING), as_of=AS_OF)
    assert all(file.inserted == file.updated == 0 for file in again.files)
    assert [file.unchanged for file in again.files] == [35, 6, 85, 7375]
    assert await last_as_of(engine) == AS_OF


async def test_stages_are_ours(report: ImportReport, engine: AsyncEngine) -> None:
    query = select(tables.deals.c.stage, func.count()).group_by(tables.deals.c.stage)
    async with engine.connect() as connection:
        found = {row[0]: row[1] for row in await connection.execute(query)}
    assert found == {
        "Closed Won": 4238, "Closed Lost": 2473, "Qualification": 501, "Prospecting": 163,
    }  # fmt: skip


async def test_an_account_as_reviews_see_it(report: ImportReport, engine: AsyncEngine) -> None:
    found = await SqlCrm(engine).snapshot(
        "acme-corporation", as_of=AS_OF, limits=SnapshotLimits(deals=1000)
    )
    account = found.account
    assert (account.name, account.industry) == ("Acme Corporation", "technology")
    assert account.annual_revenue == Decimal(1_100_040_000)
    assert account.custom == {"year_established": "1996"}
    assert account.status is None
    assert found.owner is not None
    assert found.owner.manager_id is not None
    assert found.modules == {RecordType.OWNER, RecordType.ACCOUNT, RecordType.DEAL}
    assert set(found.totals) == {RecordType.DEAL}
    assert not any("GTXPro" in deal.name for deal in found.deals)
    for deal in found.deals:
        assert (deal.amount is None) == (not deal.stage.is_closed)
        if deal.stage.is_closed:
            assert deal.stage_changed_at is not None
            assert deal.stage_changed_at.date() == deal.closing_date
        assert deal.closing_date is None or deal.closing_date <= date(2017, 12, 31)


async def test_the_owner_has_most_of_the_deals(report: ImportReport, engine: AsyncEngine) -> None:
    """By counting again in SQL; a tie goes to the first by name."""
    deals, accounts, owners = tables.deals, tables.accounts, tables.owners
    counted = (
        select(deals.c.account_id, owners.c.id, owners.c.name, func.count().label("deals"))
        .join(owners, owners.c.id == deals.c.owner_id)
        .group_by(deals.c.account_id, owners.c.id)
        .subquery()
    )
    best = (
        select(counted.c.account_id, counted.c.id)
        .ext(distinct_on(counted.c.account_id))
        .order_by(counted.c.account_id, counted.c.deals.desc(), counted.c.name)
    )
    async with engine.connect() as connection:
        expected = {row[0]: row[1] for row in await connection.execute(best)}
        owned = select(accounts.c.id, accounts.c.owner_id)
        found = {row[0]: row[1] for row in await connection.execute(owned)}
    assert len(found) == 85
    assert found == expected
