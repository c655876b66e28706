"""Reading a portfolio: every account by its newest review."""

from datetime import date, datetime
from decimal import Decimal
from typing import Final, NamedTuple

from account_reviews.store.sql_files import read_sql
from account_reviews.store.statements import Row, Statements

_ACCOUNTS: Final = read_sql("account_reviews.store", "portfolio_accounts.sql")
_REMEMBERED: Final = (
    "select put_at, delivered_at, attempts from reviews.memory_outbox "
    "where tenant = :tenant and run_id = :run_id"
)


class AccountLine(NamedTuple):
    """One account as its newest review has found it. Scores are 0 to 100, times in UTC.

    `value` is its annual revenue, None where nobody knows. `renewal` is when its contract is
    renewed or ends. `previous_score` and `previous_level` are those of the review before.
    """

    account_id: str
    account_name: str | None
    owner_id: str | None
    owner_name: str | None
    manager_id: str | None
    run_id: str
    review_id: str
    status: str
    outcome: str | None
    reviewed_at: datetime
    risk_level: str
    risk_score: int | None
    previous_level: str | None
    previous_score: int | None
    health_band: str
    health_score: float | None
    value: Decimal | None
    renewal: date | None
    crm_status: str | None
    url: str | None
    pending: int
    overdue: int
    unanswered: int
    due_at: datetime | None


class PortfolioReader:
    """Queries over all accounts. UnreachableError when the database is down."""

    def __init__(self, statements: Statements, tenant: str) -> None:
        self._statements = statements
        self._tenant = tenant

    async def accounts(
        self,
        *,
        now: datetime,
        reminded: datetime,
        owner: str | None = None,
        account: str | None = None,
    ) -> list[AccountLine]:
        """By id. `reminded`: a request from before then should have been answered."""
        rows = await self._statements.rows(
            _ACCOUNTS,
            tenant=self._tenant,
            now=now,
            reminded=reminded,
            owner=owner,
            account=account,
        )
        return [_line(row) for row in rows]

    async def remembered(self, run_id: str) -> tuple[datetime, datetime | None, int] | None:
        """When a review left something for the memory, when the memory had it, and how many tries
        it took; None where it left nothing."""
        row = await self._statements.row(_REMEMBERED, tenant=self._tenant, run_id=run_id)
        return None if row is None else (row["put_at"], row["delivered_at"], row["attempts"])


def _line(row: Row) -> AccountLine:
    previous = row["previous_score"]
    return AccountLine(
        reviewed_at=row["closed_at"] or row["updated_at"],
        risk_level=row["risk_level"] or "unknown",
        previous_score=None if previous is None else int(previous),
        health_band=row["health_band"] or "unknown",
        value=None if row["value"] is None else Decimal(row["value"]),
        renewal=_day(row["renewal_date"] or row["contract_end"]),
        **{name: row[name] for name in _AS_THEY_ARE},
    )


_AS_THEY_ARE: Final = (
    "account_id", "account_name", "owner_id", "owner_name", "manager_id", "run_id", "review_id",
    "status", "outcome", "risk_score", "previous_level", "health_score", "crm_status", "url",
    "pending", "overdue", "unanswered", "due_at",
)  # fmt: skip


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)
