"""A write of which nobody knows yet whether it was made."""

from typing import Any

from account_reviews.domain.base import Model, Timestamp
from account_reviews.domain.proposals import ProposedChange


class Operation(Model):
    """One approved write that was begun: what was sent, noted before the call."""

    operation_id: str
    tenant: str
    change: ProposedChange
    """As it was sent last: dates counted from the write are those of that try."""
    expected_version: str | None = None
    begun_at: Timestamp
    """When the first try began."""
    tried_at: Timestamp
    """When the last one did: it may still commit for as long as a backend says."""
    tries: int = 1

    @classmethod
    def named(cls, operation_id: str) -> "Operation":
        """One of which nothing but its id is known, for a CRM that keeps a ledger of its own."""
        known: dict[str, Any] = {"operation_id": operation_id}
        return cls.model_construct(**known)
