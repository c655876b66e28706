"""Rows of the trail against the histories they record, event by event."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from account_reviews.audit.event_rows import event_of
from account_reviews.audit.history.reader import HistoryGoneError, HistoryReader
from account_reviews.audit.seals.leaves import SELECT
from account_reviews.domain.audit.events import AuditEvent
from account_reviews.domain.audit.redaction import Rules
from account_reviews.store.database import reachable
from account_reviews.store.outbox_rows import document_of

YOUNG: Final = timedelta(seconds=5)
"""An event of so short ago may be on its way to the trail."""
_AT_ONCE: Final = 4

_ROWS: Final = text(
    f"{SELECT} from audit.audit_events where run_id = :run_id and source = 'history' "
    "order by at, event_id"
)


@dataclass
class Comparison:
    """Ids of rows, by what is wrong with them."""

    missing: list[str] = field(default_factory=list)
    """The history has the event, the trail has no row."""
    extra: list[str] = field(default_factory=list)
    """The trail has the row, the history has no such event, or the row is there twice."""
    differing: list[str] = field(default_factory=list)
    """The row says something else than the event."""
    gone: list[str] = field(default_factory=list)
    """Run ids whose history Temporal no longer has: nothing is known of their rows."""

    @property
    def ok(self) -> bool:
        return not (self.missing or self.extra or self.differing)


async def compare(
    client: Client,
    engine: AsyncEngine,
    runs: Iterable[tuple[str, str]],
    rules: Rules,
    *,
    now: datetime | None = None,
) -> Comparison:
    """Compare every row of these runs, (workflow id, run id), with the history.

    Events younger than `YOUNG` are not missed yet. What is recorded of values depends on `rules`
    and on the version of this software: rows that a seal covers are proved by it, not by this.
    UnreachableError when the database is down; RPCError or TimeoutError when Temporal is.
    """
    reader, found = HistoryReader(client, rules), Comparison()
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(workflow_id: str, run_id: str) -> Comparison:
        async with gate:
            return await _of_run(reader, engine, workflow_id, run_id, now or datetime.now(UTC))

    async with reachable():
        for part in await asyncio.gather(*(one(*run) for run in runs)):
            found.missing += part.missing
            found.extra += part.extra
            found.differing += part.differing
            found.gone += part.gone
    return found


async def _of_run(
    reader: HistoryReader, engine: AsyncEngine, workflow_id: str, run_id: str, now: datetime
) -> Comparison:
    # Rows first: what is written meanwhile is then in the history too.
    async with engine.connect() as connection:
        rows = (await connection.execute(_ROWS, {"run_id": run_id})).mappings().all()
    try:
        export = await reader.export(workflow_id, run_id)
    except HistoryGoneError:
        return Comparison(gone=[run_id])
    found = Comparison()
    expected = {event.event_id: event for event in export.rows}
    seen: set[str] = set()
    for row in rows:
        event_id = row["event_id"]
        if event_id not in expected or event_id in seen:
            found.extra.append(event_id)
        elif not _same(expected[event_id], row):
            found.differing.append(event_id)
        seen.add(event_id)
    missing = (event for event in export.rows if event.event_id not in seen)
    found.missing += [event.event_id for event in missing if now - event.at > YOUNG]
    return found


def _same(expected: AuditEvent, row: Mapping[Any, Any]) -> bool:
    try:
        stored = event_of(dict(row))
    except ValueError:  # a word that no event has: somebody else wrote it
        return False
    return document_of(expected) == document_of(stored)
