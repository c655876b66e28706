"""Figures of all reviews: how many, how old, how they ended, what was decided, how fast."""

from typing import Any, Final

from account_reviews.domain.base import Model
from account_reviews.store.sql_files import read_sql
from account_reviews.store.statements import Row, Statements

_OPEN: Final = read_sql("account_reviews.store", "open_figures.sql")
_CLOSED: Final = (
    "select phase, status, count(*) as sessions from reviews.review_runs "
    "where closed_at is not null and tenant = :tenant group by phase, status"
)
_ENDS: Final = read_sql("account_reviews.store", "end_figures.sql")
_DECIDED: Final = read_sql("account_reviews.store", "decision_figures.sql")
_WAITING: Final = read_sql("account_reviews.store", "waiting_figures.sql")
_OUTBOX: Final = (
    "select count(*) as rows, coalesce(extract(epoch from now() - min(put_at)), 0) as oldest "
    "from reviews.audit_outbox"
)


_TOTAL: Final = "select count(*) from reviews.review_runs where tenant = :tenant"


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

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def running(self, tenant: str | None = None) -> list[Open]:
        """Open reviews; of all tenants without one."""
        rows = await self._statements.rows(_OPEN, tenant=tenant)
        return [Open.model_validate(row) for row in rows]

    async def ends(self, hours: int, tenant: str | None = None) -> Ends:
        """How those ended that closed within the last `hours`."""
        return Ends.model_validate(await self._one(_ENDS, hours=hours, tenant=tenant))

    async def backlog(self) -> Backlog:
        """What waits now, of all tenants."""
        waiting, outbox = await self._one(_WAITING), await self._one(_OUTBOX)
        return Backlog(
            pending=waiting["pending"],
            overdue=waiting["overdue"],
            oldest_request=waiting["oldest"],
            outbox=outbox["rows"],
            oldest_outbox=outbox["oldest"],
        )

    async def sessions(self, tenant: str) -> dict[str, Any]:
        """How many reviews there are, how many are open, and their ages in seconds, 0 without."""
        total = await self._statements.scalar(_TOTAL, tenant=tenant)
        return _ages(int(total or 0), await self.running(tenant))

    async def summary(self, tenant: str) -> dict[str, Any]:
        """The document of `reviews metrics`: ages in seconds, shares from 0 to 1, 0 when empty."""
        running, ends = await self.running(tenant), await self.ends(24, tenant)
        closed = await self._statements.rows(_CLOSED, tenant=tenant)
        decided = await self._one(_DECIDED, tenant=tenant)
        counted = [(one.phase, one.status, one.sessions) for one in running]
        counted += [(row["phase"], row["status"], row["sessions"]) for row in closed]
        return {
            **_ages(sum(number for _, _, number in counted), running),
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

    async def _one(self, query: str, **values: Any) -> Row:
        """The row of a query over all rows, which always answers one."""
        row = await self._statements.row(query, **values)
        assert row is not None
        return row


def _ages(total: int, running: list[Open]) -> dict[str, Any]:
    active = sum(one.sessions for one in running)
    return {
        "total_sessions": total,
        "active_sessions": active,
        "oldest_session_age": round(max((one.oldest for one in running), default=0.0), 3),
        "newest_session_age": round(min((one.newest for one in running), default=0.0), 3),
        "avg_session_age": round(sum(one.ages for one in running) / max(1, active), 3),
    }


def _added(pairs: list[tuple[str, int]]) -> dict[str, int]:
    totals: dict[str, int] = {}
    for name, number in sorted(pairs):
        totals[name] = totals.get(name, 0) + number
    return totals
