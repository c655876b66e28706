"""Cycles and their accounts. Everything here is idempotent: an activity may run twice."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from account_reviews.domain.analysis.model import RiskLevel
from account_reviews.domain.cycle.state import (
    AccountMark,
    AccountState,
    CycleAccount,
    CycleScope,
    CycleState,
    ReadAccountsResult,
)
from account_reviews.domain.records import Account
from account_reviews.store.database import reachable
from account_reviews.store.sql_files import read_sql

UNREAD: Final = -10
"""Accounts that were not read have places below zero, by the risk of their last review."""

_COLUMNS = (
    "run_id", "cycle_id", "tenant", "kind", "status", "reason", "schedule_id", "started_by",
    "as_of", "scheduled_at", "late", "accounts", "done", "running", "waiting", "failed",
    "joined", "missing_sources", "version", "started_at", "updated_at", "closed_at",
)  # fmt: skip
_SAVE = text(read_sql("account_reviews.store", "save_cycle.sql"))
_MARK = text(
    "update reviews.cycle_accounts set state = :state, joined = :joined, "
    "review_run_id = coalesce(:review_run_id, review_run_id), reason = :reason "
    "where run_id = :run_id and account_id = :account_id"
)
_QUEUE = text(read_sql("account_reviews.store", "queue_cycle_accounts.sql"))
_UNREAD = text(
    "select account_id from reviews.cycle_accounts where run_id = :run_id and position < 0 "
    "order by position, account_id limit :limit"
)
_LEFT = text("select count(*) from reviews.cycle_accounts where run_id = :run_id and position < 0")
_PLACED = text(
    "select count(*) from reviews.cycle_accounts where run_id = :run_id and position >= 0"
)
_STILL_UNREAD = text(
    "select account_id from reviews.cycle_accounts where run_id = :run_id and position < 0 "
    "and account_id = any(:ids)"
)
_LOCK = text("select 1 from reviews.cycles where run_id = :run_id for update")
_COUNT = text("select count(*) from reviews.cycle_accounts where run_id = :run_id")
_PLACE = text(read_sql("account_reviews.store", "place_cycle_account.sql"))
_PLACE_UNREAD = text(read_sql("account_reviews.store", "place_unread_accounts.sql"))
_RANK = text(read_sql("account_reviews.store", "rank_cycle_accounts.sql"))
_NEXT = text(
    "select position, account_id, account_name, owner_id, risk_level, risk_score, snapshot, "
    "state, joined, review_run_id, reason from reviews.cycle_accounts "
    "where run_id = :run_id and position >= :position order by position limit :limit"
)
_END = text(
    "update reviews.cycles set status = 'cancelled', reason = :reason, running = 0, "
    "updated_at = now(), closed_at = now() where run_id = :run_id and closed_at is null"
)
_REVIEWED_UNTIL = text(read_sql("account_reviews.store", "reviewed_until.sql"))
_UNREVIEWED = text(read_sql("account_reviews.store", "unreviewed_accounts.sql"))
_SKIP = text(
    "update reviews.cycle_accounts set state = 'skipped', reason = :reason "
    "where run_id = :run_id and state = 'queued'"
)


class CycleStore:
    """What the activities of a cycle keep. UnreachableError when the database is down."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def save(self, state: CycleState) -> None:
        """Bring the cycle's row and the rows of marked accounts up to `state`."""
        async with self._transaction() as connection:
            await connection.execute(_SAVE, _row(state))
            if state.marks:
                marks = [_mark_row(state.run_id, mark) for mark in state.marks]
                await connection.execute(_MARK, marks)
            if state.closed_at is not None:
                await connection.execute(
                    _SKIP, {"run_id": state.run_id, "reason": state.reason or "the cycle ended"}
                )

    async def end(self, run_id: str, reason: str) -> None:
        """End the rows of a cycle that runs no closing steps any more; a closed one stays so."""
        async with self._transaction() as connection:
            ended = await connection.execute(_END, {"run_id": run_id, "reason": reason})
            if ended.rowcount:
                await connection.execute(_SKIP, {"run_id": run_id, "reason": reason})

    async def reviewed_until(self, run_id: str, scope: CycleScope) -> datetime | None:
        """Up to when changes were reviewed before this cycle; None when it is the first one."""
        values = {
            "run_id": run_id,
            "scope": scope.model_dump_json(),
            "window": scope.changed_within_seconds,
        }
        async with self._transaction() as connection:
            found: datetime | None = await connection.scalar(_REVIEWED_UNTIL, values)
        return found

    async def unreviewed(self, run_id: str, tenant: str, scope: CycleScope) -> list[str]:
        """Ids of accounts that failed or were not started in the cycles before this one."""
        values = {"run_id": run_id, "tenant": tenant, "scope": scope.model_dump_json()}
        async with self._transaction() as connection:
            return list(await connection.scalars(_UNREVIEWED, values))

    async def queue(self, run_id: str, tenant: str, accounts: Sequence[Account]) -> int:
        """Note accounts in scope; gives how many the cycle has now."""
        given = {
            "ids": [account.id for account in accounts],
            "names": [account.name for account in accounts],
            "owners": [account.owner_id for account in accounts],
        }
        async with self._transaction() as connection:
            await connection.execute(
                _QUEUE, {"run_id": run_id, "tenant": tenant, "unread": UNREAD, **given}
            )
            return await _number(connection, _COUNT, run_id)

    async def unread(self, run_id: str, limit: int) -> list[str]:
        """Ids of accounts that were not read, those most at risk at their last review first."""
        async with self._transaction() as connection:
            found = await connection.scalars(_UNREAD, {"run_id": run_id, "limit": limit})
            return list(found)

    async def place(self, run_id: str, accounts: Sequence[CycleAccount]) -> ReadAccountsResult:
        """Give accounts that were read the next places, in this order.

        An earlier attempt may have placed some of them: they keep their places.
        """
        async with self._transaction() as connection:
            await connection.execute(_LOCK, {"run_id": run_id})
            ids = {"run_id": run_id, "ids": [one.account_id for one in accounts]}
            open_ids = set(await connection.scalars(_STILL_UNREAD, ids))
            first = await _number(connection, _PLACED, run_id)
            fresh = [one for one in accounts if one.account_id in open_ids]
            rows = [_place_row(run_id, first + n, one) for n, one in enumerate(fresh)]
            if rows:
                await connection.execute(_PLACE, rows)
            return await _progress(connection, run_id)

    async def place_unread(
        self, run_id: str, only: Sequence[str] | None = None
    ) -> ReadAccountsResult:
        """Give all that is left, or `only` these, a place by the risk known so far."""
        async with self._transaction() as connection:
            await connection.execute(_LOCK, {"run_id": run_id})
            first = await _number(connection, _PLACED, run_id)
            values = {"run_id": run_id, "first": first, "ids": None if only is None else list(only)}
            await connection.execute(_PLACE_UNREAD, values)
            return await _progress(connection, run_id)

    async def rank(self, run_id: str) -> None:
        """Order all accounts by the risk just computed."""
        async with self._transaction() as connection:
            await connection.execute(_RANK, {"run_id": run_id})

    async def next(self, run_id: str, position: int, limit: int) -> tuple[CycleAccount, ...]:
        """Accounts from a place on."""
        values = {"run_id": run_id, "position": position, "limit": limit}
        async with self._transaction() as connection:
            rows = (await connection.execute(_NEXT, values)).mappings()
            return tuple(_cycle_account(dict(row)) for row in rows)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection]:
        async with reachable(), self._engine.begin() as connection:
            yield connection


