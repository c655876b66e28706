"""An executed write is taken back by a review of its own."""

from typing import Any

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError

from account_reviews.domain.errors import ReviewAlreadyRunningError
from account_reviews.domain.policy.approvals import Approvals
from account_reviews.domain.policy.model import Policy
from account_reviews.domain.proposals import Action, ItemState
from account_reviews.domain.records import RecordType
from account_reviews.domain.review.approvals import ApprovalRequest
from account_reviews.domain.review.phases import Outcome
from account_reviews.temporal import names
from tests.support.moody_crm import MergingCrm
from tests.support.undo import executed, row, take_back
from tests.support.world import (
    Handle,
    World,
    create_task,
    decision,
    eventually,
    set_status,
)
from workflows.account_review import AccountReviewWorkflow


async def ask(world: World, handle: Handle) -> ApprovalRequest:
    return await world.request(handle)


async def update(handle: Handle, request: ApprovalRequest, who: str, **fields: Any) -> Any:
    return await handle.execute_update("decide", decision(request, approver=who, **fields))


async def test_what_stood_before_stands_again(world: World) -> None:
    async with world.worker():
        of, change_id = await executed(world)
        assert world.status() == "At Risk"
        handle = await take_back(world, of, change_id)
        assert handle.id == f"undo/{of.run_id}/{change_id}"
        request = await ask(world, handle)
        (item,) = request.items
        assert (item.change.before, item.change.after) == (
            {"status": "At Risk"}, {"status": "Active"},
        )  # fmt: skip
        assert item.change.author == "bob"
        assert request.approvers == ("owner-1",)
        assert world.status() == "At Risk"
        await update(handle, request, "ann")
        result = await handle.result()
    assert result.outcome is Outcome.COMPLETED
    assert world.status() == "Active"
    undone = await row(world, of.review_id, of.run_id)
    ((_, state),) = undone.changes
    assert state is ItemState.UNDONE
    assert undone.version == of.version
    reason = undone.requests[0].items[0].reason
    assert reason is not None
    assert reason.startswith("undone by bob at ")
    assert reason.endswith("approved by ann: no")
    past = await world.store.past_of("default", world.account.id)
    mine = next(one for one in past.outcomes if one.change_id == change_id)
    assert (mine.state, mine.by) == ("undone", "bob")
    assert mine.clock_at is not None
    assert mine.clock_at < mine.at  # by the clock of the rules, which lay back
    assert past.previous_snapshot is not None
    assert past.previous_snapshot["account"]["status"] == "Active"


async def test_who_asks_for_it_is_not_the_one_who_approves_it(world: World) -> None:
    async with world.worker():
        of, change_id = await executed(world)
        handle = await take_back(world, of, change_id, by="Bob")
        request = await ask(world, handle)
        with pytest.raises(Exception) as refused:  # noqa: PT011  the cause says it
            await update(handle, request, "bob ")
        cause = refused.value.__cause__
        assert isinstance(cause, ApplicationError)
        assert world.status() == "At Risk"
        await update(handle, request, "ann")
        assert (await handle.result()).outcome is Outcome.COMPLETED
    assert world.status() == "Active"


async def test_nothing_is_undone_that_nobody_approved(world: World) -> None:
    world.policy = Policy(approvals=Approvals(auto=(Action.UPDATE_ACCOUNT,)))
    async with world.worker():
        of, change_id = await executed(world)
        handle = await take_back(world, of, change_id)
        request = await ask(world, handle)
        assert request.is_pending
        await update(handle, request, "ann", decision="reject", reason="leave it")
        assert (await handle.result()).outcome is Outcome.REJECTED
        assert world.status() == "At Risk"
        again = await take_back(world, of, change_id)  # asked for once more
        await update(again, await ask(world, again), "ann")
        await again.result()
    assert world.status() == "Active"
    assert (await row(world, of.review_id, of.run_id)).changes[0][1] is ItemState.UNDONE


async def failure(handle: Handle) -> str:
    with pytest.raises(WorkflowFailureError) as failed:
        await handle.result()
    assert isinstance(failed.value.cause, ApplicationError)
    return failed.value.cause.message


async def test_a_field_that_has_changed_since_is_named(world: World) -> None:
    async with world.worker():
        of, change_id = await executed(world)
        world.set_status("Inactive")
        said = await failure(await take_back(world, of, change_id))
    assert "not undone: status has changed since: 'At Risk' was written" in said
    assert world.status() == "Inactive"
    assert (await row(world, of.review_id, of.run_id)).changes[0][1] is ItemState.EXECUTED


async def test_a_change_while_it_waits_is_not_overwritten(world: World) -> None:
    async with world.worker():
        of, change_id = await executed(world)
        handle = await take_back(world, of, change_id)
        request = await ask(world, handle)
        world.set_status("Inactive")
        await update(handle, request, "ann")
        said = await failure(handle)
    assert "1 failed" in said
    assert world.status() == "Inactive"


