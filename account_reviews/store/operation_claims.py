"""Writes to a CRM in our own database: intent, write and outcome are one transaction.

Whoever takes an operation id waits for a transaction that has it, so none is ever under way for
others: a row is settled as it comes to be seen.
"""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from account_reviews.domain.base import Timestamp
from account_reviews.domain.review.steps import ApplyResult
from account_reviews.store.operation_rows import Intent, repeated
from account_reviews.store.sql_files import read_sql
from account_reviews.store.tables import crm_operations as table

_CLAIM: Final = text(read_sql("account_reviews.store", "claim_operation.sql"))
_NOTE: Final = text(
    "update reviews.crm_operations set result = r, record = r->'record', before = r->'before' "
    "from (select cast(:result as jsonb) as r) as new where operation_id = :operation_id"
)
"""Said in text: both are part of every write, and need not be made anew for each."""


async def claim(connection: AsyncConnection, wanted: Intent) -> Timestamp | None:
    """Take the operation id; gives the time of the write, None when an earlier try wrote it."""
    change = wanted.change
    values = {
        "operation_id": wanted.operation_id,
        "tenant": wanted.tenant,
        "account_id": change.account_id,
        "change_id": change.change_id,
        "action": change.action.value,
        "change": change.model_dump_json(),
        "expected_version": wanted.expected_version,
    }
    found: Timestamp | None = await connection.scalar(_CLAIM, values)
    return found


async def earlier(connection: AsyncConnection, operation_id: str) -> ApplyResult:
    """What the try wrote that has the id."""
    query = select(table.c.result).where(table.c.operation_id == operation_id)
    return repeated(await connection.scalar(query))


async def note(connection: AsyncConnection, operation_id: str, result: ApplyResult) -> None:
    """What was written under an id that was taken in this transaction."""
    values = {"operation_id": operation_id, "result": result.model_dump_json()}
    await connection.execute(_NOTE, values)


async def find_written(
    connection: AsyncConnection, operation_ids: Iterable[str]
) -> dict[str, ApplyResult]:
    """The results of those that were carried out, once nobody writes under them any more.

    Ids are taken in order, so that two who look do not wait for each other, and given back.
    """
    wanted = sorted(set(operation_ids))
    async with connection.begin_nested() as nothing:
        for one in wanted:
            names = ("tenant", "account_id", "change_id", "action")
            row = {"operation_id": one, "after": {}, **dict.fromkeys(names, "")}
            await connection.execute(upsert(table).values(row).on_conflict_do_nothing())
        await nothing.rollback()
    query = select(table.c.operation_id, table.c.result).where(
        table.c.operation_id == func.any(wanted), table.c.result.is_not(None)
    )
    found = (await connection.execute(query)).all()
    return {row.operation_id: ApplyResult.model_validate(row.result) for row in found}
