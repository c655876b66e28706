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

    def open_for_write(
        self, connection: "AsyncConnection | None" = None
    ) -> AbstractAsyncContextManager[None]:
        """One write may be made inside; whoever shuts the gate waits for its end.

        With `connection`, a READ COMMITTED transaction on our own database that the write is
        part of, the gate is asked in that transaction, and passed until its end. Without it the
        gate asks in a transaction of its own. WritesHaltedError when it is shut,
        UnreachableError when nobody knows.
        """
        ...


Gates = Callable[[str], WriteGate]
"""Tenant -> its gate."""


@runtime_checkable
class AsksGate(Protocol):
    """A CRM in our own database: it asks the gate in the transaction of the write itself."""

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
