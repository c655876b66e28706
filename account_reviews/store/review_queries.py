"""Reading the read model: lists with keyset cursors, one review, one request."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from account_reviews.domain.errors import (
    BadInputError,
    DocumentUnreadableError,
    RequestNotFoundError,
    ReviewNotFoundError,
    ReviewsError,
)
from account_reviews.store.cursors import after, make_cursor
from account_reviews.store.sql_files import read_sql
from account_reviews.store.statements import Row, Statements

if TYPE_CHECKING:
    from account_reviews.domain.review.approvals import ApprovalRequest
    from account_reviews.domain.review.state import ReviewState
    from account_reviews.domain.review.urgency import Waiting

_LONG = "left({0}, 100) = left(:{0}, 100) and {0} = :{0}"
"""For a text without an end: its index holds the beginning."""
RUN_FILTERS = {
    "owner": "owner_id = :owner",
    "account": "account_id = :account",
    "name": _LONG.format("name"),
    "agent": _LONG.format("agent"),
    "purpose": _LONG.format("purpose"),
    "phase": "phase = :phase",
    "status": "status = :status",
    "kind": "kind = :kind",
    "outcome": "outcome = :outcome",
    "risk_level": "risk_level = :risk_level",
    "since": "started_at >= :since",
    "until": "started_at < :until",
    "waiting_on": "lower(waiting_on::text)::jsonb ?| string_to_array(lower(btrim(:waiting_on)),"
    " chr(10))",
    "needs_attention": "needs_attention = :needs_attention",
}
"""What narrows a list, each by an index: `docs/design.md`. `waiting_on` may be several names of
one person, a line for each."""
_OPEN = "closed_at is null and status in ('running', 'waiting', 'paused')"
_AFTER = "(started_at, run_id) < (:after_at, :after_id)"
_LIST_RUNS = read_sql("account_reviews.store", "list_runs.sql")
_FIND_RUN = read_sql("account_reviews.store", "find_run.sql")
_FIND_BY_RUN = (
    "select state, extract(epoch from now() - updated_at) as age from reviews.review_runs "
    "where tenant = :tenant and run_id = :run_id"
)
_ARCHIVED_REVIEW = read_sql("account_reviews.store", "archived_review.sql")
_ERASED = (
    "select at, erasure_id from reviews.erased_runs where tenant = :tenant and run_id = :run_id"
)
_PROGRESS = read_sql("account_reviews.store", "progress_of_runs.sql")
_LIST_REQUESTS = read_sql("account_reviews.store", "list_requests.sql")
_COUNT_PENDING = (
    "select count(*) from reviews.approval_requests where tenant = :tenant and state = 'pending' "
    "and (:owner::text is null or owner_id = :owner) "
    "and (:account::text is null or account_id = :account)"
)
_FIND_REQUESTS = read_sql("account_reviews.store", "find_requests.sql")
_FIND_REQUESTS_BY_BEGINNING = read_sql("account_reviews.store", "find_requests_by_beginning.sql")
_PAST_REQUESTS = read_sql("account_reviews.store", "past_requests.sql")
_WAITING_IN_LINE = read_sql("account_reviews.store", "waiting_in_line.sql")
SHORTEST_ID = 8
LONGEST_NAME = 60
"""Characters of a name of a request that are repeated in a message."""
"""Characters of a request id that may stand for all of it."""
_FAILING = (
    "select count(*) from reviews.review_runs where tenant = :tenant and needs_attention "
    "and closed_at is null and state->'failing' <> '[]'"
)
_DOCUMENT = "select body from reviews.documents where hash = :hash"


class RunRow(NamedTuple):
    """One review as lists show it. Times are in UTC."""

    run_id: str
    review_id: str
    account_id: str
    owner_id: str | None
    name: str | None
    agent: str
    purpose: str
    kind: str
    phase: str
    status: str
    outcome: str | None
    risk_level: str | None
    waiting_on: tuple[str, ...]
    due_at: datetime | None
    needs_attention: bool
    started_at: datetime
    updated_at: datetime
    account_name: str | None
    owner_name: str | None
    plan_only: bool = False


class Archived(NamedTuple):
    """Where a review stands whose rows are gone."""

    hash: str
    """Of its archive, as the audit trail names it."""
    at: datetime
    analysis: Any
    """The stored analysis; None when it had none."""


class RunDetail(NamedTuple):
    """One review with everything its row holds."""

    state: "ReviewState"
    age_seconds: float
    """How old the row is."""
    archived: Archived | None = None


class RequestRow(NamedTuple):
    """An approval request with the run it belongs to."""

    run_id: str
    review_id: str
    owner_id: str | None
    request: "ApprovalRequest"
    short_id: str | None = None
    """`{account}-{n}`: the n-th request of the account."""
    account_name: str | None = None
    owner_name: str | None = None
    """Both as the review has read them."""


class RunPage(NamedTuple):
    """Reviews, and where the next page begins; None on the last."""

    items: tuple[RunRow, ...]
    next_cursor: str | None = None


class RequestPage(NamedTuple):
    """Requests, and where the next page begins; None on the last."""

    items: tuple[RequestRow, ...]
    next_cursor: str | None = None
    unreadable: tuple[str, ...] = ()
    """Ids of requests that belong on the page and cannot be read."""


@dataclass(frozen=True, kw_only=True)
class RunFilter:
    """Which reviews are listed."""

    tenant: str = "default"
    where: "dict[str, str | bool | datetime]" = field(default_factory=dict)
    """Keys of RUN_FILTERS: all of them must hold. Times in UTC, `until` is not included."""
    open_only: bool = False

    def statement(self, *, later: bool) -> str:
        """The query of a page; `later` for one after the first. BadInputError for another key."""
        for name in self.where:
            if name not in RUN_FILTERS:
                raise BadInputError(f"lists cannot be filtered by {name!r}")
        held = [RUN_FILTERS[name] for name in self.where]
        held += [_OPEN] if self.open_only else []
        held += [_AFTER] if later else []
        return _LIST_RUNS.replace("-- only\n", "".join(f"  and {one}\n" for one in held))


class ReviewReader:
    """Queries for people and programs. UnreachableError when the database is down."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def list_runs(self, wanted: RunFilter, *, cursor: str | None, limit: int) -> RunPage:
        """Newest first."""
        place = {} if cursor is None else after(cursor)
        rows = await self._statements.rows(
            wanted.statement(later=cursor is not None),
            tenant=wanted.tenant,
            limit=limit + 1,
            **wanted.where,
            **place,
        )
        items = tuple(_run_row(row) for row in rows[:limit])
        last = items[-1] if len(rows) > limit else None
        return RunPage(
            items=items, next_cursor=make_cursor(last.started_at, last.run_id) if last else None
        )

    async def find_run(
        self, *, tenant: str, review_id: str, run_id: str | None = None
    ) -> RunDetail:
        """The review of that id: the given run, else the open one, else the newest."""
        row = await self._statements.row(
            _FIND_RUN, tenant=tenant, review_id=review_id, run_id=run_id
        )
        if row is None:
            which = f"run {run_id} of {review_id}" if run_id else f"{review_id!r}"
            raise ReviewNotFoundError(f"there is no review {which}", hint="see `reviews list`")
        return _detail(row)

    async def find_by_run(self, tenant: str, run_id: str) -> RunDetail | None:
        """The review of that run id, None when there is none."""
        row = await self._statements.row(_FIND_BY_RUN, tenant=tenant, run_id=run_id)
        return None if row is None else _detail(row)

    async def find_archived(
        self, *, tenant: str, review_id: str, run_id: str | None = None
    ) -> RunDetail | None:
        """The archived review of that id: the given run, else the newest; None without one.

        ReviewNotFoundError for a run that was erased, DocumentUnreadableError.
        """
        row = await self._statements.row(
            _ARCHIVED_REVIEW, tenant=tenant, review_id=review_id, run_id=run_id
        )
        if row is None:
            if run_id is not None:
                await self._refuse_erased(tenant, run_id)
            return None
        from account_reviews.domain.review.state import ReviewState
        from account_reviews.store.stored_json import parsed

        state = parsed(ReviewState, row["state"])
        if state is None:
            raise DocumentUnreadableError(f"the archive {row['hash']} of {review_id} is unreadable")
        analysis = json.loads(row["analysis"] or "null")
        archived = Archived(hash=row["hash"], at=row["archived_at"], analysis=analysis)
        return RunDetail(state, max(0.0, float(row["age"])), archived)

    async def _refuse_erased(self, tenant: str, run_id: str) -> None:
        row = await self._statements.row(_ERASED, tenant=tenant, run_id=run_id)
        if row is not None:
            raise ReviewNotFoundError(
                f"the review with run {run_id} was erased on {row['at']:%Y-%m-%d}",
                hint=f"erasure {row['erasure_id']}",
            )

    async def progress_of(self, run_ids: Sequence[str]) -> dict[str, Row]:
        """run id -> phase, status, outcome and whether it `waits`, for those that have a row."""
        rows = await self._statements.rows(_PROGRESS, ids=list(run_ids))
        return {row["run_id"]: row for row in rows}

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
        rows = await self._statements.rows(
            _LIST_REQUESTS,
            tenant=tenant,
            state=state,
            owner=owner,
            account=account,
            limit=limit + 1,
            **after(cursor),
        )
        shown, last = rows[:limit], rows[limit - 1] if len(rows) > limit else None
        found = [(row["request_id"], _request_row(row)) for row in shown]
        return RequestPage(
            items=tuple(item for _, item in found if item is not None),
            next_cursor=make_cursor(last["deadline"], last["request_id"]) if last else None,
            unreadable=tuple(request_id for request_id, item in found if item is None),
        )

    async def count_pending(
        self, tenant: str, *, owner: str | None = None, account: str | None = None
    ) -> int:
        """How many requests wait for a decision."""
        values = {"tenant": tenant, "owner": owner, "account": account}
        return int(await self._statements.scalar(_COUNT_PENDING, **values))

    async def find_request(self, tenant: str, request_id: str) -> RequestRow:
        """The request of that id, or whose id begins so. RequestNotFoundError."""
        found = (await self.find_requests(tenant, (request_id,)))[request_id]
        if isinstance(found, ReviewsError):
            raise found
        return found

    async def find_requests(
        self, tenant: str, names: Sequence[str]
    ) -> "dict[str, RequestRow | ReviewsError]":
        """Each named request, or the error for that name.

        A name is a request id, its account and number, as `acme-3`, or at least SHORTEST_ID
        characters of the beginning of its id.
        """
        # A name that cannot be stored names nothing, and must not keep the others from being found.
        asked = [name for name in names if can_be_stored(name)]
        rows = await self._statements.rows(_FIND_REQUESTS, tenant=tenant, names=asked)
        found = {name: row for row in rows for name in (row["request_id"], row["short_id"])}
        short = [one for one in asked if one not in found and len(one) >= SHORTEST_ID]
        begin: dict[str, list[Row]] = {}
        if short:
            for row in await self._statements.rows(
                _FIND_REQUESTS_BY_BEGINNING, tenant=tenant, names=short
            ):
                begin.setdefault(row["name"], []).append(row)
        return {one: _named(one, found.get(one), begin.get(one, ())) for one in names}

    async def past_requests(
        self, tenant: str, account_id: str, before: datetime, *, limit: int = 3
    ) -> "list[ApprovalRequest]":
        """The requests of an account that were asked before then, the newest first."""
        rows = await self._statements.rows(
            _PAST_REQUESTS, tenant=tenant, account=account_id, before=before, limit=limit
        )
        return [found.request for row in rows if (found := _request_row(row)) is not None]

    async def waiting_in_line(self, tenant: str) -> "list[Waiting]":
        """Every pending request, in no order."""
        from account_reviews.domain.review.urgency import Waiting

        rows = await self._statements.rows(_WAITING_IN_LINE, tenant=tenant)
        return [
            Waiting(**{**row, "approvers": tuple(json.loads(row["approvers"] or "[]"))})
            for row in rows
        ]

    async def count_failing(self, tenant: str) -> int:
        """Open reviews of which a step failed again and again when they saved last."""
        return int(await self._statements.scalar(_FAILING, tenant=tenant) or 0)

    async def document(self, stored: str | None) -> Any:
        """A stored document, None when there is none."""
        row = await self._statements.row(_DOCUMENT, hash=stored)
        return None if row is None else json.loads(row["body"])


