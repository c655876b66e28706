"""Reading who was notified of a request."""

from collections.abc import Sequence
from typing import Final

from account_reviews.domain.review.deliveries import DeliveryRow
from account_reviews.store.sql_files import read_sql
from account_reviews.store.statements import Statements

_LIST: Final = read_sql("account_reviews.store", "list_deliveries.sql")


class DeliveryReader:
    """Queries for people and programs. UnreachableError when the database is down."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def of(self, tenant: str, about: Sequence[str]) -> dict[str, list[DeliveryRow]]:
        """Deliveries by what they are about: request ids. Oldest first."""
        rows = await self._statements.rows(_LIST, tenant=tenant, about=list(about))
        found: dict[str, list[DeliveryRow]] = {}
        for row in rows:
            found.setdefault(row["about"], []).append(DeliveryRow.model_validate(row))
        return found
