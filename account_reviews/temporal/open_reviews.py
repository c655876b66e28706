"""How many reviews are open, as Temporal counts them."""

from datetime import timedelta
from typing import Final

from temporalio.client import Client

_RUNNING: Final = "WorkflowType = 'AccountReview' AND ExecutionStatus = 'Running'"
_CALL: Final = timedelta(seconds=5)


async def count_running(client: Client, tenant: str | None = None) -> int:
    """Open reviews; of all tenants without one. Lists follow about a second behind. RPCError."""
    query = f"{_RUNNING} AND Tenant = '{tenant}'" if tenant else _RUNNING
    return (await client.count_workflows(query, rpc_timeout=_CALL)).count
