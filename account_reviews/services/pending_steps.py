"""What holds up one open review, as Temporal says."""

import asyncio
from datetime import UTC, datetime
from typing import Final

from temporalio.client import Client, WorkflowExecutionDescription
from temporalio.service import RPCError

from account_reviews.domain.review.pending import PendingStep
from account_reviews.temporal.executions import describe, first_run_of, is_open
from account_reviews.temporal.pending_steps import pending_steps, with_history

CALL_SECONDS: Final = 5.0


async def steps_of(client: Client, found: WorkflowExecutionDescription) -> list[PendingStep]:
    """What holds up an open review, with since when as far as its history says."""
    steps = pending_steps(found, datetime.now(UTC))
    if not steps:
        return []
    try:
        return await with_history(client, found, steps)
    except (TimeoutError, RPCError):
        return steps


async def failing_steps(client: Client, review_id: str, run_id: str) -> list[PendingStep]:
    """The same of one review; nothing when Temporal does not answer, or it is closed."""
    try:
        found = await asyncio.wait_for(describe(client, review_id), CALL_SECONDS)
    except (TimeoutError, RPCError):
        return []
    if found is None or not is_open(found) or first_run_of(found) != run_id:
        return []
    return await steps_of(client, found)
