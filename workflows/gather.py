"""The first half of a review: read the CRM and the memory side by side, then run the rules."""

import asyncio

from temporalio import workflow

from account_reviews.domain.errors import AccountNotFoundError
from account_reviews.domain.records import SnapshotRef
from account_reviews.domain.review.state import (
    AnalysisResult,
    MemoryDocument,
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
from workflows.open_review import OpenReview
from workflows.read_model import save
from workflows.steps import StepError, run_step, unless


class NoDataError(Exception):
    """There is nothing to review: no such account, or no CRM and no old snapshot."""


async def gather(review: OpenReview, given: SnapshotRef | None = None) -> None:
    """Fill the state's snapshot and memory. NoDataError when there is no snapshot at all.

    A snapshot that is `given` spares the CRM.
    """
    snapshot, memory = await unless(
        review.stopped, asyncio.gather(_read_crm(review, given), _recall(review))
    )
    missing = []
    if snapshot.stale_seconds is not None:
        missing.append("crm")
        review.record("degraded", f"CRM down: a snapshot {snapshot.stale_seconds} s old is used")
    if memory is None:
        missing.append("memory")
        review.record("degraded", "Memory down: historical context unavailable")
    state = review.state
    state.snapshot, state.memory, state.missing_sources = snapshot, memory, tuple(missing)
    state.count(crm_reads=0 if given else 1, memory_reads=1)


async def analyse(review: OpenReview) -> AnalysisResult:
    """Run the rules on the gathered documents."""
    state = review.state
    if state.snapshot is None:
        raise NoDataError
    result = await unless(
        review.stopped,
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
            policies.own("Analyse", heartbeats=review.execution.heartbeats),
            local=review.execution.own == "local",
        ),
    )
    state.analysis = result
    review.record("analysed", result.summary)
    return result


async def _read_crm(review: OpenReview, given: SnapshotRef | None) -> SnapshotRef:
    if given is not None:
        await save(review)
        return given
    state, give_up = review.state, review.start.give_up_after_seconds
    call = FetchSnapshot(
        account_id=state.account_id,
        tenant=state.tenant,
        as_of=state.as_of,
        opening=state,
    )
    summary = f"Read {state.account_id} from the CRM"
    try:
        return await _fetch(review, call, summary, min(20, give_up))
    except StepError as error:
        _raise_when_unknown(error)
        stale = await _latest_snapshot(review)
        if stale is not None:
            return stale
    try:
        return await _fetch(review, call, summary, give_up, again=True)
    except StepError as error:
        _raise_when_unknown(error)
        raise NoDataError(f"no_data: {error.reason}") from None


async def _fetch(
    review: OpenReview, call: FetchSnapshot, summary: str, give_up: float, *, again: bool = False
) -> SnapshotRef:
    return await run_step(
        CrmActivities.fetch_snapshot,
        call,
        policies.crm_read(summary, give_up, heartbeats=review.execution.heartbeats),
        local=review.execution.crm_reads == "local" and not again,
    )


async def _latest_snapshot(review: OpenReview) -> SnapshotRef | None:
    return await run_step(
        StoreActivities.latest_snapshot,
        LatestSnapshot(
            account_id=review.state.account_id, tenant=review.state.tenant, now=workflow.now()
        ),
        policies.own("Look for an older snapshot", heartbeats=review.execution.heartbeats),
        local=review.execution.own == "local",
    )


async def _recall(review: OpenReview) -> MemoryDocument | None:
    try:
        return await run_step(
            MemoryActivities.recall,
            RecallMemory(account_id=review.state.account_id, as_of=review.state.as_of),
            policies.memory_read(
                "Recall",
                review.start.memory_patience_seconds,
                heartbeats=review.execution.heartbeats,
            ),
            local=review.execution.memory == "local",
        )
    except StepError:
        return None


def _raise_when_unknown(error: StepError) -> None:
    if error.kind == AccountNotFoundError.__name__:
        raise NoDataError(f"no_data: {error.reason}") from None
