"""What happens to every message and every try of an activity on its way in and out."""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from contextvars import ContextVar
from datetime import timedelta
from random import random
from typing import Any

from pydantic import BaseModel, ValidationError
from temporalio import activity, workflow
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.exceptions import (
    ApplicationError,
    ApplicationErrorCategory,
    FailureError,
    is_cancelled_exception,
)
from temporalio.worker import (
    ActivityInboundInterceptor,
    ActivityOutboundInterceptor,
    ExecuteActivityInput,
    ExecuteWorkflowInput,
    HandleSignalInput,
    HandleUpdateInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from account_reviews.domain.base import first_fault
from account_reviews.domain.bursts import pause
from account_reviews.domain.errors import (
    CrmError,
    DocumentUnreadableError,
    MemoryUnavailableError,
    ReviewsError,
    TenantNotServedError,
)
from account_reviews.domain.review.state import Usage
from account_reviews.store.database import refused
from account_reviews.store.usage import Meter, metered
from account_reviews.temporal import names

BEATS_PER_TIMEOUT = 3


class ReviewInterceptor(Interceptor):
    """Keeps odd messages and errors of ours from wedging a review. It adds no event.

    Client side: none. Workflow side: every signal and update reaches its handler as exactly one
    `RawValue`; a signal whose handler raises is logged and left out, an update whose handler raises
    fails with a sentence; what a workflow or an update fails with is logged with its whole trace,
    which leaves the worker short. Activity side: errors of ours become Temporal's
    (`to_application_error`), so does a value that the database will never take. While the activity
    runs a heartbeat beats three times per heartbeat time-out, with the details it gave last. A
    result that has a place for it says what the activity used; an error of ours does so too. What
    is asked for a tenant that is not one of `tenants` is refused for good; None lets all in.
    """

    def __init__(self, tenants: Collection[str] | None = None) -> None:
        self._tenants = tenants

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _ActivityDoor(next, self._tenants)

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: ARG002  every workflow gets the same door
    ) -> type[WorkflowInboundInterceptor] | None:
        return _WorkflowDoor


class _WorkflowDoor(WorkflowInboundInterceptor):
    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        try:
            return await super().execute_workflow(input)
        except FailureError as error:
            if not is_cancelled_exception(error):  # its trace leaves short, the log has all of it
                workflow.logger.warning("the workflow failed", exc_info=True)
            raise

    async def handle_signal(self, input: HandleSignalInput) -> None:
        input.args = [_one_raw_value(input.args)]
        try:
            await super().handle_signal(input)
        except Exception:  # noqa: BLE001  a raising handler would poison every later task
            workflow.logger.exception("signal %s failed and is left out", input.signal)

    def handle_update_validator(self, input: HandleUpdateInput) -> None:
        input.args = [_one_raw_value(input.args)]
        super().handle_update_validator(input)

    async def handle_update_handler(self, input: HandleUpdateInput) -> Any:
        input.args = [_one_raw_value(input.args)]
        try:
            return await super().handle_update_handler(input)
        except ApplicationError:
            raise
        except Exception as error:
            workflow.logger.exception("update %s failed", input.update)
            message = f"the update failed: {type(error).__name__}"
            raise ApplicationError(message, type="internal", non_retryable=True) from error


def _one_raw_value(args: Any) -> RawValue:
    """Senders may pass none, two or more; with two the SDK has lost the type and gives dicts."""
    if not args:
        return RawValue(Payload(metadata={"encoding": b"binary/null"}))
    first = args[0]
    if isinstance(first, RawValue):
        return first
    return RawValue(workflow.payload_converter().to_payload(first))


_last_details: ContextVar[list[tuple[Any, ...]]] = ContextVar("heartbeat_details")
"""The details an activity gave last: the beat that comes by itself must not wipe them out."""


class _RememberingDetails(ActivityOutboundInterceptor):
    def heartbeat(self, *details: Any) -> None:
        if details:
            _last_details.get()[:] = [details]
        super().heartbeat(*details)


