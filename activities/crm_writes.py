"""The writes of a CRM: one approved change, and whether one was made whose answer was lost.

They wait on a queue of their own, so that nothing else needs the credential that may write.
"""

import asyncio
from datetime import UTC, datetime

from temporalio import activity

from account_reviews.crm.writer import CrmWriter
from account_reviews.domain.errors import ConflictError, WritesHaltedError
from account_reviews.domain.proposals import proposal_hash
from account_reviews.domain.review.steps import ApplyChange, ApplyResult, FindWrites, FoundWrites
from account_reviews.domain.review.write_gate import why_not_written
from account_reviews.store.usage import count_call
from account_reviews.telemetry.spans import step


class ApprovedContentChangedError(ConflictError):
    """What would be written is not what was approved."""


class NotApprovedError(ConflictError):
    """What would be written has not the approvals it needs."""


class CrmWriteActivities:
    """Writes to one CRM. Every write passes the gate of its tenant."""

    def __init__(self, writer: CrmWriter) -> None:
        self._writer = writer

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
        why = why_not_written(call.approval, change) if call.approval is not None else None
        if call.plan_only:
            why = "the review only plans"
        if why is not None:
            raise NotApprovedError(f"nothing was written: {why}")
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
        change = call.change
        if call.asked_at is not None:
            after = change.written_at(max(call.asked_at, datetime.now(UTC)))
            change = change.model_copy(update={"after": after})
        count_call()
        return await self._writer.apply(
            change,
            tenant=call.tenant,
            expected_version=call.expected_version,
            operation_id=call.operation_id,
        )

    @activity.defn(name="crm.find_writes")
    async def find_writes(self, call: FindWrites) -> FoundWrites:
        """Whether writes whose answers were lost were carried out, by their operation ids.

        CrmOutcomeUnknownError while that cannot be told.
        """
        count_call()
        return FoundWrites(results=await self._writer.find(call.tenant, call.operation_ids))
