"""The kill switch as a row, and the gate that every write of a worker passes (`halt_gate`)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from account_reviews.domain.audit.entries import halt_entry
from account_reviews.domain.audit.redaction import DEFAULT, Rules
from account_reviews.domain.halts import Halt
from account_reviews.store.database import reachable
from account_reviews.store.halt_gate import (
    COLUMNS,
    RETRY_SECONDS,
    lock_of_writes,
    pass_gate,
    read_halt,
)
from account_reviews.store.outbox import put_into_outbox
from account_reviews.store.sql_files import read_sql
from account_reviews.store.transactions import Ask

_POLL_SECONDS: Final = 0.05

_HALT = text(
    "insert into reviews.halts (tenant, by, reason) values (:tenant, :by, :reason) "  # noqa: S608  constants
    f"on conflict (tenant) where released_at is null do nothing returning {COLUMNS}"
)
_RELEASE = text(
    "update reviews.halts set released_by = :by, released_reason = :reason, "  # noqa: S608  constants
    f"released_at = now() where tenant = :tenant and released_at is null returning {COLUMNS}"
)
_TRY = text("select pg_try_advisory_xact_lock(hashtextextended(:name, 0))")
_UNDER_WAY = text(
    "select count(*) from reviews.crm_operations "
    "where tenant = :tenant and settled_at is null and lease_until > clock_timestamp()"
)
_IN_FLIGHT = text(read_sql("account_reviews.store", "writes_in_flight.sql"))


class HaltGate:
    """The gate of one tenant, a `WriteGate`."""

    def __init__(self, tenant: str, retry_after: float) -> None:
        self._tenant = tenant
        self._retry_after = retry_after

    @asynccontextmanager
    async def open_for_write(self, connection: AsyncConnection) -> AsyncIterator[None]:
        """Pass the gate until the end of this transaction. WritesHaltedError, UnreachableError."""
        async with reachable():
            await pass_gate(_asking(connection), self._tenant, self._retry_after)
        yield


class HaltStore:
    """Who stopped what. One halt of a tenant is open at most. UnreachableError when down.

    `retry_after`: seconds until a halted write is tried again. `rules`: what of a reason may be
    recorded in the audit trail.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        retry_after: float = RETRY_SECONDS,
        rules: Rules = DEFAULT,
    ) -> None:
        # The row has to be read after the lock was got, not as it was when the transaction began.
        self._engine = engine.execution_options(isolation_level="READ COMMITTED")
        self._retry_after = retry_after
        self._rules = rules

    def gate(self, tenant: str) -> HaltGate:
        """What every write of the tenant passes."""
        return HaltGate(tenant, self._retry_after)

    async def halt(self, tenant: str, by: str, reason: str) -> tuple[Halt, bool]:
        """Stop; gives the halt in force, and False when it was there before.

        From now on no write begins. `writers_left` counts those that had begun.
        """
        values = {"tenant": tenant, "by": by, "reason": reason}
        while True:
            async with reachable(), self._engine.begin() as connection:
                row = (await connection.execute(_HALT, values)).mappings().one_or_none()
                if row is not None:
                    halt = Halt.model_validate(dict(row))
                    await put_into_outbox(connection, [halt_entry(halt, self._rules)])
                    return halt, True
            known = await self.current(tenant)
            if known is not None:  # else it was released between the two
                return known, False

    async def release(self, tenant: str, by: str, reason: str) -> Halt | None:
        """Let everything go on; gives what was released, None when nothing was stopped."""
        values = {"tenant": tenant, "by": by, "reason": reason}
        async with reachable(), self._engine.begin() as connection:
            row = (await connection.execute(_RELEASE, values)).mappings().one_or_none()
            if row is None:
                return None
            halt = Halt.model_validate(dict(row))
            await put_into_outbox(connection, [halt_entry(halt, self._rules)])
            return halt

    async def current(self, tenant: str) -> Halt | None:
        """The halt in force, or None."""
        async with reachable(), self._engine.connect() as connection:
            return await read_halt(_asking(connection), tenant)

    async def writers_left(self, tenant: str) -> int:
        """Writes and starts that had begun and go on. 0: none does, also none that hides.

        Whoever holds the lock is looked at first: an intent that it commits is seen after that.
        """
        name = {"name": lock_of_writes(tenant)}
        async with reachable(), self._engine.connect() as connection:
            holders = 0
            if not await connection.scalar(_TRY, name):
                holders = max(1, int(await connection.scalar(_IN_FLIGHT, name) or 0))
            noted = await connection.scalar(_UNDER_WAY, {"tenant": tenant})
        return holders + int(noted or 0)

    @asynccontextmanager
    async def alone(self, tenant: str) -> AsyncIterator[None]:
        """Only one at a time brings the schedules of a tenant in line with the row."""
        name = {"name": f"reviews-stop-all:{tenant}"}
        async with AsyncExitStack() as stack:
            async with reachable():
                connection = await stack.enter_async_context(self._engine.connect())
                while not await connection.scalar(_TRY, name):
                    await connection.rollback()
                    await asyncio.sleep(_POLL_SECONDS)
            yield


def _asking(connection: AsyncConnection) -> Ask:
    """Statements in the transaction of this connection."""

    async def ask(statement: str, /, **values: Any) -> list[dict[str, Any]]:
        found = await connection.execute(text(statement), values)
        return [dict(row) for row in found.mappings()]

    return ask
