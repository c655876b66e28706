"""Reading digests, and the facts they are made of."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Final

from account_reviews.domain.analysis.model import Analysis
from account_reviews.domain.base import Timestamp
from account_reviews.domain.reports.digest import (
    OVERLAP,
    Digest,
    LastDigest,
    OpenRequest,
    OwnerReview,
)
from account_reviews.domain.reports.owner_brief import UNASSIGNED
from account_reviews.domain.review.approvals import ApprovalRequest
from account_reviews.domain.review.state import ReviewState
from account_reviews.store.digest_days import without_digest
from account_reviews.store.document_queries import DocumentReader
from account_reviews.store.sql_files import read_sql
from account_reviews.store.statements import Row, Statements
from account_reviews.store.stored_json import Parsed, parsed

_GET: Final = (
    "select body from reviews.digests where tenant = :tenant and owner_id = :owner and day = :day"
)
_LAST: Final = (
    "select made_at, body from reviews.digests where tenant = :tenant "
    "and owner_id = :owner and day < :day order by day desc limit 1"
)
_REVIEWS: Final = read_sql("account_reviews.store", "digest_reviews.sql")
_REQUESTS: Final = read_sql("account_reviews.store", "digest_requests.sql")
_CLOSED: Final = (
    "select account_id, account_id as account_name, state from reviews.review_runs "
    "where tenant = :tenant and owner_id = :owner "
    "and closed_at > :since and closed_at <= :moment order by account_id, run_id"
)
_NAME: Final = read_sql("account_reviews.store", "digest_owner_name.sql")
_OWNERS: Final = read_sql("account_reviews.store", "digest_owners.sql")


Unreadable = dict[str, str]
"""Account id -> name of those of which something stored cannot be read."""


class DigestReader:
    """Queries for the makers of digests. UnreachableError when the database is down.

    A document that cannot be read takes no other with it: its account goes to `unreadable`.
    """

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    @property
    def documents(self) -> DocumentReader:
        """What a digest shows beside its own content."""
        return DocumentReader(self._statements)

    async def waiting(self, tenant: str, ids: Sequence[str]) -> list[ApprovalRequest]:
        """Those of these requests that can be read."""
        from account_reviews.store.review_queries import RequestRow, ReviewReader

        found = await ReviewReader(self._statements).find_requests(tenant, ids)
        return [row.request for row in found.values() if isinstance(row, RequestRow)]

    async def get(self, tenant: str, owner: str, day: date) -> Digest | None:
        """The stored digest of that day; None also when it cannot be read, to be made anew."""
        body = await self._statements.scalar(_GET, tenant=tenant, owner=owner, day=day)
        return parsed(Digest, body) if body is not None else None

    async def last(self, tenant: str, owner: str, day: date) -> LastDigest | None:
        """The newest digest before that day, None when it cannot be read."""
        row = await self._statements.row(_LAST, tenant=tenant, owner=owner, day=day)
        digest = parsed(Digest, row["body"]) if row is not None else None
        if row is None or digest is None:
            return None
        return LastDigest(made_at=row["made_at"], digest=digest)

    async def owners(self, tenant: str) -> list[str]:
        """Everybody who owns something we know of."""
        rows = await self._statements.rows(_OWNERS, tenant=tenant)
        found = {row["owner_id"] for row in rows} - {None, "", UNASSIGNED}
        return sorted(found)

    async def without(self, tenant: str, day: date) -> frozenset[str]:
        """Those who want no digest on that day of the week."""
        return await without_digest(self._statements, tenant, day)

    async def owner_name(self, tenant: str, owner: str) -> str | None:
        """The newest name that reviews or briefs knew."""
        name: str | None = await self._statements.scalar(_NAME, tenant=tenant, owner=owner)
        return name

    async def reviews(
        self, tenant: str, owner: str, moment: Timestamp, unreadable: Unreadable
    ) -> list[OwnerReview]:
        """The newest review with an analysis of each account that is the owner's now."""
        rows = await self._statements.rows(_REVIEWS, tenant=tenant, owner=owner, moment=moment)
        return [
            OwnerReview(
                review_id=row["review_id"],
                account_id=row["account_id"],
                account_name=row["account_name"],
                analysed_at=row["analysed_at"],
                analysis=analysis,
            )
            for row, analysis in _readable(Analysis, "analysis", rows, unreadable)
        ]

    async def requests(
        self, tenant: str, owner: str, moment: Timestamp, unreadable: Unreadable
    ) -> list[OpenRequest]:
        """Requests that wait for the owner then: of his or her accounts, or as an approver."""
        rows = await self._statements.rows(_REQUESTS, tenant=tenant, owner=owner, moment=moment)
        return [
            OpenRequest(account_name=row["account_name"], request=request)
            for row, request in _readable(ApprovalRequest, "body", rows, unreadable)
        ]

    async def closed(
        self, tenant: str, owner: str, since: Timestamp, moment: Timestamp, unreadable: Unreadable
    ) -> list[ReviewState]:
        """Reviews of the owner's accounts that closed in that time, and a little before."""
        rows = await self._statements.rows(
            _CLOSED, tenant=tenant, owner=owner, since=since - OVERLAP, moment=moment
        )
        return [state for _, state in _readable(ReviewState, "state", rows, unreadable)]


def _readable(
    model: type[Parsed], column: str, rows: Iterable[Row], unreadable: Unreadable
) -> Iterator[tuple[Row, Parsed]]:
    """Each row with its document; `unreadable` gets the accounts of those that cannot be read."""
    for row in rows:
        found = parsed(model, row[column])
        if found is not None:
            yield row, found
        else:
            unreadable.setdefault(row["account_id"], row["account_name"])
