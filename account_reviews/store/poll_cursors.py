"""Up to when a CRM was asked what has changed."""

from datetime import datetime
from typing import Final, NamedTuple

from account_reviews.store.sql_files import read_sql
from account_reviews.store.transactions import Transactions

_READ: Final = (
    "select until_at, polled_at, found from reviews.poll_cursors "
    "where tenant = :tenant and name = :name"
)
_ADVANCE: Final = read_sql("account_reviews.store", "advance_poll_cursor.sql")


class PollCursor(NamedTuple):
    """`until_at`: what changed before was asked for."""

    until_at: datetime
    polled_at: datetime
    found: int


class PollCursors:
    """The cursors of one tenant. UnreachableError when the database is down."""

    def __init__(self, transactions: Transactions, tenant: str) -> None:
        self._transactions = transactions
        self._tenant = tenant

    async def read(self, name: str) -> PollCursor | None:
        """None before the first time."""
        async with self._transactions.held() as ask:
            rows = await ask(_READ, tenant=self._tenant, name=name)
        return PollCursor(**rows[0]) if rows else None

    async def advance(self, name: str, until: datetime, found: int) -> None:
        """It never goes back, whoever came later."""
        async with self._transactions.committed() as ask:
            await ask(_ADVANCE, tenant=self._tenant, name=name, until=until, found=found)
