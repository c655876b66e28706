"""Writing to the SQL CRM: the row of the ledger and the write are one transaction."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from account_reviews.crm.record_writes import Write, created_id, plan_write, wire_fields
from account_reviews.crm.sql.ledgers import Notes
from account_reviews.crm.sql.rows import Links, usable
from account_reviews.crm.sql.tables import (
    TABLES,
    account_owner_changes,
    accounts,
    deal_stage_changes,
    owners,
)
from account_reviews.domain.base import Scalar, Timestamp
from account_reviews.domain.errors import CrmInvalidError, CrmRecordNotFoundError
from account_reviews.domain.proposals import same
from account_reviews.domain.records import RecordRef, RecordType
from account_reviews.domain.review.steps import ApplyResult
from account_reviews.store.operation_rows import Intent

_NAMES: Final = ("name", "subject", "title")


async def apply_change(
    connection: AsyncConnection,
    wanted: Intent,
    links: Links,
    notes: Notes,
) -> ApplyResult:
    """Write once per operation id. The caller commits `applied` and rolls `conflict` back."""
    change, operation_id = wanted.change, wanted.operation_id
    write = plan_write(change)
    at = await notes.claim(connection, wanted)
    if at is None:
        return await notes.earlier(connection, operation_id)
    if write.owner_id is not None:
        await _need(connection, write.owner_id)
    if write.id is None:
        result = await _create(connection, write, operation_id, at, links)
    else:
        expected = wanted.expected_version
        result = await _update(connection, write, change.before, expected, at, links)
    if result.status == "applied":
        await notes.note(connection, operation_id, result)
    return result


def reference(record_type: RecordType, row: Mapping[str, Any], links: Links) -> RecordRef:
    """A row as a reference with its version now."""
    name = next((row[key] for key in _NAMES if row.get(key)), None)
    return RecordRef(
        type=record_type,
        id=row["id"],
        name=name,
        version=str(row["version"]),
        url=links.url(record_type, row["id"]),
    )


async def _need(connection: AsyncConnection, owner_id: str) -> None:
    query = select(owners.c.id).where(owners.c.id == owner_id).with_for_update(key_share=True)
    if await connection.scalar(query) is None:
        raise CrmInvalidError(f"the CRM has no owner {owner_id!r}", field="owner_id")


async def _create(
    connection: AsyncConnection, write: Write, operation_id: str, at: Timestamp, links: Links
) -> ApplyResult:
    parent = select(accounts.c.id).where(accounts.c.id == write.account_id)
    if await connection.scalar(parent.with_for_update(key_share=True)) is None:
        raise CrmRecordNotFoundError(f"the CRM has no account {write.account_id!r}")
    table = TABLES[write.type]
    row = {
        "id": created_id(write.type, operation_id),
        "account_id": write.account_id,
        "created_at": at,
        **write.values,
    }
    query = insert(table).values(row).returning(table)
    made = dict((await connection.execute(query)).mappings().one())
    return ApplyResult(
        status="applied",
        record=reference(write.type, made, links),
        current=wire_fields({name: made[name] for name in write.values}),
        applied_at=at,
    )


async def _update(
    connection: AsyncConnection,
    write: Write,
    shown: Mapping[str, Scalar],
    expected_version: str | None,
    at: Timestamp,
    links: Links,
) -> ApplyResult:
    """`shown` is what people saw in the fields: somebody who changes rows by hand may leave the
    version as it is."""
    table = TABLES[write.type]
    query = select(table).where(table.c.id == write.id).with_for_update()
    found = (await connection.execute(query)).mappings().first()
    if found is None:
        raise CrmRecordNotFoundError(f"the CRM has no {write.type} {write.id!r}")
    row = dict(found)
    holder = row["id"] if write.type is RecordType.ACCOUNT else row["account_id"]
    if holder != write.account_id:
        raise CrmInvalidError(
            f"{write.type} {write.id!r} does not belong to account {write.account_id!r}",
            field="record",
        )
    before = {name: row[name] for name in write.values}
    moved = expected_version != str(row["version"]) or not _stands(shown, before)
    if expected_version is not None and moved:
        return ApplyResult(
            status="conflict",
            record=reference(write.type, row, links),
            current=wire_fields(before),
        )
    after = row
    if before != write.values:
        after = await _change(connection, write, row, at)
    return ApplyResult(
        status="applied",
        record=reference(write.type, after, links),
        before=wire_fields(before),
        current=wire_fields({name: after[name] for name in write.values}),
        applied_at=at,
        version_check=None if expected_version is None else "atomic",
    )


def _stands(shown: Mapping[str, Scalar], now: Mapping[str, object]) -> bool:
    """True when the fields still read as they were shown."""
    fields = {name: usable(now[name]) for name in now.keys() & shown.keys()}
    return all(same(value, shown[name]) for name, value in wire_fields(fields).items())


async def _change(
    connection: AsyncConnection, write: Write, row: dict[str, Any], at: Timestamp
) -> dict[str, Any]:
    """Write the values, and what follows from them: version, times, histories."""
    table = TABLES[write.type]
    values = {**write.values, "version": table.c.version + 1}
    if "modified_at" in table.c:
        values["modified_at"] = at
    if "stage" in write.values:
        values["stage_changed_at"] = at
        step = {"deal_id": write.id, "at": at, "stage": write.values["stage"]}
        await connection.execute(insert(deal_stage_changes).values(step))
    if write.type is RecordType.ACCOUNT and "owner_id" in write.values:
        change = {
            "account_id": write.id,
            "at": at,
            "previous_owner_id": row["owner_id"],
            "owner_id": write.values["owner_id"],
        }
        await connection.execute(insert(account_owner_changes).values(change))
    query = update(table).where(table.c.id == write.id).values(values).returning(table)
    return dict((await connection.execute(query)).mappings().one())
