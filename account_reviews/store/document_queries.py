"""What documents show beside their own content: earlier scores, open requests, money."""

import json
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

from account_reviews.domain.review.state import ReviewState
from account_reviews.store.sql_files import read_sql
from account_reviews.store.statements import Statements

_SCORES: Final = read_sql("account_reviews.store", "scores_of_account.sql")
_ASKED: Final = read_sql("account_reviews.store", "asked_of_accounts.sql")
_TAKEN_BACK: Final = read_sql("account_reviews.store", "taken_back_of_account.sql")
_REVENUE: Final = read_sql("account_reviews.store", "revenue_of_cycle_accounts.sql")


class ScoreRow(NamedTuple):
    """What a review found. Scores are 0 to 100, None unknown; `at` is its clock, in UTC."""

    at: datetime
    risk_score: int | None
    risk_level: str | None
    health_score: int | None
    health_band: str | None


class AskedRow(NamedTuple):
    """A request, how many of its items are open, and who decides. Times in UTC."""

    request_id: str
    short_id: str | None
    account_id: str
    deadline: datetime
    open_items: int
    approvers: tuple[str, ...]


class DocumentReader:
    """Queries for documents. UnreachableError when the database is down."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def scores(
        self, tenant: str, account_id: str, *, before: datetime, most: int
    ) -> list[ScoreRow]:
        """Of the newest `most` reviews that began before that moment, in the order of their clocks;
        of the same clock the one first that began first."""
        rows = await self._statements.rows(
            _SCORES, tenant=tenant, account_id=account_id, before=before, most=most
        )
        return sorted((ScoreRow(**row) for row in reversed(rows)), key=lambda row: row.at)

    async def asked(
        self, tenant: str, *, accounts: Sequence[str] = (), requests: Sequence[str] = ()
    ) -> list[AskedRow]:
        """Pending requests of these accounts, and those of these ids; soonest deadline first."""
        rows = await self._statements.rows(
            _ASKED, tenant=tenant, accounts=list(accounts), requests=list(requests)
        )
        return [
            AskedRow(**{**row, "approvers": tuple(json.loads(row["approvers"] or "[]"))})
            for row in rows
        ]

    async def taken_back(
        self, tenant: str, account_id: str, since: datetime
    ) -> list[tuple[datetime, ReviewState]]:
        """When reviews of this account that take a write back had done it after that moment."""
        rows = await self._statements.rows(
            _TAKEN_BACK, tenant=tenant, account_id=account_id, since=since
        )
        return [(row["at"], ReviewState.model_validate_json(row["state"])) for row in rows]

    async def revenue(self, run_id: str, accounts: Sequence[str]) -> dict[str, Decimal | None]:
        """Account id -> annual revenue as a cycle has read it, None where the CRM does not say."""
        rows = await self._statements.rows(_REVENUE, run_id=run_id, accounts=list(accounts))
        return {
            row["account_id"]: None if row["revenue"] is None else Decimal(row["revenue"])
            for row in rows
        }
