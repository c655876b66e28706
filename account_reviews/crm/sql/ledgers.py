"""Where the SQL CRM notes a write, in its transaction: beside its records, or in our ledger."""

from collections.abc import Iterable
from typing import Protocol

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from account_reviews.crm.sql.tables import operations
from account_reviews.domain.base import Timestamp
from account_reviews.domain.review.steps import ApplyResult
from account_reviews.store import operation_claims
from account_reviews.store.operation_rows import Intent, outcome_row, repeated


class Notes(Protocol):
    """A ledger in the database of the records. A try that is under way is waited for."""

    async def claim(self, connection: AsyncConnection, wanted: Intent) -> Timestamp | None:
        """Take the operation id; gives the time of the write, None when an earlier try wrote."""
        ...

    async def earlier(self, connection: AsyncConnection, operation_id: str) -> ApplyResult:
        """What that try wrote."""
        ...

    async def note(
        self, connection: AsyncConnection, operation_id: str, result: ApplyResult
    ) -> None:
        """What was written now."""
        ...

    async def find_written(
        self, connection: AsyncConnection, operation_ids: Iterable[str]
    ) -> dict[str, ApplyResult]:
        """The results of those that were carried out."""
        ...


class OurNotes:
    """`reviews.crm_operations`: the records stand in our own database."""

    claim = staticmethod(operation_claims.claim)
    earlier = staticmethod(operation_claims.earlier)
    note = staticmethod(operation_claims.note)
    find_written = staticmethod(operation_claims.find_written)


class CrmNotes:
    """`crm.operations`, in the database of the CRM."""

    async def claim(self, connection: AsyncConnection, wanted: Intent) -> Timestamp | None:
        change = wanted.change
        insert = upsert(operations).values(
            operation_id=wanted.operation_id,
            change_id=change.change_id,
            action=change.action,
            account_id=change.account_id,
            after=change.after,
        )
        query = insert.on_conflict_do_nothing().returning(operations.c.applied_at)
        found: Timestamp | None = await connection.scalar(query)
        return found

    async def earlier(self, connection: AsyncConnection, operation_id: str) -> ApplyResult:
        query = select(operations.c.result).where(operations.c.operation_id == operation_id)
        return repeated(await connection.scalar(query))

    async def note(
        self, connection: AsyncConnection, operation_id: str, result: ApplyResult
    ) -> None:
        query = update(operations).where(operations.c.operation_id == operation_id)
        await connection.execute(query.values(outcome_row(result)))

    async def find_written(
        self, connection: AsyncConnection, operation_ids: Iterable[str]
    ) -> dict[str, ApplyResult]:
        """A write that is under way has an uncommitted row: whoever takes its id waits for it. Ids
        are taken in order, so that two who look do not wait for each other, and given back."""
        wanted = sorted(set(operation_ids))
        async with connection.begin_nested() as nothing:
            for one in wanted:
                given = {"operation_id": one, "change_id": "", "action": "", "account_id": ""}
                row = {**given, "after": {}}
                await connection.execute(upsert(operations).values(row).on_conflict_do_nothing())
            await nothing.rollback()
        query = select(operations.c.operation_id, operations.c.result).where(
            operations.c.operation_id == func.any(wanted), operations.c.result.is_not(None)
        )
        found = (await connection.execute(query)).all()
        return {row.operation_id: ApplyResult.model_validate(row.result) for row in found}
