"""The one door to any account memory."""

from enum import StrEnum
from typing import Protocol

from pydantic import Field

from account_reviews.domain.backends import Health
from account_reviews.domain.base import Model, Timestamp
from account_reviews.domain.memory import MemoryHit, MemoryItem, MemoryKind

__all__ = [
    "MemoryBackend",
    "MemoryCapabilities",
    "MemoryHit",
    "MemoryItem",
    "MemoryKind",
    "RecallQuery",
]


class RecallOrder(StrEnum):
    RELEVANCE = "relevance"
    RECENCY = "recency"


class RecallQuery(Model):
    account_id: str
    text: str | None = None
    """None recalls by recency alone."""
    kinds: tuple[MemoryKind, ...] = ()
    since: Timestamp | None = None
    until: Timestamp | None = None
    as_of: Timestamp | None = None
    """Only what had happened and was valid then."""
    limit: int = Field(default=20, ge=1, le=200)
    token_budget: int | None = Field(default=None, ge=1)
    tenant: str | None = None
    """Whose account it is; None is the tenant that the memory was opened for."""


class MemoryRef(Model):
    id: str


class TimelinePage(Model):
    items: tuple[MemoryHit, ...]
    next_cursor: str | None = None


class MemoryCapabilities(Model):
    name: str
    semantic: bool = False
    temporal: bool = True
    delete: bool = False
    max_batch: int = 100
    local: bool = False
    """Answers come from our own PostgreSQL and end within 200 ms."""


class MemoryBackend(Protocol):
    """An account memory. Unreachable is MemoryUnavailableError; implementations never retry."""

    async def remember(
        self, items: tuple[MemoryItem, ...], *, idempotency_key: str, tenant: str | None = None
    ) -> tuple[MemoryRef, ...]:
        """Store the items once per key and tenant; a repeat gives the same references.

        Without a `tenant` they are of the one that the memory was opened for.
        """
        ...

    async def recall(self, query: RecallQuery) -> tuple[MemoryHit, ...]:
        """Best first; stable order (score, occurred_at, id)."""
        ...

    async def timeline(
        self, account_id: str, *, cursor: str | None = None, limit: int = 50
    ) -> TimelinePage:
        """Newest first."""
        ...

    async def capabilities(self) -> MemoryCapabilities: ...

    async def health(self) -> Health: ...
