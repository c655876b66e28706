"""Adding rows to the trail through an engine. A row that is there already adds nothing."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from account_reviews.audit.event_rows import INSERT, in_order
from account_reviews.domain.audit.events import AuditEvent, EventType, Source, audit_entry_id
from account_reviews.store.database import autocommit, reachable

_INSERT: Final = text(INSERT)


async def insert(target: AsyncConnection | AsyncEngine, events: Sequence[AuditEvent]) -> int:
    """Add the rows that are not there yet, in one statement; gives how many were.

    With an engine it is a transaction of its own, with a connection part of the caller's. Errors
    of the database pass as they are.
    """
    if not events:
        return 0
    if isinstance(target, AsyncEngine):
        async with autocommit(target).connect() as connection:
            return await insert(connection, events)
    done = await target.execute(_INSERT, {"rows": in_order(events)})
    return done.rowcount


async def try_insert(engine: AsyncEngine) -> None:
    """Add a row and take it back. DBAPIError when the database does not let us."""
    event = AuditEvent(
        event_id=audit_entry_id("try", uuid4()),
        at=datetime.now(UTC),
        source=Source.CLIENT,
        event_type=EventType.REQUEST_MADE,
        tenant="",
        actor="",
        action="",
        resource="",
    )
    async with reachable(), engine.connect() as connection:
        await insert(connection, [event])
        await connection.rollback()
