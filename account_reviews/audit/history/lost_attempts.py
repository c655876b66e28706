"""Attempts whose end was never recorded, because their process died: closed as lost.

A process that only seemed dead may record the end of the same attempt later: then it stands twice.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import Client

from account_reviews.audit.event_rows import event_of
from account_reviews.audit.history.reader import CALL_SECONDS
from account_reviews.audit.store import insert
from account_reviews.domain.audit.events import AuditEvent, EventType, Severity
from account_reviews.store.sql_files import read_sql
from account_reviews.temporal.executions import describe, is_open

_START: Final = "start"
_LOCAL_LIMIT: Final = timedelta(seconds=60)
"""No local activity of ours takes so long."""
_DEFAULT_LIMIT: Final = timedelta(seconds=5)
_AT_ONCE: Final = 8

_log = logging.getLogger(__name__)

_OPEN: Final = text(read_sql("account_reviews.audit.history", "open_attempts.sql"))
_ON_THEIR_WAY: Final = text("select event_id from reviews.audit_outbox where event_id = any(:ids)")
_RECORDED_ENDS: Final = text(
    "select event_type, severity, at, details from audit.audit_events where run_id = :run_id "
    "and source = 'history' and event_type = any(:types) order by at"
)
_NEWEST: Final = text(
    "select details->>'activity_id' as activity_id, details->>'attempt' as attempt, "
    "max(details->>'scheduled_at') as scheduled_at from audit.audit_events "
    "where run_id = :run_id and source = 'attempt' and details ? 'scheduled_at' group by 1, 2"
)
_ENDS: Final = (
    EventType.ACTIVITY_COMPLETED,
    EventType.ACTIVITY_FAILED,
    EventType.ACTIVITY_TIMED_OUT,
    EventType.ACTIVITY_CANCELED,
    EventType.LOCAL_ACTIVITY_RECORDED,
)
_BREAKS: Final = (
    EventType.WORKFLOW_TASK_TIMED_OUT,
    EventType.WORKFLOW_TASK_FAILED,
    EventType.SESSION_ENDED,
    EventType.SESSION_CONTINUED,
)
"""After one of these no local activity of before goes on."""


@dataclass(frozen=True)
class _Over:
    """An attempt that is over."""

    at: datetime
    history: str | None = None
    """The event that is the end of its activity."""
    done: bool = False
    """That event says that this attempt completed."""


@dataclass(frozen=True)
class _Evidence:
    """What is known of a run: what is still at work, and what its history says of ends."""

    closed: bool
    pending: Mapping[str, PendingActivityInfo]
    recorded: Sequence[Any]
    newest: Mapping[tuple[str, str], str]
    """Activity id and attempt -> when that was scheduled last: a reset counts from 1 again."""

    def was_reset_since(self, start: AuditEvent) -> bool:
        """Whether the same attempt of that activity was made again, later."""
        mine = _moment(start.details.get("scheduled_at"))
        key = str(start.details.get("activity_id")), str(start.details.get("attempt"))
        newest = _moment(self.newest.get(key))
        return mine is not None and newest is not None and mine < newest


async def close_lost(
    client: Client,
    engine: AsyncEngine,
    main: AsyncEngine,
    *,
    since: datetime | None,
    settle: float,
) -> int:
    """Close attempts since then whose process is gone; gives how many.

    Each is looked at twice, `settle` seconds apart, since the row of its end may be on its way.
    Attempts that Temporal still waits for are left alone.
    """
    first = {event.event_id for event in await _open(engine, main, since)}
    if not first:
        return 0
    await asyncio.sleep(settle)
    still = [event for event in await _open(engine, main, since) if event.event_id in first]
    gate = asyncio.Semaphore(_AT_ONCE)

    async def of_run(run_id: str, starts: list[AuditEvent]) -> list[AuditEvent]:
        async with gate:
            evidence = await _evidence(client, engine, starts[0].workflow_id or "", run_id)
        now = datetime.now(UTC)
        return [end for start in starts if (end := _end(start, evidence, now)) is not None]

    groups = groupby(still, key=lambda event: event.run_id or "")
    ends = await asyncio.gather(*(of_run(run_id, list(starts)) for run_id, starts in groups))
    return await insert(engine, [end for found in ends for end in found])


async def _open(engine: AsyncEngine, main: AsyncEngine, since: datetime | None) -> list[AuditEvent]:
    async with engine.connect() as connection:
        rows = (await connection.execute(_OPEN, {"since": since})).mappings().all()
    starts = [start for row in rows if (start := _start(row)) is not None]
    ids = [_end_id(start) for start in starts]
    if not ids:
        return []
    async with main.connect() as connection:
        coming = set((await connection.execute(_ON_THEIR_WAY, {"ids": ids})).scalars())
    return [start for start in starts if _end_id(start) not in coming]


def _start(row: Mapping[Any, Any]) -> AuditEvent | None:
    """The start of an attempt; None for a row that no release of ours wrote."""
    try:
        return event_of(dict(row))
    except (KeyError, TypeError, ValueError) as error:
        _log.warning("the row %.200s is passed over: %r", row["event_id"], error)
        return None


def _end_id(start: AuditEvent) -> str:
    return f"{start.event_id.removesuffix(_START)}end"


async def _evidence(
    client: Client, engine: AsyncEngine, workflow_id: str, run_id: str
) -> _Evidence:
    async with asyncio.timeout(CALL_SECONDS):
        found = await describe(client, workflow_id, run_id)
    waited_for = found.raw_description.pending_activities if found is not None else ()
    pending = {one.activity_id: one for one in waited_for}
    closed = found is None or not is_open(found)
    types = [kind.value for kind in (EventType.ACTIVITY_STARTED, *_ENDS, *_BREAKS)]
    async with engine.connect() as connection:
        recorded = await connection.execute(_RECORDED_ENDS, {"run_id": run_id, "types": types})
        ends = recorded.all()
        begun = (await connection.execute(_NEWEST, {"run_id": run_id})).all()
    newest = {(one.activity_id, one.attempt): one.scheduled_at for one in begun}
    return _Evidence(closed, pending, ends, newest)


def _end(start: AuditEvent, evidence: _Evidence, now: datetime) -> AuditEvent | None:
    """The row of its end; None while it may go on."""
    over = _local_over if start.details.get("local") else _over
    found = over(start, evidence, now)
    if found is None:
        return None
    tool = start.event_type is EventType.TOOL_INVOCATION
    bad = EventType.TOOL_ERROR if tool else EventType.TASK_FAILED
    good = EventType.TOOL_SUCCESS if tool else EventType.TASK_COMPLETED
    message = "the process that did it is gone"
    kept = ("activity", "activity_id", "attempt", "local", "workflow_type")
    details = {key: start.details[key] for key in kept if key in start.details}
    return replace(
        start,
        event_id=_end_id(start),
        at=max(found.at, start.at),
        event_type=good if found.done else bad,
        action=start.action.replace(f" {_START}", " end"),
        severity=Severity.INFO if found.done else Severity.ERROR,
        details={
            **details,
            "lost": True,
            "message": f"{message}, but it completed" if found.done else message,
            "history": found.history,
        },
    )


def _over(start: AuditEvent, evidence: _Evidence, now: datetime) -> _Over | None:
    """How a regular attempt was over, by what the history says of its activity."""
    activity_id, attempt = start.details.get("activity_id"), start.details.get("attempt")
    last: object = None
    for row in evidence.recorded:
        if row.details.get("activity_id") != activity_id:
            continue
        if row.event_type == EventType.ACTIVITY_STARTED:
            last = row.details.get("attempt")
        elif row.event_type in _ENDS:
            completed = row.event_type == EventType.ACTIVITY_COMPLETED and last == attempt
            done = completed and not evidence.was_reset_since(start)
            return _Over(row.at, row.event_type, done)
    pending = evidence.pending.get(str(activity_id))
    if pending is not None and not evidence.closed:
        running = pending.state in (
            PendingActivityState.PENDING_ACTIVITY_STATE_STARTED,
            PendingActivityState.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED,
        )
        if running and pending.attempt == attempt and not evidence.was_reset_since(start):
            return None
    return _Over(min(now, start.at + _limit(start)))


def _local_over(start: AuditEvent, evidence: _Evidence, now: datetime) -> _Over | None:
    """The same of a local one: Temporal knows nothing of it until it is recorded."""
    activity_id = start.details.get("activity_id")
    for row in evidence.recorded:
        if row.at < start.at:
            continue
        same = row.details.get("activity_id") == activity_id
        if row.event_type in _BREAKS or (
            row.event_type == EventType.LOCAL_ACTIVITY_RECORDED and same
        ):
            same_try = row.details.get("attempt") == start.details.get("attempt")
            done = same and same_try and row.severity == Severity.INFO
            return _Over(row.at, row.event_type if same else None, done)
    if evidence.closed or now - start.at > _LOCAL_LIMIT:
        return _Over(min(now, start.at + _limit(start)))
    return None


def _moment(said: object) -> datetime | None:
    """When an attempt was scheduled; rows of earlier releases do not say."""
    try:
        return datetime.fromisoformat(said) if isinstance(said, str) else None
    except ValueError:
        return None


def _limit(start: AuditEvent) -> timedelta:
    limit = start.details.get("start_to_close_seconds")
    return timedelta(seconds=float(limit)) if isinstance(limit, str) else _DEFAULT_LIMIT
