"""Syncs of the memory, as commands and jobs ask for them: start, pause, resume, cancel, look.

One that was ended in Temporal, such as by `temporal workflow terminate`, could not say so in our
tables: whoever looks does.
"""

import asyncio
from datetime import UTC, datetime
from typing import Any, Final

from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.client import WorkflowUpdateRPCTimeoutOrCancelledError as UpdateTimeoutError
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from account_reviews.domain.characters import escaped_in_markdown
from account_reviews.domain.errors import ConflictError, NotFoundError, UnreachableError
from account_reviews.domain.memory_sync import (
    MarkSync,
    OpenSync,
    SyncInput,
    SyncStatus,
    SyncView,
)
from account_reviews.store.memory_syncs import MemorySyncs
from account_reviews.temporal import names, start_options
from account_reviews.temporal.client import explained
from account_reviews.temporal.executions import (
    describe,
    first_run_of,
    is_open,
    is_paused,
    unpause_hint,
)

UPDATE_SECONDS: Final = 10.0
_PAUSE: Final = 0.05
_ENDED: Final = (RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION)
_HINT: Final = "see `reviews memory sync status`"


async def start_sync(client: Client, syncs: MemorySyncs, start: SyncInput) -> SyncView:
    """Start one, and show it as pending. ConflictError while another one of the tenant is open."""
    try:
        handle = await client.start_workflow(
            names.SYNC_WORKFLOW,
            start,
            id=names.memory_sync_id(start.tenant),
            task_queue=names.task_queue(start.tenant),
            task_timeout=start_options.TASK_TIMEOUT,
            static_summary=f"Memory sync, {start.type}",
            static_details=f"Started by {escaped_in_markdown(start.started_by)}",
            search_attributes=start_options.owned_by(start.tenant, None),
        )
    except WorkflowAlreadyStartedError:
        raise ConflictError("a sync of the memory is open already", hint=_HINT) from None
    assert handle.first_execution_run_id is not None
    call = OpenSync(
        sync_id=handle.first_execution_run_id,
        tenant=start.tenant,
        type=start.type,
        started_by=start.started_by,
        started_at=datetime.now(UTC),
    )
    await syncs.note(call)
    return await syncs.view(start.tenant, call.sync_id)


async def command(client: Client, syncs: MemorySyncs, tenant: str, verb: str, by: str) -> SyncView:
    """`pause`, `resume` or `cancel_sync` of the sync that is open.

    ConflictError where none is, UnreachableError when no worker answers: then it may still count.
    """
    handle: WorkflowHandle[Any, Any] = client.get_workflow_handle(names.memory_sync_id(tenant))
    try:
        await asyncio.wait_for(_said(client, handle, verb, by), UPDATE_SECONDS)
    except (TimeoutError, UpdateTimeoutError):
        raise UnreachableError(
            f"no worker answered within {UPDATE_SECONDS:.0f} s; it may still count",
            hint=f"start a worker, then {_HINT}",
        ) from None
    except WorkflowUpdateFailedError as error:
        raise ConflictError(str(error.cause or error)) from None
    return await syncs.view(tenant)


async def _said(client: Client, handle: WorkflowHandle[Any, Any], verb: str, by: str) -> None:
    """Once more where the sync was just continuing as new. ConflictError where none is open."""
    while True:
        try:
            await handle.execute_update(verb, {"by": by})
            return
        except RPCError as error:
            if error.status not in _ENDED:
                raise explained(error) from None
            found = await describe(client, handle.id)
            if found is None or not is_open(found):
                raise ConflictError("no sync of the memory is open", hint=_HINT) from None
            if is_paused(found):
                raise ConflictError(
                    "the sync is paused in Temporal", hint=unpause_hint(handle.id)
                ) from None
            await asyncio.sleep(_PAUSE)


async def resume(client: Client, syncs: MemorySyncs, tenant: str, by: str) -> SyncView:
    """Let the sync that is paused go on; one that failed or was cancelled goes on where it was, as
    a sync of its own. NotFoundError where there never was one, ConflictError."""
    last = await look(client, syncs, tenant)
    if last.sync_id is None or last.type is None or last.status is None:
        raise NotFoundError("the memory was never synced", hint="`reviews memory sync full`")
    if not last.status.is_over:
        return await command(client, syncs, tenant, "resume", by)
    if last.status is SyncStatus.COMPLETED:
        raise ConflictError("the last sync is completed: there is nothing to resume")
    start = SyncInput(type=last.type, tenant=tenant, started_by=by, continues=last.sync_id)
    return await start_sync(client, syncs, start)


async def look(
    client: Client, syncs: MemorySyncs, tenant: str, sync_id: str | None = None
) -> SyncView:
    """The newest sync, or that one, as it stands in Temporal too. UnreachableError."""
    seen = await syncs.view(tenant, sync_id)
    if seen.sync_id is None or _is_over(seen):
        return seen
    try:
        found = await describe(client, names.memory_sync_id(tenant))
    except RPCError as error:
        raise explained(error) from None
    if found is not None and is_open(found) and first_run_of(found) == seen.sync_id:
        return seen
    seen = await syncs.view(tenant, seen.sync_id)  # it may just have come to its end
    if _is_over(seen):
        return seen
    assert seen.sync_id is not None
    failed = MarkSync(
        sync_id=seen.sync_id,
        tenant=tenant,
        status=SyncStatus.FAILED,
        at=datetime.now(UTC),
        reason="it ended in Temporal",
    )
    await syncs.mark(failed)
    return await syncs.view(tenant, seen.sync_id)


def _is_over(seen: SyncView) -> bool:
    return seen.status is not None and seen.status.is_over
