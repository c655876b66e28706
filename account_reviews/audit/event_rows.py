"""Rows of the trail as they are spelled, stored one by one where it must be, and read back."""

import hashlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import orjson

from account_reviews.domain.audit.events import (
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
_AT_FAULT: Final = (TypeError, ValueError, ArithmeticError, LookupError, RecursionError)
"""What making or spelling an odd row raises."""

Put = Callable[[Sequence[AuditEvent]], Awaitable[int]]

_log = logging.getLogger(__name__)


def in_order(events: Sequence[AuditEvent]) -> str:
    """The rows as JSON. Always in one order: two writers of the same must not wait for another."""
    return spelled([document_of(event) for event in sorted(events, key=_order)])


async def store_each(put: Put, events: Sequence[AuditEvent]) -> int:
    """Store with `put`; a row the database does not accept does not keep the others out.

    A refused row becomes one that says so, severity error. Gives how many were added. A
    database that is away still raises.
    """
    try:
        return await put(events)
    except Exception as error:
        if not refused(error):
            raise
        if len(events) == 1:
            stand_in = unstorable(events[0], _first_line(error))
            _log.error(
                "the audit row %s cannot be stored: %s", events[0].event_id, stand_in.details
            )
            return await put([stand_in])
    middle = len(events) // 2
    return await store_each(put, events[:middle]) + await store_each(put, events[middle:])


def unstorable(event: AuditEvent, why: str) -> AuditEvent:
    """What is stored in place of a row that cannot be."""
    digest = hashlib.sha256(event.event_id.encode("utf-8", "replace")).hexdigest()
    return AuditEvent(
        event_id=audit_entry_id("unstorable", digest),
        at=event.at,
        source=event.source,
        event_type=EventType.ERROR_OCCURRED,
        tenant=event.tenant[:_SHORT],
        actor=event.actor[:_SHORT],
        action="audit row refused",
        resource=event.resource[:_SHORT],
        severity=Severity.ERROR,
        run_id=None if event.run_id is None else event.run_id[:_SHORT],
        details={
            "event_id": event.event_id[:_LONG],
            "event_type": event.event_type.value,
            "action": event.action[:_LONG],
            "reason": why[:_LONG],
        },
    )


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
