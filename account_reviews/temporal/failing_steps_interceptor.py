"""A review does not see that its activities are tried again: whoever tries them signals it."""

import asyncio
import logging
from collections import OrderedDict
from datetime import timedelta
from typing import Any, Final

from temporalio import activity
from temporalio.api.common.v1 import Payloads, WorkflowExecution
from temporalio.api.workflowservice.v1 import SignalWorkflowExecutionRequest
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from account_reviews.domain.audit.masks import mask_secrets
from account_reviews.domain.base import Model
from account_reviews.domain.errors import CrmRateLimitedError, WritesHaltedError
from account_reviews.domain.review.commands import StepFailing, StepRecovered
from account_reviews.temporal import names

FAILING_FROM: Final = 3
"""Attempts that failed before a review hears of it."""
LIMITED_FROM: Final = 10
"""Attempts that the CRM slowed down before a review hears of it."""
_MOMENT: Final = timedelta(minutes=1, seconds=15)
SIGNAL_SECONDS: Final = 1.5
"""Shorter than a heartbeat time-out: no beat comes while the signal is sent."""
_ERROR_CHARACTERS: Final = 1000
_REMEMBERED: Final = 10_000
_RESET: Final = timedelta(seconds=1)
"""A first attempt that comes later than this after its activity follows a reset."""

_log = logging.getLogger(__name__)


class FailingStepsInterceptor(Interceptor):
    """Signals a review when a step of it has failed three times, and when it is done after all.

    Client side: none. Workflow side: none. Activity side: `step_failing` once for each activity,
    however many workers try it (the server knows a repeat by its request id), and `step_recovered`
    when an attempt that follows such failures succeeds. Local activities are not retried by the
    server and say nothing. A signal that cannot be sent fails nothing. It belongs outside of what
    makes errors Temporal's.
    """

    def __init__(self) -> None:
        self.signalled: OrderedDict[str, None] = OrderedDict()
        """Activities that this process has signalled as failing."""
        self.held: OrderedDict[str, None] = OrderedDict()
        """Activities that waited, as writes were stopped or the CRM said so, and did not fail."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Watched(next, self)


class _Watched(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, root: FailingStepsInterceptor) -> None:
        super().__init__(next)
        self._signalled, self._held = root.signalled, root.held

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        info = activity.info()
        if info.is_local or info.workflow_type != names.REVIEW_WORKFLOW:
            return await super().execute_activity(input)
        try:
            result = await super().execute_activity(input)
        except BaseException as error:
            why = _why(error)
            if _is_held(error) or (info.attempt < LIMITED_FROM and _is_slowed(error)):
                _remember(self._held, _key(info))
            elif why is not None and info.attempt >= FAILING_FROM:
                await self._failing(info, why)
            raise
        if self._may_have_failed(info):
            await self._recovered(info)
        return result

    async def _failing(self, info: activity.Info, why: str) -> None:
        key = _key(info)
        if key in self._signalled:
            return
        message = StepFailing(
            activity_id=info.activity_id, type=info.activity_type, attempt=info.attempt, error=why
        )
        if await _signal(info, names.STEP_FAILING_SIGNAL, message, f"{key}/failing"):
            _remember(self._signalled, key)
            self._held.pop(key, None)

    async def _recovered(self, info: activity.Info) -> None:
        key = _key(info)
        message = StepRecovered(activity_id=info.activity_id)
        await _signal(info, names.STEP_RECOVERED_SIGNAL, message, f"{key}/recovered")
        self._signalled.pop(key, None)

    def _may_have_failed(self, info: activity.Info) -> bool:
        """Whether the review may have been signalled that this activity fails, by whomever."""
        was_reset = info.attempt == 1 and (
            info.current_attempt_scheduled_time - info.scheduled_time > _RESET
        )
        key = _key(info)
        if key in self._held:
            del self._held[key]
            return False
        return info.attempt > FAILING_FROM or was_reset or key in self._signalled


def _key(info: activity.Info) -> str:
    """One activity of one run."""
    return f"{info.workflow_run_id}/{info.activity_id}@{info.scheduled_time.timestamp()}"


def _remember(known: OrderedDict[str, None], key: str) -> None:
    known[key] = None
    if len(known) > _REMEMBERED:
        known.popitem(last=False)


def _is_held(error: BaseException) -> bool:
    """Writes are stopped by a person: it waits, and does not fail."""
    return isinstance(error, ApplicationError) and error.type == WritesHaltedError.__name__


def _is_slowed(error: BaseException) -> bool:
    """The CRM asks us to slow down for a moment: it waits, and does not fail."""
    if not isinstance(error, ApplicationError) or error.type != CrmRateLimitedError.__name__:
        return False
    return (error.next_retry_delay or timedelta()) <= _MOMENT


def _why(error: BaseException) -> str | None:
    """Why it will be tried again, in a sentence; None when it will not be, or did not fail."""
    if isinstance(error, asyncio.CancelledError | CancelledError):
        found = activity.cancellation_details()
        late = found is not None and (found.timed_out or found.not_found)
        return "it did not end in time" if late else None
    if not isinstance(error, Exception):
        return None
    if isinstance(error, ApplicationError):
        if error.non_retryable:
            return None
        return mask_secrets(error.message)[:_ERROR_CHARACTERS]
    return mask_secrets(f"{type(error).__name__}: {error}")[:_ERROR_CHARACTERS]


async def _signal(info: activity.Info, name: str, message: Model, request_id: str) -> bool:
    try:
        client = activity.client()
        payloads = await client.data_converter.encode([message])
        sent = client.workflow_service.signal_workflow_execution(
            SignalWorkflowExecutionRequest(
                namespace=client.namespace,
                workflow_execution=WorkflowExecution(
                    workflow_id=info.workflow_id or "", run_id=info.workflow_run_id or ""
                ),
                signal_name=name,
                input=Payloads(payloads=payloads),
                identity=client.identity,
                request_id=request_id,
            )
        )
        await asyncio.wait_for(sent, SIGNAL_SECONDS)
    except Exception as error:  # noqa: BLE001  whatever is wrong with it, the step is not
        _log.info("%s was not sent to %s: %s", name, info.workflow_id, error)
        return False
    return True
