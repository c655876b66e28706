"""CRM activities: one snapshot in, one approved write out, one look back."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from temporalio import activity

from account_reviews.crm.gate import AsksGate, Gates
from account_reviews.crm.protocol import CrmBackend, Wanted
from account_reviews.domain.base import Timestamp
from account_reviews.domain.errors import ConflictError, WritesHaltedError
from account_reviews.domain.proposals import proposal_hash, same
from account_reviews.domain.records import SnapshotLimits
from account_reviews.domain.review.steps import (
    ApplyChange,
    ApplyResult,
    FetchSnapshot,
    FindWrites,
    FoundWrites,
    ReadBack,
    ReadBackResult,
    ReadSnapshot,
)
from account_reviews.store.reviews import ReviewStore
from account_reviews.store.usage import count_call
from account_reviews.telemetry.spans import step

Clock = Callable[[], Awaitable[Timestamp | None]]


class ApprovedContentChangedError(ConflictError):
    """What would be written is not what was approved."""


class CrmActivities:
    """Reads and writes of one CRM backend. Every write passes the gate of its tenant.

    `default_as_of` gives the clock of a reading that was given none; without it that is now.
    """

    def __init__(
        self,
        crm: CrmBackend,
        store: ReviewStore,
        limits: SnapshotLimits,
        gates: Gates,
        default_as_of: Clock | None = None,
    ) -> None:
        self._crm = crm
        self._store = store
        self._limits = limits
        self._gates = gates
        self._default_as_of = default_as_of

    @activity.defn(name="crm.fetch_snapshot")
    async def fetch_snapshot(self, call: FetchSnapshot) -> ReadSnapshot:
        """Read one account, store the snapshot under its hash, show the review in the read model.

        AccountNotFoundError when the CRM has no such account.
        """
        as_of = await self._clock(call)
        snapshot = await self._ask(call.tenant).snapshot(
            call.account_id, as_of=as_of, limits=self._limits
        )
        reference = ReadSnapshot(
            hash="",
            account_name=snapshot.account.name,
            owner_id=snapshot.account.owner_id,
            owner_name=snapshot.owner.name if snapshot.owner else None,
            fetched_at=snapshot.fetched_at,
            as_of=as_of,
        )
        stored = await self._store.open_run(call.opening, snapshot)
        return reference.model_copy(update={"hash": stored})

    def _ask(self, tenant: str | None) -> CrmBackend:
        """The CRM for one call, which counts."""
        count_call()
        return self._crm.of(tenant)

    async def _clock(self, call: FetchSnapshot) -> Timestamp:
        """The clock of this reading; it never goes back."""
        if call.now is None:
            return call.as_of
        default = await self._default_as_of() if self._default_as_of is not None else None
        return max(call.as_of, default or call.now)

    @activity.defn(name="crm.apply_change")
    async def apply_change(self, call: ApplyChange) -> ApplyResult:
        """Write one approved change, once per operation id, if its record is as it was shown.

        The operation id is `{run_id}:{change_id}`, so a repeat after a crash finds the first
        write. A cancel does not tear a write: it ends first. WritesHaltedError while everything
        is stopped.
        """
        change = call.change
        content = proposal_hash(change.action, change.record, change.before, change.after)
        if content != call.approved_hash:
            raise ApprovedContentChangedError
        write = asyncio.ensure_future(self._traced(call))
        try:
            return await asyncio.shield(write)
        except asyncio.CancelledError:
            try:
                return await write
            except WritesHaltedError:  # nothing was written: the cancel is the answer
                raise asyncio.CancelledError from None

    async def _traced(self, call: ApplyChange) -> ApplyResult:
        action = call.change.action.value
        with step("crm.write", operation_id=call.operation_id, action=action) as span:
            result = await self._apply(call)
            span.set_attributes(
                {
                    "record.type": result.record.type.value,
                    "record.id": result.record.id or "",
                    "result": result.status,
                }
            )
            return result

    async def _apply(self, call: ApplyChange) -> ApplyResult:
        """Pass the gate as close to the write as the backend allows."""
        gate, crm = self._gates(call.tenant), self._ask(call.tenant)
        change, now = call.change, datetime.now(UTC)
        version, operation = call.expected_version, call.operation_id
        if call.asked_at is not None:
            after = change.written_at(max(call.asked_at, now))
            change = change.model_copy(update={"after": after})
        if isinstance(crm, AsksGate):
            return await crm.apply_gated(
                change, expected_version=version, operation_id=operation, gate=gate
            )
        async with gate.open_for_write():
            return await crm.apply(change, expected_version=version, operation_id=operation)

    @activity.defn(name="crm.find_writes")
    async def find_writes(self, call: FindWrites) -> FoundWrites:
        """Whether writes whose answers were lost were carried out, by their operation ids."""
        crm = self._ask(call.tenant)
        return FoundWrites(results=await crm.find_operations(call.operation_ids))

    @activity.defn(name="crm.read_back")
    async def read_back(self, call: ReadBack) -> ReadBackResult:
        """Compare what was written with what the CRM shows now."""
        wanted = tuple(
            Wanted(record=write.record, fields=tuple(write.written)) for write in call.writes
        )
        shown = await self._ask(call.tenant).read_back(wanted)
        verified = {
            write.change_id: fields is not None
            and all(same(fields.get(name), value) for name, value in write.written.items())
            for write, fields in zip(call.writes, shown, strict=True)
        }
        return ReadBackResult(verified=verified)
