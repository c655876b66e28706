"""A memory that gives what is of somebody else: a metric, a log line and an entry of the trail."""

import logging

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.audit.capture.strays import stray_alarm
from account_reviews.bootstrap import open_parts
from account_reviews.config.settings import Settings
from account_reviews.memory.protocol import Stray


async def test_an_alarm_stands_in_the_log_and_in_the_trail(
    engine: AsyncEngine, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    stray = Stray(tenant="strayed", account_id="acc-1", kind="account", reference="data-7")
    settings = Settings(database_url=database_url, tenant="strayed")
    with caplog.at_level(logging.ERROR):
        async with open_parts(settings, application="tests") as parts:
            stray_alarm(parts.audit)(stray)
    assert "asked about acc-1 and gave data-7, which is of another account" in caplog.text
    query = text(
        "select event_type, severity, account_id, resource, details "
        "from audit.audit_events where tenant = 'strayed'"
    )
    async with engine.connect() as connection:
        (row,) = (await connection.execute(query)).all()
    assert (row.event_type, row.severity) == ("permission_denied", "critical")
    assert (row.account_id, row.resource) == ("acc-1", "memory/data-7")
    assert row.details == {"kind": "account"}
