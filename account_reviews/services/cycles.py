"""What the CLI does with cycles: start, find, follow, pause, resume, cancel."""

import asyncio
import uuid
from typing import Any

from temporalio.client import (
    Client,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
    WorkflowUpdateFailedError,
)
from temporalio.client import WorkflowUpdateRPCTimeoutOrCancelledError as UpdateTimeoutError
from temporalio.common import Priority
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from account_reviews.bootstrap import Parts
from account_reviews.domain.base import Timestamp
from account_reviews.domain.characters import escaped_in_markdown
from account_reviews.domain.cycle.start import cycle_by_policy
from account_reviews.domain.cycle.state import (
    CycleInput,
    CycleResult,
    CycleScope,
    CycleView,
)
from account_reviews.domain.errors import (
    BadInputError,
    ConflictError,
    NegativeAnswerError,
    UnreachableError,
)
from account_reviews.domain.words import named
from account_reviews.store.cycle_queries import CycleRow
from account_reviews.store.cycles import CycleStore
from account_reviews.temporal import names, start_options
from account_reviews.temporal.client import explained
from account_reviews.temporal.executions import (
    describe,
    first_run_of,
    is_open,
    is_paused,
    unpause_hint,
)
from workflows.review_cycle import ReviewCycleWorkflow

Handle = WorkflowHandle[ReviewCycleWorkflow, CycleResult]
QUERY_SECONDS = 2.0
UPDATE_SECONDS = 10.0


async def cycle_input(
    parts: Parts,
    *,
    kind: str,
    scope: CycleScope,
    started_by: str,
    as_of: Timestamp | None = None,
    window: int | None = None,
    bulk_reads: bool = True,
) -> CycleInput:
    """A cycle by the policy. BadInputError for a kind that the policy does not name.

    Explicit accounts, an owner or a segment narrow the scope of the kind.
    """
    kinds = parts.policy.cycle.kinds
    known = named(kind, kinds)
    if known is None:
        raise BadInputError(
            f"the policy has no cycle kind {kind!r}",
            hint=f"choose one of {', '.join(kinds)}, or add it under [cycle.kinds]",
        )
    chosen = {"window": window} if window is not None else {}
    return cycle_by_policy(
        parts.policy,
        known,
        scope,
        tenant=parts.settings.tenant,
        started_by=started_by,
        as_of=as_of,
        bulk_reads=bulk_reads,
        execution=await parts.execution(),
        **chosen,
    )


async def start_cycle(client: Client, start: CycleInput) -> Handle:
    """Start one cycle on demand."""
    return await client.start_workflow(
        ReviewCycleWorkflow.run,
        start,
        id=names.scheduled_cycle_id(uuid.uuid4().hex, start.tenant),
        task_queue=names.task_queue(start.tenant),
        task_timeout=start_options.TASK_TIMEOUT,
        priority=Priority(priority_key=start.priority_key, fairness_key=start.scope.owner),
        static_summary=f"Cycle {start.kind}",
        static_details=f"Started by {escaped_in_markdown(start.started_by)}",
        search_attributes=start_options.owned_by(start.tenant, start.scope.owner),
    )


def handle_of(client: Client, row: CycleRow) -> Handle:
    """The handle of a known cycle. No two have one id, and a later attempt keeps it."""
    return client.get_workflow_handle_for(ReviewCycleWorkflow.run, row.cycle_id)


async def ask(handle: Handle) -> CycleView | None:
    """What an open cycle says of itself; None when nobody answers."""
    try:
        return await asyncio.wait_for(handle.query(ReviewCycleWorkflow.progress), QUERY_SECONDS)
    except (TimeoutError, RPCError, WorkflowQueryFailedError, WorkflowQueryRejectedError):
        return None


async def last_view(handle: Handle) -> CycleView | None:
    """How a closed cycle ended, from its result; None while it is open."""
    shown = await handle.describe()
    if is_open(shown):
        return None
    at = shown.close_time or shown.start_time
    try:
        result: CycleResult = await handle.result()
    except WorkflowFailureError as error:
        cause = error.cause
        details = cause.details if isinstance(cause, ApplicationError) else ()
        if not details:
            word = shown.status.name.lower() if shown.status else "closed"
            raise NegativeAnswerError(f"the cycle {handle.id} was {word}") from None
        result = CycleResult.model_validate(details[0])
    counted = result.model_dump(exclude={"owners", "degraded"})
    return CycleView(
        **counted,
        queued=0,
        running=0,
        loaded=True,
        paused_by=None,
        eta_seconds=0,
        started_at=shown.start_time,
        closed_at=at,
    )


async def end_left_behind(parts: Parts, client: Client, row: CycleRow, by: str) -> CycleRow | None:
    """End a cycle in our tables that Temporal has ended for it, or does not know: its row then.

    None for one that can be commanded.
    """
    found = await describe(client, row.cycle_id)
    if found is not None and is_open(found) and first_run_of(found) == row.run_id:
        return None
    what = "gone from Temporal"
    if found is not None and found.status is not None and first_run_of(found) == row.run_id:
        what = f"{found.status.name.lower()} in Temporal"
    await CycleStore(parts.engine).end(row.run_id, f"{what}, ended by {by}")
    return await parts.cycles.find(parts.settings.tenant, row.run_id)


async def command(handle: Handle, name: str, message: dict[str, Any]) -> CycleView:
    """`pause`, `resume` or `cancel_cycle`, answered by the cycle itself.

    ConflictError when it is closed, UnreachableError when no worker answers: then it is applied
    when one is back.
    """
    update = handle.execute_update(name, message, result_type=CycleView)
    try:
        return await asyncio.wait_for(update, UPDATE_SECONDS)
    except (TimeoutError, UpdateTimeoutError):
        raise UnreachableError(
            f"no worker answered within {UPDATE_SECONDS:.0f} s; the command may still be applied",
            hint="start a worker, then look with `reviews cycles show`",
        ) from None
    except WorkflowUpdateFailedError as error:
        raise BadInputError(str(error.cause or error)) from None
    except RPCError as error:
        if error.status is RPCStatusCode.FAILED_PRECONDITION and is_paused(await handle.describe()):
            raise ConflictError(
                f"the cycle {handle.id} is paused in Temporal", hint=unpause_hint(handle.id)
            ) from None
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise explained(error) from None
        raise ConflictError(f"the cycle {handle.id} is closed") from None
