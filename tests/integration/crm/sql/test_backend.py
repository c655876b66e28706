"""What only the SQL CRM promises: few statements, one transaction, and honest outages."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, event, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.crm.protocol import AccountFilter
from account_reviews.crm.sql.backend import SqlCrm
from account_reviews.crm.sql.tables import accounts, deals, metadata, operations
from account_reviews.domain.base import Scalar
from account_reviews.domain.errors import BadInputError, CrmUnavailableError
from account_reviews.domain.proposals import Action
from account_reviews.domain.records import RecordRef, RecordType, SnapshotLimits
from account_reviews.store.database import create_engine
from tests.support.crm import ACCOUNT, change
from tests.support.crm_loading import AS_OF, ILSE, TOMAS, last_as_of, load, read_one, sample

LIMITS = SnapshotLimits()


@pytest.fixture
async def crm(engine: AsyncEngine) -> SqlCrm:
    await load(engine, [sample()], owners=[ILSE, TOMAS])
    return SqlCrm(engine, "https://crm.example/{type}/{id}")


@pytest.fixture
async def lost(database_url: str) -> AsyncIterator[SqlCrm]:
    """A CRM whose database is not there."""
    engine = create_engine(database_url.replace("/test_", "/gone_"), application_name="tests")
    yield SqlCrm(engine)
    await engine.dispose()


@contextmanager
def statements(engine: AsyncEngine) -> Iterator[list[str]]:
    seen: list[str] = []

    def note(*arguments: Any) -> None:
        seen.append(arguments[2])

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine.sync_engine, "before_cursor_execute", note)


async def test_a_snapshot_is_one_statement_and_so_one_moment(
    crm: SqlCrm, engine: AsyncEngine
) -> None:
    with statements(engine) as seen:
        await crm.snapshot("ac-1", as_of=AS_OF, limits=LIMITS)
    assert len(seen) == 1


async def test_many_accounts_are_one_statement(crm: SqlCrm, engine: AsyncEngine) -> None:
    ids = [f"ac-{number}" for number in range(1, 7)]
    with statements(engine) as seen:
        found = await crm.snapshots([*ids, "nobody"], as_of=AS_OF, limits=LIMITS)
    assert len(seen) == 1
    alone = {one: await crm.snapshot(one, as_of=AS_OF, limits=LIMITS) for one in found}
    moment = {"fetched_at": AS_OF}
    assert {one: found[one].model_copy(update=moment) for one in found} == {
        one: alone[one].model_copy(update=moment) for one in alone
    }
    assert set(found) == {one for one in ids if one in found} != set()


async def test_an_account_with_20000_activities_is_cut_and_counted(
    crm: SqlCrm, engine: AsyncEngine
) -> None:
    many = text(
        "insert into crm.activities (id, account_id, type, at)"
        " select 'm' || n, 'ac-1', 'Call', timestamptz '2026-10-01Z' - n * interval '1 hour'"
        " from generate_series(1, 20000) n"
    )
    async with engine.begin() as connection:
        await connection.execute(many)
        await connection.execute(text("analyze crm.activities"))
    found = await crm.snapshot("ac-1", as_of=AS_OF, limits=LIMITS)
    assert found.totals[RecordType.ACTIVITY] == 20_002
    assert len(found.activities) == 100
    assert len(found.activity_marks) == 90 * 24 + 1


async def test_links_follow_the_template(crm: SqlCrm) -> None:
    found = await crm.snapshot("ac-1", as_of=AS_OF, limits=LIMITS)
    assert found.account.url == "https://crm.example/account/ac-1"
    assert found.deals[0].url == "https://crm.example/deal/ac-1-d1"


@pytest.mark.parametrize("template", ["https://x/{kind}", "https://x/{", "https://x/{0}"])
def test_a_bad_template_is_refused(engine: AsyncEngine, template: str) -> None:
    with pytest.raises(BadInputError, match="link template"):
        SqlCrm(engine, template)


async def test_the_ledger_keeps_before_and_after(crm: SqlCrm, engine: AsyncEngine) -> None:
    write = change(Action.UPDATE_ACCOUNT, {"phone": "+99 2"}, ACCOUNT)
    done = await crm.apply(write, expected_version="3", operation_id="run:1")
    async with engine.connect() as connection:
        row = (await connection.execute(select(operations))).mappings().one()
    assert row["change_id"] == write.change_id
    assert (row["before"], row["after"]) == ({"phone": "+99 1"}, {"phone": "+99 2"})
    assert row["record"]["version"] == done.record.version == "4"
    assert row["applied_at"] == done.applied_at


async def test_a_write_that_breaks_leaves_neither_row(crm: SqlCrm, engine: AsyncEngine) -> None:
    def break_off(connection: Connection, *arguments: Any) -> None:
        if arguments[1].startswith("UPDATE crm.operations"):
            raise ConnectionResetError("gone")

    event.listen(engine.sync_engine, "before_cursor_execute", break_off)
    write = change(Action.UPDATE_ACCOUNT, {"phone": "+99 2"}, ACCOUNT)
    try:
        with pytest.raises(CrmUnavailableError):
            await crm.apply(write, expected_version="3", operation_id="run:1")
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", break_off)
    async with engine.connect() as connection:
        assert await connection.scalar(select(func.count()).select_from(operations)) == 0
        assert await connection.scalar(select(accounts.c.phone)) == "+99 1"
    again = await crm.apply(write, expected_version="3", operation_id="run:1")
    assert again.status == "applied"


async def test_without_a_database_every_call_says_so(lost: SqlCrm) -> None:
    write = change(Action.ADD_NOTE, {"content": "x"})
    with pytest.raises(CrmUnavailableError):
        await lost.snapshot("ac-1", as_of=AS_OF, limits=LIMITS)
    with pytest.raises(CrmUnavailableError):
        await lost.list_accounts(AccountFilter())
    with pytest.raises(CrmUnavailableError):
        await lost.apply(write, expected_version=None, operation_id="run:1")
    with pytest.raises(CrmUnavailableError):
        await read_one(lost, RecordRef(type=RecordType.NOTE, id="n"), ("content",))
    health = await lost.health()
    assert not health.ok
    assert "does not exist" in health.detail


async def test_a_stage_without_a_date_takes_that_of_the_history(
    crm: SqlCrm, engine: AsyncEngine
) -> None:
    async with engine.begin() as connection:
        await connection.execute(update(deals).values(stage_changed_at=None))
    found = await crm.snapshot("ac-1", as_of=AS_OF, limits=LIMITS)
    assert found.deals[0].stage_changed_at == sample().deals[0].stage_changed_at
    assert found.deals[1].stage_changed_at is None


async def test_an_empty_crm_says_how_to_fill_it(engine: AsyncEngine) -> None:
    await load(engine, [])
    crm = SqlCrm(engine)
    health = await crm.health()
    assert health.ok
    assert health.hint == "fill it with `reviews crm import`"
    assert await last_as_of(engine) is None


async def test_large_round_amounts_keep_their_digits(crm: SqlCrm, engine: AsyncEngine) -> None:
    found = await crm.snapshot("ac-1", as_of=AS_OF, limits=LIMITS)
    assert str(found.deals[0].amount) == "90000"


async def test_the_tables_are_those_of_the_migration(engine: AsyncEngine) -> None:
    def differences(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                "include_name": lambda name, kind, _: kind != "schema" or name == "crm",
            },
        )
        return list(compare_metadata(context, metadata))

    async with engine.connect() as connection:
        found = await connection.run_sync(differences)
    assert [change for change in found if "comment" not in str(change)] == []


async def test_a_field_that_somebody_changed_by_hand_is_a_conflict(
    crm: SqlCrm, engine: AsyncEngine
) -> None:
    """Who writes SQL may not know that the version is to grow."""
    shown = {"phone": "+99 1", "annual_revenue": "12500.5"}
    after: dict[str, Scalar] = {"phone": "+99 2", "annual_revenue": "13000"}
    change_ = change(Action.UPDATE_ACCOUNT, after, ACCOUNT).model_copy(update={"before": shown})
    by_hand = update(accounts).where(accounts.c.id == "ac-1")
    async with engine.begin() as connection:
        await connection.execute(by_hand.values(phone="+99 7"))
    found = await crm.apply(change_, expected_version="3", operation_id="run:hand")
    assert (found.status, found.current["phone"]) == ("conflict", "+99 7")
    assert await read_one(crm, ACCOUNT, ("phone",)) == {"phone": "+99 7"}
    async with engine.begin() as connection:
        await connection.execute(by_hand.values(phone="+99 1", billing_city="Elsewhere"))
    done = await crm.apply(change_, expected_version="3", operation_id="run:hand")
    assert done.status == "applied", "what it does not write may have changed"
