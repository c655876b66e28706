"""The past of one account, review by review. UnreachableError when the database is down."""

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import Final, NamedTuple

from pydantic import ValidationError

from account_reviews.domain.analysis.model import DetectedChange
from account_reviews.domain.review.approvals import ApprovalRequest
from account_reviews.domain.review.state import WrittenChange
from account_reviews.store.cursors import after, make_cursor
from account_reviews.store.sql_files import read_sql
from account_reviews.store.statements import Row, Statements
from account_reviews.store.stored_json import Parsed

_PAGE: Final = read_sql("account_reviews.store", "account_timeline.sql")
_OPEN: Final = (
    "select run_id, review_id, status from reviews.review_runs "
    "where tenant = :tenant and account_id = :account and closed_at is null "
    "order by started_at desc limit 1"
)
_COUNT: Final = (
    "select count(*) from reviews.review_runs where tenant = :tenant and account_id = :account"
)


class AskedRequest(NamedTuple):
    """What a review asked. `short_id` is what people call it by."""

    short_id: str | None
    request: ApprovalRequest


class PastReview(NamedTuple):
    """One review with what it found, asked and wrote, without what cannot be read any more.

    Scores are 0 to 100, times in UTC.
    """

    run_id: str
    review_id: str
    kind: str
    status: str
    outcome: str | None
    risk_level: str | None
    risk_score: int | None
    health_score: float | None
    started_at: datetime
    closed_at: datetime | None
    health_band: str | None
    started_by: str | None
    plan_only: bool
    written: tuple[WrittenChange, ...]
    changes: tuple[DetectedChange, ...]
    requests: tuple[AskedRequest, ...]


class OpenReview(NamedTuple):
    """The review that is under way."""

    run_id: str
    review_id: str
    status: str


class PastPage(NamedTuple):
    """Reviews, newest first, and where earlier ones begin; None where there are none."""

    reviews: tuple[PastReview, ...]
    next_cursor: str | None


class TimelineReader:
    """Queries for the past of accounts."""

    def __init__(self, statements: Statements, tenant: str) -> None:
        self._statements = statements
        self._tenant = tenant

    async def page(self, account_id: str, *, cursor: str | None, limit: int) -> PastPage:
        """Newest first. BadInputError for a cursor of another list."""
        rows = await self._statements.rows(
            _PAGE, tenant=self._tenant, account=account_id, limit=limit + 1, **after(cursor)
        )
        reviews = tuple(_review(row) for row in rows[:limit])
        last = reviews[-1] if len(rows) > limit else None
        return PastPage(reviews, make_cursor(last.started_at, last.run_id) if last else None)

    async def open_review(self, account_id: str) -> OpenReview | None:
        """What is under way."""
        row = await self._statements.row(_OPEN, tenant=self._tenant, account=account_id)
        return None if row is None else OpenReview(**row)

    async def count(self, account_id: str) -> int:
        """How many reviews there were."""
        found = await self._statements.scalar(_COUNT, tenant=self._tenant, account=account_id)
        return int(found or 0)


def _review(row: Row) -> PastReview:
    told = {
        **row,
        "plan_only": bool(row["plan_only"]),
        "written": tuple(_readable(WrittenChange, json.loads(row["written"]).values())),
        "changes": tuple(_readable(DetectedChange, json.loads(row["changes"]))),
        "requests": tuple(_asked(json.loads(row["requests"]))),
    }
    return PastReview(**told)


def _asked(documents: list[dict[str, object]]) -> Iterator[AskedRequest]:
    for one in documents:
        for request in _readable(ApprovalRequest, [one["body"]]):
            short_id = one["short_id"]
            yield AskedRequest(None if short_id is None else str(short_id), request)


def _readable(model: type[Parsed], documents: Iterable[object]) -> Iterator[Parsed]:
    """Those that are of this model: what another release or a hand has stored takes no other
    with it."""
    for one in documents:
        with suppress(ValidationError):
            yield model.model_validate(one)
