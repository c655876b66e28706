"""Reading the read model: lists with keyset cursors, one review, one request."""

import base64
import binascii
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from pydantic import Field
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from account_reviews.domain.base import Model, Timestamp
from account_reviews.domain.errors import BadInputError, RequestNotFoundError, ReviewNotFoundError
from account_reviews.domain.review.approvals import ApprovalRequest
from account_reviews.domain.review.state import ReviewState
from account_reviews.store.database import reachable

RUN_FILTERS = ("owner", "account", "phase", "status", "kind", "outcome", "risk_level", "name")
_COLUMN = {"owner": "owner_id", "account": "account_id"}


class RunRow(Model):
    """One review as lists show it."""

    run_id: str
    review_id: str
    account_id: str
    owner_id: str | None
    name: str | None
    kind: str
    phase: str
    status: str
    outcome: str | None
    risk_level: str | None
    waiting_on: tuple[str, ...]
    due_at: Timestamp | None
    needs_attention: bool
    started_at: Timestamp
    updated_at: Timestamp


class RunDetail(Model):
    state: ReviewState
    age_seconds: float
    """How old the row is."""


class RequestRow(Model):
    """An approval request with the run it belongs to."""

    run_id: str
    review_id: str
    owner_id: str | None
    request: ApprovalRequest


class RunPage(Model):
    items: tuple[RunRow, ...]
    next_cursor: str | None = None


class RequestPage(Model):
    items: tuple[RequestRow, ...]
    next_cursor: str | None = None


class RunFilter(Model):
    tenant: str = "default"
    where: dict[str, str] = Field(default_factory=dict)
    """Keys of RUN_FILTERS."""
    needs_attention: bool | None = None
    open_only: bool = False


