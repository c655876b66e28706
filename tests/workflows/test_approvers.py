"""Several approvers of one review, on a real server: votes over restarts, and the gate."""

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from account_reviews.domain.proposals import ItemState
from account_reviews.domain.review.phases import Outcome
from account_reviews.domain.review.state import ReviewState
from account_reviews.domain.review.steps import ApplyChange
from account_reviews.domain.review.terms import Routes, Terms
from account_reviews.domain.review.write_gate import evidence_of
from activities.crm_writes import CrmWriteActivities, NotApprovedError
from tests.support.world import Handle, World, create_task, decision
from workflows.account_review import AccountReviewWorkflow

GROUPS = {"leads": ("Ann", "Ben", "Cara"), "manager": ("Mia", "Ben")}
TERMS = Terms(
    requirement="n_of_m",
    n=2,
    approvers=("leads",),
    groups=GROUPS,
    routes=Routes(low_confidence=("manager",)),
    delegates={"Cara": ("Dora",)},
)


async def code(handle: Handle, message: dict[str, object]) -> str | None:
    with pytest.raises(WorkflowUpdateFailedError) as failed:
        await handle.execute_update("decide", message)
    assert isinstance(failed.value.cause, ApplicationError)
    return failed.value.cause.type


async def test_two_of_three_and_the_manager_over_a_restart(world: World) -> None:
    change = create_task(world.account).model_copy(update={"confidence": 0.5})
    world.analysis.terms, world.analysis.changes = TERMS, (change,)
    async with world.worker():
        handle = await world.start()
        request = await world.request(handle)
        assert request.approvers == ("Ann", "Ben", "Cara", "Mia")
        assert request.needed == "needs 2 of Ann, Ben, Cara; and one of manager (Mia, Ben)"
        await handle.execute_update("decide", decision(request, approver="Ann"))
        of = {"approver": "Dora", "on_behalf_of": "Cara"}
        answer = await handle.execute_update("decide", decision(request, **of))
    assert answer["items"][0]["message"] == "needs one of manager (Mia, Ben)"
    async with world.worker():
        assert await code(handle, decision(request, approver="ann ")) == "duplicate"
        assert await code(handle, decision(request, approver="Cara")) == "duplicate"
        assert await code(handle, decision(request, approver="Eve")) == "not_allowed"
        assert world.crm.operations == {}
        await handle.signal("submit_decision", decision(request, approver="Mia"))
        result = await handle.result()
        state = await handle.query(AccountReviewWorkflow.snapshot)
    assert result.outcome is Outcome.COMPLETED
    assert len(world.crm.operations) == 1
    said = [(one.by, one.on_behalf_of) for one in state.requests[0].decisions]
    assert said == [("Ann", None), ("Dora", "Cara"), ("Mia", None)]
    await nothing_is_written_with_fewer(world, state)


async def nothing_is_written_with_fewer(world: World, state: ReviewState) -> None:
    """What the write was given, with a decision taken out of it."""
    request = state.requests[0]
    item = request.items[0].model_copy(update={"state": ItemState.APPROVED})
    proof = evidence_of(request.model_copy(update={"items": (item,)}), item.item_id)
    call = ApplyChange(
        operation_id="another",
        change=item.change,
        expected_version=None,
        approved_hash=item.change.hash,
        approved_by="Mia",
        approval=proof.model_copy(update={"decisions": proof.decisions[1:]}),
    )
    writes = CrmWriteActivities(world.writer())
    with pytest.raises(NotApprovedError, match="by Ann was never recorded"):
        await ActivityEnvironment().run(writes.apply_change, call)
    fewer = item.model_copy(update={"votes": item.votes[:2]})
    short = call.model_copy(update={"approval": proof.model_copy(update={"items": (fewer,)})})
    with pytest.raises(NotApprovedError, match="has not the approvals it needs"):
        await ActivityEnvironment().run(writes.apply_change, short)
    assert len(world.crm.operations) == 1


async def test_two_noes_of_three_reject_it_and_one_does_not(world: World) -> None:
    world.analysis.terms, world.analysis.changes = TERMS, (create_task(world.account),)
    async with world.worker():
        handle = await world.start()
        request = await world.request(handle)
        no = decision(request, approver="Ann", decision="reject", reason="no")
        await handle.execute_update("decide", no)
        assert (await world.request(handle)).is_pending
        later = decision(request, approver="Ben", decision="defer")
        await handle.signal("submit_decision", later)
        result = await handle.result()
    assert result.outcome is Outcome.REJECTED
    assert world.crm.operations == {}
