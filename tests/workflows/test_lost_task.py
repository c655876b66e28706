"""A workflow task that is lost after its request became visible."""

from account_reviews.domain.proposals import ItemState
from account_reviews.domain.review.phases import Outcome
from tests.support.world import Handle, World, create_task, decision
from workflows.account_review import AccountReviewWorkflow


async def test_a_decision_before_the_request_is_open_counts(world: World) -> None:
    """The request id is the same when the task is done again, so its reader may be early."""
    world.analysis.changes = (create_task(world.account),)
    async with world.worker():
        seen = await world.request(await world.start())
        review: Handle = world.client.get_workflow_handle_for(
            AccountReviewWorkflow.run, seen.review_id
        )
        await review.signal("cancel_review", {"by": "ann"})
        await review.result()
    handle = await world.start()
    await handle.signal("submit_decision", decision(seen))
    async with world.worker():
        request = await world.request(handle)
        state = await handle.query(AccountReviewWorkflow.snapshot)
        kinds = [line.kind for line in state.timeline]
        assert kinds.index("approval_early") < kinds.index("approval_requested")
        assert "approval_refused" in kinds
        await handle.signal("submit_decision", decision(request))
        result = await handle.result()
    assert result.outcome is Outcome.COMPLETED
    assert set(result.changes.values()) == {ItemState.EXECUTED}