class _ActivityDoor(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, tenants: Collection[str] | None) -> None:
        super().__init__(next)
        self._tenants = tenants

    def init(self, outbound: ActivityOutboundInterceptor) -> None:
        super().init(_RememberingDetails(outbound))

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        _last_details.set([tuple(activity.info().heartbeat_details)])
        beats = _start_heartbeat(activity.info().heartbeat_timeout)
        begun = time.monotonic()
        with metered() as meter:
            try:
                if self._tenants is not None:
                    ensure_served(self._tenants, activity.info().workflow_id or "", input.args)
                result = await super().execute_activity(input)
                return with_usage(result, lambda: _usage(meter, begun, failed=False))
            except ReviewsError as error:
                usage = _usage(meter, begun, failed=True)
                raise to_application_error(error, usage, attempt=_attempt()) from error
            except Exception as error:
                never = _never(error, activity.info().activity_type)
                if never is None:
                    raise
                raise to_application_error(never, _usage(meter, begun, failed=True)) from error
            finally:
                if beats is not None:
                    beats.cancel()


def with_usage(result: Any, used: Callable[[], Usage]) -> Any:
    """The result with what its activity used, where it has a place for that and left it empty."""
    placed = isinstance(result, BaseModel) and "usage" in type(result).model_fields
    if placed and getattr(result, "usage", None) in (None, Usage()):
        return result.model_copy(update={"usage": used()})
    return result


def _usage(meter: Meter, begun: float, *, failed: bool) -> Usage:
    """Of this attempt; the attempts before it count as errors."""
    return Usage(
        calls=meter.calls,
        cache_hits=meter.cache_hits,
        cache_misses=meter.cache_misses,
        tokens=meter.tokens,
        errors=activity.info().attempt - (not failed),
        milliseconds=round((time.monotonic() - begun) * 1000, 3),
    )


def _never(error: Exception, activity_type: str) -> ReviewsError | None:
    """What no further try can mend: a value the database refuses, and what we have stored and
    cannot read. What a CRM or a memory answers may be readable the next time."""
    if isinstance(error, ValidationError) and not activity_type.startswith(names.TOOLS):
        return DocumentUnreadableError(f"what is stored cannot be read: {first_fault(error)}")
    return refused(error)


def ensure_served(tenants: Collection[str], workflow_id: str, args: Sequence[Any]) -> None:
    """TenantNotServedError when an activity is asked for a tenant that is not among them.

    Whose it is stands in what it is given, and in the id of a review; both count.
    """
    for tenant in sorted(_asked_for(workflow_id, args)):
        if tenant not in tenants:
            queue = names.task_queue(tenant)
            raise TenantNotServedError(
                f"this worker serves {', '.join(sorted(tenants))} and not the tenant {tenant!r},"
                f" whose work belongs on the task queue {queue}",
                hint=f"or let this one finish what is open with `reviews worker --adopt {tenant}`",
            )


def _asked_for(workflow_id: str, args: Sequence[Any]) -> set[str]:
    first = args[0] if args else None
    states = (getattr(first, name, None) for name in ("state", "opening"))
    given = {getattr(one, "tenant", None) for one in (first, *states)}
    found = {tenant for tenant in given if isinstance(tenant, str)}
    with suppress(ValueError):
        found.add(names.parse_review_id(workflow_id)[1])
    if not found:
        with suppress(ValueError):
            found.add(names.parse_scheduled_id(workflow_id)[2])
    return found


def to_application_error(
    error: ReviewsError, usage: Usage | None = None, *, attempt: int | None = None
) -> ApplicationError:
    """The class decides: its name is the type, its `retryable` says whether to try again.

    The `retry_after` of an error is when. Without one a CRM or a memory is asked again as
    `domain.bursts` says, given the `attempt` that failed (None: as its activity's policy says).
    `usage`, what the failed activity used, is its only detail.
    """
    wait: float | None = getattr(error, "retry_after", None)
    if wait is None and attempt is not None and isinstance(error, _OF_SERVICES):
        wait = pause(attempt, random())  # noqa: S311  no secret
    return ApplicationError(
        error.message,
        *([usage] if usage is not None else []),
        type=type(error).__name__,
        non_retryable=not error.retryable,
        next_retry_delay=timedelta(seconds=wait) if wait is not None and error.retryable else None,
        category=ApplicationErrorCategory.BENIGN
        if error.retryable
        else ApplicationErrorCategory.UNSPECIFIED,
    )


_OF_SERVICES = (CrmError, MemoryUnavailableError)


def _attempt() -> int | None:
    """Of the activity that runs; None of a local one, which is tried twice within its task."""
    info = activity.info()
    return None if info.is_local else info.attempt


def _start_heartbeat(timeout: timedelta | None) -> asyncio.Task[None] | None:
    if not timeout:
        return None
    return asyncio.create_task(_beat(timeout.total_seconds() / BEATS_PER_TIMEOUT))


async def _beat(seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        activity.heartbeat(*_last_details.get()[-1])
