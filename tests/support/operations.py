"""What an operator does to a workflow with Temporal's own tools."""

from uuid import uuid4

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import (
    DeleteWorkflowExecutionRequest,
    PauseWorkflowExecutionRequest,
    ResetWorkflowExecutionRequest,
    UnpauseWorkflowExecutionRequest,
)
from temporalio.client import Client

from account_reviews.temporal.executions import describe, is_paused
from tests.support.waiting import until

EVENT_OF_THE_FIRST_TASK = 4


async def pause(client: Client, workflow_id: str) -> None:
    """`temporal workflow pause`, until lists show it."""
    await client.workflow_service.pause_workflow_execution(
        PauseWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_id=workflow_id,
            identity="op",
            reason="op",
            request_id=uuid4().hex,
        )
    )

    async def listed() -> bool:
        found = client.list_workflows(f"WorkflowId = '{workflow_id}'")
        return any([is_paused(one) async for one in found])

    await until(listed)


async def unpause(client: Client, workflow_id: str) -> None:
    """`temporal workflow unpause`."""
    await client.workflow_service.unpause_workflow_execution(
        UnpauseWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_id=workflow_id,
            identity="op",
            reason="op",
            request_id=uuid4().hex,
        )
    )


async def delete(client: Client, workflow_id: str, run_id: str) -> None:
    """`temporal workflow delete`, until Temporal does not know it and lists it no more."""
    await client.workflow_service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
        )
    )

    async def gone() -> bool:
        found = client.list_workflows(f"WorkflowId = '{workflow_id}'")
        listed = [one async for one in found if one.run_id == run_id]
        return not listed and await describe(client, workflow_id, run_id) is None

    await until(gone)


async def reset(client: Client, workflow_id: str, run_id: str) -> None:
    """`temporal workflow reset --type FirstWorkflowTask`."""
    await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
            reason="a bad release",
            workflow_task_finish_event_id=EVENT_OF_THE_FIRST_TASK,
            request_id=uuid4().hex,
        )
    )
