"""The trail against the histories of Temporal: what is missing is exported, by the same function.

A full pass looks at every open run and at every run that was closed since the last full pass. The
worker makes small passes of its own: what moved lately, and some of the open runs in turn.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from google.protobuf.duration_pb2 import Duration
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus
from temporalio.service import RPCError

from account_reviews.audit.capture.outbox_relay import Relay
from account_reviews.audit.history import reconcile_queries
from account_reviews.audit.history.comparison import Comparison, compare
from account_reviews.audit.history.cursors import Cursor, cursors, store
from account_reviews.audit.history.lost_attempts import close_lost
from account_reviews.audit.history.reader import (
    CALL_SECONDS,
    Export,
    HistoryGoneError,
    HistoryReader,
)
from account_reviews.audit.history.reconcile_queries import Gap
from account_reviews.audit.locks import RECONCILING, alone
from account_reviews.audit.outages import is_away
from account_reviews.domain.audit.events import Source
from account_reviews.domain.audit.redaction import Rules
from account_reviews.domain.base import Model
from account_reviews.domain.canonical import rfc3339
from account_reviews.domain.errors import ConflictError
from account_reviews.store.database import reachable
from account_reviews.telemetry import instruments
from account_reviews.temporal.executions import OPEN, is_open

__all__ = ["Comparison", "Gap", "Reconciled", "Reconciler", "compare"]

REVIEWS: Final = "AccountReview"
WORKFLOW_TYPES: Final = (REVIEWS, "ReviewCycle", "Upkeep", "MemorySync")
SETTLE_SECONDS: Final = 8.0
"""An attempt without an end is looked at twice, this far apart: its end may be on its way."""
_OVERLAP: Final = timedelta(minutes=10)
"""A pass looks back so far behind the one before: what is listed comes a little late."""
_ATTEMPTS_OVERLAP: Final = timedelta(days=1)
_AT_ONCE: Final = 8
_BATCH: Final = 200
_TURN: Final = 300
"""Open runs that a small pass reads."""
_LOCK_SECONDS: Final = 120.0
_ENDED_OUTSIDE: Final = (WorkflowExecutionStatus.TERMINATED, WorkflowExecutionStatus.TIMED_OUT)

Settle = Callable[[Sequence[tuple[str, str]]], Awaitable[None]]
"""Takes workflow and run ids."""

_log = logging.getLogger(__name__)


class Reconciled(Model):
    """What a pass found and did."""

    runs: int = 0
    rows_added: int = 0
    closed_as_lost: int = 0
    gaps: tuple[Gap, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass
class _Report:
    runs: int = 0
    added: int = 0
    again: int = 0
    """Rows that had been stored once and were missing."""
    gaps: list[Gap] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    ended: list[tuple[str, str]] = field(default_factory=list)
    """Reviews that ended without a worker: workflow and run ids."""


@dataclass(frozen=True)
class _Run:
    """A run that may be behind. `length` is that of a closed history, None while it is open."""

    workflow_id: str
    run_id: str
    length: int | None = None


class Reconciler:
    """Compares and repairs one namespace. `main` is the database with the outbox.

    `settle` is given the reviews that a small pass finds terminated or timed out, while no other
    pass works; it may be given them again.
    """

    def __init__(
        self,
        client: Client,
        engine: AsyncEngine,
        main: AsyncEngine,
        rules: Rules,
        settle: Settle | None = None,
    ) -> None:
        self._client = client
        self._engine = engine
        self._main = main
        self._reader = HistoryReader(client, rules)
        self._settle = settle
        self._relay = Relay(main, engine, rules)
        self._turn = ""

    async def full(
        self, *, now: datetime, since: datetime | None = None, settle: float = SETTLE_SECONDS
    ) -> Reconciled:
        """A full pass; without `since` it looks back to the last one, or at everything.

        Rows that wait in the outbox are brought to the trail as well.

        ConflictError when another pass does not end, UnreachableError when a database is down,
        RPCError or TimeoutError when Temporal is.
        """
        namespace = self._client.namespace
        async with reachable(), self._alone():
            last = await reconcile_queries.last(self._engine, namespace)
            warnings = await self._warnings(last, now)
            back = since or (last - _OVERLAP if last else None)
            report = _Report()
            seen = await self._listed(_query(back), report)
            await self._others(
                await reconcile_queries.open_runs(self._engine, namespace), seen, report
            )
            while await self._relay.outbox():  # no worker may be at work
                pass
            attempts = back - _ATTEMPTS_OVERLAP if back else None
            strange = await reconcile_queries.without_history(self._engine, attempts)
            await self._others(strange, seen, report)
            lost = await close_lost(
                self._client, self._engine, self._main, since=attempts, settle=settle
            )
            instruments.audit_rows_written(lost, Source.ATTEMPT.value)
            if not report.silent:
                await reconcile_queries.record(
                    self._engine, namespace, now, report.runs, report.added, lost, len(report.gaps)
                )
        return _reconciled(report, lost, warnings)

    async def recent(self, *, since: datetime) -> Reconciled | None:
        """A small pass: what began or ended since then, and some of the open runs in turn.

        None when another pass works: nothing is done then. Raises as `full` does.
        """
        namespace, report = self._client.namespace, _Report()
        async with reachable():
            try:
                async with self._alone(patience=0):
                    at = rfc3339(since)
                    seen = await self._listed(
                        f"{_OURS} and (StartTime >= '{at}' or CloseTime >= '{at}')", report
                    )
                    turn = await reconcile_queries.open_runs(
                        self._engine, namespace, after=self._turn, limit=_TURN
                    )
                    self._turn = turn[-1][1] if len(turn) == _TURN else ""
                    await self._others(turn, seen, report)
                    if self._settle is not None:
                        await self._settle(report.ended)
            except ConflictError:
                return None
        return _reconciled(report, 0, [])

    async def store_whole(self, runs: Sequence[tuple[str, str]]) -> dict[str, str]:
        """Store the histories of closed runs, as (workflow id, run id), before they are deleted.

        Gives the run ids of those that are not stored to their end, with what is known of why.
        UnreachableError when the database is down.
        """
        report = _Report()
        async with reachable():
            for start in range(0, len(runs), _BATCH):
                await self._bring_up([_Run(*one) for one in runs[start : start + _BATCH]], report)
            known = await cursors(self._engine, [run_id for _, run_id in runs])
        why = report.silent[0] if report.silent else "its end is not in the trail yet"
        return {
            run_id: why for _, run_id in runs if run_id not in known or not known[run_id].closed
        }

    @asynccontextmanager
    async def _alone(self, patience: float = _LOCK_SECONDS) -> AsyncIterator[None]:
        """One pass at a time in the whole system. The lock goes with the connection."""
        older = reconcile_queries.OLDER_LOCK.format(namespace=self._client.namespace)
        for wait in range(int(patience) + 1):
            if wait:
                await asyncio.sleep(1)
            async with alone(self._engine, RECONCILING, older=older) as held:
                if held is not None:
                    yield
                    return
        raise ConflictError(
            "another comparison of the trail with Temporal is at work",
            hint="try again when it is done",
        )

    async def _warnings(self, last: datetime | None, now: datetime) -> list[str]:
        async with asyncio.timeout(CALL_SECONDS):
            found = await self._client.workflow_service.describe_namespace(
                DescribeNamespaceRequest(namespace=self._client.namespace)
            )
        kept = _length(found.config.workflow_execution_retention_ttl)
        oldest = last or await reconcile_queries.oldest_run(self._engine, self._client.namespace)
        if not kept or oldest is None or now - oldest <= kept / 2:
            return []
        what = f"the last full pass was at {rfc3339(oldest)}"
        if last is None:
            what = f"no full pass was ever made, and the first run began at {rfc3339(oldest)}"
        much = f"{what}, but Temporal deletes histories {kept.days} days after their end"
        return [f"{much}: run `reviews audit reconcile` more often"]

    async def _listed(self, query: str, report: _Report) -> set[str]:
        """Bring what Temporal lists up to date; gives the run ids."""
        seen: set[str] = set()
        batch: list[_Run] = []
        async for found in self._client.list_workflows(query):
            batch.append(_run_of(found))
            seen.add(found.run_id)
            if found.workflow_type == REVIEWS and found.status in _ENDED_OUTSIDE:
                report.ended.append((found.id, found.run_id))
            if len(batch) == _BATCH:
                await self._bring_up(batch, report)
                batch = []
        await self._bring_up(batch, report)
        return seen

    async def _others(
        self, found: Iterable[tuple[str, str]], seen: set[str], report: _Report
    ) -> None:
        """Bring runs up to date that Temporal did not list: they may be gone."""
        runs = [_Run(*one) for one in found if one[1] not in seen]
        seen.update(run.run_id for run in runs)
        for start in range(0, len(runs), _BATCH):
            await self._bring_up(runs[start : start + _BATCH], report)

    async def _bring_up(self, runs: Sequence[_Run], report: _Report) -> None:
        report.runs += len(runs)
        ids = [run.run_id for run in runs]
        known = await cursors(self._engine, ids)
        stored = await reconcile_queries.stored(self._engine, ids)
        gate = asyncio.Semaphore(_AT_ONCE)
        behind = []
        for run in runs:
            cursor = known.get(run.run_id, Cursor())
            there = stored.get(run.run_id, 0)
            if there < cursor.last_event:
                report.again += cursor.last_event - there
                cursor = Cursor()
            elif cursor.closed and run.length in (None, there):
                continue
            behind.append((run, cursor))
        reads = (self._read(gate, run, cursor, report) for run, cursor in behind)
        exports = [one for one in await asyncio.gather(*reads) if one is not None]
        await self._store(exports, report)

    async def _read(
        self, gate: asyncio.Semaphore, run: _Run, cursor: Cursor, report: _Report
    ) -> Export | None:
        async with gate:
            try:
                return await self._reader.export(
                    run.workflow_id, run.run_id, cursor.last_event, cursor.context
                )
            except HistoryGoneError:
                gap = Gap(
                    workflow_id=run.workflow_id, run_id=run.run_id, last_event=cursor.last_event
                )
                if await reconcile_queries.record_gap(self._engine, self._client.namespace, gap):
                    report.gaps.append(gap)
                    instruments.audit_gap()
            except (RPCError, TimeoutError) as error:
                report.silent.append(f"{run.workflow_id} ({str(error) or 'no answer in time'})")
            except Exception as error:
                if is_away(error):
                    raise
                _note_odd(run.workflow_id, run.run_id, error, report)
        return None

    async def _store(self, exports: Sequence[Export], report: _Report) -> None:
        """Store them together; one by one when one of them cannot be stored."""
        try:
            added = await store(self._engine, exports)
        except Exception as error:
            if is_away(error):
                raise
            if len(exports) > 1:
                for one in exports:
                    await self._store([one], report)
                return
            run = exports[0].run
            _note_odd(run.workflow_id, run.run_id, error, report)
            return
        report.added += added
        _measure(exports, added)


def _note_odd(workflow_id: str, run_id: str, error: Exception, report: _Report) -> None:
    """A history that nobody can record must not stop the others."""
    instruments.audit_failed("telling", type(error).__name__)
    _log.error("%s, run %s, cannot be recorded", workflow_id, run_id, exc_info=error)
    report.silent.append(f"{workflow_id} ({type(error).__name__})")


def _measure(exports: Sequence[Export], added: int) -> None:
    oldest = min((one.rows[0].at for one in exports if one.rows), default=None)
    if added and oldest is not None:
        instruments.audit_rows_written(added, Source.HISTORY.value)
        instruments.audit_lag((datetime.now(UTC) - oldest).total_seconds(), Source.HISTORY.value)


_OURS: Final = f"WorkflowType in ({', '.join(repr(name) for name in WORKFLOW_TYPES)})"


def _query(since: datetime | None) -> str:
    if since is None:
        return _OURS
    return f"{_OURS} and ({OPEN} or CloseTime >= '{rfc3339(since)}')"


def _run_of(found: WorkflowExecution) -> _Run:
    return _Run(found.id, found.run_id, None if is_open(found) else found.history_length)


def _length(duration: Duration) -> timedelta:
    return timedelta(seconds=duration.seconds)


def _reconciled(report: _Report, lost: int, warnings: Sequence[str]) -> Reconciled:
    sentences = list(warnings)
    if report.again:
        sentences.append(
            f"{report.again} rows that had been stored were missing and are stored again"
        )
    if report.silent:
        sentences.append(f"{len(report.silent)} histories could not be read: {report.silent[0]}")
    if report.gaps:
        first = report.gaps[0]
        sentences.append(
            f"{len(report.gaps)} histories were deleted before they were stored whole: "
            f"{first.workflow_id}, run {first.run_id}, ends with event {first.last_event}"
        )
    return Reconciled(
        runs=report.runs,
        rows_added=report.added,
        closed_as_lost=lost,
        gaps=tuple(report.gaps),
        warnings=tuple(sentences),
    )
