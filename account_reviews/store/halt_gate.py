"""How the gate of the kill switch is passed: in whose transaction does not matter.

A writer takes a shared lock of its tenant and then reads the row. Whoever stops everything commits
the row first and then waits until no writer holds the lock: a writer that came before is waited
for, one that comes later sees the row. The lock is the transaction's own, so a process that dies
in the middle of a write lets it go. A write elsewhere is noted in that transaction, with a lease,
and goes on after it: whoever stops everything waits for the leases, too.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from account_reviews.domain.halts import Halt, writes_halted
from account_reviews.store.transactions import Ask, Transactions

RETRY_SECONDS: Final = 30.0
"""How long a write that was halted waits until it is tried again."""
COLUMNS: Final = "id, tenant, by, reason, at, released_by, released_reason, released_at"

_CURRENT: Final = (
    f"select {COLUMNS} from reviews.halts where tenant = :tenant and released_at is null"  # noqa: S608  constants
)
_ENTER: Final = (
    "select pg_advisory_xact_lock_shared(hashtextextended(:writes, 0)) where not exists "
    "(select 1 from reviews.halts where tenant = :tenant and released_at is null)"
)
"""No lock when the row is there already: nobody queues behind whoever waits for the writers."""


def lock_of_writes(tenant: str) -> str:
    """The name of the lock that writers hold."""
    return f"reviews-writes:{tenant}"


async def pass_gate(ask: Ask, tenant: str, retry_after: float) -> None:
    """Take the lock until the end of the transaction that `ask` asks in. WritesHaltedError.

    The transaction is READ COMMITTED: the row is read as it is once the lock is there.
    """
    await ask(_ENTER, tenant=tenant, writes=lock_of_writes(tenant))
    halt = await read_halt(ask, tenant)
    if halt is not None:
        raise writes_halted(halt, retry_after)


async def read_halt(ask: Ask, tenant: str) -> Halt | None:
    """The halt in force, or None."""
    rows = await ask(_CURRENT, tenant=tenant)
    return Halt.model_validate(rows[0]) if rows else None


class StartGate:
    """The gate for starts, passed over a plain connection: a command needs no engine for it."""

    def __init__(self, transactions: Transactions, tenant: str) -> None:
        self._transactions = transactions
        self._tenant = tenant

    @asynccontextmanager
    async def open_for_start(self) -> AsyncIterator[Ask]:
        """One start may be made inside, where what is locked stays so until its end.

        WritesHaltedError, UnreachableError.
        """
        async with self._transactions.held() as ask:
            await pass_gate(ask, self._tenant, RETRY_SECONDS)
            yield ask
