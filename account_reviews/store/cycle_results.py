"""What a cycle found: reads its accounts owner by owner, keeps briefs and the portfolio report.

Everything here is idempotent: an activity may run twice.
"""

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

from pydantic import ValidationError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from account_reviews.domain.analysis.model import Analysis, PreviousRisk
from account_reviews.domain.base import Model, Timestamp
from account_reviews.domain.canonical import plain
from account_reviews.domain.cycle.state import CycleScope
from account_reviews.domain.errors import CycleNotFoundError
from account_reviews.domain.records import AccountSnapshot
from account_reviews.domain.reports.owner_brief import (
    CycleFacts,
    OwnerBrief,
    ReviewedAccount,
    ReviewFacts,
)
from account_reviews.domain.reports.portfolio import (
    UPTAKE_DAYS,
    DecidedItems,
    Portfolio,
    PreviousCycle,
    RiskMove,
    Waiting,
)
from account_reviews.store.database import reachable
from account_reviews.store.sql_files import read_sql

_CYCLE = text(
    "select cycle_id, run_id, tenant, kind, schedule_id, as_of, started_at from reviews.cycles "
    "where run_id = :run_id and tenant = :tenant"
)
_OWNERS = text(
    "select distinct coalesce(nullif(owner_id, ''), 'unassigned') from reviews.cycle_accounts "
    "where run_id = :run_id"
)
_ACCOUNTS = text(read_sql("account_reviews.store", "reviewed_accounts.sql"))
_SAVE_BRIEF = text(
    "insert into reviews.cycle_briefs as known (run_id, owner_id, body) "
    "values (:run_id, :owner, cast(:body as jsonb)) on conflict (run_id, owner_id) do update "
    "set body = excluded.body || jsonb_build_object('status', known.body->'status')"
)
_DROP_BRIEFS = text(
    "delete from reviews.cycle_briefs where run_id = :run_id and not owner_id = any(:owners)"
)
_BRIEFS = text(
    "select body - 'accounts' - 'recommendations' - 'updates' as body from reviews.cycle_briefs "
    "where run_id = :run_id order by owner_id"
)
_NAMES = text(read_sql("account_reviews.store", "owner_names.sql"))
_PREVIOUS = text(read_sql("account_reviews.store", "previous_cycle.sql"))
_MOVES = text(read_sql("account_reviews.store", "risk_moves.sql"))
_WAITING = text(read_sql("account_reviews.store", "waiting_requests.sql"))
_DECIDED = text(read_sql("account_reviews.store", "decided_items.sql"))
_SAVE_PORTFOLIO = text(
    "update reviews.cycles set portfolio = cast(:body as jsonb) where run_id = :run_id"
)


