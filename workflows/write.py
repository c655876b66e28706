"""The second half of a review: write what was approved, look back, remember."""

from temporalio import workflow

from account_reviews.domain.base import Scalar
from account_reviews.domain.errors import CrmInvalidError
from account_reviews.domain.proposals import ItemState, ProposedChange, proposal_hash, same
from account_reviews.domain.review.approvals import ApprovalRequest, Item
from account_reviews.domain.review.decisions import approved_items
from account_reviews.domain.review.phases import Phase
from account_reviews.domain.review.state import ReviewState, WrittenChange
from account_reviews.domain.review.steps import ApplyChange, ApplyResult, ReadBack
from account_reviews.domain.review.undo import changed_since
from account_reviews.domain.review.write_gate import evidence_of
from account_reviews.temporal.names import operation_id
from activities.crm import CrmActivities
from activities.crm_writes import CrmWriteActivities
from activities.memory import MemoryActivities
from workflows import policies
from workflows.lookup import find_writes
from workflows.open_review import OpenReview
from workflows.steps import ReviewCancelledError, StepError, run_step, unless
from workflows.waits import go_on


async def write_approved(review: OpenReview) -> tuple[ProposedChange, ...]:
    """Write each approved item on its own, then read back. Gives what must be proposed again."""
    again: list[ProposedChange] = []
    written: list[WrittenChange] = []
    review.move(Phase.EXECUTING)
    for request, item in approved_items(review.state):
        await go_on(review)
        if review.stopped():
            break
        change = await _write(review, request.request_id, item)
        if isinstance(change, ProposedChange):
            again.append(change)
        elif change is not None:
            written.append(change)
    review.move(Phase.VALIDATING)
    if written:
        await _look_back(review, tuple(written))
    return tuple(again)


async def remember(review: OpenReview) -> None:
    """Keep the outcome for the next review; the memory being down for a day is only noted."""
    state = review.state
    try:
        await run_step(
            MemoryActivities.remember,
            state,
            policies.memory_write("Remember", heartbeats=review.execution.heartbeats),
            local=review.execution.memory == "local",
        )
    except StepError as error:
        state.missing_sources = tuple(sorted({*state.missing_sources, "memory"}))
        review.record("degraded", f"Not remembered: {error.reason}")


async def _write(
    review: OpenReview, request_id: str, item: Item
) -> WrittenChange | ProposedChange | None:
    state, change = review.state, item.change
    call = ApplyChange(
        operation_id=operation_id(state.run_id, item.item_id),
        change=change,
        expected_version=_expected_version(state, change),
        approved_hash=change.hash,
        approved_by=item.decided_by or "unknown",
        tenant=state.tenant,
        asked_at=workflow.now(),
        approval=_evidence(state, request_id, item),
        plan_only=state.plan_only,
    )
    try:
        result = await _apply(review, call)
    except StepError as error:
        if _is_refused_adjustment(state, item, error):
            why = f"the CRM does not take the adjustment: {error.reason}"
            return _propose_again(review, request_id, item, item.original or change, why)
        _settle(review, request_id, item, ItemState.FAILED, error.reason)
        state.error_count, state.last_error = state.error_count + 1, error.reason
        return None
    if result is None:  # cancelled before it was written
        return None
    state.count(crm_writes=1)
    if result.status == "conflict":
        return _conflict(review, request_id, item, result)
    _settle(review, request_id, item, ItemState.EXECUTED, None)
    return _remember_write(state, item, result)


def _evidence(state: ReviewState, request_id: str, item: Item) -> ApprovalRequest | None:
    request = state.request(request_id) if state.follows(3) else None
    return evidence_of(request, item.item_id) if request is not None else None


async def _apply(review: OpenReview, call: ApplyChange) -> ApplyResult | None:
    """The result of the write; None when the review was cancelled and nothing was written.

    An attempt whose answer was lost may have written: no outcome is settled before the CRM was
    asked by the operation id. StepError when the write failed, or nobody knows.
    """
    config = policies.crm_write(
        f"Write: {call.change.title}",
        heartbeats=review.execution.heartbeats,
        task_queue=review.write_queue,
    )
    used = review.using("write")
    work = run_step(CrmWriteActivities.apply_change, call, config, local=False, used=used)
    try:
        return await unless(review.stopped, work)
    except ReviewCancelledError:
        if not review.state.follows(2):
            raise
        review.record("outcome_unknown", f"{call.change.title}: the CRM is asked if it was written")
        return (await find_writes(review, (call.operation_id,))).get(call.operation_id)
    except StepError:
        if not review.state.follows(2):
            raise
        found = (await find_writes(review, (call.operation_id,))).get(call.operation_id)
        if found is None:
            raise
        return found


