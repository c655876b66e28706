"""Pausing, closing, annotating, asking and proposing, on a real server."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError, WorkflowUpdateStage
from temporalio.exceptions import ApplicationError
from temporalio.testing import TimeSkipper

from account_reviews.domain.analysis.model import Finding, Severity
from account_reviews.domain.proposals import ItemState
from account_reviews.domain.review.approvals import Terms
from account_reviews.domain.review.phases import Outcome, Phase, Status
from account_reviews.domain.review.state import ReviewResult, ReviewState
from tests.support.world import Handle, World, create_task, decision, eventually, set_status
from workflows.account_review import AccountReviewWorkflow


async def state_of(handle: Handle) -> ReviewState:
    return await handle.query(AccountReviewWorkflow.snapshot)


async def until(handle: Handle, holds: Callable[[ReviewState], bool]) -> ReviewState:
    return await eventually(lambda: state_of(handle), holds)


async def refusal(sending: Any) -> ApplicationError:
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await sending
    cause = caught.value.cause
    assert isinstance(cause, ApplicationError)
    return cause


def investigates(state: ReviewState) -> bool:
    return state.phase is Phase.INVESTIGATING and state.analysis is not None


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


async def test_an_interactive_review_stays_until_it_is_closed(world: World) -> None:
    world.analysis.changes = (create_task(world.account),)
    async with world.review(interactive=True) as handle:
        await until(handle, investigates)
        await asyncio.sleep(0.2)
        state = await state_of(handle)
        assert state.phase is Phase.INVESTIGATING
        assert not state.requests
        answer = await handle.execute_update(
            "propose", {"by": "bot", "changes": [{"change_id": state.changes[0][0].change_id}]}
        )
        assert answer["phase"] == "approval"
        state = await state_of(handle)
        assert state.requests[0].items[0].change.author == "bot"
        await handle.execute_update("decide", decision(state.requests[0]))
        state = await until(handle, lambda now: investigates(now) and bool(now.written))
        assert state.changes[0][1] is ItemState.EXECUTED
        await handle.execute_update("close", {"by": "bot", "exit_code": 0})
        result = await handle.result()
    assert result.outcome is Outcome.COMPLETED
    moves = [one.to_phase for one in state.history]
    assert moves == [
        Phase.INVESTIGATING, Phase.PLANNING, Phase.APPROVAL, Phase.EXECUTING,
        Phase.VALIDATING, Phase.APPROVAL, Phase.INVESTIGATING,
    ]  # fmt: skip


async def test_what_an_agent_proposes_is_exact(world: World) -> None:
    async with world.review(interactive=True) as handle:
        await until(handle, investigates)
        wanted = {
            "action": "update_account",
            "record": {"type": "account", "id": world.account.id},
            "after": {"status": "At Risk"},
        }
        await handle.execute_update("propose", {"by": "bot", "changes": [wanted], "reason": "sick"})
        (request,) = (await state_of(handle)).requests
        (item,) = request.items
        assert (item.change.before, item.change.after) == (
            {"status": "Active"},
            {"status": "At Risk"},
        )
        assert item.change.record.version == world.account.version
        again = await refusal(handle.execute_update("propose", {"by": "bot", "changes": [wanted]}))
        assert again.type == "bad_change"
        assert "proposed already" in again.message
        await handle.execute_update("decide", decision(request))
        await until(handle, lambda state: bool(state.written))
        assert world.status() == "At Risk"


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ({"action": "update_account", "after": {"colour": "red"}}, "has no field 'colour'"),
        ({"action": "update_account", "after": {}}, "writes nothing"),
        ({"action": "update_account", "after": {"status": "Active"}}, "has these values already"),
        (
            {"action": "update_contact", "record": {"type": "contact", "id": "c-9"},
             "after": {"phone": "1"}},
            "has no contact 'c-9'",
        ),
        (
            {"action": "update_account", "record": {"type": "account", "id": "other"},
             "after": {"status": "At Risk"}},
            "not 'other'",
        ),
        ({"change_id": "0123"}, "proposes no change '0123'"),
        ({}, "say which action"),
    ],
)  # fmt: skip
async def test_what_cannot_be_proposed(world: World, wanted: dict[str, Any], why: str) -> None:
    async with world.review(interactive=True) as handle:
        await until(handle, investigates)
        cause = await refusal(handle.execute_update("propose", {"by": "x", "changes": [wanted]}))
        assert cause.type == "bad_change"
        assert why in cause.message
        assert "change 1" in cause.message
        assert not (await state_of(handle)).requests


async def test_questions_are_answered_in_order_and_add_findings(world: World) -> None:
    world.answers.findings = (Finding(kind="answer", severity=Severity.LOW, title="New"),)
    async with world.review(interactive=True) as handle:
        await until(handle, investigates)
        first = await handle.execute_update("ask", {"by": "ann", "question": "How is it?"})
        second = await handle.execute_update("ask", {"by": "ann", "question": "And the deals?"})
    assert first["turn"]["answer"] == "So it is: How is it?"
    assert [one["title"] for one in first["turn"]["findings"]] == ["New"]
    assert second["turn"]["findings"] == []
    assert [one.question for one in world.answers.asked[1].conversation] == ["How is it?"]


async def test_the_ninth_question_is_busy(world: World) -> None:
    world.answers.open.clear()
    async with world.review(interactive=True) as handle:
        await until(handle, investigates)
        started = [
            await handle.start_update(
                "ask",
                {"by": "ann", "question": f"{number}?"},
                wait_for_stage=WorkflowUpdateStage.ACCEPTED,
            )
            for number in range(8)
        ]
        cause = await refusal(handle.execute_update("ask", {"by": "ann", "question": "9?"}))
        assert cause.type == "busy"
        # Decisions and control have no such limit.
        await handle.execute_update("annotate", {"by": "ann", "metadata": {"a": 1}})
        world.answers.open.set()
        answers = [await one.result() for one in started]
    assert [one["turn"]["question"] for one in answers] == [f"{number}?" for number in range(8)]


async def test_a_question_that_the_review_ends_before_is_refused(world: World) -> None:
    world.answers.open.clear()
    async with world.review(interactive=True) as handle:
        await until(handle, investigates)
        started = await handle.start_update(
            "ask", {"by": "ann", "question": "?"}, wait_for_stage=WorkflowUpdateStage.ACCEPTED
        )
        await handle.execute_update("close", {"by": "ann"})
        cause = await refusal(started.result())
        assert cause.type == "review_closed"
        world.answers.open.set()
        await handle.result()


async def test_annotations_merge_and_two_writers_of_one_version_conflict(world: World) -> None:
    async with world.review(interactive=True) as handle:
        await until(handle, investigates)
        base = (await state_of(handle)).version
        context = {"account_ids": ["a", "b"], "total_batches": 2, "colour": ["red"]}
        one = await handle.execute_update(
            "annotate", {"by": "x", "context": context, "expected_version": base}
        )
        cause = await refusal(
            handle.execute_update(
                "annotate", {"by": "y", "metadata": {"k": 1}, "expected_version": base}
            )
        )
        assert cause.type == "stale_version"
        more = {"account_ids": ["b", "c"], "total_batches": 3, "colour": ["blue"]}
        await handle.execute_update(
            "annotate", {"by": "y", "context": more, "error": "lost it", "step": "two"}
        )
        state = await state_of(handle)
    assert one["version"] > base
    assert state.context == {"account_ids": ["a", "b", "c"], "total_batches": 3}
    assert state.metadata == {"colour": ["red", "blue"]}
    assert (state.error_count, state.last_error, state.step) == (1, "lost it", "two")


async def test_an_idle_review_is_abandoned_unless_it_is_touched(world: World) -> None:
    skipper = TimeSkipper(world.client)
    async with world.worker():
        with skipper.with_time_skipping_disabled():
            handle = await world.start(skipper.client, interactive=True)
            await until(handle, investigates)
        for _ in range(3):
            await skipper.fast_forward(handle, timedelta(minutes=50))
            await handle.signal("touch", {"by": "ann"})
        await skipper.fast_forward(handle, timedelta(minutes=61))
        result = await handle.result()
        state = await state_of(handle)
    assert result.outcome is Outcome.ABANDONED
    assert 180 * 60 <= result.duration_seconds < 215 * 60
    assert state.reason == "closed by idle policy: nobody touched it for 1h"


async def test_nothing_is_abandoned_while_it_waits_or_is_paused(world: World) -> None:
    skipper = TimeSkipper(world.client)
    world.analysis.changes = (create_task(world.account),)
    async with world.worker():
        with skipper.with_time_skipping_disabled():
            handle = await world.start(skipper.client, interactive=True)
            state = await until(handle, investigates)
        change = {"change_id": state.changes[0][0].change_id}
        await handle.execute_update("propose", {"by": "bot", "changes": [change]})
        await skipper.fast_forward(handle, timedelta(hours=20))
        state = await state_of(handle)
        assert state.outcome is None
        await handle.execute_update("decide", decision(state.requests[0], "reject", reason="no"))
        await handle.execute_update("pause", {"by": "ann"})
        await skipper.fast_forward(handle, timedelta(hours=20))
        assert (await state_of(handle)).outcome is None
        await handle.execute_update("resume", {"by": "ann"})
        await skipper.fast_forward(handle, timedelta(minutes=61))
        result = await handle.result()
    assert result.outcome is Outcome.ABANDONED


async def test_all_of_it_goes_over_a_continue_as_new(world: World) -> None:
    async with world.review(interactive=True, history_limit=40) as handle:
        await until(handle, investigates)
        newest: Handle = world.client.get_workflow_handle(handle.id, result_type=ReviewResult)
        await newest.execute_update("ask", {"by": "ann", "question": "How is it?"})
        for number in range(12):
            await newest.execute_update(
                "annotate", {"by": "x", "context": {"account_ids": [number]}}
            )
        state = await newest.query(AccountReviewWorkflow.snapshot)
        described = await newest.describe()
        assert described.run_id != handle.first_execution_run_id
        assert state.context["account_ids"] == list(range(12))
        assert state.conversation[0].answer == "So it is: How is it?"
        assert state.counters.commands == 13
        await newest.execute_update("close", {"by": "ann"})
        await newest.result()


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
