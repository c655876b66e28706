"""A whole portfolio in one go: list, read, review by risk, brief the owners.

`_cycle` reads like the business process. Listing and reading stand in `portfolio`, the reviews as
children in `children`. The list of accounts is a table; the state holds counters and what works.
It ends when no review works any more: those that wait for people go on alone.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from account_reviews.domain.characters import escaped_in_markdown
from account_reviews.domain.cycle import transitions
from account_reviews.domain.cycle.state import (
    CycleInput,
    CycleResult,
    CycleState,
    CycleStatus,
    CycleView,
    OpenCycle,
)
from account_reviews.domain.reports.portfolio import MakeResults
from account_reviews.domain.review.messages import CycleCommand, Malformed, ReviewProgress
from account_reviews.temporal import names
from activities.cycles import CycleActivities
from activities.results import ResultActivities
from workflows import policies, schedule_runs
from workflows.child_reviews import Reviews
from workflows.load_portfolio import load
from workflows.messages import read, read_or_refuse
from workflows.steps import StepError, project, run_step

_Message = TypeVar("_Message", ReviewProgress, CycleCommand)

SAVE_AFTER = 50
"""Accounts whose rows are written together."""
LONG_HISTORY = 4_000_000
"""Bytes."""


@workflow.defn(name="ReviewCycle")
class ReviewCycleWorkflow:
    """Workflow id `cycle/{schedule_id}` with the server's suffix, or `cycle/{uuid}`.

    Task queue: that of its tenant. Signals `review_progress`, `pause`, `resume`, `cancel_cycle`;
    updates `pause`, `resume`, `cancel_cycle`; queries `progress`, `snapshot`. Reviews are
    children that outlive it. It ends Failed when too many reviews failed.
    """

    @workflow.init
    def __init__(self, start: CycleInput) -> None:
        self._start = start
        self._state = _first_state(start)
        self._reviews = Reviews(self._state, start)
        self._seen_version = -1
        self._leaving = False

    @workflow.run
    async def run(self, start: CycleInput) -> CycleResult:
        cycle = asyncio.create_task(self._cycle())
        natively_cancelled = False
        try:
            await asyncio.shield(cycle)
        except asyncio.CancelledError:
            natively_cancelled = True
            self._cancel(CycleCommand(by="temporal", reason="workflow cancel request"))
            await asyncio.shield(cycle)
        await workflow.wait_condition(workflow.all_handlers_finished)
        if self._state.closed_at is None:
            queue = names.queue_from(workflow.info().task_queue, start.tenant)
            workflow.continue_as_new(
                start.model_copy(update={"resumed": self._state}), task_queue=queue
            )
        if natively_cancelled:
            raise asyncio.CancelledError
        result = transitions.result_of(self._state)
        if result.status is CycleStatus.FAILED:
            raise ApplicationError(result.reason or "failed", result, type="CycleFailed")
        return result

    async def _cycle(self) -> None:
        if self._start.resumed is None:
            await self._open()
        loading = asyncio.create_task(load(self._state, self._start, self._is_leaving))
        watching = asyncio.create_task(self._reviews.watch_silent())
        while self._has_work():
            if self._history_is_long():
                self._leaving = True
                break
            await self._next_step()
            await self._save_many_marks()
        watching.cancel()
        await loading
        if not self._leaving:
            await self._close()
        await self._save()

    # signals

    @workflow.signal(name="review_progress", description="A review waits or is closed")
    def hear(self, message: RawValue) -> None:
        self._take(ReviewProgress, message, self._progressed)

    @workflow.signal(name="pause", description="Start no more reviews")
    def pause_by_signal(self, message: RawValue) -> None:
        self._take(CycleCommand, message, self._pause)

    @workflow.signal(name="resume", description="Start reviews again")
    def resume_by_signal(self, message: RawValue) -> None:
        self._take(CycleCommand, message, self._resume)

    @workflow.signal(name="cancel_cycle", description="Start no more reviews and end")
    def cancel_by_signal(self, message: RawValue) -> None:
        self._take(CycleCommand, message, self._cancel)

    def _take(
        self, model: type[_Message], message: RawValue, apply: Callable[[_Message], None]
    ) -> None:
        parsed = read(model, message)
        if isinstance(parsed, Malformed):
            workflow.logger.warning("a signal is left out: %s", parsed.why)
        else:
            apply(parsed)

    # updates

    @workflow.update(name="pause", description="Start no more reviews")
    def pause_by_update(self, message: RawValue) -> CycleView:
        return self._command(message, self._pause)

    @workflow.update(name="resume", description="Start reviews again")
    def resume_by_update(self, message: RawValue) -> CycleView:
        return self._command(message, self._resume)

    @workflow.update(name="cancel_cycle", description="Start no more reviews and end")
    def cancel_by_update(self, message: RawValue) -> CycleView:
        return self._command(message, self._cancel)

    @pause_by_update.validator
    def _check_pause(self, message: RawValue) -> None:
        read_or_refuse(CycleCommand, message)

    @resume_by_update.validator
    def _check_resume(self, message: RawValue) -> None:
        read_or_refuse(CycleCommand, message)

    @cancel_by_update.validator
    def _check_cancel(self, message: RawValue) -> None:
        read_or_refuse(CycleCommand, message)

    def _command(self, message: RawValue, apply: Callable[[CycleCommand], None]) -> CycleView:
        apply(read_or_refuse(CycleCommand, message))
        return self.progress()

    def _progressed(self, progress: ReviewProgress) -> None:
        transitions.progressed(self._state, progress, workflow.now())

    def _pause(self, command: CycleCommand) -> None:
        transitions.pause(self._state, command.by, workflow.now())

    def _resume(self, _: CycleCommand) -> None:
        transitions.resume(self._state, workflow.now())

    def _cancel(self, command: CycleCommand) -> None:
        reason = f"by {command.by}: {command.reason or 'no reason given'}"
        transitions.stop(self._state, CycleStatus.CANCELLED, reason, workflow.now())

    # queries

    @workflow.query(description="How far the cycle is")
    def progress(self) -> CycleView:
        return transitions.view(self._state, workflow.now())

    @workflow.query(description="The whole state")
    def snapshot(self) -> CycleState:
        return self._state

    # steps

    async def _open(self) -> None:
        state, start = self._state, self._start
        opened = await schedule_runs.open_run(
            start.tenant, start.schedule_id, start.grace_seconds, start.execution
        )
        if opened is not None:
            transitions.judged(state, opened, workflow.now())
        call = OpenCycle(state=state, as_of=start.as_of)
        answer = await run_step(
            CycleActivities.open, call, policies.own("Open the cycle"), local=True
        )
        state.as_of = answer.as_of

    def _has_work(self) -> bool:
        state = self._state
        if state.status is not CycleStatus.RUNNING:
            return False
        return not state.loaded or state.next_position < state.placed or bool(state.in_flight)

    async def _next_step(self) -> None:
        """Start what may be started, else wait for news."""
        state, now = self._state, workflow.now()
        self._seen_version = state.version
        reason = transitions.too_many_failed(state, self._start)
        if reason is not None:
            transitions.stop(state, CycleStatus.FAILED, reason, now)
        elif self._reviews.may_start():
            await self._reviews.start_some()
        else:
            await workflow.wait_condition(
                lambda: state.version != self._seen_version or self._history_is_long()
            )

    def _is_leaving(self) -> bool:
        return self._leaving or self._state.status is not CycleStatus.RUNNING

    def _history_is_long(self) -> bool:
        info = workflow.info()
        long = info.get_current_history_length() > self._start.history_limit
        return long or info.get_current_history_size() > LONG_HISTORY

    async def _close(self) -> None:
        state = self._state
        reason = transitions.too_many_failed(state, self._start)
        if reason is not None:
            transitions.stop(state, CycleStatus.FAILED, reason, workflow.now())
        await self._save()
        if not state.missed:
            await self._make_briefs()
        transitions.close(state, workflow.now())
        if state.schedule_id is not None and not state.missed:
            await schedule_runs.close_run(
                transitions.run_status(state),
                self._start.execution,
                tenant=state.tenant,
                accounts_processed=state.finished,
                error=state.reason,
            )

    async def _make_briefs(self) -> None:
        """A brief for every owner, and the portfolio report."""
        state, start = self._state, self._start
        call = MakeResults(
            run_id=state.run_id,
            tenant=state.tenant,
            scope=start.scope,
            as_of=state.as_of,
            missing_sources=state.missing_sources,
        )
        config = policies.results("Briefs and portfolio")
        try:
            made = await run_step(ResultActivities.make_results, call, config, local=False)
        except StepError as error:
            state.reason = state.reason or f"no briefs: {error.reason}"
            return
        state.owners = made.owners

    async def _save_many_marks(self) -> None:
        if len(self._state.marks) >= SAVE_AFTER:
            await self._save()

    async def _save(self) -> None:
        state = self._state
        self._show()
        stored = len(state.marks)
        config = policies.own("Save the cycle")
        await project(CycleActivities.save, state, config, local=True)
        state.marks = state.marks[stored:]

    def _show(self) -> None:
        seen = self.progress()
        workflow.set_current_details(
            f"**{seen.status}** {escaped_in_markdown(seen.reason or '')}\n\n"
            f"{seen.done} done, {seen.running} running, {seen.waiting} waiting, "
            f"{seen.failed} failed, {seen.queued} queued of {seen.accounts} accounts"
        )


def _first_state(start: CycleInput) -> CycleState:
    info = workflow.info()
    if start.resumed is not None:
        return start.resumed.model_copy(update={"workflow_run_id": info.run_id})
    now = info.workflow_start_time
    return CycleState(
        cycle_id=info.workflow_id,
        run_id=info.original_execution_run_id,
        workflow_run_id=info.run_id,
        kind=start.kind,
        tenant=start.tenant,
        schedule_id=start.schedule_id,
        started_by=start.started_by,
        as_of=start.as_of or now,
        started_at=now,
        updated_at=now,
    )
