"""Rebuild the read model: each review that Temporal knows is asked for its state."""

import asyncio
from dataclasses import dataclass, field

from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowExecutionStatus,
    WorkflowQueryFailedError,
)
from temporalio.service import RPCError

from account_reviews.domain.errors import UnreachableError
from account_reviews.domain.review.decisions import close_from_outside
from account_reviews.domain.review.phases import Outcome
from account_reviews.domain.review.state import ReviewState
from account_reviews.store.reviews import ReviewStore
from workflows.account_review import AccountReviewWorkflow

AT_ONCE = 4
QUERY_SECONDS = 10.0
ALL_REVIEWS = "WorkflowType = 'AccountReview'"


@dataclass
class RebuildReport:
    """Reviews whose rows were replaced, and those that did not answer."""

    rebuilt: int = 0
    failed: list[str] = field(default_factory=list)


async def rebuild(client: Client, store: ReviewStore, *, only: str | None = None) -> RebuildReport:
    """Replace the rows of every review that Temporal still knows. Needs a running worker.

    `only` narrows it by a list filter of Temporal's.
    """
    wanted = f"{ALL_REVIEWS} and {only}" if only else ALL_REVIEWS
    report, gate = RebuildReport(), asyncio.Semaphore(AT_ONCE)

    async def one(found: WorkflowExecution) -> None:
        async with gate:
            state = await _state_of(client, found)
        if state is None:
            report.failed.append(f"{found.id} (run {found.run_id})")
            return
        await store.replace(state)
        report.rebuilt += 1

    try:
        listed = [
            found
            async for found in client.list_workflows(wanted)
            if found.status is not WorkflowExecutionStatus.CONTINUED_AS_NEW
        ]
    except RPCError as error:
        raise UnreachableError(f"Temporal does not list its workflows: {error.message}") from None
    await asyncio.gather(*(one(found) for found in listed))
    return report


ENDED_OUTSIDE = {
    WorkflowExecutionStatus.TERMINATED: Outcome.ABANDONED,
    WorkflowExecutionStatus.TIMED_OUT: Outcome.ABANDONED,
    WorkflowExecutionStatus.FAILED: Outcome.FAILED,
}


def settle(state: ReviewState, found: WorkflowExecution) -> None:
    """Close the state of a terminated review: it never ran its own closing steps."""
    if found.status in ENDED_OUTSIDE and found.close_time is not None:
        reason = f"{found.status.name.lower()} in Temporal"
        close_from_outside(state, ENDED_OUTSIDE[found.status], reason, found.close_time)


async def _state_of(client: Client, found: WorkflowExecution) -> ReviewState | None:
    """What the review says of itself, settled by what Temporal says of its end.

    A list may lag behind (its store is filled later): an open review is described once more.
    """
    handle = client.get_workflow_handle_for(
        AccountReviewWorkflow.run, found.id, run_id=found.run_id
    )
    try:
        state = await asyncio.wait_for(handle.query(AccountReviewWorkflow.snapshot), QUERY_SECONDS)
        if state.outcome is None:
            settle(state, await handle.describe())
    except (TimeoutError, RPCError, WorkflowQueryFailedError):
        return None
    return state