def failed_account(account_id: str, reason: str) -> CycleAccount:
    """An account that the CRM does not know or cannot give."""
    return CycleAccount(
        position=0,
        account_id=account_id,
        account_name=account_id,
        risk_level=RiskLevel.UNKNOWN,
        state=AccountState.FAILED,
        reason=reason,
    )


def _row(state: CycleState) -> dict[str, Any]:
    values = {name: getattr(state, name) for name in _COLUMNS}
    values["status"] = state.status.value
    values["missing_sources"] = json.dumps(state.missing_sources)
    return values


def _cycle_account(row: dict[str, Any]) -> CycleAccount:
    """Without a reference to its snapshot that cannot be read: its review reads the CRM anew."""
    try:
        return CycleAccount.model_validate(row)
    except ValidationError:
        return CycleAccount.model_validate({**row, "snapshot": None})


def _mark_row(run_id: str, mark: AccountMark) -> dict[str, Any]:
    return {"run_id": run_id, **mark.model_dump(mode="json")}


def _place_row(run_id: str, position: int, one: CycleAccount) -> dict[str, Any]:
    values = one.model_dump(mode="json", exclude={"snapshot", "joined", "review_run_id"})
    snapshot = one.snapshot.model_dump_json() if one.snapshot else None
    return {**values, "run_id": run_id, "position": position, "snapshot": snapshot}


async def _progress(connection: AsyncConnection, run_id: str) -> ReadAccountsResult:
    return ReadAccountsResult(
        placed=await _number(connection, _PLACED, run_id),
        left=await _number(connection, _LEFT, run_id),
    )


async def _number(connection: AsyncConnection, query: Any, run_id: str) -> int:
    return int(await connection.scalar(query, {"run_id": run_id}) or 0)
