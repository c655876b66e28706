"""Accounts are listed alike through an engine and over a plain connection."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.crm.protocol import AccountFilter
from account_reviews.crm.sql.accounts import SqlAccounts
from account_reviews.crm.sql.backend import SqlCrm
from account_reviews.domain.errors import CrmUnavailableError, CrmUnreadableError
from account_reviews.domain.records import AccountSnapshot, AccountStatus, SnapshotLimits
from account_reviews.store.database import create_engine
from tests.support.crm_loading import AS_OF, ILSE, TOMAS, accounts_of, ago, load, sample

LONG_AGO, RECENT = ago(1000), ago(1)
NOTHING: dict[str, Any] = dict.fromkeys(("contacts", "deals", "activities", "notes", "tasks"), ())


def account(account_id: str, **changes: Any) -> AccountSnapshot:
    """One of Ilse's that last changed long ago, with nothing that hangs on it."""
    values = {"modified_at": LONG_AGO, "segment": "SMB", **changes}
    made = sample(account_id).account.model_copy(update=values)
    return sample(account_id, account=made, **NOTHING)


def touched(account_id: str, kind: str, **changes: Any) -> AccountSnapshot:
    """Nothing is new but one record that hangs on it."""
    record = getattr(sample(account_id), kind)[0].model_copy(update=changes)
    return account(account_id).model_copy(update={kind: (record,)})


PORTFOLIO = (
    account("ac-1", annual_revenue=Decimal(90000), custom={"tier": "Premium", "x": "\u00e4"}),
    account("ac-2", owner_id="ow-2", segment="Enterprise"),
    account("ac-3", owner_id=None, status=None, segment=None),
    account("ac-4", status=AccountStatus.CLOSED, last_activity_at=RECENT),
    account("ac-5", modified_at=None),
    account("ac-6", modified_at=RECENT),
    touched("by-activity", "activities", at=RECENT),
    touched("by-contact", "contacts", created_at=RECENT),
    touched("by-deal", "deals", created_at=LONG_AGO, modified_at=RECENT, stage_changed_at=None),
    touched("by-new-deal", "deals", created_at=RECENT, stage_changed_at=None),
    touched("by-note", "notes", created_at=RECENT),
    touched("by-stage", "deals", created_at=LONG_AGO, stage_changed_at=RECENT),
    touched("by-task", "tasks", created_at=RECENT),
    touched("untouched", "notes", created_at=LONG_AGO),
)
EVERY = [one.account.id for one in PORTFOLIO]
CHANGED = [one for one in EVERY if one.startswith("by-")]

WANTED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "all": ({}, EVERY),
    "owner id": ({"owner": "ow-2"}, ["ac-2"]),
    "owner name": ({"owner": "Tomas Brekke"}, ["ac-2"]),
    "nobody": ({"owner": "nobody"}, []),
    "ids": ({"account_ids": ("ac-6", "ac-1", "gone")}, ["ac-1", "ac-6"]),
    "no ids": ({"account_ids": ()}, []),
    "segment": ({"segment": "Enterprise"}, ["ac-2"]),
    "statuses": (
        {"statuses": (AccountStatus.CLOSED, AccountStatus.PENDING)}, ["ac-3", "ac-4"]
    ),
    "changed": ({"changed_since": AS_OF - timedelta(days=2)}, ["ac-4", "ac-5", "ac-6", *CHANGED]),
    "several": ({"owner": "ow-1", "segment": "SMB", "account_ids": ("ac-1", "ac-2")}, ["ac-1"]),
}  # fmt: skip


@pytest.fixture
async def accounts(engine: AsyncEngine) -> SqlAccounts:
    await load(engine, PORTFOLIO, owners=[ILSE, TOMAS])
    return accounts_of(engine)


@pytest.mark.parametrize("wanted", WANTED)
async def test_the_same_accounts_come_both_ways(
    accounts: SqlAccounts, engine: AsyncEngine, wanted: str
) -> None:
    given, ids = WANTED[wanted]
    where = AccountFilter(**given)
    page = await accounts.list_accounts(where)
    assert [one.id for one in page.items] == ids
    assert page == await SqlCrm(engine).list_accounts(where)


async def test_an_account_comes_whole(accounts: SqlAccounts, engine: AsyncEngine) -> None:
    page = await accounts.list_accounts(AccountFilter(account_ids=("ac-1",)))
    (found,) = page.items
    assert found == PORTFOLIO[0].account
    assert str(found.annual_revenue) == "90000"
    assert page == await SqlCrm(engine).list_accounts(AccountFilter(account_ids=("ac-1",)))


