"""Reviews as their workflows answer."""

import asyncio
from typing import Any, Final

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryReverseRequest
from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
)
from temporalio.common import QueryRejectCondition
from temporalio.service import RPCError

from account_reviews.domain.audit.masks import mask_secrets
from account_reviews.domain.errors import NotFoundError
from account_reviews.domain.review.decisions import close_from_outside
from account_reviews.domain.review.phases import Outcome
from account_reviews.domain.review.state import ReviewState
from account_reviews.temporal import names
from account_reviews.temporal.executions import (
    Standing,
    describe,
    end_of,
    first_run_of,
    standing_of,
)

QUERY_SECONDS = 2.0
_LAST_EVENTS = 10

ReviewHandle = WorkflowHandle[Any, Any]


async def ask(handle: ReviewHandle) -> ReviewState | None:
    """What an open review says of itself; None when nobody answers."""
    try:
        asked = handle.query(
            names.SNAPSHOT_QUERY,
            result_type=ReviewState,
            reject_condition=QueryRejectCondition.NOT_OPEN,  # a terminated one would say it waits
        )
        state: ReviewState = await asyncio.wait_for(asked, QUERY_SECONDS)
    except (TimeoutError, RPCError, WorkflowQueryFailedError, WorkflowQueryRejectedError):
        return None
    return state


async def standing(client: Client, state: ReviewState) -> Standing | None:
    """How an open review that does not answer stands in Temporal; None when that is away too."""
    asked = standing_of(client, state.review_id, state.run_id, state.workflow_run_id)
    try:
        return await asyncio.wait_for(asked, QUERY_SECONDS)
    except (TimeoutError, RPCError):
        return None


ENDED_OUTSIDE: Final = {
    WorkflowExecutionStatus.TERMINATED: Outcome.ABANDONED,
    WorkflowExecutionStatus.TIMED_OUT: Outcome.ABANDONED,
    WorkflowExecutionStatus.FAILED: Outcome.FAILED,
}
"""How a review ends that Temporal has ended without its own closing steps."""


async def newest_run(
    client: Client, review_id: str, run_id: str
) -> WorkflowExecutionDescription | None:
    """The newest run of that review of the account; None when there is none, or no answer."""
    try:
        found = await asyncio.wait_for(describe(client, review_id), QUERY_SECONDS)
    except (TimeoutError, RPCError):
        return None
    return found if found is not None and first_run_of(found) == run_id else None


def closed_as_in_temporal(state: ReviewState, found: WorkflowExecutionDescription) -> ReviewState:
    """The state of a review whose row is open still, as Temporal has ended it. Nobody was asked
    what it has written: its row will say so."""
    outcome, at = (
        ENDED_OUTSIDE.get(found.status or WorkflowExecutionStatus.RUNNING),
        found.close_time,
    )
    if outcome is None or at is None:
        return state
    ended = state.model_copy(deep=True)
    close_from_outside(ended, outcome, f"{end_of(found)} in Temporal", at)
    return ended


async def is_gone(client: Client, review_id: str, run_id: str) -> bool:
    """Whether Temporal does not know that review of the account; False when it does not answer."""
    asked = standing_of(client, review_id, run_id, run_id)
    try:
        return await asyncio.wait_for(asked, QUERY_SECONDS) is Standing.GONE
    except (TimeoutError, RPCError):
        return False


def gone(review_id: str, run_id: str) -> NotFoundError:
    """The error for a review that Temporal does not know any more.

    The hint names the run: the account may have a newer review, which is not meant.
    """
    return NotFoundError(
        f"Temporal does not know the review {review_id} any more",
        hint=f"end it with `reviews cancel {review_id} --run {run_id}`",
    )


async def why_it_stands(client: Client, review_id: str) -> str | None:
    """What a worker said of the workflow's task, when it fails again and again; else None."""
    asked = client.workflow_service.get_workflow_execution_history_reverse(
        GetWorkflowExecutionHistoryReverseRequest(
            namespace=client.namespace,
            execution=WorkflowExecution(workflow_id=review_id),
            maximum_page_size=_LAST_EVENTS,
        )
    )
    try:
        answer = await asyncio.wait_for(asked, QUERY_SECONDS)
    except (TimeoutError, RPCError):
        return None
    for event in answer.history.events:
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            return None
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
            said = event.workflow_task_failed_event_attributes.failure
            while said.HasField("cause"):
                said = said.cause
            return mask_secrets(" ".join(said.message.split()))
    return None


def handle_of(client: Client, review_id: str, run_id: str | None = None) -> ReviewHandle:
    """The review's workflow; with `run_id` that review of the account, over all its runs."""
    return client.get_workflow_handle(review_id, first_execution_run_id=run_id)
