"""The read model from Temporal alone, also for reviews that were terminated."""

from sqlalchemy import text

from account_reviews.domain.review.phases import Outcome, Status
from account_reviews.store.review_queries import ReviewReader
from account_reviews.upkeep.rebuild import rebuild
from tests.support.connections import statements_on
from tests.support.world import World, create_task, decision


async def test_rows_that_are_gone_come_back(world: World) -> None:
    world.analysis.changes = (create_task(world.account),)
    reader = ReviewReader(statements_on(world.engine))
    async with world.review() as handle:
        request = await world.request(handle)
        await handle.execute_update("decide", decision(request, "reject", reason="no"))
        result = await handle.result()
        before = await reader.find_run(tenant="default", review_id=handle.id)
        async with world.engine.begin() as connection:
            await connection.execute(
                text("truncate reviews.review_runs, reviews.approval_requests")
            )
        report = await rebuild(world.client, world.store, only=f"WorkflowId = '{handle.id}'")
    assert report.rebuilt == 1
    assert not report.failed
    after = await reader.find_run(tenant="default", review_id=handle.id)
    assert after.state == before.state
    found = await reader.find_request("default", request.request_id)
    assert found.request.state == "rejected"
    assert result.outcome is Outcome.REJECTED


async def test_a_terminated_review_is_closed_in_the_read_model(world: World) -> None:
    world.analysis.changes = (create_task(world.account),)
    reader = ReviewReader(statements_on(world.engine))
    async with world.review() as handle:
        request = await world.request(handle)
        await handle.terminate("emergency")
        report = await rebuild(world.client, world.store, only=f"WorkflowId = '{handle.id}'")
    assert report.rebuilt == 1
    after = await reader.find_run(tenant="default", review_id=handle.id)
    assert (after.state.outcome, after.state.status) == (Outcome.ABANDONED, Status.ABANDONED)
    assert after.state.reason == "terminated in Temporal"
    found = await reader.find_request("default", request.request_id)
    assert found.request.state == "cancelled"
