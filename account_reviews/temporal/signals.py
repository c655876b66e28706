"""Signals that are the same when they are sent again."""

import asyncio
from typing import Final

from temporalio.api.common.v1 import Payloads, WorkflowExecution
from temporalio.api.workflowservice.v1 import SignalWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from account_reviews.domain.base import Model

SECONDS: Final = 10.0


async def signal_once(
    client: Client, workflow_id: str, name: str, message: Model, *, request_id: str
) -> bool:
    """Signal the open run of a workflow; False when none is open. RPCError, TimeoutError.

    The server takes one signal of a request id: whoever does not know whether it was sent sends it
    again.
    """
    payloads = await client.data_converter.encode([message])
    sent = client.workflow_service.signal_workflow_execution(
        SignalWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=workflow_id),
            signal_name=name,
            input=Payloads(payloads=payloads),
            identity=client.identity,
            request_id=request_id,
        )
    )
    try:
        await asyncio.wait_for(sent, SECONDS)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise
    return True
