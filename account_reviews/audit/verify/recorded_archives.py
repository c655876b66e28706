"""Archives of closed reviews, against their own hashes and those that the trail has of them."""

from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from account_reviews.audit.seals.faults import Fault, Kind
from account_reviews.audit.verify.scope import Scope
from account_reviews.audit.verify.verifier import Report
from account_reviews.domain.canonical import content_hash
from account_reviews.store.sql_files import read_sql

_ARCHIVES: Final = text(read_sql("account_reviews.audit.verify", "archives_to_check.sql"))
_RECORDED: Final = text(read_sql("account_reviews.audit.verify", "archives_recorded.sql"))
_COMING: Final = text(
    "select distinct body->>'run_id' from reviews.audit_outbox "
    "where body->>'run_id' = any(:runs) and body->>'event_type' = 'review_archived'"
)


async def add_recorded_archives(
    report: Report, main: AsyncConnection, trail: AsyncConnection, scope: Scope
) -> None:
    """Every archive is what was archived. Rows of the trail that are archived themselves may have
    left it: what they said of an archive is not asked for."""
    after = ""
    while True:
        values = {"since": scope.since, "review": scope.review_id, "after": after}
        rows = (await main.execute(_ARCHIVES, values)).all()
        if not rows:
            return
        after = rows[-1].run_id
        runs = {"runs": [row.run_id for row in rows]}
        coming = set((await main.execute(_COMING, runs)).scalars())
        said = {row.run_id: row for row in await trail.execute(_RECORDED, runs)}
        for row in rows:
            recorded = said.get(row.run_id)
            if content_hash(row.body) != row.hash:
                why = f"the archive of run {row.run_id} is not what its hash says"
                report.faults.append(Fault(kind=Kind.DIFFERING, why=why))
            elif row.run_id in coming:
                continue
            elif recorded is None:
                left = report.archived_until
                if left is None or row.archived_at > left:
                    why = f"the trail has no row of the archive of run {row.run_id}"
                    report.faults.append(Fault(kind=Kind.MISSING, why=why))
            elif recorded.hash != row.hash:
                why = f"the archive of run {row.run_id} is another than the trail has"
                report.faults.append(
                    Fault(kind=Kind.DIFFERING, why=why, event_id=recorded.event_id)
                )
