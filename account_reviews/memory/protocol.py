"""The one door to any account memory."""

from datetime import datetime
from enum import StrEnum
from typing import Literal, Protocol, Self

from pydantic import Field, model_validator

from account_reviews.domain.backends import Health
from account_reviews.domain.base import Model, Timestamp
from account_reviews.domain.memory import MemoryHit, MemoryItem, MemoryKind

__all__ = [
    "ForgetReport",
    "FoundItem",
    "MemoryBackend",
    "MemoryCapabilities",
    "MemoryHit",
    "MemoryItem",
    "MemoryKind",
    "MemoryRef",
    "MemorySelector",
    "RecallQuery",
    "Stray",
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


class MemorySelector(Model):
    """What is to be forgotten: exactly one of its three ways is given."""

    items: tuple[str, ...] = ()
    """References."""
    account_id: str | None = None
    """Everything of this account."""
    subject: tuple[str, ...] = ()
    """Every item that mentions one of these: the names, addresses and numbers of a person. Whole
    words count, in any case, in titles, texts, sources and attributes."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        given = (bool(self.items), self.account_id is not None, bool(self.subject))
        if sum(given) != 1:
            raise ValueError("give items, an account or a subject, and only one of them")
        return self


class ForgetReport(Model):
    """What a memory removed. It never names what that was."""

    removed: int = 0
    by_kind: dict[MemoryKind, int] = Field(default_factory=dict)
    dry_run: bool = False


class FoundItem(MemoryHit):
    """A hit of a search that is not limited to one account."""

    account_id: str


class Stray(Model):
    """A hit that a memory elsewhere gave and that is not of whom it was asked about."""

    tenant: str
    account_id: str | None
    """Who was asked about; None for a search over all accounts of the tenant."""
    kind: Literal["account", "tenant", "unknown"]
    """Of another account, of another tenant, or of nobody we know."""
    reference: str
    """What the memory calls it."""


class TimelinePage(Model):
    items: tuple[MemoryHit, ...]
    next_cursor: str | None = None


class MemoryCapabilities(Model):
    name: str
    semantic: bool = False
    """Words are matched by what they mean: a hit need not hold them, and each search finds what
    comes nearest. Else all words of a query occur in each hit."""
    temporal: bool = True
    """`as_of`, `valid_from` and `valid_to` count."""
    delete: bool = False
    max_batch: int = 100
    local: bool = False
    """Answers come from our own PostgreSQL and end within 200 ms."""


class MemoryBackend(Protocol):
    """An account memory. Unreachable is MemoryUnavailableError, credentials that it does not take
    are MemoryAuthError; implementations never retry. What it gives is of the account and the tenant
    that were named, whatever a service behind it says."""

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

    async def search(
        self,
        words: str,
        *,
        account_id: str | None = None,
        kinds: tuple[MemoryKind, ...] = (),
        since: datetime | None = None,
        limit: int = 20,
    ) -> tuple[FoundItem, ...]:
        """For people: best first, over all accounts of the tenant unless one is named."""
        ...

    async def timeline(
        self, account_id: str, *, cursor: str | None = None, limit: int = 50
    ) -> TimelinePage:
        """Newest first."""
        ...

    async def supersede(
        self, ref: MemoryRef, item: MemoryItem, *, tenant: str | None = None
    ) -> MemoryRef:
        """Replace what is no longer true by `item`, and keep both.

        The old item is valid until the new one begins to be: its `valid_from`, without one when it
        occurred. A repeat gives the same reference and changes nothing. NotFoundError for a
        reference that the tenant does not have.
        """
        ...

    async def forget(
        self,
        selector: MemorySelector,
        *,
        reason: str,
        requested_by: str,
        tenant: str | None = None,
        dry_run: bool = False,
    ) -> ForgetReport:
        """Remove for good what the selector names; forgetting again removes nothing.

        `reason` and `requested_by` are for a memory that keeps a record of its own; ours is the
        audit trail. With `dry_run` it only counts. BadInputError where `capabilities().delete` is
        False.
        """
        ...

    async def catch_up(self, *, limit: int = 100) -> int:
        """Hand over up to `limit` items that we know and a service behind this memory lacks, as
        after a change of memories. Gives how many were; 0 when nothing was missing."""
        ...

    async def capabilities(self) -> MemoryCapabilities: ...

    async def health(self) -> Health: ...
