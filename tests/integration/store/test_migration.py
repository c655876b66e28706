"""Migrations on a real, empty database."""

import asyncio
from collections.abc import AsyncIterator
from importlib import import_module
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import Connection, MetaData, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.domain.errors import BadInputError
from account_reviews.local.postgres import EmbeddedPostgres
from account_reviews.memory import tables as memory_tables
from account_reviews.store import event_tables, memory_sync_tables, migration, web_tables
from account_reviews.store import tables as store_tables
from account_reviews.store.database import create_engine
from account_reviews.store.migration import current_revision, head_revision, upgrade

_numbers = count(1)
_RUN = text(
    "insert into reviews.review_runs (run_id, review_id, tenant, account_id, kind, phase, status, "
    "state, version, started_at, updated_at) values (:id, 'review/ac-1', :tenant, 'ac-1', "
    "'manual', 'approval', 'waiting', '{}', 1, now(), now())"
)


def _statements(name: str) -> tuple[str, ...]:
    """What a migration does, whatever its number."""
    folder = Path(migration.__file__).parent / "migrations" / "versions"
    (path,) = folder.glob(f"[0-9]*_{name}.py")
    module = import_module(f"account_reviews.store.migrations.versions.{path.stem}")
    return tuple(module.STATEMENTS)


@pytest.fixture
def empty_url(postgres: EmbeddedPostgres) -> str:
    name = f"empty_{next(_numbers)}"
    postgres.create_database(name)
    return postgres.url(name)


@pytest.fixture
async def empty(empty_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(empty_url, application_name="tests")
    yield engine
    await engine.dispose()


async def test_from_empty_to_head_and_again(empty: AsyncEngine) -> None:
    assert await current_revision(empty) is None
    await upgrade(empty)
    assert await current_revision(empty) == head_revision()
    await upgrade(empty)
    assert await current_revision(empty) == head_revision()


async def test_several_at_once(empty: AsyncEngine, empty_url: str) -> None:
    others = [create_engine(empty_url, application_name=f"m{n}") for n in range(3)]
    await asyncio.gather(*(upgrade(engine) for engine in (empty, *others)))
    for engine in others:
        await engine.dispose()
    assert await current_revision(empty) == head_revision()


async def test_newer_database_is_left_alone(empty: AsyncEngine) -> None:
    await upgrade(empty)
    async with empty.begin() as connection:
        await connection.execute(
            text("update reviews.alembic_version set version_num = '9999_future'")
        )
    with pytest.raises(BadInputError, match="9999_future"):
        await upgrade(empty)
    assert await current_revision(empty) == "9999_future"
    async with empty.connect() as connection:
        locks = await connection.scalar(
            text(
                "select count(*) from pg_locks join pg_database d on d.oid = database"
                " where locktype = 'advisory' and datname = current_database()"
            )
        )
    assert locks == 0


async def test_failed_migration_leaves_the_ones_before_it(empty: AsyncEngine) -> None:
    async with empty.begin() as connection:
        await connection.execute(text("create schema reviews"))
        await connection.execute(text("create table reviews.memory_items (in_the_way int)"))
    with pytest.raises(Exception, match="already exists"):
        await upgrade(empty)
    assert await current_revision(empty) == "0002_crm"


@pytest.mark.parametrize(
    ("reviewed", "owner"),
    [
        ((), None),
        (("acme", "acme"), "acme"),
        (("acme", "umbrella"), None),
        (("acme", "default"), "default"),
    ],
)
async def test_a_crm_of_before_belongs_to_who_alone_used_it_or_to_the_default_tenant(
    empty: AsyncEngine, reviewed: tuple[str, ...], owner: str | None
) -> None:
    await upgrade(empty)
    async with empty.begin() as connection:
        await connection.execute(text("drop table crm.belongs_to"))
        await connection.execute(text("insert into crm.accounts (id, name) values ('ac-1', 'A')"))
        for number, tenant in enumerate(reviewed):
            await connection.execute(_RUN, {"id": str(number), "tenant": tenant})
        for statement in _statements("crm_tenant"):
            await connection.execute(text(statement))
    async with empty.connect() as connection:
        assert await connection.scalar(text("select tenant from crm.belongs_to")) == owner


@pytest.mark.parametrize(
    "metadata",
    [
        room.metadata
        for room in (store_tables, event_tables, memory_tables, memory_sync_tables, web_tables)
    ],
)
async def test_tables_in_code_are_the_tables_in_the_database(
    engine: AsyncEngine, metadata: MetaData
) -> None:
    async with engine.connect() as connection:
        found = await connection.run_sync(_columns, metadata)
    assert found == {
        table.name: {(column.name, column.nullable) for column in table.columns}
        for table in metadata.tables.values()
    }


def _columns(connection: Connection, metadata: MetaData) -> dict[str, set[tuple[str, bool]]]:
    inspector = inspect(connection)
    return {
        table.name: {
            (column["name"], column["nullable"])
            for column in inspector.get_columns(table.name, schema=table.schema)
        }
        for table in metadata.tables.values()
    }


async def test_rows_of_before_are_put_right_and_filled(empty: AsyncEngine) -> None:
    """As the migration finds them: without the columns, with words that no release wrote."""
    await upgrade(empty)
    async with empty.begin() as connection:
        for statement in _undone("lists_and_views"):
            await connection.execute(text(statement))
        for run_id, kind, phase, status, state in (
            ("whole", "event", "approval", "waiting", '{"agent": "bot", "purpose": "renewal"}'),
            ("old", "manual", "completed", "completed", '{"context": {"ticket": "T-1"}}'),
            ("odd", "recovery", "sleeping", "asleep", '{"context": 7}'),
        ):
            await connection.execute(
                text(
                    "insert into reviews.review_runs (run_id, review_id, tenant, account_id, kind, "
                    "phase, status, state, version, started_at, updated_at) values (:id, "
                    "'review/a', 't', 'a', :kind, :phase, :status, cast(:state as jsonb), 1, "
                    "now(), now())"
                ),
                {"id": run_id, "kind": kind, "phase": phase, "status": status, "state": state},
            )
        for statement in _statements("lists_and_views"):
            await connection.execute(text(statement))
    async with empty.connect() as connection:
        rows = await connection.execute(
            text(
                "select run_id, kind, phase, status, agent, purpose, context "
                "from reviews.review_runs order by run_id"
            )
        )
        assert [tuple(row) for row in rows] == [
            ("odd", "manual", "investigating", "running", "unknown", "general", {}),
            ("old", "manual", "completed", "completed", "unknown", "general", {"ticket": "T-1"}),
            ("whole", "event", "approval", "waiting", "bot", "renewal", {}),
        ]


class _NothingOpen:
    """What the way back asks before: no write is under way."""

    def exec_driver_sql(self, _: str) -> "_NothingOpen":
        return self

    def scalar_one(self) -> int:
        return 0


def _undone(name: str) -> list[str]:
    """What takes a migration back, by its own downgrade."""
    folder = Path(migration.__file__).parent / "migrations" / "versions"
    (path,) = folder.glob(f"[0-9]*_{name}.py")
    module = import_module(f"account_reviews.store.migrations.versions.{path.stem}")
    done: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "op", SimpleNamespace(execute=done.append, get_bind=_NothingOpen))
        module.downgrade()
    return done


