"""A CRM over a network: every call takes its time, and only so many run at once."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Self, TypeVar

from account_reviews.crm.protocol import (
    AccountFilter,
    AccountPage,
    Capabilities,
    CrmBackend,
    Wanted,
)
from account_reviews.domain.backends import Health
from account_reviews.domain.base import Scalar, Timestamp
from account_reviews.domain.operations import Operation
from account_reviews.domain.proposals import ProposedChange
from account_reviews.domain.records import AccountSnapshot, Owner, SnapshotLimits
from account_reviews.domain.review.steps import ApplyResult

_T = TypeVar("_T")

CALLS_PER_SNAPSHOT = 8
"""Account, owner, contacts, deals, tasks, events, calls, notes: as REST CRMs list them."""
IN_ONE_QUERY = 50
"""Accounts that one query of such a CRM can name."""


class SlowCrm:
    """`CrmBackend` in front of another; `report` is called with the number of calls it made."""

    def __init__(
        self, crm: CrmBackend, *, seconds: float, at_once: int, report: Callable[[int], None]
    ) -> None:
        self._crm = crm
        self._seconds = seconds
        self._gate = asyncio.Semaphore(at_once)
        self._report = report

    def of(self, tenant: str | None) -> Self:  # noqa: ARG002  benchmarks have one tenant
        return self

    async def list_accounts(
        self, where: AccountFilter, *, cursor: str | None = None, limit: int = 200
    ) -> AccountPage:
        return await self._after(
            1, lambda: self._crm.list_accounts(where, cursor=cursor, limit=limit)
        )

    async def snapshot(
        self, account_id: str, *, as_of: Timestamp, limits: SnapshotLimits
    ) -> AccountSnapshot:
        return await self._after(
            CALLS_PER_SNAPSHOT,
            lambda: self._crm.snapshot(account_id, as_of=as_of, limits=limits),
        )

    async def snapshots(
        self, account_ids: Sequence[str], *, as_of: Timestamp, limits: SnapshotLimits
    ) -> dict[str, AccountSnapshot]:
        return await self._after(
            CALLS_PER_SNAPSHOT,
            lambda: self._crm.snapshots(account_ids, as_of=as_of, limits=limits),
        )

    async def apply(
        self, change: ProposedChange, *, expected_version: str | None, operation_id: str
    ) -> ApplyResult:
        return await self._after(
            1,
            lambda: self._crm.apply(
                change, expected_version=expected_version, operation_id=operation_id
            ),
        )

    async def find_operations(self, operations: Sequence[Operation]) -> dict[str, ApplyResult]:
        return await self._after(1, lambda: self._crm.find_operations(operations))

    async def read_back(self, wanted: tuple[Wanted, ...]) -> tuple[dict[str, Scalar] | None, ...]:
        return await self._after(1, lambda: self._crm.read_back(wanted))

    async def has_owner(self, owner: str, *, by_name: bool = False) -> bool:
        return await self._crm.has_owner(owner, by_name=by_name)

    async def find_owner(self, owner: str) -> Owner | None:
        return await self._crm.find_owner(owner)

    async def capabilities(self) -> Capabilities:
        capabilities = await self._crm.capabilities()
        return capabilities.model_copy(update={"bulk_reads": IN_ONE_QUERY, "local": False})

    async def health(self) -> Health:
        return await self._crm.health()

    async def _after(self, calls: int, work: Callable[[], Awaitable[_T]]) -> _T:
        """One call after the other; the answer comes with the last."""
        for _ in range(calls):
            async with self._gate:
                await asyncio.sleep(self._seconds)
        self._report(calls)
        return await work()