def _expected_version(state: ReviewState, change: ProposedChange) -> str | None:
    """The version that was shown, moved on by our own writes to the same record."""
    version = change.record.version
    for write in state.written.values():
        same_record = (write.record.type, write.record.id) == (change.record.type, change.record.id)
        if same_record and write.replaced_version == version:
            version = write.record.version
    return version


def _remember_write(state: ReviewState, item: Item, result: ApplyResult) -> WrittenChange:
    write = WrittenChange(
        change_id=item.item_id,
        state=ItemState.EXECUTED,
        record=result.record,
        replaced_version=_expected_version(state, item.change),
        written=_written(item.change, result),
        at=workflow.now(),
    )
    state.written[item.item_id] = write
    return write


def _written(change: ProposedChange, result: ApplyResult) -> dict[str, Scalar]:
    """What was approved, with the due date that the write came to."""
    return {
        name: value if name in change.exact else result.current.get(name, value)
        for name, value in change.after.items()
    }


def _conflict(
    review: OpenReview, request_id: str, item: Item, result: ApplyResult
) -> ProposedChange | None:
    """The record changed since it was shown: propose it again with the value it has now."""
    change = item.change
    if all(same(result.current.get(name), value) for name, value in change.after.items()):
        _settle(review, request_id, item, ItemState.SKIPPED, "the CRM shows this value already")
        return None
    gone = changed_since(change.before, result.current) if review.state.undo is not None else None
    if gone is not None:  # somebody wrote a newer value, which nobody asked to take back
        _settle(review, request_id, item, ItemState.FAILED, gone)
        return None
    shown = change.model_copy(
        update={
            "before": result.current,
            "record": result.record,
            "hash": proposal_hash(change.action, result.record, result.current, change.after),
        }
    )
    why = "the record changed before the write"
    return _propose_again(review, request_id, item, shown, why, failure="conflict")


def _is_refused_adjustment(state: ReviewState, item: Item, error: StepError) -> bool:
    """What a person changed is no reason to lose what was proposed."""
    adjusted = item.original is not None and error.kind == CrmInvalidError.__name__
    return adjusted and state.follows(2)


def _propose_again(
    review: OpenReview,
    request_id: str,
    item: Item,
    change: ProposedChange,
    why: str,
    *,
    failure: str | None = None,
) -> ProposedChange | None:
    """The change for a new request; None when there were too many rounds: then it failed."""
    state = review.state
    rounds = state.rounds.get(item.item_id, 0) + 1
    state.rounds[item.item_id] = rounds
    if rounds > _max_rounds(state):
        _settle(review, request_id, item, ItemState.FAILED, failure or why)
        return None
    _settle(review, request_id, item, ItemState.SUPERSEDED, why)
    return change


def _max_rounds(state: ReviewState) -> int:
    return state.analysis.terms.max_conflict_rounds if state.analysis else 0


def _settle(
    review: OpenReview, request_id: str, item: Item, to: ItemState, reason: str | None
) -> None:
    request = review.state.request(request_id)
    if request is not None:
        review.state.replace_request(request.mark(item.item_id, to, reason))
    because = f" ({reason})" if reason else ""
    review.record(f"item_{to}", f"{item.change.title}{because}", item.decided_by)


async def _look_back(review: OpenReview, writes: tuple[WrittenChange, ...]) -> None:
    state = review.state
    try:
        result = await run_step(
            CrmActivities.read_back,
            ReadBack(writes=writes, tenant=state.tenant),
            policies.crm_read("Read back", 60, heartbeats=review.execution.heartbeats),
            local=review.execution.crm_reads == "local",
            used=review.using("read_back"),
        )
    except StepError as error:
        review.record("not_verified", f"Could not read back: {error.reason}")
        return
    for write in writes:
        verified = result.verified.get(write.change_id, False)
        state.written[write.change_id] = write.model_copy(update={"verified": verified})
        if not verified:
            state.error_count += 1
            state.last_error = f"the CRM does not show what was written by {write.change_id}"
            review.record("not_verified", state.last_error)
