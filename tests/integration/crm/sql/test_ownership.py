"""A database holds the CRM of one tenant, and says so when another asks."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.crm.importing.importer import import_directory
from account_reviews.crm.importing.mapping import load_mapping
from account_reviews.crm.protocol import AccountFilter, Wanted
from account_reviews.crm.sql.accounts import SqlAccounts
from account_reviews.crm.sql.backend import SqlCrm
from account_reviews.domain.errors import CrmOfAnotherTenantError
from account_reviews.domain.proposals import Action
from account_reviews.domain.records import SnapshotLimits
from tests.support.connections import statements_on
from tests.support.crm import ACCOUNT, change
from tests.support.crm_loading import AS_OF, load, sample

EVERY = AccountFilter()
LIMITS = SnapshotLimits()
NOTE = change(Action.ADD_NOTE, {"content": "written by a test"})
MAPPING = """
files:
  - file: accounts.csv
    module: accounts
    fields: {id: {column: id}, name: {column: name}}
"""


@pytest.fixture(autouse=True)
async def of_nobody(engine: AsyncEngine) -> None:
    """A CRM that nobody has claimed."""
    async with engine.begin() as connection:
        await connection.execute(text("delete from crm.belongs_to"))
    await load(engine, [sample("ac-1")])


ASKING: dict[str, Callable[[SqlCrm], Awaitable[object]]] = {
    "list": lambda crm: crm.list_accounts(EVERY),
    "read": lambda crm: crm.snapshot("ac-1", as_of=AS_OF, limits=LIMITS),
    "read many": lambda crm: crm.snapshots(("ac-1",), as_of=AS_OF, limits=LIMITS),
    "write": lambda crm: crm.apply(NOTE, expected_version=None, operation_id="theirs"),
    "has owner": lambda crm: crm.has_owner("ow-1"),
    "read back": lambda crm: crm.read_back((Wanted(record=ACCOUNT, fields=("name",)),)),
}


@pytest.mark.parametrize("asked", ASKING)
async def test_the_first_that_writes_owns_it(engine: AsyncEngine, asked: str) -> None:
    crm = SqlCrm(engine)
    await crm.of("acme").apply(NOTE, expected_version=None, operation_id=f"ours {asked}")
    await ASKING[asked](crm.of("acme"))
    with pytest.raises(CrmOfAnotherTenantError, match="belongs to the tenant 'acme'") as error:
        await ASKING[asked](crm.of("umbrella"))
    assert "REVIEWS_CRM_URL" in str(error.value.hint)
    assert not (await crm.of("umbrella").health()).ok


async def test_a_start_is_told_too(engine: AsyncEngine) -> None:
    await SqlCrm(engine).of("acme").apply(NOTE, expected_version=None, operation_id="start")
    assert (await SqlAccounts(statements_on(engine), "acme").list_accounts(EVERY)).items
    theirs = SqlAccounts(statements_on(engine), "umbrella")
    for asked in (theirs.list_accounts(EVERY), theirs.has_owner("ow-1", by_name=True)):
        with pytest.raises(CrmOfAnotherTenantError):
            await asked


async def test_reading_alone_claims_nothing(engine: AsyncEngine) -> None:
    await SqlCrm(engine).of("acme").list_accounts(EVERY)
    assert (await SqlCrm(engine).of("umbrella").list_accounts(EVERY)).items


async def test_whoever_fills_it_owns_it(engine: AsyncEngine, tmp_path: Path) -> None:
    (tmp_path / "accounts.csv").write_text("id,name\nac-9,Nine\n")
    (tmp_path / "mapping.yaml").write_text(MAPPING)
    mapping = load_mapping(tmp_path / "mapping.yaml")
    await import_directory(engine, tmp_path, mapping, tenant="acme")
    await import_directory(engine, tmp_path, mapping, tenant="acme")
    with pytest.raises(CrmOfAnotherTenantError):
        await import_directory(engine, tmp_path, mapping, tenant="umbrella")
