"""What is kept for a while only: rows of closed reviews and cycles, digests, documents, archives.

Everything goes in batches of one transaction each, so that nobody waits for long, and so that a
purge that is killed leaves nothing half done: a review's archive stands, and its rows are gone, or
neither. Whoever asks again finishes it.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from account_reviews.domain.audit.entries import archive_entry
from account_reviews.domain.base import Model
from account_reviews.domain.canonical import canonical_json, hash_of, rfc3339
from account_reviews.domain.retention import Keeping, Row
from account_reviews.store.database import reachable
from account_reviews.store.outbox import put_into_outbox
from account_reviews.store.sql_files import read_sql

BATCH: Final = 500
FEW: Final = 25
"""Reviews that are archived in one transaction: each is a document of some 100 KiB."""
DOCUMENT_AGE: Final = timedelta(days=1)
"""A document of a running step has no row yet; storing it again makes it young."""

_DUE = text(read_sql("account_reviews.store", "due_reviews.sql"))
_COUNT = text(read_sql("account_reviews.store", "count_due.sql"))
_PUT = text(read_sql("account_reviews.store", "put_archives.sql"))
_ARCHIVED = text(read_sql("account_reviews.store", "delete_archived_reviews.sql"))
_REMEMBERED = text(read_sql("account_reviews.store", "delete_remembered.sql"))
_DELIVERIES = text(read_sql("account_reviews.store", "delete_old_deliveries.sql"))
_LIVE = text(read_sql("account_reviews.store", "delete_old_live_events.sql"))
_PEOPLE = text(read_sql("account_reviews.store", "delete_old_people.sql"))
_ARCHIVES = text(read_sql("account_reviews.store", "delete_old_archives.sql"))
_OUTCOMES = text(read_sql("account_reviews.store", "delete_old_outcomes.sql"))
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

MakeArchive = Callable[..., dict[str, Any]]
"""Takes state and analysis, and by name outcomes and notifications, of one review."""


class Removed(Model):
    """How many rows went."""

    reviews: int = 0
    """Archived, and their rows removed."""
    cycles: int = 0
    digests: int = 0
    documents: int = 0
    outcomes: int = 0
    archives: int = 0
    held: int = 0
    """Reviews that are old enough and under a legal hold."""

    @property
    def total(self) -> int:
        return sum((
            self.reviews, self.cycles, self.digests, self.documents, self.outcomes, self.archives,
        ))  # fmt: skip


async def remove_old(
    engine: AsyncEngine,
    tenant: str,
    keeping: Keeping,
    make_archive: MakeArchive,
    *,
    actor: str,
    batch: int = BATCH,
) -> Removed:
    """Archive and remove what is due, then documents nobody refers to.

    Baselines' snapshots and the documents of what is still shown stay. Documents have no tenant:
    what any tenant refers to stays. UnreachableError when the database is down.
    """
    values = {
        "tenant": tenant,
        "before": keeping.before,
        "archived_before": keeping.now - keeping.archives,
        "outcomes_before": keeping.now - keeping.outcomes,
        "held": sorted(keeping.held),
        "batch": batch,
        "few": max(1, batch // 50),
    }
    async with reachable(), engine.connect() as connection:
        await connection.execute(_FACTS)
        await connection.commit()
        reviews = 0
        few = {**values, "batch": min(batch, FEW)}
        while archived := await _archive_some(connection, keeping, make_archive, few, actor):
            reviews += archived
        await _in_batches(connection, _REMEMBERED, values)
        await _in_batches(connection, _DELIVERIES, values)
        await _in_batches(connection, _PEOPLE, values)
        await _in_batches(connection, _LIVE, {"tenant": tenant, "batch": 10 * batch})
        return Removed(
            reviews=reviews,
            cycles=await _in_batches(connection, _CYCLES, values),
            digests=await _in_batches(connection, _DIGESTS, values),
            outcomes=await _in_batches(connection, _OUTCOMES, values),
            archives=await _in_batches(connection, _ARCHIVES, values),
            documents=await _documents(
                connection, keeping.now - max(keeping.closed, DOCUMENT_AGE), batch
            ),
            held=(await connection.execute(_COUNT, values)).one().held,
        )


async def count_due(engine: AsyncEngine, tenant: str, keeping: Keeping) -> Removed:
    """How many reviews `remove_old` would take now. Nothing changes."""
    values = {"tenant": tenant, "before": keeping.before, "held": sorted(keeping.held)}
    async with reachable(), engine.connect() as connection:
        row = (await connection.execute(_COUNT, values)).one()
    return Removed(reviews=row.due, held=row.held)


async def _archive_some(
    connection: AsyncConnection,
    keeping: Keeping,
    make_archive: MakeArchive,
    values: dict[str, Any],
    actor: str,
) -> int:
    """In one transaction: archives, what the trail says of them, and the rows are gone."""
    tenant = values["tenant"]
    rows = (await connection.execute(_DUE, values)).all()
    due = [
        row
        for row in rows
        if keeping.why_kept(Row(row.run_id, row.account_id, row.closed_at)) is None
    ]
    archives = []
    for row in due:
        archives.append(_archive_row(tenant, row, make_archive))
        await asyncio.sleep(0)  # a worker has other work to do meanwhile
    if archives:
        await connection.execute(_PUT, {"archives": canonical_json(archives).decode()})
        await connection.execute(_ARCHIVED, {"runs": [row.run_id for row in due]})
        entries = [archive_entry(one, actor=actor, at=keeping.now) for one in archives]
        await put_into_outbox(connection, entries)
    await connection.commit()
    return len(archives)


def _archive_row(tenant: str, row: Any, make_archive: MakeArchive) -> dict[str, Any]:
    body = make_archive(
        row.state, row.analysis, outcomes=row.outcomes, notifications=row.notifications
    )
    return {
        "run_id": row.run_id,
        "hash": hash_of(canonical_json(body)),
        "review_id": row.state["review_id"],
        "workflow_run_id": row.state.get("workflow_run_id") or row.run_id,
        "tenant": tenant,
        "account_id": row.account_id,
        "owner_id": row.owner_id,
        "outcome": row.outcome,
        "started_at": rfc3339(row.started_at),
        "closed_at": rfc3339(row.closed_at),
        "body": body,
    }


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
    connection: AsyncConnection, statement: object, values: dict[str, Any]
) -> int:
    total = 0
    while True:
        done = await connection.execute(statement, values)  # type: ignore[call-overload]
        await connection.commit()
        if not done.rowcount:
            return total
        total += done.rowcount


async def collect_unreferred(connection: AsyncConnection, hashes: Sequence[str]) -> Sequence[str]:
    """Those of these documents that no row of any tenant names, in the transaction at hand."""
    await connection.execute(text(_REFERRED_TO[0].replace("preserve rows", "drop")))
    unreferred = text(
        "select wanted.hash from unnest(cast(:hashes as text[])) as wanted (hash) "
        "where not exists (select from referred_to r where r.hash = wanted.hash)"
    )
    return list((await connection.execute(unreferred, {"hashes": list(hashes)})).scalars())
