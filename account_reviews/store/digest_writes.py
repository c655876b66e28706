"""Writing digests."""

import json

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.domain.base import Timestamp
from account_reviews.domain.canonical import plain
from account_reviews.domain.reports.digest import Digest
from account_reviews.store.database import reachable
from account_reviews.store.sql_files import read_sql

_PUT = text(read_sql("account_reviews.store", "save_digest.sql"))


class DigestStore:
    """Keeps digests. UnreachableError when the database is down."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

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
