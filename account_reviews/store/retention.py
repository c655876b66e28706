"""What is kept for a while only: rows of closed reviews and cycles, digests, documents.

Everything goes in batches of one transaction each, so that nobody waits for long.
"""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from account_reviews.domain.base import Model
from account_reviews.store.database import reachable

BATCH: Final = 500
DOCUMENT_AGE: Final = timedelta(days=1)
"""A document of a running step has no row yet; storing it again makes it young."""

_REVIEWS = text(
    "with old as (select run_id from reviews.review_runs where tenant = :tenant "
    "and closed_at < :before order by closed_at limit :batch), "
    "requests as (delete from reviews.approval_requests where run_id in (select run_id from old)) "
    "delete from reviews.review_runs where run_id in (select run_id from old)"
)
_CYCLES = text(
    "with newest as (select distinct on (kind, schedule_id) run_id from reviews.cycles "
    "where tenant = :tenant and status = 'completed' "
    "order by kind, schedule_id, started_at desc), "
    "old as (select run_id from reviews.cycles where tenant = :tenant "
    "and closed_at < :before and run_id not in (select run_id from newest) "
    "order by closed_at limit :few), "
    "accounts as (delete from reviews.cycle_accounts where run_id in (select run_id from old)), "
    "briefs as (delete from reviews.cycle_briefs where run_id in (select run_id from old)) "
    "delete from reviews.cycles where run_id in (select run_id from old)"
)
"""The newest complete cycle of each kind and schedule stays: the next one compares with it."""

_DIGESTS = text(
    "with old as (select tenant, owner_id, day from reviews.digests where tenant = :tenant "
    "and day < cast(:before as timestamptz)::date limit :batch) "
    "delete from reviews.digests d using old where (d.tenant, d.owner_id, d.day) = "
    "(old.tenant, old.owner_id, old.day)"
)
_REFERRED_TO = (
    (
        "create temporary table referred_to on commit preserve rows as "
        "select analysis_hash as hash from reviews.review_runs union "
        "select state #>> '{snapshot,hash}' from reviews.review_runs union "
        "select state #>> '{memory,hash}' from reviews.review_runs union "
        "select state #>> '{analysis,hash}' from reviews.review_runs union "
        "select snapshot_hash from reviews.account_baselines union "
        "select snapshot ->> 'hash' from reviews.cycle_accounts"
    ),
    "delete from referred_to where hash is null",
    "create unique index on referred_to (hash)",
    "analyze referred_to",
)
_DOCUMENTS = text(
    "delete from reviews.documents where created_at < :before and hash in ("
    "select d.hash from reviews.documents d where d.created_at < :before and not exists "
    "(select from referred_to r where r.hash = d.hash) limit :batch)"
)


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
