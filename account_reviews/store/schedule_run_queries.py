"""Reading the rows of scheduled runs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from account_reviews.store.cursors import after, make_cursor
from account_reviews.store.sql_files import read_sql
from account_reviews.store.statements import Statements

if TYPE_CHECKING:
    from account_reviews.domain.schedule.runs import ScheduleRunPage

_HISTORY: Final = read_sql("account_reviews.store", "schedule_history.sql")
_MISSED: Final = (
    "select schedule_id, count(*) as missed from reviews.schedule_runs where tenant = :tenant "
    "and schedule_id = any(:ids) and status = 'missed' group by schedule_id"
)


class ScheduleRunReader:
    """Queries for people and programs. UnreachableError when the database is down."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def history(
        self, tenant: str, schedule_id: str, *, cursor: str | None = None, limit: int = 100
    ) -> "ScheduleRunPage":
        """Runs of one schedule, newest first."""
        from account_reviews.domain.schedule.runs import ScheduleRun, ScheduleRunPage

        rows = await self._statements.rows(
            _HISTORY, tenant=tenant, schedule_id=schedule_id, limit=limit + 1, **after(cursor)
        )
        items = tuple(ScheduleRun.model_validate(row) for row in rows[:limit])
        last = items[-1] if len(rows) > limit else None
        return ScheduleRunPage(
            items=items, next_cursor=make_cursor(last.started_at, last.id) if last else None
        )

    async def missed(self, tenant: str, ids: Sequence[str]) -> dict[str, int]:
        """Schedule id -> runs that were missed because no worker was there; 0 is left out."""
        rows = await self._statements.rows(_MISSED, tenant=tenant, ids=list(ids))
        return {row["schedule_id"]: row["missed"] for row in rows}
