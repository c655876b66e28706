"""What is kept for a while only: rows of closed reviews and cycles, digests, documents.

Everything goes in batches of one transaction each, so that nobody waits for long.
"""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from account_reviews.domain.base import Model
from account_reviews.store.database import reachable
from account_reviews.store.sql_files import read_sql

BATCH: Final = 500
DOCUMENT_AGE: Final = timedelta(days=1)
"""A document of a running step has no row yet; storing it again makes it young."""

_REVIEWS = text(read_sql("account_reviews.store", "delete_old_reviews.sql"))
_CYCLES = text(read_sql("account_reviews.store", "delete_old_cycles.sql"))
_DIGESTS = text(read_sql("account_reviews.store", "delete_old_digests.sql"))
_REFERRED_TO = (
    read_sql("account_reviews.store", "collect_referred_documents.sql"),
    "delete from referred_to where hash is null",
    "create unique index on referred_to (hash)",
    "analyze referred_to",
)
_DOCUMENTS = text(
    "delete from reviews.documents where created_at < :before and hash in ("
    "select d.hash from reviews.documents d where d.created_at < :before and not exists "
    "(select from referred_to r where r.hash = d.hash) limit :batch)"
)
_FACTS = text("select reviews.forget_facts()")
"""Numbers of facts that went to the trail a month ago: whether they came there is known by now."""


class Removed(Model):
    """How many rows went."""

    reviews: int = 0
    cycles: int = 0
    digests: int = 0
    documents: int = 0

    @property
    def total(self) -> int:
        return self.reviews + self.cycles + self.digests + self.documents


async def remove_old(
    engine: AsyncEngine, tenant: str, *, closed: timedelta, now: datetime, batch: int = BATCH
) -> Removed:
    """Delete what was closed longer ago than `closed`, then documents nobody refers to.

    Baselines' snapshots and the documents of what is still shown stay. Documents have no tenant:
    what any tenant refers to stays. UnreachableError when the database is down.
    """
    values = {"tenant": tenant, "before": now - closed, "batch": batch, "few": max(1, batch // 50)}
    async with reachable(), engine.connect() as connection:
        await connection.execute(_FACTS)
        await connection.commit()
        return Removed(
            reviews=await _in_batches(connection, _REVIEWS, values),
            cycles=await _in_batches(connection, _CYCLES, values),
            digests=await _in_batches(connection, _DIGESTS, values),
            documents=await _documents(connection, now - max(closed, DOCUMENT_AGE), batch),
        )


async def _documents(connection: AsyncConnection, before: datetime, batch: int) -> int:
    for statement in _REFERRED_TO:
        await connection.execute(text(statement))
    await connection.commit()
    try:
        return await _in_batches(connection, _DOCUMENTS, {"before": before, "batch": batch})
    finally:
        await connection.rollback()
        await connection.execute(text("drop table referred_to"))
        await connection.commit()


async def _in_batches(
    connection: AsyncConnection, statement: object, values: dict[str, object]
) -> int:
    total = 0
    while True:
        done = await connection.execute(statement, values)  # type: ignore[call-overload]
        await connection.commit()
        if not done.rowcount:
            return total
        total += done.rowcount
