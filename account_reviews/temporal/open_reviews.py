"""How many reviews are open, as Temporal counts them."""

from datetime import timedelta
from typing import Final

from temporalio.client import Client

from account_reviews.temporal.executions import OPEN, quoted

_OPEN: Final = f"WorkflowType = 'AccountReview' AND {OPEN}"
_CALL: Final = timedelta(seconds=5)


async def count_running(client: Client, tenant: str | None = None) -> int:
    """Open reviews; of all tenants without one. Lists follow about a second behind. RPCError."""
    query = f"{_OPEN} AND Tenant = {quoted(tenant)}" if tenant else _OPEN
    return (await client.count_workflows(query, rpc_timeout=_CALL)).count
