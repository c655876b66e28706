"""The ledger of operations: what is sent to a CRM, noted before the call, and what came of it.

A row is open until somebody knows its outcome, then settled: with a result it was written, without
one nothing was. While a try is under way the row has a lease, which runs out when its worker dies.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, DateTime, Update, extract, func, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from account_reviews.domain.errors import ConflictError
from account_reviews.domain.operations import Operation
from account_reviews.domain.review.steps import ApplyResult
from account_reviews.store.database import reachable
from account_reviews.store.operation_rows import Intent, operation_of, outcome_row, repeated
from account_reviews.store.tables import crm_ledgers
from account_reviews.store.tables import crm_operations as table

_NOW: Final = func.clock_timestamp(type_=DateTime(timezone=True))
"""Of this moment: a transaction that queued at the gate began long before."""
_WAIT: Final = extract("epoch", table.c.lease_until - _NOW).label("wait")
_UNSEEN_SECONDS: Final = 1.0
"""Until another look when somebody else has put the row there at the same moment."""
_BATCH: Final = 500
_STANDING: Final = text(
    "select count(*) filter (where lease_until > clock_timestamp()) as under_way, count(*) as open "
    "from reviews.crm_operations "
    "where tenant = :tenant and settled_at is null and change is not null"
)


class Begun(NamedTuple):
    """How a try begins. All None: nothing was written before, so the write is to be made."""

    earlier: Operation | None = None
    """A try of which nobody knows what came of it: to be looked up first."""
    written: ApplyResult | None = None
    """It was written before."""
    wait_seconds: float | None = None
    """Somebody else's try is under way, for so long at most."""


@dataclass
class Known:
    """What the ledger has of some operations. One that is nowhere in it was never begun."""

    written: dict[str, ApplyResult] = field(default_factory=dict)
    settled: set[str] = field(default_factory=set)
    """Of which nothing was written."""
    open: list[Operation] = field(default_factory=list)
    wait_seconds: float | None = None
    """Until no try of an open one is under way; None: none is."""


class Standing(NamedTuple):
    """Writes of a tenant that had begun and are not settled."""

    under_way: int
    unknown: int
    """Nobody tries them now, and whether they were written is not known."""


