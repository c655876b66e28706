"""What holds up a workflow, as Temporal says of its pending work.

A step is stuck when an attempt of it failed, when it is paused in Temporal, or when no worker has
taken it for a while.
"""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, PendingActivityState, PendingWorkflowTaskState
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryReverseRequest
from temporalio.client import Client, WorkflowExecutionDescription

from account_reviews.domain.audit.masks import mask_secrets
from account_reviews.domain.review.pending import OWN_CODE, PendingStep
from account_reviews.domain.review.usage import step_of
from account_reviews.temporal.executions import is_paused

NOBODY_SECONDS: Final = 30.0
"""How long work may lie before it is said that nobody takes it."""
NO_ANSWER: Final = "its worker did not answer in time"
_CALL_SECONDS: Final = 2.0
_PAGE: Final = 100
_PAGES: Final = 5


def pending_steps(found: WorkflowExecutionDescription, now: datetime) -> list[PendingStep]:
    """What is stuck of an open workflow; `since` is not known yet."""
    steps = [
        step
        for one in found.raw_description.pending_activities
        if (step := _activity(one, now)) is not None
    ]
    own = _own_code(found, now)
    return [*steps, own] if own is not None else steps


def _activity(one: PendingActivityInfo, now: datetime) -> PendingStep | None:
    waits = one.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED
    next_at = _time(one, "next_attempt_schedule_time") if waits else None
    lies_since = _time(one, "scheduled_time")
    if one.paused:
        error = "it is paused in Temporal"
    elif one.attempt > 1 and one.HasField("last_failure"):
        error = sentence(one.last_failure)
    elif one.attempt > 1:
        error = "an attempt of it failed"
    elif waits and lies_since is not None and (now - lies_since).total_seconds() > NOBODY_SECONDS:
        error = "no worker has taken it"
    else:
        return None
    return PendingStep(
        step=step_of(one.activity_type.name),
        activity=one.activity_type.name,
        activity_id=one.activity_id,
        attempt=one.attempt,
        error=error,
        since=None,
        next_retry_at=next_at if next_at is not None and next_at > now else None,
        retryable=True,
    )


def _own_code(found: WorkflowExecutionDescription, now: datetime) -> PendingStep | None:
    error, attempt, since = "", 0, None
    if is_paused(found):
        paused = found.raw_description.workflow_extended_info.pause_info
        who = f" by {paused.identity}" if paused.identity else ""
        why = f": {paused.reason}" if paused.reason else ""
        error, since = (
            f"the whole review is paused in Temporal{who}{why}",
            _time(paused, "paused_time"),
        )
    elif found.raw_description.HasField("pending_workflow_task"):
        task = found.raw_description.pending_workflow_task
        attempt, since = task.attempt, _time(task, "original_scheduled_time")
        waits = task.state == PendingWorkflowTaskState.PENDING_WORKFLOW_TASK_STATE_SCHEDULED
        lies = since is not None and (now - since).total_seconds() > NOBODY_SECONDS
        if attempt > 1:
            error = "its own code failed"
        elif waits and lies:
            error = "no worker has taken it"
    if not error:
        return None
    return PendingStep(
        step=OWN_CODE,
        activity=None,
        activity_id=None,
        attempt=attempt,
        error=error,
        since=since,
        next_retry_at=None,
        retryable=False,
    )


def sentence(failure: Failure) -> str:
    """What a failure says first; what a time-out says, with what was behind it."""
    said = failure.message
    if failure.HasField("cause") and (
        failure.HasField("timeout_failure_info") or failure.HasField("activity_failure_info")
    ):
        said = f"{said}: {failure.cause.message}"
    return mask_secrets(" ".join(said.split()))


async def with_history(
    client: Client, found: WorkflowExecutionDescription, steps: list[PendingStep]
) -> list[PendingStep]:
    """The same steps with since when, and what the workflow's own code fails with.

    Read from the end of the history, some hundred events back. RPCError, TimeoutError.
    """
    wanted = {one.activity_id for one in steps if one.activity_id is not None}
    own = any(one.step == OWN_CODE and one.attempt > 1 for one in steps)
    begun: dict[str, datetime] = {}
    failed: tuple[str, datetime] | None = None
    settled = not own
    token = b""
    for _ in range(_PAGES):
        events, token = await _page_back(client, found, token)
        for event in events:
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
                settled = True
            elif event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED and not settled:
                failed, settled = _task_failure(event), True
            elif event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT and not settled:
                failed, settled = (NO_ANSWER, _utc(event.event_time)), True
            begun.update(_begun(event))
        if not token or (settled and wanted <= set(begun)):
            break
    return list(_completed(steps, begun, failed))


def _completed(
    steps: list[PendingStep], begun: dict[str, datetime], failed: tuple[str, datetime] | None
) -> Iterator[PendingStep]:
    for one in steps:
        if one.activity_id is not None:
            yield one._replace(since=begun.get(one.activity_id))
        elif one.attempt > 1 and failed is not None:
            yield one._replace(error=failed[0], since=failed[1])
        else:
            yield one


async def _page_back(
    client: Client, found: WorkflowExecutionDescription, token: bytes
) -> tuple[list[HistoryEvent], bytes]:
    asked = client.workflow_service.get_workflow_execution_history_reverse(
        GetWorkflowExecutionHistoryReverseRequest(
            namespace=client.namespace,
            execution=WorkflowExecution(workflow_id=found.id, run_id=found.run_id),
            maximum_page_size=_PAGE,
            next_page_token=token,
        )
    )
    answer = await asyncio.wait_for(asked, _CALL_SECONDS)
    return list(answer.history.events), answer.next_page_token


def _begun(event: HistoryEvent) -> dict[str, datetime]:
    if event.event_type != EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
        return {}
    activity_id = event.activity_task_scheduled_event_attributes.activity_id
    return {activity_id: _utc(event.event_time)}


def _task_failure(event: HistoryEvent) -> tuple[str, datetime]:
    said = event.workflow_task_failed_event_attributes.failure
    while said.HasField("cause"):
        said = said.cause
    return sentence(said) or "its own code failed", _utc(event.event_time)


def _time(holder: object, name: str) -> datetime | None:
    found: Timestamp = getattr(holder, name)
    return _utc(found) if holder.HasField(name) and found.seconds > 0 else None  # type: ignore[attr-defined]  # a message of protobuf


def _utc(found: Timestamp) -> datetime:
    return found.ToDatetime(tzinfo=UTC)
