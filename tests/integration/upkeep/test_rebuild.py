"""The read model from Temporal alone, also for reviews that were terminated, reset or are old."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from account_reviews.domain.review.phases import Outcome, Status
from account_reviews.store.review_queries import ReviewReader
from account_reviews.upkeep.rebuild import rebuild
from tests.support.connections import statements_on
from tests.support.operations import reset
from tests.support.waiting import until
from tests.support.world import Handle, World, create_task, decision, eventually, make_world
from workflows.account_review import AccountReviewWorkflow

_HASHES = text(
    "select state#>>'{snapshot,hash}', state#>>'{analysis,hash}' from reviews.review_runs "
    "where review_id = :id"
)


async def take_away(world: World, handle: Handle, *, row: bool = True) -> None:
    """As retention, or a lost database: what it found, and its row."""
    async with world.engine.begin() as connection:
        hashes = (await connection.execute(_HASHES, {"id": handle.id})).one()
        await connection.execute(
            text("delete from reviews.documents where hash = any(:hashes)"),
            {"hashes": list(hashes)},
        )
        if row:
            await connection.execute(
                text("delete from reviews.review_runs where review_id = :id"), {"id": handle.id}
            )
    world.store._known.clear()


def both(*handles: Handle) -> str:
    return f"WorkflowId in ({', '.join(repr(one.id) for one in handles)})"


async def until_all_are_listed(world: World, wanted: str, count: int) -> None:
    async def listed() -> bool:
        return len([one async for one in world.client.list_workflows(wanted)]) >= count

    await until(listed)


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


async def test_what_retention_took_is_passed_over_and_all_others_are_rebuilt(world: World) -> None:
    reader = ReviewReader(statements_on(world.engine))
    other = make_world(world.client, world.engine)
    other.analysis.changes = (create_task(other.account),)
    async with world.review() as closed, other.review() as waits:
        await closed.result()
        await other.request(waits)
        await take_away(world, closed)
        wanted, now = both(closed, waits), datetime.now(UTC)
        await until_all_are_listed(world, wanted, 2)
        report = await rebuild(
            world.client, world.store, only=wanted, closed_since=now + timedelta(days=1)
        )
        assert (report.rebuilt, report.purged, report.failed) == (1, 1, [])
        assert (await reader.find_run(tenant="default", review_id=waits.id)).state.pending
        again = await rebuild(
            world.client, world.store, only=wanted, closed_since=now - timedelta(days=1)
        )
        assert (again.rebuilt, again.purged, again.failed) == (2, 0, [])
        await waits.terminate()


async def test_a_review_whose_documents_are_gone_is_rebuilt_without_them_and_named(
    world: World,
) -> None:
    world.analysis.changes = (create_task(world.account),)
    reader = ReviewReader(statements_on(world.engine))
    async with world.review() as handle:
        request = await world.request(handle)
        await handle.execute_update("decide", decision(request, "reject", reason="no"))
        await handle.result()
        for row in (False, True):
            await take_away(world, handle, row=row)
            report = await rebuild(world.client, world.store, only=f"WorkflowId = '{handle.id}'")
            assert (report.rebuilt, report.failed) == (1, [])
            assert [one.split(" ")[0] for one in report.without_documents] == [handle.id]
    found = await reader.find_run(tenant="default", review_id=handle.id)
    assert found.state.outcome is Outcome.REJECTED
    past = await world.store.past_of("default", world.account.id)
    assert [one.state for one in past.outcomes] == ["rejected"], "it is still not proposed again"


async def test_after_a_reset_the_open_run_is_the_review(world: World) -> None:
    world.analysis.changes = (create_task(world.account),)
    reader = ReviewReader(statements_on(world.engine))
    async with world.review() as handle:
        before = await world.request(handle)
        run_id, only = handle.first_execution_run_id or "", f"WorkflowId = '{handle.id}'"
        await reset(world.client, handle.id, run_id)
        newest: Handle = world.client.get_workflow_handle(handle.id)
        await until_all_are_listed(world, only, 2)
        now = await eventually(
            lambda: newest.query(AccountReviewWorkflow.snapshot), lambda state: bool(state.pending)
        )
        for _ in range(2):
            report = await rebuild(world.client, world.store, only=only)
            assert (report.rebuilt, report.failed) == (1, [])
            found = await reader.find_run(tenant="default", review_id=handle.id)
            assert (found.state.run_id, found.state.closed_at) == (run_id, None)
            assert found.state.workflow_run_id == now.workflow_run_id
            listed = await reader.list_requests(tenant="default", account=world.account.id)
            (pending,) = listed.items
            assert pending.request.request_id == now.pending[0].request_id
        old = await reader.find_request("default", before.request_id)
        assert old.request.state in ("superseded", "cancelled")
        await newest.execute_update("decide", decision(pending.request, "reject", reason="no"))
        await newest.result()
