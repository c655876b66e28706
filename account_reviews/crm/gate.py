"""The gate that every CRM write passes: it is shut while everything is stopped."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from account_reviews.domain.proposals import ProposedChange
from account_reviews.domain.review.steps import ApplyResult

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection


class WriteGate(Protocol):
    """Lets writes through one by one, until it is shut."""

    def open_for_write(self, connection: "AsyncConnection") -> AbstractAsyncContextManager[None]:
        """One write may be noted inside, or made; whoever shuts the gate waits for its end.

        `connection` is a READ COMMITTED transaction on our own database, and the gate is passed
        until its end: the write is part of it, or the intent that it commits. WritesHaltedError
        when the gate is shut, UnreachableError when nobody knows.
        """
        ...


Gates = Callable[[str], WriteGate]
"""Tenant -> its gate."""


@runtime_checkable
class AsksGate(Protocol):
    """A CRM in our own database: it asks the gate in the transaction of the write itself, which
    is that of its row in our ledger, too."""

    async def apply_gated(
        self,
        change: ProposedChange,
        *,
        expected_version: str | None,
        operation_id: str,
        gate: WriteGate,
    ) -> ApplyResult:
        """As `CrmBackend.apply`; WritesHaltedError when the gate is shut."""
        ...
