"""Every way a review can end."""

import asyncio
from datetime import timedelta

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError, CancelledError

from account_reviews.domain.proposals import ItemState
from account_reviews.domain.review.phases import Outcome, Phase, Status
from account_reviews.store.review_queries import ReviewReader
from tests.support.connections import statements_on
from tests.support.world import Handle, World, create_task, decision, set_status
from workflows.account_review import AccountReviewWorkflow


async def test_nothing_proposed_is_nothing_to_do(world: World) -> None:
    async with world.review() as handle:
        result = await handle.result()
    assert result.outcome is Outcome.NOTHING_TO_DO
    assert result.phase is Phase.COMPLETED
    assert len(world.crm.operations) == 0


async def test_an_approved_change_stands_in_the_crm(world: World) -> None:
    world.analysis.changes = (set_status(world.account), create_task(world.account))
    async with world.review() as handle:
        request = await world.request(handle)
        await handle.signal("submit_decision", decision(request))
        result = await handle.result()
    assert result.outcome is Outcome.COMPLETED
    assert set(result.changes.values()) == {ItemState.EXECUTED}
    assert world.status() == "At Risk"
    assert len(world.crm.operations) == 2
    detail = await ReviewReader(statements_on(world.engine)).find_run(
        tenant="default", review_id=handle.id, run_id=result.run_id
    )
    assert detail.state.status is Status.COMPLETED
    assert all(write.verified for write in detail.state.written.values())
    assert [move.to_phase for move in detail.state.history] == [
        Phase.INVESTIGATING,
        Phase.PLANNING,
        Phase.APPROVAL,
        Phase.EXECUTING,
        Phase.VALIDATING,
        Phase.COMPLETED,
    ]


async def test_each_item_is_told_on_its_own(world: World) -> None:
    one, two, three = (create_task(world.account, name) for name in ("One", "Two", "Three"))
    world.analysis.changes = (one, two, three)
    async with world.review() as handle:
        request = await world.request(handle)
        await handle.execute_update("decide", decision(request, item_ids=[one.change_id]))
        said = decision(request, "reject", item_ids=[two.change_id], reason="no")
        await handle.execute_update("decide", said)
        await handle.execute_update("decide", decision(request, "defer"))
        result = await handle.result()
    assert result.outcome is Outcome.COMPLETED
    assert result.changes == {
        one.change_id: ItemState.EXECUTED,
        two.change_id: ItemState.REJECTED,
        three.change_id: ItemState.DEFERRED,
    }
    assert len(world.crm.operations) == 1


@pytest.mark.parametrize(
    ("verdict", "outcome"), [("reject", Outcome.REJECTED), ("defer", Outcome.DEFERRED)]
)
async def test_no_is_an_answer(world: World, verdict: str, outcome: Outcome) -> None:
    world.analysis.changes = (create_task(world.account),)
    async with world.review() as handle:
        request = await world.request(handle)
        await handle.signal("submit_decision", decision(request, verdict, reason="not now"))
        result = await handle.result()
    assert result.outcome is outcome
    assert len(world.crm.operations) == 0


async def test_a_refused_write_fails_and_the_others_go_on(world: World) -> None:
    good = create_task(world.account)
    bad = set_status(world.account)
    bad = bad.model_copy(update={"record": bad.record.model_copy(update={"id": "gone"})})
    bad = bad.model_copy(update={"hash": _hash(bad)})
    world.analysis.changes = (bad, good)
    async with world.review() as handle:
        request = await world.request(handle)
        await handle.signal("submit_decision", decision(request))
        result = await handle.result()
    assert result.outcome is Outcome.COMPLETED
    assert result.changes[good.change_id] is ItemState.EXECUTED
    assert result.changes[bad.change_id] is ItemState.FAILED


async def test_when_every_approved_write_fails_the_review_fails(world: World) -> None:
    bad = set_status(world.account)
    bad = bad.model_copy(update={"record": bad.record.model_copy(update={"id": "gone"})})
    world.analysis.changes = (bad.model_copy(update={"hash": _hash(bad)}),)
    async with world.review() as handle:
        request = await world.request(handle)
        await handle.signal("submit_decision", decision(request))
        with pytest.raises(WorkflowFailureError) as failure:
            await handle.result()
    assert isinstance(failure.value.cause, ApplicationError)
    assert failure.value.cause.type == "ReviewFailed"


