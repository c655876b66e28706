"""Reading cycles: lists with keyset cursors, one cycle, its briefs."""

import json
from typing import Any, Final

from account_reviews.domain.base import Model, Timestamp
from account_reviews.domain.cycle.state import CycleStatus
from account_reviews.domain.errors import BadInputError, CycleNotFoundError
from account_reviews.store.cursors import after, make_cursor
from account_reviews.store.sql_files import read_sql
from account_reviews.store.statements import Row, Statements

SHORTEST_ID = 8
_CYCLES: Final = read_sql("account_reviews.store", "list_cycles.sql")
_BRIEFS: Final = (
    "select body from reviews.cycle_briefs where run_id = :run_id "
    "and (cast(:owner as text) is null or owner_id = :owner) order by owner_id"
)
_PORTFOLIO: Final = "select portfolio from reviews.cycles where run_id = :run_id"


class CycleRow(Model):
    """One cycle as lists show it."""

    run_id: str
    cycle_id: str
    kind: str
    status: CycleStatus
    reason: str | None
    schedule_id: str | None
    started_by: str
    as_of: Timestamp
    scheduled_at: Timestamp | None
    late: bool
    accounts: int
    done: int
    running: int
    waiting: int
    failed: int
    joined: int
    missing_sources: tuple[str, ...]
    started_at: Timestamp
    updated_at: Timestamp
    closed_at: Timestamp | None


class CyclePage(Model):
    items: tuple[CycleRow, ...]
    next_cursor: str | None = None


class CycleReader:
    """Queries for people and programs. UnreachableError when the database is down."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def page(
        self,
        *,
        tenant: str,
        status: str | None = None,
        kind: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> CyclePage:
        """Newest first."""
        rows = await self._statements.rows(
            _CYCLES,
            tenant=tenant,
            status=status,
            kind=kind,
            cycle=None,
            begins=None,
            limit=limit + 1,
            **after(cursor),
        )
        items = tuple(_cycle_row(row) for row in rows[:limit])
        last = items[-1] if len(rows) > limit else None
        return CyclePage(
            items=items, next_cursor=make_cursor(last.started_at, last.run_id) if last else None
        )

    async def find(self, tenant: str, cycle: str) -> CycleRow:
        """A cycle by its id or run id; of one id the newest. Eight characters or more of an id that
        no other begins with will do. CycleNotFoundError, BadInputError for several."""
        row = await self._first(tenant, cycle, None)
        if row is None and len(cycle.removeprefix("cycle/")) >= SHORTEST_ID:
            row = await self._only(tenant, f"cycle/{cycle.removeprefix('cycle/')}")
        if row is None:
            raise CycleNotFoundError(
                f"there is no cycle {cycle!r}", hint="see `reviews cycles list`"
            )
        return _cycle_row(row)

    async def _first(self, tenant: str, cycle: str, begins: str | None) -> Row | None:
        return await self._statements.row(
            _CYCLES, tenant=tenant, status=None, kind=None, cycle=cycle, begins=begins, limit=1,
            **after(None),
        )  # fmt: skip

    async def _only(self, tenant: str, begins: str) -> Row | None:
        """The newest of the only id that begins so."""
        rows = await self._statements.rows(
            _CYCLES, tenant=tenant, status=None, kind=None, cycle=begins, begins=begins, limit=50,
            **after(None),
        )  # fmt: skip
        ids = sorted({row["cycle_id"] for row in rows})
        if len(ids) > 1:
            raise BadInputError(
                f"{len(ids)} cycles begin with {begins!r}",
                hint=f"give more of {' or '.join(ids[:3])}",
            )
        return rows[0] if rows else None

    async def briefs(self, run_id: str, owner: str | None = None) -> list[dict[str, Any]]:
        """The briefs of a cycle by owner id, or of one owner."""
        rows = await self._statements.rows(_BRIEFS, run_id=run_id, owner=owner)
        return [json.loads(row["body"]) for row in rows]

    async def portfolio(self, run_id: str) -> dict[str, Any] | None:
        """The portfolio report of a cycle, None before it is made."""
        found = await self._statements.scalar(_PORTFOLIO, run_id=run_id)
        portfolio: dict[str, Any] | None = None if found is None else json.loads(found)
        return portfolio


def _cycle_row(row: Row) -> CycleRow:
    missing = json.loads(row["missing_sources"])
    return CycleRow.model_validate({**row, "missing_sources": missing})
