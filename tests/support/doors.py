"""The ways by which a decision reaches a review."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from temporalio.api.common.v1 import Payload, Payloads, WorkflowExecution
from temporalio.api.workflowservice.v1 import SignalWorkflowExecutionRequest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from tests.support.world import Handle, World

Door = Callable[[World, Handle, dict[str, Any]], Awaitable[str | None]]
"""Sends a decision; gives the code of the refusal where the door can tell it."""


async def by_update(world: World, handle: Handle, message: dict[str, Any]) -> str | None:
    """As our commands do."""
    try:
        await handle.execute_update("decide", message)
    except WorkflowUpdateFailedError as error:
        return code_of(error)
    return None


def code_of(error: WorkflowUpdateFailedError) -> str | None:
    """Of the refusal behind a failed update."""
    return error.cause.type if isinstance(error.cause, ApplicationError) else str(error.cause)


async def by_signal(world: World, handle: Handle, message: dict[str, Any]) -> str | None:
    """As any client of an SDK can."""
    await handle.signal("submit_decision", message)
    return None


async def by_raw_signal(world: World, handle: Handle, message: dict[str, Any]) -> str | None:
    """As `temporal workflow signal --input` and tctl do."""
    payload = Payload(
        metadata={"encoding": b"json/plain"}, data=json.dumps(message, indent=1).encode()
    )
    await world.client.workflow_service.signal_workflow_execution(
        SignalWorkflowExecutionRequest(
            namespace=world.client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=handle.id),
            signal_name="submit_decision",
            input=Payloads(payloads=[payload]),
        )
    )
    return None


DOORS: dict[str, Door] = {"update": by_update, "signal": by_signal, "raw signal": by_raw_signal}
