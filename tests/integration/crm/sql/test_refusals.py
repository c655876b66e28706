"""A CRM in PostgreSQL that refuses our login or lacks our rights is not one that is down."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.crm.sql.backend import OwnSqlCrm, SqlCrm
from account_reviews.domain.errors import (
    CrmAuthError,
    CrmPermissionError,
    CrmUnavailableError,
    CrmUnreadableError,
)
from account_reviews.domain.records import SnapshotLimits
from account_reviews.store.database import create_engine

NOW = datetime(2026, 10, 1, tzinfo=UTC)
READER = "crm_without_rights"


@pytest.fixture
async def stranger(database_url: str) -> AsyncIterator[AsyncEngine]:
    """A login that the server does not know."""
    url = make_url(database_url).set(username="nobody_at_all")
    engine = create_engine(url.render_as_string(hide_password=False), application_name="tests")
    yield engine
    await engine.dispose()


@pytest.fixture
async def powerless(engine: AsyncEngine, database_url: str) -> AsyncIterator[AsyncEngine]:
    """A login that may connect and nothing else."""
    async with engine.begin() as connection:
        await connection.execute(
            text(
                f"do $$ begin if to_regrole('{READER}') is null then "
                f"create role {READER} login; end if; end $$"
            )
        )
        await connection.execute(text(f"grant usage on schema crm to {READER}"))
    url = make_url(database_url).set(username=READER)
    own = create_engine(url.render_as_string(hide_password=False), application_name="tests")
    yield own
    await own.dispose()


async def test_a_login_that_is_refused_is_said_as_that(stranger: AsyncEngine) -> None:
    crm = SqlCrm(stranger)
    with pytest.raises(CrmAuthError, match="refuses our login"):
        await crm.snapshot("acme", as_of=NOW, limits=SnapshotLimits())
    health = await crm.health()
    assert not health.ok
    assert "login" in health.detail


async def test_our_own_database_without_a_login_is_waited_for(stranger: AsyncEngine) -> None:
    with pytest.raises(CrmUnavailableError):
        await OwnSqlCrm(stranger).snapshot("acme", as_of=NOW, limits=SnapshotLimits())


@pytest.mark.parametrize("kind", [SqlCrm, OwnSqlCrm])
async def test_rights_that_lack_are_said_as_that(
    powerless: AsyncEngine, kind: type[SqlCrm]
) -> None:
    crm = kind(powerless)
    with pytest.raises(CrmPermissionError, match="permission denied"):
        await crm.snapshot("acme", as_of=NOW, limits=SnapshotLimits())
    assert not (await crm.health()).ok


async def test_a_record_that_cannot_be_read_is_no_outage(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "insert into crm.accounts (id, version, name, status) "
                "values ('odd', 1, 'Odd', 'Somewhere')"
            )
        )
    with pytest.raises(CrmUnreadableError, match=r"account\.status"):
        await SqlCrm(engine).snapshot("odd", as_of=NOW, limits=SnapshotLimits())
