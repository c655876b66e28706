"""Every write of a CRM: past the gate, noted before the call and after it, never made twice.

Passing the gate commits the intent in a short transaction, and no connection is held while the CRM
is written to. Whoever stops everything waits until no intent is under way: its lease is renewed
while the call goes on, and runs out when its worker dies. A try whose outcome nobody knows leaves
its intent open, and the next one, of any worker, looks it up first.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final

from account_reviews.crm.gate import AsksGate, Gates
from account_reviews.crm.protocol import Capabilities, CrmBackend
from account_reviews.domain.errors import (
    CrmAuthError,
    CrmInvalidError,
    CrmOutcomeUnknownError,
    CrmPermissionError,
    CrmRateLimitedError,
    CrmRecordNotFoundError,
    CrmUnavailableError,
    ReviewsError,
)
from account_reviews.domain.operations import Operation
from account_reviews.domain.proposals import ProposedChange
from account_reviews.domain.review.steps import ApplyResult
from account_reviews.store.operation_rows import Intent
from account_reviews.store.operations import OperationLedger

LEASE_SECONDS: Final = 45.0
"""Longer than any request of a backend may take."""
_RENEW_SECONDS: Final = LEASE_SECONDS / 3
_MARGIN_SECONDS: Final = 5.0
"""So long before its lease is over a call ends that could not be renewed."""
NOTHING_WRITTEN: Final = (
    CrmAuthError,
    CrmInvalidError,
    CrmPermissionError,
    CrmRateLimitedError,
    CrmRecordNotFoundError,
)
"""By which a backend says that a call has written nothing. After any other nobody knows."""

_log = logging.getLogger(__name__)


class CrmWriter:
    """Writes of one CRM, and what is known of them. `gates`: tenant -> the gate of its writes."""

    def __init__(self, crm: CrmBackend, ledger: OperationLedger, gates: Gates) -> None:
        self._crm = crm
        self._ledger = ledger
        self._gates = gates

    async def apply(
        self,
        change: ProposedChange,
        *,
        tenant: str,
        expected_version: str | None,
        operation_id: str,
    ) -> ApplyResult:
        """Write once per operation id, as `CrmBackend.apply`.

        WritesHaltedError while everything is stopped; then nothing was sent.
        CrmOutcomeUnknownError while an earlier try may still write. UnreachableError without our
        database; CrmError.
        """
        crm, gate = self._crm.of(tenant), self._gates(tenant)
        if isinstance(crm, AsksGate):
            return await crm.apply_gated(
                change, expected_version=expected_version, operation_id=operation_id, gate=gate
            )
        wanted = Intent(operation_id, tenant, change, expected_version)
        async with self._ledger.transaction() as connection, gate.open_for_write(connection):
            begun = await self._ledger.begin(connection, wanted, lease_seconds=LEASE_SECONDS)
        if begun.written is not None:
            return begun.written
        if begun.wait_seconds is not None:
            raise _under_way(begun.wait_seconds)
        async with self._leased(operation_id):
            return await self._try(crm, wanted, begun.earlier)

    async def find(self, tenant: str, operation_ids: Iterable[str]) -> dict[str, ApplyResult]:
        """What was written under these ids; one that is left out wrote nothing.

        CrmOutcomeUnknownError while that cannot be told, UnreachableError, CrmError.
        """
        asked = tuple(operation_ids)
        if not asked:
            return {}
        crm = self._crm.of(tenant)
        if isinstance(crm, AsksGate):
            return await crm.find_operations([Operation.named(one) for one in asked])
        known = await self._ledger.read(tenant, asked)
        if known.wait_seconds is not None:
            raise _under_way(known.wait_seconds)
        wanted = list(known.open)
        if (await crm.capabilities()).transactional_ledger:  # it may know what is not noted here
            there = {*known.written, *known.settled, *(one.operation_id for one in wanted)}
            wanted += [Operation.named(one) for one in asked if one not in there]
        found = await crm.find_operations(wanted) if wanted else {}
        for one in known.open:
            result = found.get(one.operation_id)
            if not await self._ledger.settle_found(one, result and _dated(result)):
                raise _under_way(LEASE_SECONDS)
        return known.written | found

    async def _try(self, crm: CrmBackend, wanted: Intent, earlier: Operation | None) -> ApplyResult:
        """One call of the CRM, after a look-up where that is needed, with what came of it noted."""
        can = await crm.capabilities()
        knows_itself = can.transactional_ledger
        if earlier is not None and not knows_itself:
            found = (await crm.find_operations([earlier])).get(wanted.operation_id)
            if found is not None:
                written = await self._written(wanted, found, can)
                return written.model_copy(update={"status": "already_applied"})
            await self._ledger.retry(wanted, lease_seconds=LEASE_SECONDS)
        try:
            result = await crm.apply(
                wanted.change,
                expected_version=wanted.expected_version,
                operation_id=wanted.operation_id,
            )
        except (*NOTHING_WRITTEN, CrmUnavailableError) as error:
            sent = isinstance(error, CrmUnavailableError) and error.sent
            if not sent and (earlier is None or not knows_itself):
                await self._nothing(wanted)
            raise
        if result.status == "conflict":
            await self._nothing(wanted)
            return result
        return await self._written(wanted, result, can)

    async def _written(self, wanted: Intent, result: ApplyResult, can: Capabilities) -> ApplyResult:
        if result.version_check is None and wanted.expected_version is not None:
            check = "atomic" if can.optimistic_lock else "compared"
            result = result.model_copy(update={"version_check": check})
        result = _dated(result)
        await self._ledger.settle(wanted.operation_id, result)
        return result

    async def _nothing(self, wanted: Intent) -> None:
        """A row that stays open is looked up when somebody asks: what the CRM said comes first."""
        try:
            await self._ledger.settle(wanted.operation_id, None)
        except ReviewsError:
            _log.warning("that %s wrote nothing could not be noted", wanted.operation_id)

    @asynccontextmanager
    async def _leased(self, operation_id: str) -> AsyncIterator[None]:
        """Keep the lease as long as what is inside goes on; what fails inside gives it back."""
        try:
            async with asyncio.timeout(LEASE_SECONDS - _MARGIN_SECONDS) as limit:
                renewing = asyncio.create_task(self._renew(operation_id, limit))
                try:
                    yield
                finally:
                    renewing.cancel()
        except BaseException as error:
            await self._let_go(operation_id)
            if isinstance(error, TimeoutError) and limit.expired():
                raise CrmUnavailableError("that a write goes on could not be noted") from error
            raise

    async def _renew(self, operation_id: str, limit: asyncio.Timeout) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(_RENEW_SECONDS)
            began = clock()
            try:
                await self._ledger.renew(operation_id, lease_seconds=LEASE_SECONDS)
            except ReviewsError as error:
                _log.warning("the lease of %s could not be renewed: %s", operation_id, error)
            else:
                limit.reschedule(began + LEASE_SECONDS - _MARGIN_SECONDS)

    async def _let_go(self, operation_id: str) -> None:
        """Of a row that is settled nothing changes. Without our database the lease runs out."""
        try:
            await asyncio.shield(self._ledger.let_go(operation_id))
        except (ReviewsError, asyncio.CancelledError):
            _log.warning("the lease of %s runs out by itself", operation_id)


def _under_way(seconds: float) -> CrmOutcomeUnknownError:
    return CrmOutcomeUnknownError(
        "a try of this write is under way; what came of it is known in "
        f"{seconds:.0f} s at the latest",
        retry_after=max(seconds, 1.0),
    )


def _dated(result: ApplyResult) -> ApplyResult:
    """A CRM that does not tell when it wrote did so about now."""
    if result.applied_at is not None:
        return result
    return result.model_copy(update={"applied_at": datetime.now(UTC)})
