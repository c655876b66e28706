"""An account with everything, and a way to put snapshots into the SQL CRM."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Table, insert, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from account_reviews.crm.protocol import CrmBackend, Wanted
from account_reviews.crm.sql import tables
from account_reviews.crm.sql.accounts import SqlAccounts
from account_reviews.domain.base import Scalar
from account_reviews.domain.records import (
    Account,
    AccountSnapshot,
    AccountStatus,
    Activity,
    ActivityType,
    Contact,
    Deal,
    DealStage,
    Note,
    Owner,
    Record,
    RecordRef,
    RecordType,
    StageChange,
    Task,
)
from account_reviews.store.tables import crm_operations
from tests.support.connections import statements_on

AS_OF = datetime(2026, 10, 1, tzinfo=UTC)
ALL_MODULES = frozenset(RecordType)
ILSE = Owner(id="ow-1", version="1", name="Ilse Varnholt", email="ilse@vendor.example")
TOMAS = Owner(id="ow-2", version="1", name="Tomas Brekke", manager_id="ow-1")


def ago(days: float) -> datetime:
    """A moment before the as-of date."""
    return AS_OF - timedelta(days=days)


def sample(account_id: str = "ac-1", **changes: Any) -> AccountSnapshot:
    """One account with two of everything."""
    ids: dict[str, Any] = {"version": "1", "account_id": account_id}
    values: dict[str, Any] = {
        "account": Account(
            id=account_id, version="3", name=f"Amber {account_id}", owner_id="ow-1",
            status=AccountStatus.ACTIVE, annual_revenue=Decimal("12500.5"), phone="+99 1",
            contract_end=date(2027, 1, 31), custom={"tier": "Premium"}, created_at=ago(400),
        ),
        "owner": ILSE,
        "contacts": (
            Contact(id=f"{account_id}-c2", name="Bela", created_at=ago(1), alignment=0.5, **ids),
            Contact(id=f"{account_id}-c1", name="Alva", created_at=ago(9), active=True, **ids),
        ),
        "deals": (
            Deal(
                id=f"{account_id}-d1", name="Open", stage=DealStage.PROPOSAL, created_at=ago(50),
                stage_changed_at=ago(40), amount=Decimal(90000), owner_id="ow-1",
                stage_history=(
                    StageChange(stage=DealStage.QUALIFICATION, at=ago(50)),
                    StageChange(stage=DealStage.PROPOSAL, at=ago(40)),
                ), **ids,
            ),
            Deal(
                id=f"{account_id}-d2", name="Won", stage=DealStage.CLOSED_WON,
                created_at=ago(10), stage_changed_at=ago(2), **ids,
            ),
        ),
        "activities": (
            Activity(id=f"{account_id}-a1", type=ActivityType.CALL, at=ago(3),
                     participants=("Alva",), **ids),
            Activity(id=f"{account_id}-a2", type=ActivityType.DEMO, at=ago(100), **ids),
        ),
        "notes": (
            Note(id=f"{account_id}-n1", content="Wants a training", created_at=ago(5), **ids),
        ),
        "tasks": (Task(id=f"{account_id}-t1", subject="Call", created_at=ago(4), **ids),),
        "modules": ALL_MODULES,
        "fetched_at": AS_OF,
        "as_of": AS_OF,
    }  # fmt: skip
    return AccountSnapshot(**{**values, **changes})


async def load(
    engine: AsyncEngine, snapshots: Iterable[AccountSnapshot], owners: Iterable[Owner] = ()
) -> None:
    """Empty the CRM, then store the snapshots' records."""
    async with engine.begin() as connection:
        await clear(connection)
        for owner in owners:
            await _store(connection, tables.owners, owner)
        for snapshot in snapshots:
            await _load_one(connection, snapshot)


async def clear(connection: AsyncConnection) -> None:
    """An empty CRM, to which nothing was ever written."""
    names = ", ".join(map(str, (*tables.metadata.sorted_tables, crm_operations)))
    await connection.execute(text(f"truncate {names}"))


async def _load_one(connection: AsyncConnection, snapshot: AccountSnapshot) -> None:
    for owner in (snapshot.owner, snapshot.previous_owner):
        if owner is not None:
            await _store(connection, tables.owners, owner)
    await _store(connection, tables.accounts, snapshot.account)
    if snapshot.previous_owner is not None:
        change = {
            "account_id": snapshot.account.id,
            "at": snapshot.as_of,
            "previous_owner_id": snapshot.previous_owner.id,
            "owner_id": snapshot.account.owner_id,
        }
        await connection.execute(insert(tables.account_owner_changes).values(change))
    for table, records in (
        (tables.contacts, snapshot.contacts),
        (tables.deals, snapshot.deals),
        (tables.activities, snapshot.activities),
        (tables.notes, snapshot.notes),
        (tables.tasks, snapshot.tasks),
    ):
        for record in records:
            await _store(connection, table, record)
    for deal in snapshot.deals:
        for step in deal.stage_history:
            row = {"deal_id": deal.id, "stage": step.stage, "at": step.at}
            await connection.execute(insert(tables.deal_stage_changes).values(row))
    held = [{"name": module} for module in snapshot.modules]
    if held:
        await connection.execute(upsert(tables.modules).on_conflict_do_nothing(), held)


async def _store(connection: AsyncConnection, table: Table, record: Record) -> None:
    values = {name: value for name, value in record.model_dump().items() if name in table.c}
    values["version"] = int(record.version)
    await connection.execute(upsert(table).values(values).on_conflict_do_nothing())


async def read_one(
    crm: CrmBackend, record: RecordRef, fields: tuple[str, ...]
) -> dict[str, Scalar] | None:
    """Fields of one record as the CRM shows them now."""
    (shown,) = await crm.read_back((Wanted(record=record, fields=fields),))
    return shown


def accounts_of(engine: AsyncEngine) -> SqlAccounts:
    """The CRM of that database as a start asks it."""
    return SqlAccounts(statements_on(engine))


async def last_as_of(engine: AsyncEngine) -> datetime | None:
    """The moment that the last import named."""
    return await accounts_of(engine).last_as_of()
