"""The first half of a review: read the CRM and the memory side by side, then run the rules."""

import asyncio
from datetime import datetime

from temporalio import workflow

from account_reviews.domain.errors import (
    AccountNotFoundError,
    CrmAwayError,
    CrmTokensRevokedError,
)
from account_reviews.domain.records import SnapshotRef, Tier
from account_reviews.domain.review.bounds import cut
from account_reviews.domain.review.state import (
    AnalysisResult,
    MemoryDocument,
)
from account_reviews.domain.review.steps import (
    AnalyseAccount,
    FetchSnapshot,
    LatestSnapshot,
    RecallMemory,
    TakeSnapshot,
)
from activities.analysis import AnalysisActivities
from activities.crm import CrmActivities
from activities.memory import MemoryActivities
from activities.store import StoreActivities
from workflows import policies
from workflows.open_review import OpenReview
from workflows.read_model import save
from workflows.steps import StepError, run_step, unless, unread


class NoDataError(Exception):
    """There is nothing to review: no such account, or no CRM and no old snapshot.

    `refused`: the CRM answered, and what it said will not change by itself.
    """

    def __init__(self, reason: str, *, refused: bool = False) -> None:
        self.refused = refused
        super().__init__(reason)


class UnknownSnapshotError(Exception):
    """A snapshot was handed over that is none of this account."""


async def gather(review: OpenReview, given: SnapshotRef | None = None) -> None:
    """Fill the state's snapshot and memory. NoDataError when there is no snapshot at all.

    A snapshot that is `given` spares the CRM.
    """
    snapshot, memory = await unless(
        review.stopped, asyncio.gather(_read_crm(review, given), _recall(review))
    )
    _take_over(review, snapshot, memory, given)


async def gather_again(review: OpenReview, given: SnapshotRef | None, *, clock_given: bool) -> None:
    """The same for a review that waits, by the clock of this reading, which is never an old one.

    NoDataError also when the CRM is down: an old snapshot says nothing new. UnknownSnapshotError.
    """
    snapshot = await unless(
        review.stopped, _read_crm(review, given, again=True, clock_given=clock_given)
    )
    if snapshot.stale_seconds is not None:
        raise NoDataError("the CRM cannot be reached")
    _adopt_clock(review, snapshot)
    _take_over(review, snapshot, await unless(review.stopped, _recall(review)), given)


def _take_over(
    review: OpenReview,
    snapshot: SnapshotRef,
    memory: MemoryDocument | None,
    given: SnapshotRef | None,
) -> None:
    missing = []
    if review.state.follows(4):
        review.record("snapshot", _how_it_was_read(snapshot))
    if snapshot.stale_seconds is not None:
        missing.append("crm")
        review.record("degraded", f"CRM down: a snapshot {snapshot.stale_seconds} s old is used")
    if memory is None:
        missing.append("memory")
        review.record("degraded", "Memory down: historical context unavailable")
    state = review.state
    state.snapshot, state.memory, state.missing_sources = snapshot, memory, tuple(missing)
    _adopt_clock(review, snapshot)
    was_given = given is not None and given.hash == snapshot.hash
    state.count(crm_reads=0 if was_given else 1, memory_reads=1)


def _adopt_clock(review: OpenReview, snapshot: SnapshotRef) -> None:
    """The rules go by the clock of what was read; an old snapshot is no clock."""
    state = review.state
    if snapshot.stale_seconds is None:
        state.as_of = max(state.as_of, snapshot.as_of or state.as_of)


async def analyse(review: OpenReview) -> AnalysisResult:
    """Run the rules on the gathered documents."""
    state = review.state
    if state.snapshot is None:
        raise NoDataError("no_data: nothing was read")
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
            used=review.using("analyse"),
        ),
    )
    result = result.model_copy(update={"usage": None})
    state.analysis = result
    review.record("analysed", result.summary)
    return result


async def _read_crm(
    review: OpenReview,
    given: SnapshotRef | None,
    *,
    again: bool = False,
    clock_given: bool = True,
) -> SnapshotRef:
    """The account from the CRM, unless a snapshot is given that can be used; else an old one."""
    if given is not None:
        taken = await _take(review, given, again=again)
        if taken is not None:
            return taken
    state = review.state
    if given is not None or (state.follows(4) and review.start.as_of is None):
        # A message says by itself whether it gives a clock, whatever the review began with.
        clock_given = clock_given and (again or review.start.clock_given)
    call = FetchSnapshot(
        account_id=state.account_id,
        tenant=state.tenant,
        as_of=state.as_of,
        opening=state,
        now=None if clock_given else workflow.now(),
        one_burst=state.follows(4),
    )
    return await _fetch_or_fall_back(review, call)


