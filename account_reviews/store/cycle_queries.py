"""Reading cycles: lists with keyset cursors, one cycle, its briefs."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.domain.base import Model, Timestamp
from account_reviews.domain.cycle.state import CycleStatus
from account_reviews.domain.errors import CycleNotFoundError
from account_reviews.store.database import reachable
from account_reviews.store.review_queries import make_cursor, read_cursor

_COLUMNS = (
    "run_id, cycle_id, kind, status, reason, schedule_id, started_by, as_of, scheduled_at, late, "
    "accounts, done, running, waiting, failed, joined, missing_sources, started_at, updated_at, "
    "closed_at"
)


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

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

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
        clauses, values = ["tenant = :tenant"], {"tenant": tenant, "limit": limit + 1}
        for name, value in (("status", status), ("kind", kind)):
            if value is not None:
                clauses.append(f"{name} = :{name}")
                values[name] = value
        if cursor is not None:
            clauses.append("(started_at, run_id) < (:after_at, :after_id)")
            values |= dict(zip(("after_at", "after_id"), read_cursor(cursor), strict=True))
        rows = await self._rows(
            f"select {_COLUMNS} from reviews.cycles where {' and '.join(clauses)} "  # noqa: S608
            "order by started_at desc, run_id desc limit :limit",
            values,
        )
        items = tuple(CycleRow.model_validate(row) for row in rows[:limit])
        last = items[-1] if len(rows) > limit else None
        return CyclePage(
            items=items, next_cursor=make_cursor(last.started_at, last.run_id) if last else None
        )

    async def find(self, tenant: str, cycle: str) -> CycleRow:
        """A cycle by its id or run id; of one id the newest. CycleNotFoundError."""
        rows = await self._rows(
            f"select {_COLUMNS} from reviews.cycles where tenant = :tenant "  # noqa: S608
            "and (cycle_id = :cycle or run_id = :cycle or cycle_id = 'cycle/' || :cycle) "
            "order by started_at desc limit 1",
            {"tenant": tenant, "cycle": cycle},
        )
        if not rows:
            raise CycleNotFoundError(
                f"there is no cycle {cycle!r}", hint="see `reviews cycles list`"
            )
        return CycleRow.model_validate(rows[0])

    async def briefs(self, run_id: str, owner: str | None = None) -> list[dict[str, Any]]:
        """The briefs of a cycle by owner id, or of one owner."""
        rows = await self._rows(
            "select body from reviews.cycle_briefs where run_id = :run_id "
            "and (cast(:owner as text) is null or owner_id = :owner) order by owner_id",
            {"run_id": run_id, "owner": owner},
        )
        return [row["body"] for row in rows]

    async def portfolio(self, run_id: str) -> dict[str, Any] | None:
        """The portfolio report of a cycle, None before it is made."""
        rows = await self._rows(
            "select portfolio from reviews.cycles where run_id = :run_id", {"run_id": run_id}
        )
        return rows[0]["portfolio"] if rows else None

    async def _rows(self, query: str, values: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        async with reachable(), self._engine.connect() as connection:
            found = await connection.execute(text(query), dict(values))
            return [dict(row) for row in found.mappings()]
