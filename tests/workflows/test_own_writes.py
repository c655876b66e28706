"""What a review has written is no news to the next one of the account."""

from datetime import UTC, datetime

from account_reviews.domain.analysis.analysis import AnalysisInputs, analyse
from account_reviews.domain.analysis.model import Analysis
from account_reviews.domain.policy.model import Policy
from account_reviews.domain.records import AccountSnapshot, SnapshotLimits
from tests.support.undo import executed, row, take_back
from tests.support.world import World, create_task, decision


async def next_analysis(world: World) -> Analysis:
    """What the rules say of the account as it stands, after what the store knows of its past."""
    past = await world.store.past_of("default", world.account.id)
    assert past.previous_snapshot is not None
    now = datetime.now(UTC)
    inputs = AnalysisInputs(
        snapshot=await world.crm.snapshot(world.account.id, as_of=now, limits=SnapshotLimits()),
        baseline=AccountSnapshot.model_validate(past.previous_snapshot),
        prior=past.outcomes,
        own_writes=past.own_writes,
        as_of=now,
    )
    return analyse(inputs, Policy())


async def test_our_status_is_not_told_as_the_customers(world: World) -> None:
    async with world.worker():
        await executed(world)
        assert world.status() == "At Risk"
        assert (await next_analysis(world)).changes == ()
        world.set_status("Inactive")
        (change,) = (await next_analysis(world)).changes
    assert (change.type, change.before, change.after) == ("status_change", "At Risk", "Inactive")


async def test_nor_is_what_was_taken_back(world: World) -> None:
    async with world.worker():
        of, change_id = await executed(world)
        undo = await take_back(world, of, change_id)
        await undo.signal("submit_decision", decision(await world.request(undo), approver="ann"))
        await undo.result()
        assert world.status() == "Active"
        assert (await next_analysis(world)).changes == ()


async def test_the_store_knows_the_tasks_that_we_made(world: World) -> None:
    async with world.worker():
        task = create_task(world.account)
        of, change_id = await executed(world, task)
        (made,) = (await world.store.past_of("default", world.account.id)).own_writes
        written = (await row(world, of.review_id, of.run_id)).requests[0].items[0]
    assert made.change_id == change_id
    assert made.after["subject"] == "Call them"
    assert made.record.id is not None
    assert written.change.record.id in (None, made.record.id)
