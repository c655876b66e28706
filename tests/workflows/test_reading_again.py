"""A review that waits reads its account again, and what it is handed instead of reading."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import WorkflowFailureError

from account_reviews.crm.in_memory import InMemoryCrm
from account_reviews.domain.errors import CrmAuthError, CrmError, CrmPermissionError
from account_reviews.domain.proposals import ItemState
from account_reviews.domain.records import SnapshotLimits, SnapshotRef
from account_reviews.domain.review.opening import opening_state
from account_reviews.domain.review.phases import Outcome
from account_reviews.domain.review.state import ReviewInput, ReviewState
from tests.support.world import AS_OF, Handle, World, create_task, decision, eventually
from workflows.account_review import AccountReviewWorkflow

LATER = AS_OF + timedelta(days=7)
WEEK_OLD = timedelta(days=7, hours=1)


async def state_with(handle: Handle, kind: str, count: int = 1) -> ReviewState:
    """The state once its timeline has so many lines of that kind, and it waits."""
    return await eventually(
        lambda: handle.query(AccountReviewWorkflow.snapshot),
        lambda state: (
            sum(line.kind == kind for line in state.timeline) >= count
            and state.phase == "approval"
            and state.status == "waiting"
        ),
    )


async def handed_over(
    world: World, *, tenant: str = "default", read_ago: timedelta = timedelta()
) -> SnapshotRef:
    """A snapshot that another review of this account has stored."""
    crm = InMemoryCrm(
        [await world.crm.snapshot(world.account.id, as_of=AS_OF, limits=SnapshotLimits())],
        clock=lambda: datetime.now(UTC) - read_ago,
    )
    snapshot = await crm.snapshot(world.account.id, as_of=AS_OF, limits=SnapshotLimits())
    run_id = f"run-{uuid4().hex}"
    opening = opening_state(
        ReviewInput(account_id=world.account.id, tenant=tenant, as_of=AS_OF),
        review_id=f"review/{world.account.id}",
        run_id=run_id,
        workflow_run_id=run_id,
        now=AS_OF,
    )
    reference = SnapshotRef(
        hash="",
        account_name=world.account.name,
        owner_id=None,
        owner_name=None,
        fetched_at=snapshot.fetched_at,
        as_of=AS_OF,
    )
    stored = await world.store.open_run(opening, snapshot)
    reference = reference.model_copy(update={"hash": stored})
    opening.snapshot, opening.version = reference, 1
    await world.store.save(opening)
    return reference


async def test_a_refresh_goes_by_the_clock_that_a_start_would_take(world: World) -> None:
    world.analysis.changes = (create_task(world.account),)
    async with world.review() as handle:
        await world.request(handle)
        world.imported_as_of = LATER
        await handle.signal("refresh", {"by": "ann"})
        state = await state_with(handle, "refreshed")
    assert [call.as_of for call in world.analysis.asked] == [AS_OF, LATER]
    assert state.as_of == LATER


async def test_without_an_import_a_refresh_is_of_now(world: World) -> None:
    world.analysis.changes = (create_task(world.account),)
    async with world.review() as handle:
        await world.request(handle)
        before = datetime.now(UTC)
        await handle.signal("refresh", {"by": "ann"})
        state = await state_with(handle, "refreshed")
    assert state.as_of >= before - timedelta(minutes=1)
    assert world.analysis.asked[-1].as_of == state.as_of


async def test_the_clock_of_a_review_never_goes_back(world: World) -> None:
    world.analysis.changes = (create_task(world.account),)
    async with world.review() as handle:
        await world.request(handle)
        for count, moment in enumerate((LATER, AS_OF - timedelta(days=3)), start=1):
            await handle.signal("refresh", {"by": "ann", "as_of": moment.isoformat()})
            state = await state_with(handle, "refreshed", count)
    assert [call.as_of for call in world.analysis.asked] == [AS_OF, LATER, LATER]
    assert state.as_of == LATER


@pytest.mark.parametrize("whose", ["nobody's", "another account's", "another tenant's", "no"])
async def test_a_reference_to_no_snapshot_of_the_account_is_a_malformed_message(
    world: World, whose: str
) -> None:
    world.analysis.changes = (create_task(world.account),)
    reference = await handed_over(world, tenant="elsewhere")
    if whose == "nobody's":
        reference = reference.model_copy(update={"hash": "0" * 64})
    elif whose == "no":
        stored = await world.store.put_document("memory", [])
        reference = reference.model_copy(update={"hash": stored})
    elif whose == "another account's":
        other = world.account.model_copy(update={"id": f"other-{uuid4().hex[:8]}"})
        found = await world.crm.snapshot(world.account.id, as_of=AS_OF, limits=SnapshotLimits())
        (stored,) = await world.store.put_snapshots([found.model_copy(update={"account": other})])
        reference = reference.model_copy(update={"hash": stored})
    message: dict[str, Any] = {"by": "ann", "snapshot_ref": reference.model_dump(mode="json")}
    async with world.review() as handle:
        request = await world.request(handle)
        await handle.signal("refresh", message)
        state = await state_with(handle, "malformed_signal")
        assert state.counters.malformed == 1
        assert "snapshot_ref" in state.timeline[-1].text
        assert world.account.id in state.timeline[-1].text
        await handle.execute_update("decide", decision(request))
        assert (await handle.result()).outcome is Outcome.COMPLETED
    assert len(world.analysis.asked) == 1, "nothing was analysed with it"


async def test_a_snapshot_that_is_handed_over_spares_the_crm(world: World) -> None:
    reference = await handed_over(world)
    reads = world.crm.reads
    async with world.review(snapshot=reference) as handle:
        await handle.result()
        state = await handle.query(AccountReviewWorkflow.snapshot)
    assert state.snapshot is not None
    assert state.snapshot.hash == reference.hash
    assert state.snapshot.stale_seconds is None
    assert (state.counters.crm_reads, world.crm.reads) == (0, reads)


@pytest.mark.parametrize("why", ["too old", "of an earlier time", "unknown"])
async def test_what_is_handed_over_and_cannot_be_used_is_read_again(world: World, why: str) -> None:
    reference = await handed_over(
        world, read_ago=timedelta(hours=25) if why == "too old" else timedelta()
    )
    if why == "unknown":
        reference = reference.model_copy(update={"hash": "0" * 64})
    as_of = LATER if why == "of an earlier time" else AS_OF
    async with world.review(snapshot=reference, as_of=as_of) as handle:
        await handle.result()
        state = await handle.query(AccountReviewWorkflow.snapshot)
    assert state.snapshot is not None
    assert state.snapshot.hash != reference.hash
    assert state.counters.crm_reads == 1
    assert any(line.kind == "read_again" for line in state.timeline)
    assert state.as_of == as_of, "a clock that was given stays"


async def test_what_is_read_again_goes_by_a_later_clock_unless_one_was_given(world: World) -> None:
    reference = await handed_over(world, read_ago=WEEK_OLD)
    world.imported_as_of = LATER
    async with world.review(snapshot=reference, clock_given=False) as handle:
        await handle.result()
    assert [call.as_of for call in world.analysis.asked] == [LATER]


@pytest.mark.parametrize("given", [True, False])
async def test_a_message_says_by_itself_whether_it_gives_a_clock(world: World, given: bool) -> None:
    """What the review that it joins began with says nothing of that."""
    world.analysis.changes = (create_task(world.account),)
    reference = await handed_over(world, read_ago=WEEK_OLD)
    moment = AS_OF + timedelta(days=1)
    message: dict[str, Any] = {"by": "ann", "snapshot_ref": reference.model_dump(mode="json")}
    message |= {"as_of": moment.isoformat()} if given else {}
    world.imported_as_of = LATER
    async with world.review(clock_given=not given) as handle:
        await world.request(handle)
        await handle.signal("refresh", message)
        await state_with(handle, "refreshed")
    assert [call.as_of for call in world.analysis.asked] == [AS_OF, moment if given else LATER]


@pytest.mark.parametrize("source", ["crm", "memory"])
async def test_an_outage_takes_no_proposal_back(world: World, source: str) -> None:
    world.analysis.changes = (create_task(world.account, "One"), create_task(world.account, "Two"))
    # Also for as long as a busy machine takes to read what is there again.
    async with world.review(give_up_after_seconds=4, memory_patience_seconds=4) as handle:
        request = await world.request(handle)
        one, two = request.items
        await handle.execute_update("decide", decision(request, "defer", item_ids=[one.item_id]))
        world.analysis.changes = ()
        if source == "crm":
            world.crm.available = False
        else:
            world.memory.available = False
        await handle.signal("refresh", {"by": "ann"})
        state = await state_with(handle, "degraded")
        items = {item.item_id: item.state for item in state.requests[0].items}
        assert items == {one.item_id: ItemState.DEFERRED, two.item_id: ItemState.PROPOSED}
        world.crm.available = world.memory.available = True
        await handle.signal("refresh", {"by": "ann"})
        assert (await handle.result()).outcome is Outcome.DEFERRED
        state = await handle.query(AccountReviewWorkflow.snapshot)
    items = {item.item_id: item.state for item in state.requests[0].items}
    assert items == {one.item_id: ItemState.DEFERRED, two.item_id: ItemState.SUPERSEDED}


REFUSALS = [
    (CrmAuthError("the token was revoked"), "crm_auth: the token was revoked"),
    (CrmPermissionError("no scope accounts.read"), "crm_permission: no scope accounts.read"),
]


@pytest.mark.parametrize(("refusal", "reason"), REFUSALS)
async def test_refused_credentials_are_no_outage(
    world: World, refusal: CrmError, reason: str
) -> None:
    async with world.worker():
        await (await world.start()).result()
        world.crm.refusal = refusal
        handle = await world.start()
        with pytest.raises(WorkflowFailureError):
            await handle.result()
        state = await handle.query(AccountReviewWorkflow.snapshot)
    assert (state.outcome, state.reason) == (Outcome.FAILED, reason)
    assert state.needs_attention
    assert state.snapshot is None, "nothing is proposed on old data"


async def test_refused_credentials_at_a_refresh_need_attention(world: World) -> None:
    world.analysis.changes = (create_task(world.account),)
    async with world.review() as handle:
        await world.request(handle)
        world.crm.refusal = CrmAuthError("the token was revoked")
        await handle.signal("refresh", {"by": "ann"})
        state = await state_with(handle, "degraded")
    assert state.last_error == "crm_auth: the token was revoked"
    assert state.error_count == 1
    assert len(world.analysis.asked) == 1


async def test_a_snapshot_beyond_the_age_of_the_policy_stands_in_for_nothing(world: World) -> None:
    await handed_over(world, read_ago=WEEK_OLD)
    world.crm.available = False
    async with world.review(give_up_after_seconds=1) as handle:
        with pytest.raises(WorkflowFailureError):
            await handle.result()
        state = await handle.query(AccountReviewWorkflow.snapshot)
    assert state.reason is not None
    assert state.reason.startswith("no_data: ")


async def test_a_snapshot_within_the_age_of_the_policy_stands_in_for_the_crm(world: World) -> None:
    reference = await handed_over(world, read_ago=timedelta(days=6))
    world.crm.available = False
    async with world.review(give_up_after_seconds=1) as handle:
        await handle.result()
        state = await handle.query(AccountReviewWorkflow.snapshot)
    assert state.snapshot is not None
    assert state.snapshot.hash == reference.hash
    assert state.missing_sources == ("crm",)
