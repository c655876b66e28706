"""What the database will never take, told apart from what may heal."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.domain.errors import RefusedByDatabaseError
from account_reviews.store.database import refused

NEVER = [
    "select cast('x' as int)",
    "select cast('294277-01-01' as timestamptz)",
    "select cast(:value as jsonb)",
    "insert into reviews.documents (hash, kind, body) values ('x', 'memory', null)",
]
MAY_HEAL = [
    "select * from reviews.no_such_table",
    "select * from reviews.documents for share nowait skip",
]


@pytest.mark.parametrize("statement", NEVER)
async def test_a_value_that_does_not_fit_is_refused_for_good(
    engine: AsyncEngine, statement: str
) -> None:
    values = {"value": '"\\u0000"'} if ":value" in statement else {}
    with pytest.raises(DBAPIError) as raised:
        async with engine.connect() as connection:
            await connection.execute(text(statement), values)
    found = refused(raised.value)
    assert isinstance(found, RefusedByDatabaseError)
    assert "refuses this value" in found.message


@pytest.mark.parametrize("statement", MAY_HEAL)
async def test_everything_else_is_tried_again(engine: AsyncEngine, statement: str) -> None:
    with pytest.raises(DBAPIError) as raised:
        async with engine.connect() as connection:
            await connection.execute(text(statement))
    assert refused(raised.value) is None
