"""How many reviews are open, as Temporal counts them, and which are where no worker should be."""

from datetime import timedelta
from typing import Final

from temporalio.api.workflowservice.v1 import ListWorkflowExecutionsRequest
from temporalio.client import Client

from account_reviews.temporal import names
from account_reviews.temporal.executions import OPEN, quoted
from account_reviews.temporal.search_attributes import TENANT

_OPEN: Final = f"WorkflowType = 'AccountReview' AND {OPEN}"
_CALL: Final = timedelta(seconds=5)


async def count_running(client: Client, tenant: str | None = None) -> int:
    """Open reviews; of all tenants without one. Lists follow about a second behind. RPCError."""
    query = f"{_OPEN} AND Tenant = {quoted(tenant)}" if tenant else _OPEN
    return (await client.count_workflows(query, rpc_timeout=_CALL)).count


async def on_other_queues(client: Client, tenant: str, limit: int) -> list[tuple[str, str]]:
    """Open work on a queue that is not its tenant's: (tenant, workflow id), `limit` at most.

    That of `tenant` elsewhere, and that of others on the queue of `tenant`. RPCError.
    """
    whose, queue = quoted(tenant), quoted(names.task_queue(tenant))
    strayed = (
        f"(Tenant = {whose} AND TaskQueue != {queue}) OR "
        f"(Tenant != {whose} AND TaskQueue = {queue})"
    )
    answer = await client.workflow_service.list_workflow_executions(
        ListWorkflowExecutionsRequest(
            namespace=client.namespace,
            query=f"{OPEN} AND ({strayed})",
            page_size=limit,
        ),
        timeout=_CALL,
    )
    converter = client.data_converter.payload_converter
    return [
        (
            str(converter.from_payload(one.search_attributes.indexed_fields[TENANT.name])),
            one.execution.workflow_id,
        )
        for one in answer.executions
    ]