async def test_another_field_may_have_changed_meanwhile(world: World) -> None:
    async with world.worker():
        of, change_id = await executed(world)
        world.crm.edit(RecordType.ACCOUNT, world.account.id, industry="Retail")
        handle = await take_back(world, of, change_id)
        await update(handle, await ask(world, handle), "ann")
        assert (await handle.result()).outcome is Outcome.COMPLETED
    assert world.status() == "Active"


async def test_an_account_that_was_merged_since_is_left_alone(world: World) -> None:
    """Its values belong to the one that remains, and to a review of that one."""
    world.crm = crm = await MergingCrm.of_world(world.crm)
    async with world.worker():
        of, change_id = await executed(world)
        crm.edit(RecordType.ACCOUNT, world.account.id, id="remains")
        crm.merged = {world.account.id: "remains"}
        said = await failure(await take_back(world, of, change_id))
    assert "was merged into 'remains' in the CRM: review that one" in said
    assert world.status() == "At Risk"


async def test_what_was_made_stays(world: World) -> None:
    async with world.worker():
        of, change_id = await executed(world, create_task(world.account))
        said = await failure(await take_back(world, of, change_id))
    assert "made a task, and nothing here deletes" in said


async def test_one_is_open_at_a_time_and_it_is_done_once(world: World) -> None:
    async with world.worker():
        of, change_id = await executed(world)
        handle = await take_back(world, of, change_id)
        with pytest.raises((ReviewAlreadyRunningError, WorkflowAlreadyStartedError)):
            await take_back(world, of, change_id)
        await update(handle, await ask(world, handle), "ann")
        await handle.result()
        said = await failure(await take_back(world, of, change_id))
    assert "is undone already" in said
    assert world.status() == "Active"


async def test_an_undo_is_undone_as_anything_else(world: World) -> None:
    async with world.worker():
        of, change_id = await executed(world)
        handle = await take_back(world, of, change_id)
        await update(handle, await ask(world, handle), "ann")
        result = await handle.result()
        first = await row(world, handle.id, result.run_id)
        (undo_change,) = first.written
        again = await take_back(world, first, undo_change, by="ann")
        request = await ask(world, again)
        assert request.items[0].change.title == "Undo: Undo: Mark it"
        await update(again, request, "bob")
        await again.result()
    assert world.status() == "At Risk"
    assert (await row(world, handle.id, first.run_id)).changes[0][1] is ItemState.UNDONE


async def test_an_adjusted_undo_is_a_write_like_any_other(world: World) -> None:
    async with world.worker():
        of, change_id = await executed(world)
        handle = await take_back(world, of, change_id)
        request = await ask(world, handle)
        fields = {"item_ids": [request.items[0].item_id], "changes": {"status": "Closed"}}
        await update(handle, request, "ann", decision="adjust", **fields)
        await handle.result()
    assert world.status() == "Closed"
    assert (await row(world, of.review_id, of.run_id)).changes[0][1] is ItemState.EXECUTED


async def test_a_refresh_makes_no_review_of_it(world: World) -> None:
    async with world.worker():
        of, change_id = await executed(world)
        calls = world.analysis.calls
        handle = await take_back(world, of, change_id)
        request = await ask(world, handle)
        await handle.signal("refresh", {"by": "a cycle"})
        await update(handle, request, "ann")
        await handle.result()
    assert world.analysis.calls == calls
    assert world.status() == "Active"


async def test_the_rows_say_so_whichever_is_rebuilt_last(world: World) -> None:
    async with world.worker():
        of, change_id = await executed(world)
        handle = await take_back(world, of, change_id)
        await update(handle, await ask(world, handle), "ann")
        result = await handle.result()
        undo = await row(world, handle.id, result.run_id)
        for state in (of, undo, of):
            seen = await world.store.seen(state.run_id)
            assert await world.store.replace(state, seen=seen)
            found = await row(world, of.review_id, of.run_id)
            assert found.changes[0][1] is ItemState.UNDONE
        await world.store.save(of)
    past = await world.store.past_of("default", world.account.id)
    assert {one.state for one in past.outcomes if one.change_id == change_id} == {"undone"}
    assert names.parse_undo_id(undo.review_id) == (of.run_id, change_id)


async def test_a_write_of_a_review_that_is_still_open(world: World) -> None:
    status, task = set_status(world.account), create_task(world.account)
    world.analysis.changes = (status, task)
    async with world.worker():
        first = await world.start()
        request = await world.request(first)
        await first.execute_update("decide", decision(request, item_ids=[status.change_id]))
        state = await eventually(
            lambda: first.query(AccountReviewWorkflow.snapshot),
            lambda one: status.change_id in one.written and bool(one.pending),
        )
        await eventually(lambda: row(world, first.id, state.run_id), lambda one: bool(one.written))
        handle = await take_back(world, state, status.change_id)
        await update(handle, await ask(world, handle), "ann")
        await handle.result()
        await first.execute_update("decide", decision(request, "reject", reason="no"))
        await first.result()
    assert world.status() == "Active"
    ended = await row(world, first.id, state.run_id)
    found = {change.change_id: item_state for change, item_state in ended.changes}
    assert found == {
        status.change_id: ItemState.UNDONE, task.change_id: ItemState.REJECTED,
    }  # fmt: skip
