"""No error of the database tells the log what was written: values are people's names and notes."""

import io
import json
import logging

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.telemetry.logs import logging_to

NOTE = "Mrs Quill hums in the vault"
KEY = "the blue heron"

STATEMENTS = (
    "insert into noted values (:key, :note, 1), (:key, :note, 2)",
    "insert into noted values (:key, :note, null)",
    "select cast(:note as jsonb), cast(:key as text)",
    "select cast(:note as integer), cast(:key as text)",
)
"""A key that is there, a value that must be there, what is no JSON, what the driver refuses."""


@pytest.mark.parametrize("statement", STATEMENTS)
async def test_values_of_statements_are_not_logged(engine: AsyncEngine, statement: str) -> None:
    stream = io.StringIO()
    table = "create temporary table noted (key text primary key, note text, n integer not null)"
    with logging_to(stream, level="debug"):
        async with engine.connect() as connection:
            await connection.execute(text(table))
            try:
                await connection.execute(text(statement), {"key": KEY, "note": NOTE})
                pytest.fail("the statement was to be refused")
            except DBAPIError as error:
                logging.getLogger("tests").warning("it failed: %s", error, exc_info=error)
            await connection.rollback()
    said = stream.getvalue()
    assert "it failed" in said
    assert any("exception" in json.loads(line) for line in said.splitlines())
    assert NOTE not in said
    assert KEY not in said
