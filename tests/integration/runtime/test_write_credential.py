"""A worker that may only read works with a login that may not write, and registers no write."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.bootstrap import Parts, open_parts
from account_reviews.config.settings import Settings
from account_reviews.domain.errors import CrmPermissionError
from account_reviews.domain.operations import Operation
from account_reviews.domain.records import SnapshotLimits
from account_reviews.runtime.queues import Only, by_queue
from activities.crm_writes import CrmWriteActivities
from tests.support.crm_loading import load, sample
from tests.support.review_states import NOW, task_change

READER = "crm_reader"
_MAKE_ROLE = (
    f"do $$ begin if to_regrole('{READER}') is null then create role {READER} login; end if; end $$"
)


@pytest.fixture
async def settings(engine: AsyncEngine, database_url: str, tmp_path: Path) -> Settings:
    """The CRM under a login that reads, and under one that writes."""
    async with engine.begin() as connection:
        for statement in (
            _MAKE_ROLE,
            f"grant usage on schema crm to {READER}",
            f"grant select on all tables in schema crm to {READER}",
        ):
            await connection.execute(text(statement))
    reader = make_url(database_url).set(username=READER)
    return Settings(
        data_dir=tmp_path,
        database_url=database_url,
        crm_url=reader.render_as_string(hide_password=False),
        crm_write_url=database_url,
    )


@pytest.fixture
async def parts(settings: Settings) -> AsyncIterator[Parts]:
    async with open_parts(settings, application="tests") as parts:
        yield parts


async def test_reading_goes_without_the_right_to_write(parts: Parts, engine: AsyncEngine) -> None:
    account = sample()
    await load(engine, [account])
    change = task_change(account.account.id)
    limits = SnapshotLimits()
    read = await parts.crm.snapshot(account.account.id, as_of=NOW, limits=limits)
    assert read.account.id == account.account.id
    with pytest.raises(CrmPermissionError, match="permission denied"):
        await parts.crm.apply(change, expected_version=None, operation_id="run:1")
    with pytest.raises(CrmPermissionError, match="permission denied"):
        await parts.crm.find_operations([Operation.named("run:1")])
    assert await parts.writing_crm.find_operations([Operation.named("run:1")]) == {}
    done = await parts.writing_crm.apply(change, expected_version=None, operation_id="run:1")
    assert done.status == "applied"
    assert [*await parts.writing_crm.find_operations([Operation.named("run:1")])] == ["run:1"]


async def test_a_worker_registers_what_it_may(parts: Parts) -> None:
    def registered(only: Only | None, *, writes: bool) -> dict[str, set[str]]:
        found = by_queue("account-reviews/acme", [], parts.activities(writes=writes), only)
        return {
            one["task_queue"]: {
                method.__qualname__.partition(".")[0] for method in one["activities"]
            }
            for one in found
        }

    reading = registered(Only.READ, writes=False)
    assert [*reading] == ["account-reviews/acme"]
    assert CrmWriteActivities.__name__ not in reading["account-reviews/acme"]
    assert registered(Only.READ, writes=True) == reading
    both = registered(None, writes=True)
    assert [*both] == ["account-reviews/acme", "account-reviews:write/acme"]
    assert both["account-reviews:write/acme"] == {CrmWriteActivities.__name__}
    # Reviews from before logic 3 write on their own queue.
    assert both["account-reviews/acme"] == reading["account-reviews/acme"] | {
        CrmWriteActivities.__name__
    }
    writing = by_queue("account-reviews/acme", [], parts.writing_activities(), Only.WRITE)
    assert [one["task_queue"] for one in writing] == ["account-reviews:write/acme"]


async def test_without_a_login_of_its_own_a_write_takes_that_of_reading(settings: Settings) -> None:
    async with open_parts(replace(settings, crm_write_url=None), application="tests") as parts:
        assert parts.writing_crm is parts.crm
