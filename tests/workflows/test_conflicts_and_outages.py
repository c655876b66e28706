"""Records that change meanwhile, and sources that are down."""

import asyncio

import pytest
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import WorkflowExecutionDescription, WorkflowFailureError
from temporalio.exceptions import CancelledError

from account_reviews.crm.in_memory import InMemoryCrm
from account_reviews.domain.proposals import ItemState, ProposedChange
from account_reviews.domain.records import AccountSnapshot, SnapshotLimits
from account_reviews.domain.review.phases import Outcome
from account_reviews.domain.review.steps import ApplyResult
from tests.support.waiting import until
from tests.support.world import AS_OF, World, create_task, decision, eventually, set_status
from workflows.account_review import AccountReviewWorkflow


async def test_a_changed_record_is_proposed_again(world: World) -> None:
    world.analysis.changes = (set_status(world.account),)
    async with world.review() as handle:
        first = await world.request(handle)
        world.set_status("Onboarding")
        await handle.execute_update("decide", decision(first))
        second = await world.request(handle, count=2)
        item = second.items[0]
        assert second.request_id != first.request_id
        assert item.item_id == first.items[0].item_id
        assert item.change.before == {"status": "Onboarding"}
        assert item.change.hash != first.items[0].change.hash
        assert len(world.crm.operations) == 0
        await handle.execute_update("decide", decision(second))
        result = await handle.result()
        state = await handle.query(AccountReviewWorkflow.snapshot)
    assert result.outcome is Outcome.COMPLETED
    assert [request.state for request in state.requests] == ["superseded", "approved"]
    assert world.status() == "At Risk"


async def test_after_too_many_conflicts_the_item_fails(world: World) -> None:
    world.analysis.terms = world.analysis.terms.model_copy(update={"max_conflict_rounds": 2})
    world.analysis.changes = (set_status(world.account),)
    async with world.review() as handle:
        for round_number, status in enumerate(("Onboarding", "Pending", "Inactive"), start=1):
            request = await world.request(handle, count=round_number)
            world.set_status(status)
            await handle.signal("submit_decision", decision(request))
        with pytest.raises(WorkflowFailureError):
            await handle.result()
        state = await handle.query(AccountReviewWorkflow.snapshot)
    assert state.changes[0][1] is ItemState.FAILED
    assert state.requests[-1].items[0].reason == "conflict"
    assert len(world.crm.operations) == 0


async def test_a_value_that_stands_already_is_not_written(world: World) -> None:
    world.analysis.changes = (set_status(world.account),)
    async with world.review() as handle:
        request = await world.request(handle)
        world.set_status("At Risk")
        await handle.signal("submit_decision", decision(request))
        result = await handle.result()
    assert set(result.changes.values()) == {ItemState.SKIPPED}
    assert result.outcome is Outcome.COMPLETED


async def test_our_own_writes_are_no_conflict(world: World) -> None:
    world.analysis.changes = (
        set_status(world.account),
        set_status(world.account, "Inactive"),
    )
    async with world.review() as handle:
        request = await world.request(handle)
        await handle.signal("submit_decision", decision(request))
        result = await handle.result()
    assert set(result.changes.values()) == {ItemState.EXECUTED}
    assert world.status() == "Inactive"


async def test_a_crm_that_is_down_at_the_write_is_waited_for(world: World) -> None:
    world.analysis.changes = (create_task(world.account),)
    async with world.review() as handle:
        request = await world.request(handle)
        world.crm.available = False
        await handle.signal("submit_decision", decision(request))
        await asyncio.sleep(0.7)
        world.crm.available = True
        result = await handle.result()
    assert result.outcome is Outcome.COMPLETED
    assert len(world.crm.operations) == 1


def _rests_between_tries(shown: WorkflowExecutionDescription) -> bool:
    """The next try comes in a second or more: a cancel finds none at work."""
    pending = shown.raw_description.pending_activities
    resting = PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED
    return any(one.attempt >= 6 and one.state == resting for one in pending)


async def test_a_cancel_reaches_a_write_that_is_waited_for(world: World) -> None:
    world.analysis.changes = (create_task(world.account),)
    async with world.review() as handle:
        request = await world.request(handle)
        world.crm.available = False
        await handle.signal("submit_decision", decision(request))
        await until(handle.describe, _rests_between_tries)
        await handle.signal("cancel_review", {"by": "ann"})
        await eventually(
            lambda: handle.query(AccountReviewWorkflow.snapshot),
            lambda state: any(line.kind == "outcome_unknown" for line in state.timeline),
        )
        world.crm.available = True
        result = await handle.result()
    assert result.outcome is Outcome.CANCELLED
    assert set(result.changes.values()) == {ItemState.SKIPPED}
    assert len(world.crm.operations) == 0


async def test_no_memory_is_a_review_without_history(world: World) -> None:
    world.memory.available = False
    async with world.review(memory_patience_seconds=0.5) as handle:
        state = await eventually(
            lambda: handle.query(AccountReviewWorkflow.snapshot),
            lambda state: state.analysis is not None,
        )
        assert state.degraded
        assert state.missing_sources == ("memory",)
        world.memory.available = True
        result = await handle.result()
    assert result.outcome is Outcome.NOTHING_TO_DO


