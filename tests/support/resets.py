"""`temporal workflow reset`, as its runbook has it."""

from uuid import uuid4

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest

from tests.support.world import Handle, World
from workflows.account_review import AccountReviewWorkflow


async def places_to_reset(handle: Handle) -> list[int]:
    """The events a review can be reset to: the ends of its workflow tasks."""
    done = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    history = await handle.fetch_history()
    return [event.event_id for event in history.events if event.event_type == done]


async def reset(world: World, handle: Handle, event_id: int, run_id: str | None = None) -> Handle:
    """Reset a run of it, the first one when none is named; gives the run that goes on."""
    run = run_id or handle.first_execution_run_id or handle.result_run_id or ""
    answer = await world.client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=world.client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=handle.id, run_id=run),
            workflow_task_finish_event_id=event_id,
            request_id=uuid4().hex,
            reason="a test",
        )
    )
    return world.client.get_workflow_handle_for(
        AccountReviewWorkflow.run, handle.id, run_id=answer.run_id
    )