class ReviewReader:
    """Queries for people and programs. UnreachableError when the database is down."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def list_runs(self, wanted: RunFilter, *, cursor: str | None, limit: int) -> RunPage:
        """Newest first."""
        clauses, values = _clauses(wanted)
        if cursor is not None:
            clauses.append("(started_at, run_id) < (:after_at, :after_id)")
            values |= dict(zip(("after_at", "after_id"), read_cursor(cursor), strict=True))
        query = (
            "select run_id, review_id, account_id, owner_id, name, kind, phase, status, outcome, "  # noqa: S608
            "risk_level, waiting_on, due_at, needs_attention, started_at, updated_at "
            f"from reviews.review_runs where {' and '.join(clauses)} "
            "order by started_at desc, run_id desc limit :limit"
        )
        rows = await self._rows(query, {**values, "limit": limit + 1})
        items = tuple(RunRow.model_validate(dict(row)) for row in rows[:limit])
        last = items[-1] if len(rows) > limit else None
        return RunPage(
            items=items, next_cursor=make_cursor(last.started_at, last.run_id) if last else None
        )

    async def find_run(
        self, *, tenant: str, review_id: str, run_id: str | None = None
    ) -> RunDetail:
        """The review of that id: the given run, else the open one, else the newest."""
        query = (
            "select state, extract(epoch from now() - updated_at) as age from reviews.review_runs "
            "where tenant = :tenant and review_id = :review_id "
            "and (cast(:run_id as text) is null or run_id = :run_id) "
            "order by (closed_at is null) desc, started_at desc limit 1"
        )
        rows = await self._rows(query, {"tenant": tenant, "review_id": review_id, "run_id": run_id})
        if not rows:
            which = f"run {run_id} of {review_id}" if run_id else f"{review_id!r}"
            raise ReviewNotFoundError(f"there is no review {which}", hint="see `reviews list`")
        state = ReviewState.model_validate(rows[0]["state"])
        return RunDetail(state=state, age_seconds=max(0.0, float(rows[0]["age"])))

    async def progress_of(self, run_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """run id -> phase, status and outcome, for those that have a row."""
        rows = await self._rows(
            "select run_id, phase, status, outcome from reviews.review_runs "
            "where run_id = any(:ids)",
            {"ids": list(run_ids)},
        )
        return {row["run_id"]: dict(row) for row in rows}

    async def list_requests(
        self,
        *,
        tenant: str,
        state: str | None = "pending",
        owner: str | None = None,
        account: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> RequestPage:
        """Soonest deadline first."""
        clauses, values = ["tenant = :tenant"], {"tenant": tenant, "limit": limit + 1}
        for name, value in (("state", state), ("owner_id", owner), ("account_id", account)):
            if value is not None:
                clauses.append(f"{name} = :{name}")
                values[name] = value
        if cursor is not None:
            clauses.append("(deadline, request_id) > (:after_at, :after_id)")
            values |= dict(zip(("after_at", "after_id"), read_cursor(cursor), strict=True))
        query = (
            "select run_id, review_id, owner_id, body from reviews.approval_requests "  # noqa: S608
            f"where {' and '.join(clauses)} order by deadline, request_id limit :limit"
        )
        rows = await self._rows(query, values)
        items = tuple(_request_row(row) for row in rows[:limit])
        last = items[-1].request if len(rows) > limit else None
        return RequestPage(
            items=items, next_cursor=make_cursor(last.deadline, last.request_id) if last else None
        )

    async def find_request(self, tenant: str, request_id: str) -> RequestRow:
        """RequestNotFoundError for an unknown id."""
        rows = await self._rows(
            "select run_id, review_id, owner_id, body from reviews.approval_requests "
            "where tenant = :tenant and request_id = :request_id",
            {"tenant": tenant, "request_id": request_id},
        )
        if not rows:
            raise RequestNotFoundError(
                f"there is no approval request {request_id!r}", hint="see `reviews approvals list`"
            )
        return _request_row(rows[0])

    async def document(self, stored: str | None) -> Any:
        """A stored document, None when there is none."""
        rows = await self._rows(
            "select body from reviews.documents where hash = :hash", {"hash": stored}
        )
        return rows[0]["body"] if rows else None

    async def _rows(self, query: str, values: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        async with self._connection() as connection:
            result = await connection.execute(text(query), dict(values))
            return [dict(row) for row in result.mappings()]

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection]:
        async with reachable(), self._engine.connect() as connection:
            yield connection


def _clauses(wanted: RunFilter) -> tuple[list[str], dict[str, Any]]:
    clauses, values = ["tenant = :tenant"], {"tenant": wanted.tenant}
    for name, value in wanted.where.items():
        if name not in RUN_FILTERS:
            raise BadInputError(f"lists cannot be filtered by {name!r}")
        clauses.append(f"{_COLUMN.get(name, name)} = :{name}")
        values[name] = value
    if wanted.needs_attention is not None:
        clauses.append("needs_attention" if wanted.needs_attention else "not needs_attention")
    if wanted.open_only:
        clauses.append("closed_at is null")
    return clauses, values


def _request_row(row: Mapping[str, Any]) -> RequestRow:
    return RequestRow(
        run_id=row["run_id"],
        review_id=row["review_id"],
        owner_id=row["owner_id"],
        request=ApprovalRequest.model_validate(row["body"]),
    )


def make_cursor(at: Timestamp, key: str) -> str:
    """Where a page ended: a moment and what sets rows of one moment apart."""
    return base64.urlsafe_b64encode(json.dumps([at.isoformat(), key]).encode()).decode()


def read_cursor(cursor: str) -> tuple[Timestamp, str]:
    """The inverse of `make_cursor`. BadInputError for anything else."""
    try:
        found = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        parsed = _CursorParts(at=found[0], key=found[1])
        parsed.key.encode()
    except (ValueError, binascii.Error, KeyError, IndexError, TypeError):
        raise BadInputError(f"{cursor!r} is not a cursor of this list") from None
    if "\x00" in parsed.key:
        raise BadInputError(f"{cursor!r} is not a cursor of this list")
    return parsed.at, parsed.key


class _CursorParts(Model):
    at: Timestamp
    key: str
