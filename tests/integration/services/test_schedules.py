"""What a schedule file is checked against beside the server."""

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.bootstrap import Parts
from account_reviews.domain.cycle.state import CycleScope
from account_reviews.domain.errors import ScheduleError
from account_reviews.services.cycles import cycle_input
from account_reviews.services.schedules import ensure_owners
from tests.support.schedules import entry, read


async def test_an_owner_whom_nobody_knows_is_refused(parts: Parts, engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("insert into crm.owners (id, name) values ('ow-7', 'Olga')"))
    for known in ("ow-7", "Olga"):
        await ensure_owners(parts, read(entry(f'kind = "daily"\nowner = "{known}"')))
    await ensure_owners(parts, read(entry('kind = "daily"')))
    with pytest.raises(ScheduleError, match="owner is 'OWN-NOBODY', but must be the id or"):
        await ensure_owners(parts, read(entry('kind = "daily"\nowner = "OWN-NOBODY"')))


async def test_a_cycle_kind_is_taken_in_any_case(parts: Parts) -> None:
    start = await cycle_input(parts, kind="Weekly", scope=CycleScope(), started_by="ann")
    assert start.kind == "weekly"
