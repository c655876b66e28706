"""Are facts true, and are all there? They are held against what they are about, both ways.

Seals prove that a row was not changed since it was sealed. What was forged, changed or dropped
before that differs from the history, the state of the review, the ledger of operations, or the list
of what was left for the trail.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from account_reviews.audit.history.comparison import Chain
from account_reviews.audit.seals.faults import Fault, Kind
from account_reviews.audit.seals.leaves import Position
from account_reviews.audit.verify.guards import OUTBOX, guard_faults
from account_reviews.audit.verify.left_facts import add_left_facts
from account_reviews.audit.verify.recorded_archives import add_recorded_archives
from account_reviews.audit.verify.recorded_decisions import add_recorded_decisions
from account_reviews.audit.verify.recorded_reviews import add_recorded_reviews
from account_reviews.audit.verify.recorded_writes import Elsewhere, add_recorded_writes
from account_reviews.audit.verify.scope import Scope
from account_reviews.audit.verify.verifier import Report
from account_reviews.domain.audit.redaction import Rules
from account_reviews.store.database import reachable
from account_reviews.store.sql_files import read_sql

_OF_NOBODY: Final = text(read_sql("account_reviews.audit.verify", "facts_of_nobody.sql"))
_RUNS: Final = text("select run_id from reviews.review_runs where review_id = :review")


async def add_facts(
    report: Report,
    main: AsyncEngine,
    trail: AsyncEngine,
    elsewhere: Elsewhere,
    rules: Rules,
    scope: Scope,
    *,
    chains: Mapping[str, Chain],
    began: datetime,
) -> None:
    """Add what is wrong with facts to the report. UnreachableError when a database is down.

    `main` holds the reviews, the outbox and the ledger of operations.
    `chains`: the histories that were compared, by first run id, and `began` when that was.
    """
    async with reachable(), main.connect() as here, trail.connect() as there:
        if scope.review_id is not None:
            found = await here.execute(_RUNS, {"review": scope.review_id})
            scope = replace(scope, runs=sorted({*found.scalars(), *chains}))
        report.faults += await guard_faults(here, OUTBOX)
        await add_left_facts(report, here, there, scope)
        await add_recorded_reviews(report, here, there, rules, scope)
        await add_recorded_archives(report, here, there, scope)
        await _add_strange(report, there, scope)
        await add_recorded_decisions(report, here, there, chains, began)
        await add_recorded_writes(report, here, there, elsewhere, rules, scope)


async def _add_strange(report: Report, trail: AsyncConnection, scope: Scope) -> None:
    """Facts under names that only somebody else would give them."""
    values = {"since": scope.since, "review": scope.review_id}
    for row in await trail.execute(_OF_NOBODY, values):
        why = "no review and no write records a fact under such an id"
        position = Position(row.xid, row.seq)
        report.faults.append(
            Fault(kind=Kind.EXTRA, why=why, event_id=row.event_id, position=position)
        )
