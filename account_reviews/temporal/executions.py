"""What Temporal says of one execution, also of states that the SDK has no word for.

With `frontend.WorkflowPauseEnabled` an execution can be paused from outside, status 8. It is open:
signals are taken and wait, queries and updates are turned away, no task runs until it is unpaused.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from temporalio.api.common.v1 import WorkflowExecution as WorkflowExecutionId
from temporalio.api.enums.v1 import WorkflowExecutionStatus as Wire
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
)
from temporalio.service import RPCError, RPCStatusCode

OPEN: Final = "CloseTime is null"
"""The list filter for what is open: `ExecutionStatus = 'Running'` leaves out what is paused."""


class Standing(StrEnum):
    """How one review stands in Temporal."""

    OPEN = "open"
    PAUSED = "paused"
    CLOSED = "closed"
    GONE = "gone"
    """Temporal does not know it: it was deleted there, or its database was lost."""


def quoted(value: str) -> str:
    """As a text in a list filter."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def is_open(found: WorkflowExecution) -> bool:
    """Running or paused."""
    return found.close_time is None


def is_paused(found: WorkflowExecution) -> bool:
    """Paused by Temporal's own means; a cycle that is paused by ours runs."""
    return found.raw_info.status == Wire.WORKFLOW_EXECUTION_STATUS_PAUSED


def end_of(found: WorkflowExecution) -> str:
    """How a closed one ended, in Temporal's words: `terminated`, `timed_out`, `completed` ..."""
    return found.status.name.lower() if found.status is not None else "closed"


def reset_at(found: WorkflowExecutionDescription) -> datetime | None:
    """When this run was begun by a reset of an earlier one."""
    extended = found.raw_description.workflow_extended_info
    if not extended.HasField("last_reset_time"):
        return None
    return extended.last_reset_time.ToDatetime(tzinfo=UTC)


def unpause_hint(workflow_id: str) -> str:
    """What to do about one that is paused."""
    return f"unpause it: temporal workflow unpause -w {workflow_id}"


def first_run_of(found: WorkflowExecutionDescription) -> str:
    """The run id that stays over continue-as-new and reset."""
    return found.raw_info.first_run_id or found.run_id


def was_reset(found: WorkflowExecutionDescription) -> bool:
    """It was reset, and so goes on, or went on, in another run with the same first run id."""
    return bool(found.raw_description.workflow_extended_info.reset_run_id)


async def describe(
    client: Client, workflow_id: str, run_id: str | None = None
) -> WorkflowExecutionDescription | None:
    """That run, else the newest of the workflow; None when Temporal knows none. RPCError."""
    try:
        return await client.get_workflow_handle(workflow_id, run_id=run_id).describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise


async def standing_of(
    client: Client, workflow_id: str, first_run_id: str, last_run_id: str | None = None
) -> Standing:
    """How the workflow with that first run stands; `last_run_id` is its last known run. RPCError.

    The first run itself may be gone from a workflow that continued as new long ago. Where another
    of the same id is there, and no last run is given, it is taken for closed.
    """
    newest = await describe(client, workflow_id)
    if newest is not None and first_run_of(newest) == first_run_id:
        if not is_open(newest):
            return Standing.CLOSED
        return Standing.PAUSED if is_paused(newest) else Standing.OPEN
    if newest is None:
        return Standing.GONE
    known = last_run_id is None or await describe(client, workflow_id, last_run_id) is not None
    return Standing.CLOSED if known else Standing.GONE


async def closed_runs(client: Client, query: str) -> list[WorkflowExecution]:
    """Every closed execution that a list filter finds. RPCError."""
    return [found async for found in client.list_workflows(query) if not is_open(found)]


async def delete_execution(client: Client, workflow_id: str, run_id: str) -> bool:
    """Have Temporal delete one closed execution with its history, soon; False when it has none.

    RPCError.
    """
    wanted = WorkflowExecutionId(workflow_id=workflow_id, run_id=run_id)
    request = DeleteWorkflowExecutionRequest(namespace=client.namespace, workflow_execution=wanted)
    try:
        await client.workflow_service.delete_workflow_execution(request)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise
    return True


def _unknown_status(_: type[WorkflowExecutionStatus], __: object) -> WorkflowExecutionStatus:
    """A word that this SDK does not have yet. `is_open` goes by the end, not by the word."""
    return WorkflowExecutionStatus.RUNNING


# The SDK makes this enum of every answer, and one paused execution would fail a whole list.
WorkflowExecutionStatus._missing_ = classmethod(_unknown_status)  # type: ignore[assignment]  # the hook that enums have for it
