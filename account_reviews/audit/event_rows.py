"""Rows of the trail as they are spelled, stored one by one where it must be, and read back."""

import hashlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from account_reviews.domain.audit.events import (
    UNKNOWN_ACTOR,
    AuditEvent,
    EventType,
    Severity,
    Source,
    audit_entry_id,
)
from account_reviews.store.outbox_rows import document_of, spelled
from account_reviews.store.sql_files import read_sql

INSERT: Final = read_sql("account_reviews.audit", "insert_events.sql")
"""Its rows are what `in_order` gives."""

_SHORT, _LONG = 200, 1000
_FIRST_YEAR, _LAST_YEAR = 1, 9999
_AT_FAULT: Final = (TypeError, ValueError, ArithmeticError, LookupError, RecursionError)
"""What making or spelling an odd row raises."""

Put = Callable[[Sequence[AuditEvent]], Awaitable[int]]

_log = logging.getLogger(__name__)


def in_order(events: Sequence[AuditEvent]) -> str:
    """The rows as JSON. Always in one order: two writers of the same must not wait for another."""
    return spelled([document_of(event) for event in sorted(events, key=_order)])


async def store_each(
    put: Put, events: Sequence[AuditEvent], aside: Callable[[AuditEvent, str], object] | None = None
) -> int:
    """Store with `put`; a row the database does not accept does not keep the others out.

    A refused row becomes one that says so, severity error, and is handed to `aside` with the
    reason. Gives how many were added. A database that is away still raises.
    """
    try:
        return await put(events)
    except Exception as error:
        if not refused(error):
            raise
        if len(events) == 1:
            return await _store_stand_in(put, events[0], _first_line(error), aside)
    middle = len(events) // 2
    first = await store_each(put, events[:middle], aside)
    return first + await store_each(put, events[middle:], aside)


async def _store_stand_in(
    put: Put, event: AuditEvent, why: str, aside: Callable[[AuditEvent, str], object] | None
) -> int:
    _log.error("the audit row %.200s cannot be stored: %s", event.event_id, why)
    if aside is not None:
        aside(event, why)
    try:
        return await put([unstorable(event, why)])
    except Exception as error:
        if not refused(error):
            raise
        _log.exception("nor can what says so")
        return 0


def unstorable(event: AuditEvent, why: str) -> AuditEvent:
    """What is stored in place of a row that cannot be, whatever is in that one."""
    return AuditEvent(
        event_id=stand_in_id(str(event.event_id)),
        at=storable_time(event.at),
        source=event.source,
        event_type=EventType.ERROR_OCCURRED,
        tenant=_short(event.tenant, "unknown"),
        actor=_short(event.actor, UNKNOWN_ACTOR),
        action="audit row refused",
        resource=_short(event.resource, "unknown"),
        severity=Severity.ERROR,
        run_id=_short(event.run_id, "") or None,
        details={
            "event_id": str(event.event_id)[:_LONG],
            "event_type": event.event_type.value,
            "action": str(event.action)[:_LONG],
            "reason": why[:_LONG],
        },
    )


def stand_in_id(event_id: str) -> str:
    """The id of the row that stands for one that cannot be stored."""
    digest = hashlib.sha256(event_id.encode("utf-8", "replace")).hexdigest()
    return audit_entry_id("unstorable", digest)


def storable_time(at: object) -> datetime:
    """The time, or now where the trail takes no such time."""
    if isinstance(at, datetime) and at.tzinfo is not None and _FIRST_YEAR < at.year < _LAST_YEAR:
        return at
    return datetime.now(UTC)


def _short(value: object, other: str) -> str:
    return value[:_SHORT] if isinstance(value, str) and value else other


def refused(error: Exception) -> bool:
    """True when the rows are at fault, not the database: another try would end the same way."""
    state = str(getattr(_of_driver(error), "sqlstate", None) or "")
    # 22: data, 23: constraints, 54: limits of the server.
    return state.startswith(("22", "23", "54")) or isinstance(error, _AT_FAULT)


def event_of(row: Mapping[str, Any]) -> AuditEvent:
    """A row of the trail, or a document of the outbox, as an event. KeyError, ValueError."""
    at, details = row["at"], row["details"]
    return AuditEvent(
        event_id=row["event_id"],
        at=at if isinstance(at, datetime) else datetime.fromisoformat(at),
        source=Source(row["source"]),
        event_type=EventType(row["event_type"]),
        tenant=row["tenant"],
        actor=row["actor"],
        action=row["action"],
        resource=row["resource"],
        severity=Severity(row["severity"]),
        review_id=row["review_id"],
        account_id=row["account_id"],
        workflow_id=row["workflow_id"],
        run_id=row["run_id"],
        trace_id=row["trace_id"],
        details=orjson.loads(details) if isinstance(details, str | bytes) else dict(details),
    )


def _order(event: AuditEvent) -> tuple[datetime, int, str]:
    return event.at, len(event.event_id), event.event_id


def _first_line(error: Exception) -> str:
    return (str(_of_driver(error)).splitlines() or [type(error).__name__])[0]


def _of_driver(error: Exception) -> BaseException:
    """The driver's own error, where an engine has wrapped it."""
    found: BaseException | None = getattr(error, "orig", None)
    return found or error