async def test_writes_of_before_come_into_the_ledger_and_stay_where_they_were(
    empty: AsyncEngine,
) -> None:
    """Each of the tenant of its review, else of whose CRM it is; back again by the way back."""
    await upgrade(empty)
    async with empty.begin() as connection:
        for statement in _undone("operations"):
            await connection.execute(text(statement))
        await connection.execute(_RUN, {"id": "known", "tenant": "umbrella"})
        await connection.execute(text("insert into crm.belongs_to (tenant) values ('acme')"))
        for name, result in (("known:1", "{}"), ("purged:2", "{}"), ("known:3", None)):
            await connection.execute(
                text(
                    "insert into crm.operations (operation_id, change_id, action, account_id, "
                    "after, result) values (:id, 'c', 'add_note', 'a', '{\"content\": \"x\"}', "
                    "cast(:result as jsonb))"
                ),
                {"id": name, "result": result},
            )
        for statement in _statements("operations"):
            await connection.execute(text(statement))
    rows = "select operation_id, tenant, settled_at = applied_at from reviews.crm_operations"
    there = "select operation_id from crm.operations order by operation_id"
    async with empty.begin() as connection:
        found = (await connection.execute(text(f"{rows} order by operation_id"))).all()
        assert [tuple(row) for row in found] == [
            ("known:1", "umbrella", True),
            ("purged:2", "acme", True),
        ]
        await connection.execute(
            text("update reviews.crm_operations set operation_id = 'new:4' where tenant = 'acme'")
        )
        for statement in _undone("operations"):
            await connection.execute(text(statement))
        left = (await connection.execute(text(there))).scalars().all()
    assert left == ["known:1", "known:3", "new:4", "purged:2"]
