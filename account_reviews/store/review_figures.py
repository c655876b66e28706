"""Figures of all reviews: how many, how old, how they ended, what was decided, how fast."""

from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from account_reviews.domain.base import Model
from account_reviews.store.database import reachable

_YES: Final = "('approved', 'adjusted', 'executed', 'failed', 'skipped', 'undone')"
"""States of an item that somebody approved; what became of it came later."""

_OPEN: Final = text(
    "select phase, status, kind, count(*) as sessions, "
    "extract(epoch from now() - min(started_at)) as oldest, "
    "extract(epoch from now() - max(started_at)) as newest, "
    "sum(extract(epoch from now() - started_at)) as ages "
    "from reviews.review_runs where closed_at is null "
    "and (cast(:tenant as text) is null or tenant = :tenant) group by phase, status, kind"
)
_CLOSED: Final = text(
    "select phase, status, count(*) as sessions from reviews.review_runs "
    "where closed_at is not null and tenant = :tenant group by phase, status"
)
_ENDS: Final = text(
    "select count(*) as closed, "
    "count(*) filter (where status = 'failed' or (state->>'error_count')::int > 0) as erroneous, "
    "count(*) filter (where asked) as asked, count(*) filter (where taken_up) as taken_up, "
    "count(*) filter (where taken_up and status = 'completed') as finished, "
    "percentile_cont(0.5) within group (order by seconds) as median, "
    "percentile_cont(0.95) within group (order by seconds) as p95 from ("
    "select run.status, run.state, extract(epoch from run.closed_at - run.started_at) as seconds, "
    "exists (select 1 from reviews.approval_requests a where a.run_id = run.run_id) as asked, "
    "exists (select 1 from reviews.approval_requests a where a.run_id = run.run_id "
    "and jsonb_array_length(a.body->'decisions') > 0) as taken_up "
    "from reviews.review_runs run where run.closed_at >= now() - make_interval(hours => :hours) "
    "and (cast(:tenant as text) is null or run.tenant = :tenant)) as ended"
)
_DECIDED: Final = text(
    "select count(*) as decided, "  # noqa: S608  constants
    f"count(*) filter (where item->>'state' in {_YES}) as approved, "
    "avg(extract(epoch from (item->>'decided_at')::timestamptz - request.requested_at)) as seconds "
    "from reviews.approval_requests request "
    "cross join lateral jsonb_array_elements(request.body->'items') as item "
    "where request.tenant = :tenant and item->>'decided_by' is not null "
    f"and (item->>'state' in {_YES} or item->>'state' in ('rejected', 'deferred'))"
)
_WAITING: Final = text(
    "select count(*) as pending, count(*) filter (where deadline < now()) as overdue, "
    "coalesce(extract(epoch from now() - min(requested_at)), 0) as oldest "
    "from reviews.approval_requests where state = 'pending'"
)
_OUTBOX: Final = text(
    "select count(*) as rows, coalesce(extract(epoch from now() - min(put_at)), 0) as oldest "
    "from reviews.audit_outbox"
)


class Open(Model):
    """Open reviews of one phase, status and kind. Ages are in seconds."""

    phase: str
    status: str
    kind: str
    sessions: int
    oldest: float
    newest: float
    ages: float
    """The sum over all of them."""


class Ends(Model):
    """How the reviews that closed within some hours ended. Seconds are None without any."""

    closed: int
    erroneous: int
    """Failed, or had an error on the way."""
    asked: int
    """Waited for a person."""
    taken_up: int
    """Somebody decided."""
    finished: int
    """Somebody decided, and it completed."""
    median: float | None
    p95: float | None

    @property
    def error_rate(self) -> float:
        return self.erroneous / self.closed if self.closed else 0.0

    @property
    def resume_rate(self) -> float:
        return self.taken_up / self.asked if self.asked else 0.0

    @property
    def resume_success(self) -> float:
        return self.finished / self.taken_up if self.taken_up else 0.0


class Backlog(Model):
    """What waits: approval requests, and audit rows in the outbox. Ages in seconds."""

    pending: int
    overdue: int
    oldest_request: float
    outbox: int
    oldest_outbox: float


class SessionReader:
    """Reads the figures from the read model. UnreachableError when down."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def running(self, tenant: str | None = None) -> list[Open]:
        """Open reviews; of all tenants without one."""
        async with reachable(), self._engine.connect() as connection:
            rows = await connection.execute(_OPEN, {"tenant": tenant})
            return [Open.model_validate(dict(row)) for row in rows.mappings()]

    async def ends(self, hours: int, tenant: str | None = None) -> Ends:
        """How those ended that closed within the last `hours`."""
        async with reachable(), self._engine.connect() as connection:
            return Ends.model_validate(await _one(connection, _ENDS, hours=hours, tenant=tenant))

    async def backlog(self) -> Backlog:
        """What waits now, of all tenants."""
        async with reachable(), self._engine.connect() as connection:
            waiting, outbox = await _one(connection, _WAITING), await _one(connection, _OUTBOX)
        return Backlog(
            pending=waiting["pending"],
            overdue=waiting["overdue"],
            oldest_request=waiting["oldest"],
            outbox=outbox["rows"],
            oldest_outbox=outbox["oldest"],
        )

    async def summary(self, tenant: str) -> dict[str, Any]:
        """The document of `reviews metrics`: ages in seconds, shares from 0 to 1, 0 when empty."""
        running, ends = await self.running(tenant), await self.ends(24, tenant)
        async with reachable(), self._engine.connect() as connection:
            closed = (await connection.execute(_CLOSED, {"tenant": tenant})).mappings().all()
            decided = await _one(connection, _DECIDED, tenant=tenant)
        active = sum(one.sessions for one in running)
        counted = [(one.phase, one.status, one.sessions) for one in running]
        counted += [(row["phase"], row["status"], row["sessions"]) for row in closed]
        return {
            "total_sessions": sum(number for _, _, number in counted),
            "active_sessions": active,
            "oldest_session_age": round(max((one.oldest for one in running), default=0.0), 3),
            "newest_session_age": round(min((one.newest for one in running), default=0.0), 3),
            "avg_session_age": round(sum(one.ages for one in running) / max(1, active), 3),
            "by_phase": _added([(phase, number) for phase, _, number in counted]),
            "by_status": _added([(status, number) for _, status, number in counted]),
            "approval_rate": round(decided["approved"] / max(1, decided["decided"]), 4),
            "mean_approval_seconds": round(float(decided["seconds"] or 0), 3),
            "closed_last_day": ends.closed,
            "error_rate": round(ends.error_rate, 4),
            "resume_rate": round(ends.resume_rate, 4),
            "resume_success_rate": round(ends.resume_success, 4),
            "median_duration_seconds": round(ends.median or 0.0, 3),
            "p95_duration_seconds": round(ends.p95 or 0.0, 3),
        }


def _added(pairs: list[tuple[str, int]]) -> dict[str, int]:
    totals: dict[str, int] = {}
    for name, number in sorted(pairs):
        totals[name] = totals.get(name, 0) + number
    return totals


async def _one(connection: AsyncConnection, query: Any, **values: Any) -> dict[str, Any]:
    row = (await connection.execute(query, values)).mappings().one()
    return dict(row)