async def test_pages_follow_one_another(accounts: SqlAccounts) -> None:
    found: list[str] = []
    cursor = None
    for _ in EVERY:
        page = await accounts.list_accounts(AccountFilter(), cursor=cursor, limit=5)
        assert len(page.items) <= 5
        found += [one.id for one in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == EVERY


async def test_both_can_do_the_same(accounts: SqlAccounts, engine: AsyncEngine) -> None:
    assert await accounts.capabilities() == await SqlCrm(engine).capabilities()


async def test_an_outage_is_one_of_the_crm(database_url: str) -> None:
    engine = create_engine(database_url.replace("/test_", "/gone_"), application_name="tests")
    gone = accounts_of(engine)
    with pytest.raises(CrmUnavailableError, match="does not exist") as caught:
        await gone.list_accounts(AccountFilter())
    with pytest.raises(CrmUnavailableError, match="does not exist"):
        await gone.last_as_of()
    with pytest.raises(CrmUnavailableError) as through_engine:
        await SqlCrm(engine).list_accounts(AccountFilter())
    assert str(caught.value) == str(through_engine.value)
    assert caught.value.hint == through_engine.value.hint
    await engine.dispose()


async def test_a_time_without_end_is_unknown_and_holds_up_no_other_account(
    accounts: SqlAccounts, engine: AsyncEngine
) -> None:
    odd_times = "contract_end = 'infinity', renewal_date = '0001-01-01', modified_at = 'infinity'"
    async with engine.begin() as connection:
        await connection.execute(
            text(
                f"update crm.accounts set {odd_times}, last_activity_at = '-infinity'"
                " where id = 'ac-2'"
            )
        )
    crm = SqlCrm(engine)
    for source in (accounts, crm):
        page = await source.list_accounts(AccountFilter())
        assert [one.id for one in page.items] == EVERY
        odd = page.items[1]
        assert odd.contract_end is odd.last_activity_at is odd.modified_at is None
    found = await crm.snapshots(EVERY, as_of=AS_OF, limits=SnapshotLimits())
    assert sorted(found) == sorted(EVERY)
    assert found["ac-2"].account.contract_end is None


async def test_an_event_without_a_time_is_left_out(engine: AsyncEngine) -> None:
    await load(engine, [sample()], [ILSE, TOMAS])
    async with engine.begin() as connection:
        await connection.execute(
            text("update crm.activities set at = '-infinity' where id = 'ac-1-a1'")
        )
        await connection.execute(
            text("update crm.deal_stage_changes set at = 'infinity' where stage = 'Proposal'")
        )
    found = await SqlCrm(engine).snapshot("ac-1", as_of=AS_OF, limits=SnapshotLimits())
    assert [one.id for one in found.activities] == ["ac-1-a2"]
    assert [step.stage for step in found.deals[0].stage_history] == ["Qualification"]


@pytest.mark.parametrize("moment", ["infinity", "0001-01-01Z", "0026-10-01Z"])
async def test_a_default_that_no_review_can_be_made_of_is_none(
    accounts: SqlAccounts, engine: AsyncEngine, moment: str
) -> None:
    async with engine.begin() as connection:
        await connection.execute(text(f"insert into crm.imports (as_of) values ('{moment}')"))
    assert await accounts.last_as_of() is None


async def test_an_account_that_cannot_be_read_takes_no_other_with_it(
    accounts: SqlAccounts, engine: AsyncEngine
) -> None:
    async with engine.begin() as connection:
        await connection.execute(
            text("update crm.accounts set status = 'Sleeping' where id = 'ac-2'")
        )
        await connection.execute(
            text("update crm.deals set stage = 'Soon' where account_id = 'by-deal'")
        )
    crm = SqlCrm(engine)
    page = await accounts.list_accounts(AccountFilter())
    assert [one.id for one in page.items] == EVERY
    assert page.items[1].status is None
    found = await crm.snapshots(EVERY, as_of=AS_OF, limits=SnapshotLimits())
    assert sorted(found) == sorted(set(EVERY) - {"ac-2", "by-deal"})
    with pytest.raises(CrmUnreadableError, match=r"deals\.0\.stage"):
        await crm.snapshot("by-deal", as_of=AS_OF, limits=SnapshotLimits())
