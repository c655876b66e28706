"""The first half of a review: read the CRM and the memory side by side, then run the rules."""

import asyncio
from collections.abc import Callable

from temporalio import workflow

from account_reviews.domain.errors import AccountNotFoundError
from account_reviews.domain.records import SnapshotRef
from account_reviews.domain.review.state import (
    AnalysisResult,
    MemoryDocument,
    ReviewInput,
    ReviewState,
)
from account_reviews.domain.review.steps import (
    AnalyseAccount,
    FetchSnapshot,
    LatestSnapshot,
    RecallMemory,
)
from activities.analysis import AnalysisActivities
from activities.crm import CrmActivities
from activities.memory import MemoryActivities
from activities.store import StoreActivities
from workflows import policies
from workflows.read_model import save
from workflows.steps import StepError, run_step, unless

Stopped = Callable[[], bool]


class NoDataError(Exception):
    """There is nothing to review: no such account, or no CRM and no old snapshot."""


async def gather(
    state: ReviewState, start: ReviewInput, stopped: Stopped, given: SnapshotRef | None = None
) -> None:
    """Fill `state.snapshot` and `state.memory`. NoDataError when there is no snapshot at all.

    A snapshot that is `given` spares the CRM.
    """
    snapshot, memory = await unless(
        stopped, asyncio.gather(_read_crm(state, start, given), _recall(state, start))
    )
    now = workflow.now()
    missing = []
    if snapshot.stale_seconds is not None:
        missing.append("crm")
        state.tell(now, "degraded", f"CRM down: a snapshot {snapshot.stale_seconds} s old is used")
    if memory is None:
        missing.append("memory")
        state.tell(now, "degraded", "Memory down: historical context unavailable")
    state.snapshot, state.memory, state.missing_sources = snapshot, memory, tuple(missing)
    state.count(crm_reads=0 if given else 1, memory_reads=1)


async def analyse(state: ReviewState, start: ReviewInput, stopped: Stopped) -> AnalysisResult:
    """Run the rules on the gathered documents."""
    if state.snapshot is None:
        raise NoDataError
    result = await unless(
        stopped,
        run_step(
            AnalysisActivities.analyse,
            AnalyseAccount(
                account_id=state.account_id,
                tenant=state.tenant,
                snapshot_hash=state.snapshot.hash,
                memory_hash=state.memory.hash if state.memory else None,
                as_of=state.as_of,
                stale_seconds=state.snapshot.stale_seconds,
            ),
            policies.own("Analyse", heartbeats=start.execution.heartbeats),
            local=start.execution.own == "local",
        ),
    )
    state.analysis = result
    state.tell(workflow.now(), "analysed", result.summary)
    return result


async def _read_crm(
    state: ReviewState, start: ReviewInput, given: SnapshotRef | None
) -> SnapshotRef:
    if given is not None:
        await save(state, start)
        return given
    call = FetchSnapshot(
        account_id=state.account_id,
        tenant=state.tenant,
        as_of=state.as_of,
        opening=state,
    )
    summary = f"Read {state.account_id} from the CRM"
    try:
        return await _fetch(call, summary, min(20, start.give_up_after_seconds), start)
    except StepError as error:
        _raise_when_unknown(error)
        stale = await _latest_snapshot(state, start)
        if stale is not None:
            return stale
    try:
        return await _fetch(call, summary, start.give_up_after_seconds, start, again=True)
    except StepError as error:
        _raise_when_unknown(error)
        raise NoDataError(f"no_data: {error.reason}") from None


async def _fetch(
    call: FetchSnapshot, summary: str, give_up: float, start: ReviewInput, *, again: bool = False
) -> SnapshotRef:
    return await run_step(
        CrmActivities.fetch_snapshot,
        call,
        policies.crm_read(summary, give_up, heartbeats=start.execution.heartbeats),
        local=start.execution.crm_reads == "local" and not again,
    )


async def _latest_snapshot(state: ReviewState, start: ReviewInput) -> SnapshotRef | None:
    return await run_step(
        StoreActivities.latest_snapshot,
        LatestSnapshot(account_id=state.account_id, tenant=state.tenant, now=workflow.now()),
        policies.own("Look for an older snapshot", heartbeats=start.execution.heartbeats),
        local=start.execution.own == "local",
    )


async def _recall(state: ReviewState, start: ReviewInput) -> MemoryDocument | None:
    try:
        return await run_step(
            MemoryActivities.recall,
            RecallMemory(account_id=state.account_id, as_of=state.as_of),
            policies.memory_read(
                "Recall", start.memory_patience_seconds, heartbeats=start.execution.heartbeats
            ),
            local=start.execution.memory == "local",
        )
    except StepError:
        return None


def _raise_when_unknown(error: StepError) -> None:
    if error.kind == AccountNotFoundError.__name__:
        raise NoDataError(f"no_data: {error.reason}") from None
