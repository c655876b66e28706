"""Interactive reviews: asking, annotating, proposing, and being idle."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError, WorkflowUpdateStage
from temporalio.exceptions import CancelledError
from temporalio.testing import TimeSkipper

from account_reviews.domain.analysis.model import Finding, Severity
from account_reviews.domain.proposals import ItemState
from account_reviews.domain.records import AccountSnapshot, SnapshotLimits
from account_reviews.domain.review.approvals import Terms
from account_reviews.domain.review.phases import Outcome, Phase
from account_reviews.domain.review.state import Execution, ReviewResult
from tests.support.control import investigates, refusal, state_of, until
from tests.support.world import Handle, World, create_task, decision
from workflows.account_review import AccountReviewWorkflow


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


async def test_a_proposal_is_asked_by_the_rules_of_its_own_time(world: World) -> None:
    async with world.review(interactive=True) as handle:
        await until(handle, investigates)
        world.analysis.terms = Terms(checked=True, requirement="n_of_m", n=2)
        wanted = {"action": "update_account", "after": {"status": "At Risk"}}
        await handle.execute_update("propose", {"by": "bot", "changes": [wanted]})
        (request,) = (await state_of(handle)).requests
        assert (request.terms.checked, request.required.n) == (True, 2)
        await handle.execute_update("decide", decision(request))
        assert [one.verb for one in world.checks].count("decide") == 1


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


async def test_a_refresh_keeps_what_an_agent_proposed(world: World) -> None:
    world.analysis.changes = (create_task(world.account),)
    async with world.review() as handle:
        await world.request(handle)
        own = {"action": "add_note", "after": {"title": "Call", "content": "They called."}}
        await handle.execute_update("propose", {"by": "bot", "changes": [own]})
        world.analysis.changes = ()
        await handle.signal("refresh", {"by": "ann"})
        state = await until(
            handle, lambda now: any(one.kind == "refreshed" for one in now.timeline)
        )
    states = [item.state for request in state.requests for item in request.items]
    assert states == [ItemState.SUPERSEDED, ItemState.PROPOSED]


async def test_a_native_cancel_reaches_a_review_that_would_go_on_as_a_new_run(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answers = asyncio.Event(), asyncio.Event()
    read = world.crm.snapshot

    async def held(account_id: str, *, as_of: datetime, limits: SnapshotLimits) -> AccountSnapshot:
        asked.set()
        await answers.wait()
        return await read(account_id, as_of=as_of, limits=limits)

    world.execution = Execution(crm_reads="regular", memory="local", own="local")
    async with world.review(interactive=True, history_limit=10) as handle:
        await until(handle, investigates)
        monkeypatch.setattr(world.crm, "snapshot", held)
        wanted = {"action": "update_account", "after": {"status": "At Risk"}}
        proposing = await handle.start_update(
            "propose",
            {"by": "bot", "changes": [wanted]},
            wait_for_stage=WorkflowUpdateStage.ACCEPTED,
        )
        await asked.wait()
        await handle.execute_update("annotate", {"by": "bot"})  # and its history is long
        await handle.cancel()
        cause = await refusal(proposing.result())
        answers.set()
        assert cause.type == "review_closed"
        with pytest.raises(WorkflowFailureError) as failure:
            await handle.result()
        state = await state_of(handle)
    assert isinstance(failure.value.cause, CancelledError)
    assert state.outcome is Outcome.CANCELLED
