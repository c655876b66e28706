"""The beginning and the end of reviews, as the runner outside the sandbox sees them.

It says only that a run began or ended. What a hook is given of a beginning stands in the first
event of the history; of an end in the state that was saved last, else in the last event. Nobody
waits for it: it is read in the background, and only when somebody listens.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent, WorkflowExecutionStartedEventAttributes
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHistoryEventFilterType

from account_reviews.domain.audit.events import trace_of_run
from account_reviews.domain.review.phases import Status
from account_reviews.domain.review.state import ReviewInput, ReviewResult, ReviewState
from account_reviews.hooks.anomalies import anomalies_of
from account_reviews.hooks.dispatcher import Lanes
from account_reviews.hooks.events import Anomaly, HookEvent, HookName
from account_reviews.telemetry import instruments
from account_reviews.telemetry.trace_headers import trace_id_of
from account_reviews.temporal.executions import quoted
from account_reviews.temporal.names import DEFAULT_TENANT, is_review_id, parse_review_id

CALL_SECONDS: Final = 10.0
"""For one question to Temporal, which is asked once."""
MOST_WAITING: Final = 1000
"""Beginnings and ends that are looked up; more are dropped."""
_AT_ONCE: Final = 8
_REMEMBERED: Final = 10_000
_AGENT: Final = "AccountReview"
_HOOK: Final = "sessions"
"""What stands in metrics when an event cannot be made."""

_log = logging.getLogger(__name__)

_ENDS: Final = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: Status.COMPLETED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED: Status.FAILED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT: Status.FAILED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED: Status.CANCELLED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED: Status.CANCELLED,
}
"""What to call an end when its result says nothing; continuing as new is none."""


@dataclass(frozen=True)
class _Closing:
    """What the last save said of the end."""

    event: HookEvent
    anomalies: tuple[Anomaly, ...]


class Sessions:
    """Notifies hooks of sessions, and counts what is unusual about their ends.

    `moved` may be called from any thread and never raises.
    """

    def __init__(self, lanes: Lanes, client: Client) -> None:
        self._lanes = lanes
        self._client = client
        self._loop = asyncio.get_running_loop()
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._starts: dict[str, asyncio.Task[None]] = {}
        self._seen: OrderedDict[tuple[str, bool], None] = OrderedDict()
        self._closings: OrderedDict[str, _Closing] = OrderedDict()

    def moved(self, workflow_id: str, run_id: str, *, started: bool, ended: bool) -> None:
        """A run had a task; `started`: it was its first, `ended`: its last."""
        if self._matters(run_id, started, ended) and is_review_id(workflow_id):
            try:
                self._loop.call_soon_threadsafe(self._note, workflow_id, run_id, started, ended)
            except RuntimeError:  # the loop has ended: the worker stops
                return

    def closing(self, workflow_run_id: str, state: ReviewState, trace_id: str | None) -> None:
        """The closed state was saved; the end of its run follows. On the event loop."""
        anomalies = anomalies_of(state)
        if not anomalies and not self._lanes.wanted(HookName.SESSION_END):
            return
        event = HookEvent(
            name=HookName.SESSION_END,
            at=state.closed_at or state.updated_at,
            tenant=state.tenant,
            workflow_id=state.review_id,
            run_id=state.run_id,
            agent=_AGENT,
            review_id=state.review_id,
            account_id=state.account_id,
            trace_id=trace_id or trace_of_run(state.run_id),
            duration_seconds=_seconds(state.started_at, state.closed_at or state.updated_at),
            error_type="ReviewFailed" if state.status is Status.FAILED else None,
            kind=state.kind,
            status=state.status,
            outcome=state.outcome,
        )
        self._closings[workflow_run_id] = _Closing(event, anomalies)
        if len(self._closings) > _REMEMBERED:
            self._closings.popitem(last=False)

    async def close(self, seconds: float) -> None:
        """Wait for what is being looked up, for so long at most; drop the rest."""
        if self._tasks:
            _, pending = await asyncio.wait(self._tasks, timeout=seconds)
            for task in pending:
                task.cancel()

    def _matters(self, run_id: str, started: bool, ended: bool) -> bool:
        """Most tasks concern nobody, and waking the event loop costs more than to find out."""
        if started and self._lanes.wanted(HookName.SESSION_START):
            return True
        return ended and (run_id in self._closings or self._lanes.wanted(HookName.SESSION_END))

    def _note(self, workflow_id: str, run_id: str, started: bool, ended: bool) -> None:
        if started and self._lanes.wanted(HookName.SESSION_START) and self._first(run_id, False):
            task = self._spawn(self._began(workflow_id, run_id))
            if task is not None:
                self._starts[run_id] = task
                task.add_done_callback(partial(self._forget_start, run_id))
        if ended and self._first(run_id, True):
            closing = self._closings.pop(run_id, None)
            if closing is not None or self._lanes.wanted(HookName.SESSION_END):
                self._spawn(self._over(workflow_id, run_id, closing))

    def _first(self, run_id: str, end: bool) -> bool:
        """False for what was notified before: a task that failed is tried again."""
        if (run_id, end) in self._seen:
            return False
        self._seen[run_id, end] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return True

    def _forget_start(self, run_id: str, _: object) -> None:
        self._starts.pop(run_id, None)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
        if len(self._tasks) >= MOST_WAITING:
            work.close()
            instruments.hook_failed(_HOOK, "dropped")
            return None
        task = self._loop.create_task(self._bounded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _bounded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            async with self._slots, asyncio.timeout(CALL_SECONDS):
                await work
        except TimeoutError:
            instruments.hook_failed(_HOOK, "timed_out")
            _log.warning(
                "Temporal did not tell within %g s how a review began or ended", CALL_SECONDS
            )
        except Exception as error:  # noqa: BLE001  a review must not notice
            instruments.hook_failed(_HOOK, "raised")
            _log.warning("a session's hooks are not called: %s: %s", type(error).__name__, error)
        finally:
            work.close()

    async def _began(self, workflow_id: str, run_id: str) -> None:
        found = await self._edge(workflow_id, run_id, WorkflowHistoryEventFilterType.ALL_EVENT)
        start = found.workflow_execution_started_event_attributes
        if start.continued_execution_run_id:
            return
        event = replace(
            await self._session(workflow_id, run_id, start),
            name=HookName.SESSION_START,
            at=_moment(found),
        )
        self._lanes.notify(HookName.SESSION_START, lambda: event)

    async def _over(self, workflow_id: str, run_id: str, closing: _Closing | None) -> None:
        before = self._starts.get(run_id)
        if before is not None:
            await asyncio.wait({before})
        if closing is None:
            event = await self._end_by_history(workflow_id, run_id)
            anomalies: tuple[Anomaly, ...] = ()
            if event is None:
                return
            if event.status == Status.FAILED:
                anomalies = (Anomaly.FAILED,)
        else:
            event, anomalies = closing.event, closing.anomalies
        if Anomaly.FAILED in anomalies and await self._failed_before(workflow_id, run_id):
            anomalies = (*anomalies, Anomaly.FAILED_AGAIN)
        for anomaly in anomalies:
            instruments.session_anomaly(anomaly)
        event = replace(event, anomalies=anomalies)
        self._lanes.notify(HookName.SESSION_END, lambda: event)

    async def _end_by_history(self, workflow_id: str, run_id: str) -> HookEvent | None:
        """The end as the history has it; None when the review goes on in another run."""
        last = await self._edge(workflow_id, run_id, WorkflowHistoryEventFilterType.CLOSE_EVENT)
        status = _ENDS.get(last.event_type)
        if status is None:
            return None
        first = await self._edge(workflow_id, run_id, WorkflowHistoryEventFilterType.ALL_EVENT)
        start = first.workflow_execution_started_event_attributes
        result = await self._result(last)
        began = result.started_at if result is not None else _moment(first)
        return replace(
            await self._session(workflow_id, start.first_execution_run_id or run_id, start),
            at=_moment(last),
            status=result.status if result is not None else status,
            outcome=result.outcome if result is not None else None,
            duration_seconds=_seconds(began, _moment(last)),
            error_type=_failure(last),
        )

    async def _session(
        self, workflow_id: str, run_id: str, start: WorkflowExecutionStartedEventAttributes
    ) -> HookEvent:
        given = await self._decoded(start.input.payloads, ReviewInput)
        account_id, tenant = _whose(workflow_id, given)
        return HookEvent(
            name=HookName.SESSION_END,
            at=datetime.now(UTC),
            tenant=tenant,
            workflow_id=workflow_id,
            run_id=run_id,
            agent=start.workflow_type.name,
            review_id=workflow_id,
            account_id=account_id,
            trace_id=trace_id_of(start.header.fields) or trace_of_run(run_id),
            kind=given.kind if given is not None else None,
        )

    async def _edge(
        self, workflow_id: str, run_id: str, which: WorkflowHistoryEventFilterType
    ) -> HistoryEvent:
        """The first event, or the last one as soon as it is there."""
        handle = self._client.get_workflow_handle(workflow_id, run_id=run_id)
        wait = which is WorkflowHistoryEventFilterType.CLOSE_EVENT
        events = handle.fetch_history_events(
            page_size=1, event_filter_type=which, wait_new_event=wait, skip_archival=True
        )
        return await anext(aiter(events))

    async def _result(self, last: HistoryEvent) -> ReviewResult | None:
        done = last.workflow_execution_completed_event_attributes.result.payloads
        failure = last.workflow_execution_failed_event_attributes.failure
        details = failure.application_failure_info.details.payloads
        result: ReviewResult | None = await self._decoded(done or details, ReviewResult)
        return result

    async def _decoded(self, payloads: Any, model: type[Any]) -> Any:
        """The value; None when there is none or it is something else."""
        try:
            return (await self._client.data_converter.decode(payloads, [model]))[0]
        except Exception:  # noqa: BLE001  anybody may start a workflow with anything
            return None

    async def _failed_before(self, workflow_id: str, run_id: str) -> bool:
        """Whether the account's review before this one failed."""
        before = self._client.list_workflows(
            f"WorkflowId = {quoted(workflow_id)} AND CloseTime is not null"
            " AND ExecutionStatus != 'ContinuedAsNew'",
            limit=5,
        )
        others = [one async for one in before if one.run_id != run_id]
        newest = max(others, key=lambda one: one.start_time, default=None)
        return newest is not None and newest.status in (
            WorkflowExecutionStatus.FAILED,
            WorkflowExecutionStatus.TIMED_OUT,
        )


def _failure(last: HistoryEvent) -> str | None:
    if last.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT:
        return "TimeoutError"
    failure = last.workflow_execution_failed_event_attributes.failure
    return failure.application_failure_info.type or None


def _moment(event: HistoryEvent) -> datetime:
    return event.event_time.ToDatetime(tzinfo=UTC)


def _seconds(begin: datetime, end: datetime) -> float:
    return max(0.0, (end - begin).total_seconds())


def _whose(workflow_id: str, given: ReviewInput | None) -> tuple[str | None, str]:
    """Account id and tenant: in the id, of one that takes a write back in its input."""
    try:
        return parse_review_id(workflow_id)
    except ValueError:
        return (None, DEFAULT_TENANT) if given is None else (given.account_id, given.tenant)