def _detail(row: Row) -> RunDetail:
    from account_reviews.domain.review.state import ReviewState

    state = ReviewState.model_validate_json(row["state"])
    return RunDetail(state=state, age_seconds=max(0.0, float(row["age"])))


def _run_row(row: Row) -> RunRow:
    return RunRow(**{**row, "waiting_on": tuple(json.loads(row["waiting_on"]))})


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}..."


def can_be_stored(text: str) -> bool:
    """False for half a pair of surrogates, and for NUL."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def _named(name: str, row: Row | None, begin: Sequence[Row]) -> "RequestRow | ReviewsError":
    """What a name stands for."""
    if row is None and len(begin) == 1:
        row = begin[0]
    if row is None and begin:
        ids = " or ".join(one["request_id"] for one in begin)
        return BadInputError(f"more than one approval request begins with {name!r}", hint=ids)
    if row is None:
        return RequestNotFoundError(
            f"there is no approval request {_short(name)!r}", hint="see `reviews approvals list`"
        )
    found = _request_row(row)
    if found is None:
        return DocumentUnreadableError(f"the stored approval request {name!r} cannot be read")
    return found


def _request_row(row: Row) -> RequestRow | None:
    """None when the request cannot be read."""
    from account_reviews.domain.review.approvals import ApprovalRequest
    from account_reviews.store.stored_json import parsed

    request = parsed(ApprovalRequest, row["body"])
    if request is None:
        return None
    return RequestRow(
        run_id=row["run_id"],
        review_id=row["review_id"],
        owner_id=row["owner_id"],
        request=request,
        short_id=row.get("short_id"),
        account_name=row.get("account_name"),
        owner_name=row.get("owner_name"),
    )