async def test_a_crm_that_is_down_gives_an_old_snapshot_with_its_age(world: World) -> None:
    async with world.worker():
        first = await world.start()
        await first.result()
        known = await first.query(AccountReviewWorkflow.snapshot)
        world.crm.available = False
        handle = await world.start(give_up_after_seconds=1)
        result = await handle.result()
        state = await handle.query(AccountReviewWorkflow.snapshot)
    assert result.outcome is Outcome.NOTHING_TO_DO
    assert state.missing_sources == ("crm",)
    assert state.snapshot is not None
    assert state.snapshot.stale_seconds is not None
    assert not state.commits_baseline
    assert known.snapshot is not None
    assert state.snapshot.hash == known.snapshot.hash


async def test_no_crm_and_no_snapshot_is_given_up_in_the_end(world: World) -> None:
    world.crm.available = False
    async with world.review(give_up_after_seconds=1.0) as handle:
        with pytest.raises(WorkflowFailureError) as failure:
            await handle.result()
    assert "no_data" in str(failure.value.cause)


async def test_a_crm_that_comes_back_in_time_is_read(world: World) -> None:
    world.crm.available = False
    async with world.review(give_up_after_seconds=20) as handle:
        await asyncio.sleep(0.5)
        world.crm.available = True
        result = await handle.result()
    assert result.outcome is Outcome.NOTHING_TO_DO


@pytest.mark.parametrize("native", [True, False])
async def test_a_cancel_reaches_a_review_that_waits_for_the_crm(world: World, native: bool) -> None:
    world.crm.available = False
    async with world.review(give_up_after_seconds=60) as handle:
        await asyncio.sleep(0.5)
        if native:
            await handle.cancel()
            with pytest.raises(WorkflowFailureError) as failure:
                await handle.result()
            assert isinstance(failure.value.cause, CancelledError)
        else:
            await handle.signal("cancel_review", {"by": "ann"})
            assert (await handle.result()).outcome is Outcome.CANCELLED
        state = await handle.query(AccountReviewWorkflow.snapshot)
    assert state.outcome is Outcome.CANCELLED


class GatedCrm(InMemoryCrm):
    """Holds every write until the gate opens."""

    def __init__(self, snapshot: AccountSnapshot) -> None:
        super().__init__([snapshot])
        self.entered, self.gate = asyncio.Event(), asyncio.Event()

    async def apply(
        self, change: ProposedChange, *, expected_version: str | None, operation_id: str
    ) -> ApplyResult:
        self.entered.set()
        await self.gate.wait()
        return await super().apply(
            change, expected_version=expected_version, operation_id=operation_id
        )


async def gated(world: World) -> GatedCrm:
    snapshot = await world.crm.snapshot(world.account.id, as_of=AS_OF, limits=SnapshotLimits())
    crm = GatedCrm(snapshot)
    world.crm = crm
    return crm


async def test_an_approval_during_a_write_is_carried_out_after_it(world: World) -> None:
    one, two = create_task(world.account, "One"), create_task(world.account, "Two")
    world.analysis.changes = (one, two)
    crm = await gated(world)
    async with world.review() as handle:
        request = await world.request(handle)
        await handle.execute_update("decide", decision(request, item_ids=[one.change_id]))
        await crm.entered.wait()
        await handle.execute_update("decide", decision(request, item_ids=[two.change_id]))
        crm.gate.set()
        result = await handle.result()
    assert set(result.changes.values()) == {ItemState.EXECUTED}
    assert len(crm.operations) == 2


async def test_a_cancel_during_a_write_keeps_that_write_and_stops_the_next(world: World) -> None:
    one, two = create_task(world.account, "One"), create_task(world.account, "Two")
    world.analysis.changes = (one, two)
    crm = await gated(world)
    async with world.review() as handle:
        request = await world.request(handle)
        await handle.execute_update("decide", decision(request))
        await crm.entered.wait()
        await handle.signal("cancel_review", {"by": "ann", "reason": "stop"})
        await asyncio.sleep(0.3)
        crm.gate.set()
        result = await handle.result()
    assert result.outcome is Outcome.CANCELLED
    assert len(crm.operations) == 1
    assert result.changes == {one.change_id: ItemState.EXECUTED, two.change_id: ItemState.SKIPPED}


async def test_an_adjustment_that_the_crm_refuses_is_proposed_again_as_it_was(
    world: World,
) -> None:
    task = create_task(world.account)
    world.analysis.changes = (task,)
    async with world.review() as handle:
        first = await world.request(handle)
        adjust = {"item_ids": [task.change_id], "changes": {"owner_id": "nobody"}}
        await handle.signal("submit_decision", decision(first, "adjust", **adjust))
        second = await world.request(handle, count=2)
        assert second.items[0].change == task
        state = await handle.query(AccountReviewWorkflow.snapshot)
        assert "no owner 'nobody'" in (state.requests[0].items[0].reason or "")
        await handle.signal("submit_decision", decision(second))
        result = await handle.result()
    assert result.outcome is Outcome.COMPLETED
    assert set(result.changes.values()) == {ItemState.EXECUTED}