def _hash(change: object) -> str:
    from account_reviews.domain.proposals import ProposedChange, proposal_hash

    assert isinstance(change, ProposedChange)
    return proposal_hash(change.action, change.record, change.before, change.after)


async def test_an_unknown_account_fails_with_no_data(world: World) -> None:
    missing = world.account.model_copy(update={"id": world.account.id + "-missing"})
    world.account = missing
    async with world.review() as handle:
        with pytest.raises(WorkflowFailureError) as failure:
            await handle.result()
    assert "no_data" in str(failure.value.cause)


async def test_cancel_by_signal_stops_before_the_next_write(world: World) -> None:
    world.analysis.changes = (create_task(world.account),)
    async with world.review() as handle:
        request = await world.request(handle)
        await handle.signal("cancel_review", {"by": "ann", "reason": "wrong account"})
        result = await handle.result()
    assert result.outcome is Outcome.CANCELLED
    assert result.status is Status.CANCELLED
    assert "wrong account" in result.summary
    found = await ReviewReader(statements_on(world.engine)).find_request(
        "default", request.request_id
    )
    assert found.request.state == "cancelled"
    assert len(world.crm.operations) == 0


async def test_a_native_cancel_closes_and_ends_canceled(world: World) -> None:
    world.analysis.changes = (create_task(world.account),)
    async with world.review() as handle:
        await world.request(handle)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as failure:
            await handle.result()
    assert isinstance(failure.value.cause, CancelledError)
    detail = await ReviewReader(statements_on(world.engine)).find_run(
        tenant="default", review_id=handle.id
    )
    assert detail.state.outcome is Outcome.CANCELLED


async def test_a_plan_only_review_writes_nothing(world: World) -> None:
    world.analysis.changes = (create_task(world.account),)
    async with world.review(plan_only=True) as handle:
        result = await handle.result()
    assert result.outcome is Outcome.NOTHING_TO_DO
    assert result.changes == {world.analysis.changes[0].change_id: ItemState.PROPOSED}


async def test_a_review_with_regular_steps_ends_the_same(world: World) -> None:
    world.execution = world.execution.model_copy(
        update={"crm_reads": "regular", "memory": "regular", "own": "regular"}
    )
    world.analysis.changes = (create_task(world.account),)
    async with world.review() as handle:
        request = await world.request(handle)
        await handle.signal("submit_decision", decision(request))
        result = await handle.result()
    assert result.outcome is Outcome.COMPLETED


async def test_a_long_wait_continues_as_new_and_loses_nothing(world: World) -> None:
    one, two = create_task(world.account, "One"), create_task(world.account, "Two")
    world.analysis.changes = (one, two)
    async with world.review(history_limit=40) as handle:
        request = await world.request(handle)
        reject = decision(request, "reject", item_ids=[one.change_id], reason="no")
        await handle.execute_update("decide", reject)
        for _ in range(12):
            await handle.signal("submit_decision", {"request_id": "unknown"})
            await asyncio.sleep(0.05)
        newest: Handle = world.client.get_workflow_handle_for(AccountReviewWorkflow.run, handle.id)
        described = await newest.describe()
        assert described.run_id != handle.first_execution_run_id
        state = await newest.query(AccountReviewWorkflow.snapshot)
        assert state.run_id == handle.first_execution_run_id
        assert state.counters.malformed == 12
        assert state.pending[0].deadline == request.deadline
        await newest.execute_update("decide", decision(request))
        result = await handle.result()
    assert result.changes == {one.change_id: ItemState.REJECTED, two.change_id: ItemState.EXECUTED}
    assert world.analysis.calls == 1


async def test_the_deadline_of_the_policy_is_kept(world: World) -> None:
    world.analysis.terms = world.analysis.terms.model_copy(update={"timeout_seconds": 0.6})
    world.analysis.changes = (create_task(world.account),)
    async with world.review() as handle:
        request = await world.request(handle)
        assert request.deadline - request.requested_at == timedelta(seconds=0.6)
        result = await handle.result()
    assert result.outcome is Outcome.EXPIRED
    assert len(world.crm.operations) == 0