class CycleResultStore:
    """Reads and writes the results of cycles. UnreachableError when the database is down."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def cycle(self, run_id: str, tenant: str, now: Timestamp) -> CycleFacts:
        """CycleNotFoundError when it has no row."""
        rows = await self._rows(_CYCLE, run_id=run_id, tenant=tenant)
        if not rows:
            raise CycleNotFoundError(f"there is no cycle with the run id {run_id!r}")
        return CycleFacts.model_validate({**rows[0], "generated_at": now})

    async def owners(self, run_id: str) -> set[str]:
        """Everybody who owns an account of the cycle."""
        async with self._transaction() as connection:
            return set(await connection.scalars(_OWNERS, {"run_id": run_id}))

    async def accounts(
        self, run_id: str, owner: str, *, after: str, limit: int
    ) -> list[ReviewedAccount]:
        """The owner's next accounts by id, with what their reviews found."""
        rows = await self._rows(_ACCOUNTS, run_id=run_id, owner=owner, after=after, limit=limit)
        return [_account(row) for row in rows]

    async def save_brief(self, run_id: str, brief: OwnerBrief) -> None:
        """Keep the brief; one that was delivered or reviewed stays so."""
        values = {"run_id": run_id, "owner": brief.owner_id, "body": _json(brief)}
        async with self._transaction() as connection:
            await connection.execute(_SAVE_BRIEF, values)

    async def drop_other_briefs(self, run_id: str, owners: Sequence[str]) -> None:
        """Remove briefs of a former attempt for owners who have no accounts any more."""
        async with self._transaction() as connection:
            await connection.execute(_DROP_BRIEFS, {"run_id": run_id, "owners": list(owners)})

    async def brief_totals(self, run_id: str) -> AsyncIterator[OwnerBrief]:
        """The kept briefs by owner id, without their lists of accounts and recommendations."""
        empty: dict[str, Any] = {"accounts": [], "recommendations": [], "updates": []}
        async with reachable(), self._engine.connect() as connection:
            rows = await connection.stream(_BRIEFS, {"run_id": run_id})
            async for row in rows.mappings():
                yield OwnerBrief.model_validate({**row["body"], **empty})

    async def owner_names(self, tenant: str, owners: Sequence[str]) -> dict[str, str]:
        """Names that earlier briefs knew."""
        rows = await self._rows(_NAMES, tenant=tenant, owners=list(owners))
        return {row["owner_id"]: row["name"] for row in rows}

    async def previous(self, cycle: CycleFacts, scope: CycleScope) -> PreviousCycle | None:
        """The last completed cycle of the same kind and schedule, without one of the same scope."""
        rows = await self._rows(
            _PREVIOUS,
            tenant=cycle.tenant,
            kind=cycle.kind,
            schedule_id=cycle.schedule_id,
            scope=_json(scope),
            started_at=cycle.started_at,
        )
        return PreviousCycle.model_validate(rows[0]) if rows else None

    async def moves(self, run_id: str, previous: PreviousCycle, *, whole: bool) -> list[RiskMove]:
        """Accounts whose risk is not what it was, and those in one of the two cycles only.

        When the cycles took only what had changed, an account that the previous one lacks is
        compared with its own last review.
        """
        rows = await self._rows(_MOVES, run_id=run_id, previous=previous.run_id)
        found = (_move(row, whole=whole) for row in rows)
        return [move for move in found if move is not None]

    async def waiting(self, tenant: str, now: Timestamp, reminder: timedelta) -> dict[str, Waiting]:
        """Owner id -> open approval requests."""
        rows = await self._rows(_WAITING, tenant=tenant, now=now, asked_before=now - reminder)
        return {row["owner_id"]: Waiting.model_validate(row) for row in rows}

    async def decided(self, run_id: str, tenant: str, now: Timestamp) -> list[DecidedItems]:
        """How the items of the last 30 days ended, per owner.

        Of reviews whose requests are no longer kept the outcomes are taken, under the account's
        owner in this cycle.
        """
        since = now - timedelta(days=UPTAKE_DAYS)
        rows = await self._rows(_DECIDED, run_id=run_id, tenant=tenant, since=since, now=now)
        return [DecidedItems.model_validate(row) for row in rows]

    async def save_portfolio(self, run_id: str, portfolio: Portfolio) -> None:
        values = {"run_id": run_id, "body": _json(portfolio.document())}
        async with self._transaction() as connection:
            await connection.execute(_SAVE_PORTFOLIO, values)

    async def _rows(self, query: Any, **values: Any) -> list[dict[str, Any]]:
        async with self._transaction() as connection:
            found = await connection.execute(query, values)
            return [dict(row) for row in found.mappings()]

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection]:
        async with reachable(), self._engine.begin() as connection:
            yield connection


def _json(value: object) -> str:
    return json.dumps(plain(value), ensure_ascii=False)


def _account(row: Mapping[str, Any]) -> ReviewedAccount:
    """What cannot be read fails this account, and is named."""
    fields = {name: row[name] for name in _FIELDS}
    unreadable = []
    for name, read in _PARTS.items():
        try:
            fields[name] = read(row)
        except ValidationError:
            unreadable.append(name)
    if unreadable:
        fields["state"] = "failed"
        fields["reason"] = row["reason"] or f"its {' and '.join(unreadable)} cannot be read"
    return ReviewedAccount(**fields)


_FIELDS: Final = (
    "account_id", "account_name", "owner_id", "state", "joined", "reason", "risk_level",
    "risk_score",
)  # fmt: skip


def _analysis(row: Mapping[str, Any]) -> Analysis | None:
    return Analysis.model_validate_json(row["analysis"]) if row["analysis"] else None


def _snapshot(row: Mapping[str, Any]) -> AccountSnapshot | None:
    return AccountSnapshot.model_validate_json(row["snapshot"]) if row["snapshot"] else None


def _review(row: Mapping[str, Any]) -> ReviewFacts | None:
    if row["review_id"] is None:
        return None
    return ReviewFacts(
        run_id=row["review_run_id"],
        review_id=row["review_id"],
        status=row["status"],
        outcome=row["outcome"],
        reason=row["review_reason"],
        due_at=row["due_at"],
        missing_sources=row["missing_sources"] or (),
    )


_PARTS: Final[Mapping[str, Callable[[Mapping[str, Any]], Model | None]]] = {
    "analysis": _analysis,
    "snapshot": _snapshot,
    "review": _review,
}


def _move(row: Mapping[str, Any], *, whole: bool) -> RiskMove | None:
    before = _risk(row["old_level"], row["old_score"])
    after = _risk(row["level"], row["score"])
    if before is None and not whole:
        known = row["previous"]
        before = PreviousRisk.model_validate(known) if known else None
        if before is None and not row["first"]:
            return None
    return RiskMove(
        account_id=row["account_id"],
        account_name=row["account_name"],
        owner_id=row["owner_id"],
        before=before,
        after=after,
    )


def _risk(level: str | None, score: int | None) -> PreviousRisk | None:
    return None if level is None else PreviousRisk.model_validate({"score": score, "level": level})
