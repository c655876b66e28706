"""Digests, and the facts they are made of."""

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from pydantic import ValidationError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.domain.analysis.model import Analysis
from account_reviews.domain.base import Timestamp
from account_reviews.domain.canonical import plain
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
from account_reviews.store.database import reachable
from account_reviews.store.sql_files import read_sql

_GET = text(
    "select body from reviews.digests where tenant = :tenant and owner_id = :owner and day = :day"
)
_LAST = text(
    "select made_at, body as digest from reviews.digests where tenant = :tenant "
    "and owner_id = :owner and day < :day order by day desc limit 1"
)
_PUT = text(read_sql("account_reviews.store", "save_digest.sql"))
_REVIEWS = text(read_sql("account_reviews.store", "digest_reviews.sql"))
_REQUESTS = text(read_sql("account_reviews.store", "digest_requests.sql"))
_CLOSED = text(
    "select cast(state as text) as state from reviews.review_runs "
    "where tenant = :tenant and owner_id = :owner "
    "and closed_at > :since and closed_at <= :moment order by account_id, run_id"
)
_NAME = text(read_sql("account_reviews.store", "digest_owner_name.sql"))
_OWNERS = text(read_sql("account_reviews.store", "digest_owners.sql"))


class DigestStore:
    """Reads and writes of digests. UnreachableError when the database is down."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def get(self, tenant: str, owner: str, day: date) -> Digest | None:
        """The stored digest of that day."""
        rows = await self._rows(_GET, tenant=tenant, owner=owner, day=day)
        return Digest.model_validate(rows[0]["body"]) if rows else None

    async def last(self, tenant: str, owner: str, day: date) -> LastDigest | None:
        """The newest digest before that day."""
        rows = await self._rows(_LAST, tenant=tenant, owner=owner, day=day)
        return LastDigest.model_validate(rows[0]) if rows else None

    async def put(self, tenant: str, digest: Digest, now: Timestamp) -> None:
        """Keep it. One that says the same stays as it was made."""
        values = {
            "tenant": tenant,
            "owner": digest.owner_id,
            "day": digest.day,
            "body": json.dumps(plain(digest), ensure_ascii=False),
            "now": now,
        }
        async with reachable(), self._engine.begin() as connection:
            await connection.execute(_PUT, values)

    async def owners(self, tenant: str) -> list[str]:
        """Everybody who owns something we know of."""
        rows = await self._rows(_OWNERS, tenant=tenant)
        found = {row["owner_id"] for row in rows} - {None, "", UNASSIGNED}
        return sorted(found)

    async def owner_name(self, tenant: str, owner: str) -> str | None:
        """The newest name that reviews or briefs knew."""
        rows = await self._rows(_NAME, tenant=tenant, owner=owner)
        return rows[0]["name"] if rows else None

    async def reviews(self, tenant: str, owner: str, moment: Timestamp) -> list[OwnerReview]:
        """The newest review with an analysis of each account that is the owner's now."""
        rows = await self._rows(_REVIEWS, tenant=tenant, owner=owner, moment=moment)
        found = (_review(row) for row in rows)
        return [one for one in found if one is not None]

    async def requests(self, tenant: str, owner: str, moment: Timestamp) -> list[OpenRequest]:
        """Requests that wait for the owner then: of his or her accounts, or as an approver."""
        rows = await self._rows(_REQUESTS, tenant=tenant, owner=owner, moment=moment)
        return [
            OpenRequest(
                account_name=row["account_name"],
                request=ApprovalRequest.model_validate(row["body"]),
            )
            for row in rows
        ]

    async def closed(
        self, tenant: str, owner: str, since: Timestamp, moment: Timestamp
    ) -> list[ReviewState]:
        """Reviews of the owner's accounts that closed in that time, and a little before."""
        rows = await self._rows(
            _CLOSED, tenant=tenant, owner=owner, since=since - OVERLAP, moment=moment
        )
        return [ReviewState.model_validate_json(row["state"]) for row in rows]

    async def _rows(self, query: Any, **values: Any) -> list[dict[str, Any]]:
        async with reachable(), self._engine.connect() as connection:
            found = await connection.execute(query, values)
            return [dict(row) for row in found.mappings()]


def _review(row: Mapping[str, Any]) -> OwnerReview | None:
    try:
        analysis = Analysis.model_validate_json(row["analysis"])
    except ValidationError:
        return None
    return OwnerReview(
        review_id=row["review_id"],
        account_id=row["account_id"],
        account_name=row["account_name"],
        analysed_at=row["analysed_at"],
        analysis=analysis,
    )
