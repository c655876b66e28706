"""Entries for the audit trail, left in the transaction of what they are about."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from account_reviews.domain.audit.events import AuditEvent
from account_reviews.store.outbox_rows import PUT, in_place

_PUT: Final = text(PUT)


async def put_into_outbox(connection: AsyncConnection, events: Sequence[AuditEvent]) -> int:
    """Add to the outbox of the main database, in order, in the caller's transaction."""
    if events:
        await connection.execute(_PUT, {"rows": in_place(events)})
    return len(events)
