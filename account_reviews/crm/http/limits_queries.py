"""Reading what is left of a service's limits, by all workers together."""

from typing import Any, Final

from account_reviews.crm.http.limits import Limits
from account_reviews.domain.base import Model, Timestamp
from account_reviews.store.sql_files import read_sql
from account_reviews.store.statements import Row, Statements

_BUDGETS: Final = read_sql("account_reviews.crm.http", "budget_report.sql")
_LEASES: Final = read_sql("account_reviews.crm.http", "leases.sql")
_TOKEN: Final = read_sql("account_reviews.crm.http", "token_report.sql")


class CreditsReport(Model):
    """Of the longest window. None: no limit is known."""

    limit: int | None
    used: int
    remaining: int | None
    window_seconds: float | None


class LeaseReport(Model):
    """A call under way, or one that a worker left behind."""

    worker: str
    expires_at: Timestamp


class ConcurrencyReport(Model):
    """Calls at a time."""

    limit: int
    in_use: int
    leases: tuple[LeaseReport, ...]


class TokenReport(Model):
    """`refreshes_10m`: how often the service was asked for a token within ten minutes."""

    expires_at: Timestamp | None
    refreshes_10m: int


class WaitingReport(Model):
    """Calls that wait for a place."""

    people: int
    schedules: int


class LimitsReport(Model):
    """What `reviews crm limits` says. `paused_until`: the service asked us to slow down."""

    backend: str
    credits: CreditsReport
    concurrency: ConcurrencyReport
    token: TokenReport
    waiting: WaitingReport
    paused_until: Timestamp | None = None


class BudgetFigures(Model):
    """Of one service, for the metrics. `left`: the share of the scarcest window, 0 to 1."""

    service: str
    in_use: int
    people: int
    schedules: int
    left: float | None


class LimitsReader:
    """UnreachableError when the database is down."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def report(self, service: str, limits: Limits) -> LimitsReport:
        """Of the budget that goes by `limits`, also when nobody has called yet."""
        about = {"service": service, "key": limits.key}
        budget = await self._statements.row(_BUDGETS, **about)
        leases = await self._statements.rows(_LEASES, **about)
        token = await self._statements.row(_TOKEN, service=service)
        return LimitsReport(
            backend=service,
            credits=_credits(limits, budget),
            concurrency=ConcurrencyReport(
                limit=limits.concurrency,
                in_use=len(leases),
                leases=tuple(LeaseReport(**lease) for lease in leases),
            ),
            token=TokenReport(
                expires_at=token["expires_at"] if token else None,
                refreshes_10m=token["refreshes"] if token else 0,
            ),
            waiting=WaitingReport(
                people=int(budget["people"]) if budget else 0,
                schedules=int(budget["schedules"]) if budget else 0,
            ),
            paused_until=budget["paused_until"] if budget else None,
        )

    async def figures(self) -> tuple[BudgetFigures, ...]:
        """Of every service that was called within a day; of several credentials the last."""
        rows = await self._statements.rows(_BUDGETS, service=None, key=None)
        last = {row["service"]: row for row in reversed(rows)}
        return tuple(
            BudgetFigures(
                service=row["service"],
                in_use=row["in_use"],
                people=int(row["people"]),
                schedules=int(row["schedules"]),
                left=_left(row),
            )
            for row in last.values()
        )


def _credits(limits: Limits, budget: Row | None) -> CreditsReport:
    if not limits.windows:
        reported = budget["remaining"] if budget else None
        return CreditsReport(limit=None, used=0, remaining=reported, window_seconds=None)
    window = max(limits.windows, key=lambda one: one.seconds)
    spent = _by_window(budget).get(window.seconds, 0)
    left = max(window.credits - spent, 0)
    return CreditsReport(
        limit=window.credits, used=spent, remaining=left, window_seconds=window.seconds
    )


def _by_window(budget: Row | None) -> dict[float, int]:
    return dict(zip(budget["seconds"], budget["used"], strict=True)) if budget else {}


def _left(row: dict[str, Any]) -> float | None:
    shares = [
        max(0.0, 1 - used / limit) for used, limit in zip(row["used"], row["credits"], strict=True)
    ]
    return min(shares, default=None)
