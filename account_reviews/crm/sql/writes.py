"""Writing to the SQL CRM: the ledger row and the write are one transaction."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from account_reviews.crm.record_writes import Write, created_id, plan_write, wire_fields
from account_reviews.crm.sql.rows import Links, usable
from account_reviews.crm.sql.tables import (
    TABLES,
    account_owner_changes,
    accounts,
    deal_stage_changes,
    operations,
    owners,
)
from account_reviews.domain.base import Scalar, Timestamp
from account_reviews.domain.errors import CrmInvalidError, CrmRecordNotFoundError
from account_reviews.domain.proposals import ProposedChange, same
from account_reviews.domain.records import RecordRef, RecordType
from account_reviews.domain.review.steps import ApplyResult

_NAMES: Final = ("name", "subject", "title")


async def apply_change(
    connection: AsyncConnection,
    change: ProposedChange,
    expected_version: str | None,
    operation_id: str,
    links: Links,
) -> ApplyResult:
    """Write once per operation id. The caller commits `applied` and rolls `conflict` back."""
    write = plan_write(change)
    at = await _claim(connection, change, operation_id)
    if at is None:
        return await _earlier(connection, operation_id)
    if write.owner_id is not None:
        await _need(connection, write.owner_id)
    if write.id is None:
        result = await _create(connection, write, operation_id, at, links)
    else:
        result = await _update(connection, write, change.before, expected_version, at, links)
    if result.status == "applied":
        await _record(connection, operation_id, result)
    return result


async def find_operations(
    connection: AsyncConnection, operation_ids: Sequence[str]
) -> dict[str, ApplyResult]:
    """The results of those that were carried out.

    A write that is under way has an uncommitted row: whoever takes the same id waits for its end.
    Ids are taken in order, so that two who look do not wait for each other, and given back.
    """
    async with connection.begin_nested() as nothing:
        for one in sorted(set(operation_ids)):
            given = {"operation_id": one, "change_id": "", "action": "", "account_id": ""}
            await connection.execute(
                upsert(operations).values(**given, after={}).on_conflict_do_nothing()
            )
        await nothing.rollback()
    query = select(operations.c.operation_id, operations.c.result).where(
        operations.c.operation_id == func.any(list(operation_ids))
    )
    found = (await connection.execute(query)).all()
    return {row.operation_id: ApplyResult.model_validate(row.result) for row in found}


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


async def _claim(
    connection: AsyncConnection, change: ProposedChange, operation_id: str
) -> Timestamp | None:
    """Take the operation id; None when an earlier attempt has it. A running one is waited for."""
    query = (
        upsert(operations)
        .values(
            operation_id=operation_id,
            change_id=change.change_id,
            action=change.action,
            account_id=change.account_id,
            after=change.after,
        )
        .on_conflict_do_nothing()
        .returning(operations.c.applied_at)
    )
    found: Timestamp | None = await connection.scalar(query)
    return found


async def _earlier(connection: AsyncConnection, operation_id: str) -> ApplyResult:
    query = select(operations.c.result).where(operations.c.operation_id == operation_id)
    stored = await connection.scalar(query)
    return ApplyResult.model_validate({**(stored or {}), "status": "already_applied"})


async def _record(connection: AsyncConnection, operation_id: str, result: ApplyResult) -> None:
    stored = result.model_dump(mode="json")
    await connection.execute(
        update(operations)
        .where(operations.c.operation_id == operation_id)
        .values(record=stored["record"], before=stored["before"], result=stored)
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
