"""Writes that were executed, and reviews that take them back."""

from account_reviews.domain.proposals import ProposedChange
from account_reviews.domain.review.phases import Outcome
from account_reviews.domain.review.state import ReviewKind, ReviewState, UndoOf
from account_reviews.store.review_queries import ReviewReader
from tests.support.connections import statements_on
from tests.support.world import Handle, World, decision, set_status


async def executed(world: World, change: ProposedChange | None = None) -> tuple[ReviewState, str]:
    """A closed review that has written one change: its row, and the change id."""
    change = change or set_status(world.account)
    world.analysis.changes = (change,)
    handle = await world.start()
    request = await world.request(handle)
    await handle.signal("submit_decision", decision(request))
    result = await handle.result()
    assert result.outcome is Outcome.COMPLETED
    return await row(world, handle.id, result.run_id), change.change_id


async def row(world: World, review_id: str, run_id: str) -> ReviewState:
    reader = ReviewReader(statements_on(world.engine))
    return (await reader.find_run(tenant="default", review_id=review_id, run_id=run_id)).state


async def take_back(world: World, of: ReviewState, change_id: str, by: str = "bob") -> Handle:
    undo = UndoOf(
        review_id=of.review_id, run_id=of.run_id, change_id=change_id, title="Mark it", reason="no"
    )
    return await world.start(kind=ReviewKind.UNDO, undo=undo, started_by=by, as_of=None)
