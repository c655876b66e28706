"""A sync of the memory: list the accounts, hand them over a batch at a time, end.

It stops between two batches while it is paused. All that counts stands in our tables, so a worker
that dies loses nothing and repeats nothing.
"""

import asyncio
from collections.abc import Callable

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError, is_cancelled_exception

from account_reviews.domain.memory_sync import (
    MarkSync,
    OpenSync,
    SyncCommand,
    SyncInput,
    SyncState,
    SyncStatus,
    SyncStep,
    SyncType,
)
from account_reviews.domain.review.messages import Malformed
from account_reviews.temporal import names
from activities.memory_sync import MemorySyncActivities
from workflows import policies
from workflows.messages import read, read_or_refuse
from workflows.steps import ReviewCancelledError, StepError, run_step, unless

_OVER = "the sync is over"


@workflow.defn(name="MemorySync")
class MemorySyncWorkflow:
    """Workflow id `memory-sync/{tenant}`: one of a tenant is open at a time.

    Task queue: that of its tenant. Signals and updates `pause`, `resume`, `cancel_sync`; query
    `progress`. It ends Failed with the reason when CRM or memory stayed away for too long.
    """

    @workflow.init
    def __init__(self, start: SyncInput) -> None:
        self._start = start
        self._state = start.resumed or SyncState()

    @workflow.run
    async def run(self, start: SyncInput) -> SyncState:
        try:
            await self._work()
        except StepError as error:
            self._end(SyncStatus.FAILED, error.reason)
        except ReviewCancelledError:
            self._end(SyncStatus.CANCELLED, f"by {self._state.cancelled_by}")
        except BaseException as error:
            if is_cancelled_exception(error):
                self._end(SyncStatus.CANCELLED, "cancelled in Temporal")
                await asyncio.shield(self._mark())
            raise
        if not self._state.status.is_over:
            await workflow.wait_condition(workflow.all_handlers_finished)
            queue = names.queue_from(workflow.info().task_queue, start.tenant)
            workflow.continue_as_new(
                start.model_copy(update={"resumed": self._state}), task_queue=queue
            )
        await self._mark()
        await workflow.wait_condition(workflow.all_handlers_finished)
        if self._state.status is SyncStatus.FAILED:
            raise ApplicationError(self._state.reason or "failed", type="MemorySyncFailed")
        return self._state

    async def _work(self) -> None:
        state = self._state
        if state.status is SyncStatus.PENDING:
            await self._open()
        while True:
            if state.cancelled_by is not None:
                raise ReviewCancelledError
            if state.paused_by is not None:
                await self._rest()
            elif not state.listed:
                await unless(self._is_cancelled, self._list())
            elif not await unless(self._is_cancelled, self._batch()):
                self._end(SyncStatus.COMPLETED)
                return
            if self._history_is_long():
                return

    async def _open(self) -> None:
        start = self._start
        call = OpenSync(
            sync_id=self._sync_id,
            tenant=start.tenant,
            type=start.type,
            account_ids=start.account_ids,
            started_by=start.started_by,
            started_at=workflow.info().workflow_start_time,
            continues=start.continues,
        )
        config = policies.own("Open the sync")
        opened = await run_step(MemorySyncActivities.open, call, config, local=True)
        self._state.status, self._state.listed = SyncStatus.RUNNING, opened.listed

    async def _list(self) -> None:
        call = self._step(self._state.cursor)
        config = policies.sync("List accounts")
        page = await run_step(MemorySyncActivities.list_accounts, call, config, local=False)
        self._state.cursor = page.next_cursor
        self._state.listed = page.next_cursor is None

    async def _batch(self) -> bool:
        """Whether another one may find more."""
        config = policies.sync("Hand over accounts")
        call = self._step(None)
        done = await run_step(MemorySyncActivities.sync_batch, call, config, local=False)
        return done.more

    async def _rest(self) -> None:
        state = self._state
        state.status, state.reason = SyncStatus.PAUSED, f"by {state.paused_by}"
        await self._mark()
        await workflow.wait_condition(
            lambda: state.paused_by is None or state.cancelled_by is not None
        )
        if state.cancelled_by is None:
            state.status, state.reason = SyncStatus.RUNNING, None
            await self._mark()

    async def _mark(self) -> None:
        state = self._state
        call = MarkSync(
            sync_id=self._sync_id,
            tenant=self._start.tenant,
            status=state.status,
            at=workflow.now(),
            reason=state.reason,
        )
        config = policies.own("Show how the sync stands")
        await run_step(MemorySyncActivities.mark, call, config, local=True)

    def _is_cancelled(self) -> bool:
        return self._state.cancelled_by is not None

    @property
    def _sync_id(self) -> str:
        return workflow.info().first_execution_run_id

    def _step(self, cursor: str | None) -> SyncStep:
        return SyncStep(
            sync_id=self._sync_id,
            tenant=self._start.tenant,
            cursor=cursor,
            catches_up=self._start.type is not SyncType.ON_DEMAND,
        )

    def _end(self, status: SyncStatus, reason: str | None = None) -> None:
        self._state.status, self._state.reason = status, reason

    def _history_is_long(self) -> bool:
        long = workflow.info().get_current_history_length() > self._start.history_limit
        return long or workflow.info().is_continue_as_new_suggested()

    # messages

    @workflow.signal(name="pause", description="Stop after the batch that is under way")
    def pause_by_signal(self, message: RawValue) -> None:
        self._take(message, self._pause)

    @workflow.signal(name="resume", description="Go on")
    def resume_by_signal(self, message: RawValue) -> None:
        self._take(message, self._resume)

    @workflow.signal(name="cancel_sync", description="End now")
    def cancel_by_signal(self, message: RawValue) -> None:
        self._take(message, self._cancel)

    @workflow.update(name="pause", description="Stop after the batch that is under way")
    def pause_by_update(self, message: RawValue) -> SyncState:
        return self._command(message, self._pause)

    @workflow.update(name="resume", description="Go on")
    def resume_by_update(self, message: RawValue) -> SyncState:
        return self._command(message, self._resume)

    @workflow.update(name="cancel_sync", description="End now")
    def cancel_by_update(self, message: RawValue) -> SyncState:
        return self._command(message, self._cancel)

    @pause_by_update.validator
    def _check_pause(self, message: RawValue) -> None:
        self._check(message)

    @resume_by_update.validator
    def _check_resume(self, message: RawValue) -> None:
        self._check(message)

    @cancel_by_update.validator
    def _check_cancel(self, message: RawValue) -> None:
        self._check(message)

    @workflow.query(description="How far the sync is")
    def progress(self) -> SyncState:
        return self._state

    def _check(self, message: RawValue) -> None:
        read_or_refuse(SyncCommand, message)
        if self._state.status.is_over:
            raise ApplicationError(_OVER, type="sync_over", non_retryable=True)

    def _take(self, message: RawValue, apply: Callable[[SyncCommand], None]) -> None:
        parsed = read(SyncCommand, message)
        if isinstance(parsed, Malformed):
            workflow.logger.warning("a signal is left out: %s", parsed.why)
        else:
            apply(parsed)

    def _command(self, message: RawValue, apply: Callable[[SyncCommand], None]) -> SyncState:
        apply(read_or_refuse(SyncCommand, message))
        return self._state

    def _pause(self, command: SyncCommand) -> None:
        self._state.paused_by = command.by

    def _resume(self, _: SyncCommand) -> None:
        self._state.paused_by = None

    def _cancel(self, command: SyncCommand) -> None:
        self._state.cancelled_by = command.by