async def _fetch_or_fall_back(review: OpenReview, call: FetchSnapshot) -> SnapshotRef:
    """The CRM's answer; of one that is away an older snapshot, else what it says when it is back.

    From logic 4 on a CRM that names a time to wait is waited for, and is away after one burst of
    tries; before, it was away after 20 seconds, whatever it said.
    """
    state, begun, give_up = review.state, workflow.now(), review.start.give_up_after_seconds
    summary = f"Read {state.account_id} from the CRM"
    patience = give_up if state.follows(4) else min(20, give_up)
    try:
        return await _fetch(review, call, summary, patience)
    except StepError as error:
        _raise_when_refused(review, error)
        first = error
    stale = await _latest_snapshot(review)
    if stale is not None:
        return stale.model_copy(update={"passed_over": _passed_over(review, first)})
    left = _seconds_left(review, begun)
    waited_out = state.follows(4) and first.kind != CrmAwayError.__name__
    if left <= 0 or waited_out:
        raise NoDataError(f"no_data: {first.reason}")
    call = call.model_copy(update={"one_burst": False})
    try:
        return await _fetch(review, call, summary, left, again=True)
    except StepError as error:
        _raise_when_refused(review, error)
        raise NoDataError(f"no_data: {error.reason}") from None


def _seconds_left(review: OpenReview, begun: datetime) -> float:
    give_up = review.start.give_up_after_seconds
    if not review.state.follows(4):
        return give_up
    return give_up - (workflow.now() - begun).total_seconds()


def _passed_over(review: OpenReview, error: StepError) -> tuple[str, ...]:
    return (f"{Tier.RECORD}: {cut(error.reason)}",) if review.state.follows(4) else ()


def _how_it_was_read(snapshot: SnapshotRef) -> str:
    """Which tier gave it, and why those before it did not."""
    tier = Tier.STORED if snapshot.stale_seconds is not None else snapshot.tier
    how = {
        Tier.BULK: "Read from the CRM together with other accounts",
        Tier.LIST: "Read from the CRM together with a few other accounts",
        Tier.RECORD: "Read from the CRM by itself",
        Tier.STORED: "An older snapshot is used",
    }
    said = how[tier] if tier is not None else "A snapshot that was handed over is used"
    return "; ".join((f"{said} (tier {tier or 'unknown'})", *snapshot.passed_over))


async def _take(review: OpenReview, given: SnapshotRef, *, again: bool) -> SnapshotRef | None:
    """The given snapshot, None when the CRM must be asked. UnknownSnapshotError for a message."""
    if not review.state.follows(2):
        await save(review)
        return given
    state = review.state
    taken = await run_step(
        StoreActivities.take_snapshot,
        TakeSnapshot(given=given, as_of=state.as_of, now=workflow.now(), opening=state),
        policies.own("Check the snapshot", heartbeats=review.execution.heartbeats),
        local=review.execution.own == "local",
        used=review.using("gather"),
    )
    if taken.snapshot is not None:
        how = {"tier": given.tier, "passed_over": given.passed_over}
        return taken.snapshot.model_copy(update=how)
    if taken.unknown and again:
        raise UnknownSnapshotError(taken.refusal)
    review.record("read_again", f"Read from the CRM: {taken.refusal}")
    return None


async def _fetch(
    review: OpenReview, call: FetchSnapshot, summary: str, give_up: float, *, again: bool = False
) -> SnapshotRef:
    read = await run_step(
        CrmActivities.fetch_snapshot,
        call,
        policies.crm_read(summary, give_up, heartbeats=review.execution.heartbeats),
        local=review.execution.crm_reads == "local" and not again,
        used=review.using("gather"),
    )
    return read.reference()


async def _latest_snapshot(review: OpenReview) -> SnapshotRef | None:
    found = await run_step(
        StoreActivities.latest_snapshot,
        LatestSnapshot(
            account_id=review.state.account_id, tenant=review.state.tenant, now=workflow.now()
        ),
        policies.own("Look for an older snapshot", heartbeats=review.execution.heartbeats),
        local=review.execution.own == "local",
        used=review.using("gather"),
    )
    if found is None:
        return None
    return found.reference().model_copy(update={"tier": Tier.STORED, "passed_over": ()})


async def _recall(review: OpenReview) -> MemoryDocument | None:
    try:
        found = await run_step(
            MemoryActivities.recall,
            RecallMemory(
                account_id=review.state.account_id,
                as_of=review.state.as_of,
                tenant=review.state.tenant,
            ),
            policies.memory_read(
                "Recall",
                review.start.memory_patience_seconds,
                heartbeats=review.execution.heartbeats,
            ),
            local=review.execution.memory == "local",
            used=review.using("recall"),
        )
    except StepError:
        return None
    return found.model_copy(update={"usage": None})


def _raise_when_refused(review: OpenReview, error: StepError) -> None:
    """An outage may be bridged; what the CRM refuses is said as what it is."""
    if error.kind == AccountNotFoundError.__name__:
        raise NoDataError(f"no_data: {error.reason}", refused=True) from None
    if review.state.follows(4) and error.kind == CrmTokensRevokedError.__name__:
        raise NoDataError(unread(error), refused=True) from None
    if error.kind == CrmAwayError.__name__:
        return
    if error.permanent and review.state.follows(2):
        raise NoDataError(unread(error), refused=True) from None
