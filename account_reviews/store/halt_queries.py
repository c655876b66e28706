"""Reading the kill switch: the halt in force, and those before."""

from typing import TYPE_CHECKING, Final

from account_reviews.store.sql_files import read_sql
from account_reviews.store.statements import Statements

if TYPE_CHECKING:
    from account_reviews.domain.base import Timestamp
    from account_reviews.domain.halts import Halt

_HALTS: Final = read_sql("account_reviews.store", "halts.sql")


class HaltReader:
    """Who stopped what. UnreachableError when the database is down."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def current(self, tenant: str) -> "Halt | None":
        """The halt in force, or None. No other is newer: one of a tenant is open at most."""
        found = await self.history(tenant, limit=1)
        return found[0] if found and found[0].is_open else None

    async def history(
        self, tenant: str, *, since: "Timestamp | None" = None, limit: int = 50
    ) -> "tuple[Halt, ...]":
        """Halts, newest first; with `since` those that were in force then or later."""
        from account_reviews.domain.halts import Halt

        rows = await self._statements.rows(_HALTS, tenant=tenant, since=since, limit=limit)
        return tuple(Halt.model_validate(row) for row in rows)
