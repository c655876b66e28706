"""What closed reviews want remembered, kept with their rows until the memory has it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.domain.base import Model
from account_reviews.domain.memory import MemoryItem
from account_reviews.store.database import autocommit, reachable
from account_reviews.store.sql_files import read_sql

_TAKE: Final = text(read_sql("account_reviews.store", "take_from_memory_outbox.sql"))
_DELIVERED: Final = text(
    "update reviews.memory_outbox set delivered_at = now(), last_error = null "
    "where run_id = :run_id"
)
_FAILED: Final = text(
    "update reviews.memory_outbox set last_error = :reason where run_id = any(:run_ids)"
)
_WAITING: Final = text(
    "select count(*) as waiting, min(put_at) as oldest, max(last_error) as reason "
    "from reviews.memory_outbox where tenant = :tenant and delivered_at is null"
)


class ToRemember(Model):
    """The items of one review."""

    run_id: str
    account_id: str
    items: tuple[MemoryItem, ...]


class Waiting(NamedTuple):
    """What the memory does not have yet."""

    reviews: int
    since: datetime | None
    """When the oldest was put in."""
    reason: str | None
    """What one of them failed with."""


class MemoryOutbox:
    """The rows that the closing save of a review leaves. UnreachableError when down."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._statements = autocommit(engine)

    async def take(self, tenant: str, most: int) -> list[ToRemember]:
        """Some that are due, the longest waiting first. Each is due again later, until
        `delivered`: after 2 seconds, then twice as long each time, an hour at most."""
        values = {"tenant": tenant, "most": most}
        async with reachable(), self._statements.connect() as connection:
            rows = (await connection.execute(_TAKE, values)).mappings().all()
        return [ToRemember.model_validate(dict(row)) for row in rows]

    async def delivered(self, run_id: str) -> None:
        """The memory has it. The row stays with its review, so that it is not put in again."""
        async with reachable(), self._statements.connect() as connection:
            await connection.execute(_DELIVERED, {"run_id": run_id})

    async def failed(self, run_ids: Sequence[str], reason: str) -> None:
        """Why these wait."""
        values = {"run_ids": list(run_ids), "reason": reason}
        async with reachable(), self._statements.connect() as connection:
            await connection.execute(_FAILED, values)

    async def waiting(self, tenant: str) -> Waiting:
        """How many reviews are not remembered yet, since when, and why."""
        async with reachable(), self._statements.connect() as connection:
            row = (await connection.execute(_WAITING, {"tenant": tenant})).one()
        return Waiting(int(row.waiting), row.oldest, row.reason)