class OperationLedger:
    """The ledger in our own database. UnreachableError when it is down."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine.execution_options(isolation_level="READ COMMITTED")

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """One READ COMMITTED transaction, committed at the end unless an error leaves it."""
        async with reachable(), self._engine.begin() as connection:
            yield connection

    async def begin(
        self, connection: AsyncConnection, wanted: Intent, *, lease_seconds: float
    ) -> Begun:
        """Note in that transaction that a try begins, and take its lease.

        ConflictError when the account was forgotten while nobody knew what had come of it.
        """
        row = {**wanted.row(), "lease_until": _until(lease_seconds)}
        query = upsert(table).values(row).on_conflict_do_nothing()
        if (await connection.execute(query)).rowcount:
            return Begun()
        mine = table.c.operation_id == wanted.operation_id
        found = await connection.execute(select(table, _WAIT).where(mine).with_for_update())
        known = found.one_or_none()
        if known is None:
            return Begun(wait_seconds=_UNSEEN_SECONDS)
        if known.result is not None:
            return Begun(written=repeated(known.result))
        if known.wait is not None and known.wait > 0:
            return Begun(wait_seconds=float(known.wait))
        if known.settled_at is None and known.change is None:
            raise _forgotten(known.account_id)
        if known.settled_at is not None:
            await connection.execute(_retry(wanted, lease_seconds))
            return Begun()
        await connection.execute(update(table).where(mine).values(lease_until=row["lease_until"]))
        return Begun(earlier=operation_of(known))

    async def retry(self, wanted: Intent, *, lease_seconds: float) -> None:
        """Note that it is sent again: what was sent before wrote nothing, and never will."""
        await self._run(_retry(wanted, lease_seconds))

    async def renew(self, operation_id: str, *, lease_seconds: float) -> None:
        """The try goes on."""
        query = _open(operation_id).where(table.c.lease_until.is_not(None))
        await self._run(query.values(lease_until=_until(lease_seconds)))

    async def settle(self, operation_id: str, result: ApplyResult | None) -> None:
        """Note what came of it: None for nothing that was written."""
        await self._run(_settled(operation_id, result))

    async def let_go(self, operation_id: str) -> None:
        """The try is over, and nobody knows what came of it."""
        await self._run(_open(operation_id).values(lease_until=None))

    async def settle_found(self, looked_at: Operation, result: ApplyResult | None) -> bool:
        """Note what a look-up found; False when it was tried again meanwhile."""
        over = func.coalesce(table.c.lease_until, _NOW) <= _NOW
        query = _settled(looked_at.operation_id, result)
        return bool(await self._run(query.where(table.c.tries == looked_at.tries, over)))

    async def read(self, tenant: str, operation_ids: Iterable[str]) -> Known:
        """What is known of these operations of the tenant. ConflictError as `begin`."""
        wanted = table.c.operation_id == func.any(list(operation_ids))
        query = select(table, _WAIT).where(wanted, table.c.tenant == tenant)
        async with reachable(), self._engine.connect() as connection:
            rows = (await connection.execute(query)).all()
        known = Known()
        for row in rows:
            if row.result is not None:
                known.written[row.operation_id] = ApplyResult.model_validate(row.result)
            elif row.settled_at is not None:
                known.settled.add(row.operation_id)
            elif row.change is None:
                raise _forgotten(row.account_id)
            else:
                known.open.append(operation_of(row))
                if row.wait is not None and row.wait > 0:
                    known.wait_seconds = max(float(row.wait), known.wait_seconds or 0.0)
        return known

    async def written(self, tenant: str, operation_id: str) -> ApplyResult | None:
        """What was written under this id, as far as it is known; None also when its content was
        erased."""
        query = select(table.c.result).where(
            table.c.operation_id == operation_id,
            table.c.tenant == tenant,
            table.c.erased_at.is_(None),
        )
        async with reachable(), self._engine.connect() as connection:
            result = await connection.scalar(query)
        return None if result is None else ApplyResult.model_validate(result)

    async def standing(self, tenant: str) -> Standing:
        """How many writes are under way, and of how many the outcome is not known."""
        async with reachable(), self._engine.connect() as connection:
            row = (await connection.execute(_STANDING, {"tenant": tenant})).one()
        return Standing(row.under_way, row.open - row.under_way)

    async def open_of(self, tenant: str, account_id: str) -> list[str]:
        """Writes to an account that have begun and are not settled, by operation id."""
        query = select(table.c.operation_id).where(
            table.c.tenant == tenant,
            table.c.account_id == account_id,
            table.c.settled_at.is_(None),
            table.c.change.is_not(None),
        )
        async with reachable(), self._engine.connect() as connection:
            return list((await connection.scalars(query)).all())

    async def is_adopted(self, tenant: str, place: str) -> bool:
        """Whether the rows of the ledger at that place were taken over."""
        query = select(crm_ledgers.c.since).where(
            crm_ledgers.c.tenant == tenant, crm_ledgers.c.place == place
        )
        async with reachable(), self._engine.connect() as connection:
            return await connection.scalar(query) is not None

    async def adopt(self, tenant: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take over rows of another ledger; those that are known stay as they are."""
        query = upsert(table).on_conflict_do_nothing()
        async with self.transaction() as connection:
            for start in range(0, len(rows), _BATCH):
                batch = [_adopted(tenant, row) for row in rows[start : start + _BATCH]]
                await connection.execute(query, batch)

    async def note_adopted(self, tenant: str, place: str) -> None:
        """All rows of that ledger were taken over."""
        row = {"tenant": tenant, "place": place}
        async with self.transaction() as connection:
            await connection.execute(upsert(crm_ledgers).values(row).on_conflict_do_nothing())

    async def _run(self, query: Update) -> int:
        async with self.transaction() as connection:
            return (await connection.execute(query)).rowcount


def _forgotten(account_id: str) -> ConflictError:
    return ConflictError(
        f"account {account_id} was forgotten while nobody knew what had come of a write to it",
        hint="look at the account in the CRM; review it anew to write to it",
    )


def _until(seconds: float) -> ColumnElement[Any]:
    return _NOW + timedelta(seconds=seconds)


def _open(operation_id: str) -> Update:
    return update(table).where(table.c.operation_id == operation_id, table.c.settled_at.is_(None))


def _retry(wanted: Intent, lease_seconds: float) -> Update:
    again = {
        "tried_at": _NOW,
        "tries": table.c.tries + 1,
        "settled_at": None,
        "erased_at": None,
        "lease_until": _until(lease_seconds),
    }
    mine = table.c.operation_id == wanted.operation_id
    query = update(table).where(mine, table.c.result.is_(None))
    return query.values({**wanted.row(), **again})


def _settled(operation_id: str, result: ApplyResult | None) -> Update:
    values: dict[str, Any] = {"settled_at": _NOW, "lease_until": None}
    if result is not None:
        values |= {**outcome_row(result), "applied_at": result.applied_at}
    mine = table.c.operation_id == operation_id
    return update(table).where(mine, table.c.result.is_(None)).values(values)


def _adopted(tenant: str, row: Mapping[str, Any]) -> dict[str, Any]:
    at = row["applied_at"]
    return {**row, "tenant": tenant, "begun_at": at, "tried_at": at, "settled_at": at}
