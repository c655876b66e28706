"""Pausing and closing, and messages of any shape, on a real server."""

import asyncio
from typing import Any

import pytest

from account_reviews.domain.proposals import ItemState
from account_reviews.domain.review.approvals import Terms
from account_reviews.domain.review.phases import Outcome, Status
from tests.support.control import investigates, refusal, state_of, until
from tests.support.world import World, create_task, decision, set_status


async def test_a_pause_takes_decisions_and_holds_the_write(world: World) -> None:
    world.analysis.changes = (set_status(world.account),)
    async with world.review() as handle:
        request = await world.request(handle)
        paused = await handle.execute_update("pause", {"by": "ann", "reason": "lunch"})
        assert (paused["status"], paused["phase"]) == ("paused", "approval")
        await handle.execute_update("decide", decision(request))
        state = await state_of(handle)
        assert state.status is Status.PAUSED
        assert state.requests[0].items[0].state is ItemState.APPROVED
        assert world.status() == "Active"
        again = await refusal(handle.execute_update("pause", {"by": "ben"}))
        assert again.type == "already_paused"
        assert "by ann" in again.message
        assert "phase approval" in again.message
        await handle.execute_update("resume", {"by": "ann"})
        result = await handle.result()
    assert result.outcome is Outcome.COMPLETED
    assert world.status() == "At Risk"


async def test_a_deadline_runs_while_it_is_paused(world: World) -> None:
    world.analysis.terms = Terms(timeout_seconds=1)
    world.analysis.changes = (create_task(world.account),)
    async with world.review() as handle:
        await world.request(handle)
        await handle.signal("pause", {"by": "ann"})
        result = await handle.result()
    assert result.outcome is Outcome.EXPIRED


async def test_a_pause_before_the_analysis_holds_it(world: World) -> None:
    world.crm.available = False
    async with world.review(give_up_after_seconds=60) as handle:
        await handle.execute_update("pause", {"by": "ann"})
        world.crm.available = True
        await until(handle, lambda state: state.snapshot is not None)
        await asyncio.sleep(0.3)
        assert world.analysis.calls == 0
        assert (await state_of(handle)).status is Status.PAUSED
        await handle.execute_update("resume", {"by": "ann"})
        result = await handle.result()
    assert result.outcome is Outcome.NOTHING_TO_DO


async def test_a_resume_of_what_is_not_paused_is_refused(world: World) -> None:
    world.analysis.changes = (create_task(world.account),)
    async with world.review() as handle:
        await world.request(handle)
        cause = await refusal(handle.execute_update("resume", {"by": "ann"}))
        assert cause.type == "not_paused"
        assert "phase approval" in cause.message
        await handle.signal("cancel_review", {"by": "ann"})
        await handle.result()


@pytest.mark.parametrize("first", ["cancel", "decision"])
async def test_a_cancel_and_a_decision_in_one_task_write_nothing(world: World, first: str) -> None:
    world.analysis.changes = (set_status(world.account),)
    async with world.worker():
        handle = await world.start()
        request = await world.request(handle)
    # No worker: both wait, and come in one task.
    sent = [("cancel_review", {"by": "ann"}), ("submit_decision", decision(request))]
    for name, message in sent if first == "cancel" else reversed(sent):
        await handle.signal(name, message)
    async with world.worker():
        result = await handle.result()
    assert result.outcome is Outcome.CANCELLED
    assert set(result.changes.values()) == {ItemState.SKIPPED}
    assert world.status() == "Active"


@pytest.mark.parametrize(
    ("said", "outcome", "status"),
    [
        ({"outcome": "completed"}, Outcome.COMPLETED, Status.COMPLETED),
        ({"outcome": "abandoned"}, Outcome.ABANDONED, Status.ABANDONED),
        ({"exit_code": 0}, Outcome.COMPLETED, Status.COMPLETED),
        ({}, Outcome.COMPLETED, Status.COMPLETED),
    ],
)
async def test_closing(
    world: World, said: dict[str, object], outcome: Outcome, status: Status
) -> None:
    world.analysis.changes = (create_task(world.account),)
    async with world.review() as handle:
        await world.request(handle)
        await handle.execute_update("close", {"by": "ann", "summary": "Talked to them", **said})
        result = await handle.result()
    assert (result.outcome, result.status) == (outcome, status)
    assert result.summary == "Talked to them"
    assert set(result.changes.values()) == {ItemState.SKIPPED}


async def test_closing_with_an_exit_code_that_is_not_zero_fails(world: World) -> None:
    async with world.review(interactive=True) as handle:
        await until(handle, investigates)
        await handle.execute_update("close", {"by": "bot", "exit_code": 3})
        with pytest.raises(Exception, match="Workflow execution failed"):
            await handle.result()
        assert (await state_of(handle)).outcome is Outcome.FAILED


@pytest.mark.parametrize("name", ["pause", "resume", "close", "annotate", "touch", "step_failing"])
@pytest.mark.parametrize("args", [[], ["one"], [{"by": "x" * 300}], [1, 2]])
async def test_odd_signals_change_nothing(world: World, name: str, args: list[Any]) -> None:
    world.analysis.changes = (create_task(world.account),)
    async with world.review() as handle:
        request = await world.request(handle)
        await handle.signal(name, args=args)
        await until(handle, lambda state: state.counters.malformed == 1)
        await handle.execute_update("decide", decision(request))
        result = await handle.result()
    assert result.outcome is Outcome.COMPLETED


async def test_checked_commands_keep_their_order(world: World) -> None:
    world.analysis.terms = Terms(checked=True)
    world.analysis.changes = (set_status(world.account),)
    async with world.review() as handle:
        request = await world.request(handle)
        await handle.execute_update("decide", decision(request))
        result = await handle.result()
    assert result.outcome is Outcome.COMPLETED
    assert [one.verb for one in world.checks] == ["decide"]
    assert world.checks[0].item_hashes == {one.item_id: one.change.hash for one in request.items}


async def test_a_seat_is_handed_over_and_both_are_recorded(world: World) -> None:
    world.analysis.changes = (create_task(world.account),)
    async with world.review() as handle:
        request = await world.request(handle)
        said = {"request_id": request.request_id, "by": "owner-1", "to": "ben"}
        answer = await handle.execute_update("delegate", said)
        assert answer["message"] == "ben may decide for owner-1 too"
        again = await refusal(handle.execute_update("delegate", said))
        assert "already" in again.message
        message = decision(request, approver="ben", on_behalf_of="owner-1")
        await handle.execute_update("decide", message)
        await handle.result()
        state = await state_of(handle)
    (recorded,) = state.requests[0].decisions
    assert (recorded.by, recorded.on_behalf_of) == ("ben", "owner-1")
