"""Reading the events of a CRM: what waits, what was done, what could not be."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from account_reviews.domain.errors import BadInputError
from account_reviews.store.sql_files import read_sql
from account_reviews.store.statements import Row, Statements

_LIST: Final = read_sql("account_reviews.store", "list_events.sql")
_MOST_DIGITS: Final = 18


class EventPage(NamedTuple):
    """Rows as they stand, and where the next page begins; None on the last."""

    items: tuple[Row, ...]
    next_cursor: str | None = None


class EventReader:
    """Queries for people and programs. UnreachableError when the database is down."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def page(
        self,
        tenant: str,
        *,
        states: Sequence[str] | None = None,
        account: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> EventPage:
        """Events, the newest first. BadInputError for a cursor of something else."""
        if cursor is not None and not (
            cursor.isascii() and cursor.isdecimal() and len(cursor) <= _MOST_DIGITS
        ):
            raise BadInputError(f"{cursor!r} is not a cursor of this list")
        rows = await self._statements.rows(
            _LIST,
            tenant=tenant,
            states=None if states is None else list(states),
            account=account,
            before=None if cursor is None else int(cursor),
            limit=limit + 1,
        )
        items = tuple(rows[:limit])
        return EventPage(items, str(items[-1]["id"]) if len(rows) > limit else None)
