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
from account_reviews.audit.history.asked import Asked
from account_reviews.audit.history.reader import Export, HistoryGoneError, HistoryReader
from account_reviews.audit.seals.leaves import SELECT
from account_reviews.domain.audit.events import AuditEvent
from account_reviews.domain.audit.redaction import Rules
from account_reviews.store.database import reachable
from account_reviews.store.outbox_rows import document_of

YOUNG: Final = timedelta(seconds=5)
"""An event of so short ago may be on its way to the trail."""
UNNOTICED: Final = timedelta(minutes=3)
"""What the server writes alone, as while a review is paused, waits for the next pass of a worker,
and there is one a minute."""
_AT_ONCE: Final = 4
_FILLED_ALIKE: Final = frozenset({"actor", "event_type", "at", "action", "resource"})
"""Columns that every version and policy fills alike."""

_ROWS: Final = text(
    f"{SELECT} from audit.audit_events where run_id = :run_id and source = 'history' "
    "order by at, event_id"
)


@dataclass
class Chain:
    """The runs of one review that were compared, from its first one on."""

    runs: set[str] = field(default_factory=set)
    follow: set[str] = field(default_factory=set)
    """Runs in which it goes on, as those say that were compared."""
    open: set[str] = field(default_factory=set)
    """Runs that go on."""
    asked: list[Asked] = field(default_factory=list)
    """The decisions that people sent."""
    spelled: set[tuple[str, str]] = field(default_factory=set)
    """What they are called otherwise, and the name that counts."""

    def is_whole(self, first_run_id: str) -> bool:
        """True when none of its runs is left out."""
        return self.runs >= {first_run_id, *self.follow}


@dataclass
class Comparison:
    """Ids of rows, by what is wrong with them."""

    missing: list[str] = field(default_factory=list)
    """The history has the event, the trail has no row."""
    extra: list[str] = field(default_factory=list)
    """The trail has the row, the history has no such event, or the row is there twice."""
    differing: list[str] = field(default_factory=list)
    """The row says something else than the event."""
    false: list[str] = field(default_factory=list)
    """Those of them that differ in actor, type, time, action or resource: no version of this
    software and no policy is the reason of that."""
    gone: list[str] = field(default_factory=list)
    """Run ids whose history Temporal no longer has: nothing is known of their rows."""
    chains: dict[str, Chain] = field(default_factory=dict)
    """By the first run id of each review."""

    @property
    def ok(self) -> bool:
        return not (self.missing or self.extra or self.differing)

    def add(self, part: "Comparison") -> None:
        """What was found of other runs."""
        self.missing += part.missing
        self.extra += part.extra
        self.differing += part.differing
        self.false += part.false
        self.gone += part.gone
        for first, found in part.chains.items():
            chain = self.chains.setdefault(first, Chain())
            chain.runs |= found.runs
            chain.follow |= found.follow
            chain.open |= found.open
            chain.asked += found.asked
            chain.spelled |= found.spelled


async def compare(
    client: Client,
    engine: AsyncEngine,
    runs: Iterable[tuple[str, str]],
    rules: Rules,
    *,
    now: datetime | None = None,
) -> Comparison:
    """Compare every row of these runs, (workflow id, run id), with the history.

    Events younger than `YOUNG`, or `UNNOTICED`, are not missed yet. What is recorded of values
    depends on `rules` and on the version of this software: rows that a seal covers are proved by
    it, not by this.
    UnreachableError when the database is down; RPCError or TimeoutError when Temporal is.
    """
    reader, found = HistoryReader(client, rules), Comparison()
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(workflow_id: str, run_id: str) -> Comparison:
        async with gate:
            return await _of_run(reader, engine, workflow_id, run_id, now or datetime.now(UTC))

    async with reachable():
        for part in await asyncio.gather(*(one(*run) for run in runs)):
            found.add(part)
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
        elif wrong := _differences(expected[event_id], row):
            found.differing.append(event_id)
            found.false += [event_id] if wrong & _FILLED_ALIKE else []
        seen.add(event_id)
    noticed = export.last_of_worker
    for number, event in enumerate(export.rows, 1):  # from the first event on, without a hole
        if event.event_id in seen:
            noticed = max(noticed, number)
    for number, event in enumerate(export.rows, 1):
        allowed = YOUNG if number <= noticed else UNNOTICED
        if event.event_id not in seen and now - event.at > allowed:
            found.missing.append(event.event_id)
    _add_chain(found, export)
    return found


def _add_chain(found: Comparison, export: Export) -> None:
    if not export.rows:
        return
    first, last = export.rows[0].details, export.rows[-1].details
    chain = found.chains.setdefault(str(first.get("first_run_id") or export.run.run_id), Chain())
    chain.runs.add(export.run.run_id)
    chain.open |= set() if export.closed else {export.run.run_id}
    chain.asked += export.asked
    chain.spelled |= export.spelled
    following = last.get("new_run_id")
    chain.follow |= {following} if isinstance(following, str) and following else set()


def _differences(expected: AuditEvent, row: Mapping[Any, Any]) -> set[str]:
    """The columns that differ; all of them where the row holds a word that no event has."""
    wanted = document_of(expected)
    try:
        stored = document_of(event_of(dict(row)))
    except ValueError:  # somebody else wrote it
        return set(wanted)
    return {name for name in wanted if wanted[name] != stored[name]}
