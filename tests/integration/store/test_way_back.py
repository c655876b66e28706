"""The way back of a migration, with Alembic itself: what is not known yet is not forgotten."""

from collections.abc import AsyncIterator

import pytest
from alembic import command
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.domain.errors import ConflictError
from account_reviews.local.postgres import EmbeddedPostgres
from account_reviews.store.database import create_engine
from account_reviews.store.migration import REVIEWS, _config, current_revision, upgrade

_SENT = text(
    "insert into reviews.crm_operations (operation_id, tenant, account_id, change_id, action, "
    "after, settled_at, applied_at, result) select :id, 't', 'a', 'c', 'add_note', '{}', at, at, "
    "case when :settled then cast('{}' as jsonb) end "
    "from (select case when :settled then now() end) as settled (at)"
)


@pytest.fixture
async def whole(postgres: EmbeddedPostgres) -> AsyncIterator[AsyncEngine]:
    postgres.create_database("way_back")
    engine = create_engine(postgres.url("way_back"), application_name="tests")
    await upgrade(engine)
    yield engine
    await engine.dispose()


def _back(connection: Connection) -> None:
    config = _config(REVIEWS)
    config.attributes["connection"] = connection
    command.downgrade(config, "0018_request_numbers")


async def test_a_write_of_unknown_outcome_is_not_forgotten_by_the_way_back(
    whole: AsyncEngine,
) -> None:
    async with whole.begin() as connection:
        await connection.execute(_SENT, {"id": "r:made", "settled": True})
        await connection.execute(_SENT, {"id": "r:unknown", "settled": False})
    async with whole.connect() as connection:
        with pytest.raises(ConflictError, match="whether 1 of them") as refused:
            await connection.run_sync(_back)
    assert refused.value.hint
    assert await current_revision(whole) == "0019_operations"
    async with whole.begin() as connection:
        ids = text("select operation_id from reviews.crm_operations order by 1")
        assert (await connection.execute(ids)).scalars().all() == ["r:made", "r:unknown"]
        await connection.execute(text("update reviews.crm_operations set settled_at = now()"))
    async with whole.connect() as connection:
        await connection.run_sync(_back)
    assert await current_revision(whole) == "0018_request_numbers"
    async with whole.connect() as connection:
        noted = await connection.execute(text("select operation_id from crm.operations"))
        assert noted.scalars().all() == ["r:made"]
    await upgrade(whole)
