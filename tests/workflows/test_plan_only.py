"""A review that only plans writes nothing, however a write is forced past its workflow."""

import pytest
from temporalio.testing import ActivityEnvironment

from account_reviews.domain.proposals import ItemState
from account_reviews.domain.review.phases import Outcome
from account_reviews.domain.review.steps import ApplyChange
from activities.crm_writes import CrmWriteActivities, NotApprovedError
from tests.support.world import World, create_task, decision
from workflows.account_review import AccountReviewWorkflow


async def test_the_gate_refuses_what_a_planning_review_would_write(world: World) -> None:
    change = create_task(world.account)
    call = ApplyChange(
        operation_id="forced",
        change=change,
        expected_version=None,
        approved_hash=change.hash,
        approved_by="ann",
        plan_only=True,
    )
    writes = CrmWriteActivities(world.writer())
    with pytest.raises(NotApprovedError, match="the review only plans"):
        await ActivityEnvironment().run(writes.apply_change, call)
    assert world.crm.operations == {}
    asked = call.model_copy(update={"plan_only": False})
    await ActivityEnvironment().run(writes.apply_change, asked)
    assert set(world.crm.operations) == {"forced"}


async def test_a_request_forced_into_a_planning_review_ends_unwritten(world: World) -> None:
    """Taken over from a state with an open request, as no workflow of ours would leave it."""
    world.analysis.changes = (create_task(world.account),)
    async with world.review() as handle:
        await world.request(handle)
        state = await handle.query(AccountReviewWorkflow.snapshot)
        await handle.terminate()
        forced = state.model_copy(update={"plan_only": True})
        again = await world.start(plan_only=True, resumed=forced)
        await again.execute_update("decide", decision(await world.request(again)))
        result = await again.result()
        state = await again.query(AccountReviewWorkflow.snapshot)
    assert result.outcome is Outcome.NOTHING_TO_DO
    assert [item.state for item in state.requests[0].items] == [ItemState.FAILED]
    assert world.crm.operations == {}
