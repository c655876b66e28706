"""Rows for tests, and what stands in the trail and in the outbox."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.audit.event_rows import event_of
from account_reviews.domain.audit.events import AuditEvent, EventType, Source

AT = datetime(2026, 11, 21, 8, 30, 0, 123456, tzinfo=UTC)


def event(event_id: str | None = None, **fields: Any) -> AuditEvent:
    """A row like any other."""
    return AuditEvent(
        **{
            "event_id": event_id or f"test/{uuid4()}",
            "at": AT,
            "source": Source.CLIENT,
            "event_type": EventType.DATA_ACCESS,
            "tenant": "default",
            "actor": "ann",
            "action": "reviews show",
            "resource": "review/acc-1",
            **fields,
        }
    )


async def trail(engine: AsyncEngine, prefix: str = "") -> list[AuditEvent]:
    """Rows whose id begins so, in the order they were added."""
    query = text(
        "select * from audit.audit_events where starts_with(event_id, :prefix) order by seq"
    )
    async with engine.connect() as connection:
        found = await connection.execute(query, {"prefix": prefix})
        return [event_of(dict(row)) for row in found.mappings()]


async def outbox(engine: AsyncEngine, prefix: str = "") -> list[AuditEvent]:
    """What waits for the relay, in order."""
    query = text(
        "select body from reviews.audit_outbox where starts_with(event_id, :prefix) order by id"
    )
    async with engine.connect() as connection:
        found = await connection.execute(query, {"prefix": prefix})
        return [event_of(row.body) for row in found]
