"""A step that fails again and again: the review needs attention for as long as it does."""

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowFailureError, WorkflowUpdateStage

from account_reviews.domain.errors import DocumentUnreadableError, UnreachableError
from account_reviews.domain.review.approvals import Terms
from account_reviews.domain.review.phases import Outcome, Phase
from account_reviews.domain.review.state import ReviewState
from account_reviews.domain.review.usage import step_of
from account_reviews.temporal import search_attributes
from tests.support.waiting import until
from tests.support.world import Handle, World, create_task, decision
from workflows.account_review import AccountReviewWorkflow


async def state_of(handle: Handle) -> ReviewState:
    return await handle.query(AccountReviewWorkflow.snapshot)


async def signals(handle: Handle) -> list[str]:
    kind = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
    return [
        event.workflow_execution_signaled_event_attributes.signal_name
        async for event in handle.fetch_history_events()
        if event.event_type == kind
    ]


async def needs_attention(handle: Handle) -> bool | None:
    found = await handle.describe()
    return found.typed_search_attributes.get(search_attributes.NEEDS_ATTENTION)


async def stuck_write(world: World) -> Handle:
    """A review that is about to write what the CRM does not take."""
    world.analysis.changes = (create_task(world.account),)
    handle = await world.start()
    request = await world.request(handle)
    world.crm.available = False
    await handle.execute_update("decide", decision(request))
    return handle


async def test_a_write_that_fails_is_named_until_it_is_done(world: World) -> None:
    async with world.worker():
        handle = await stuck_write(world)
        state = await until(lambda: state_of(handle), lambda state: bool(state.failing))
        (failing,) = state.failing
        assert (failing.type, failing.attempt) == ("crm.apply_change", 3)
        assert "CRM" in failing.error
        assert state.needs_attention
        assert await needs_attention(handle)
        assert [line.kind for line in state.timeline].count("step_failing") == 1
        details = await handle.query("__temporal_workflow_metadata")
        assert "**crm.apply_change fails**, attempt 3" in str(details)
        world.crm.available = True
        result = await handle.result()
        assert result.outcome is Outcome.COMPLETED
        state = await state_of(handle)
    assert state.failing == ()
    assert [line.kind for line in state.timeline].count("step_recovered") == 1
    assert await signals(handle) == ["step_failing", "step_recovered"]
    assert result.counters.steps["write"].errors >= 3


async def test_a_step_that_was_given_up_fails_no_more(world: World) -> None:
    """Nobody signals that: no attempt succeeds, and the last one may not even have begun."""
    world.crm.available = False
    async with world.worker():
        # Long enough that it is seen to fail, whatever else the machine does.
        handle = await world.start(give_up_after_seconds=15)
        await until(lambda: state_of(handle), lambda state: bool(state.failing))
        with pytest.raises(WorkflowFailureError):
            await handle.result()
        state = await state_of(handle)
    assert state.failing == ()
    assert (state.outcome, state.reason[:7] if state.reason else "") == (Outcome.FAILED, "no_data")


async def test_a_question_that_was_given_up_fails_no_more(world: World) -> None:
    world.answers.error = UnreachableError("the memory is away")
    async with world.review(interactive=True) as handle:
        await until(lambda: state_of(handle), lambda state: state.phase is Phase.INVESTIGATING)
        asked = await handle.start_update(
            "ask", {"by": "ann", "question": "?"}, wait_for_stage=WorkflowUpdateStage.ACCEPTED
        )
        state = await until(lambda: state_of(handle), lambda state: bool(state.failing))
        assert [step_of(one.type) for one in state.failing] == ["answer"]
        world.answers.error = DocumentUnreadableError("the memory is broken")
        said = await asked.result()
        assert "could not be answered: the memory is broken" in said["turn"]["answer"]
        state = await state_of(handle)
    assert state.failing == ()
    assert state.counters.steps["answer"].errors >= 1


async def test_a_notice_that_arrives_does_not_mend_one_that_is_tried_again(world: World) -> None:
    world.analysis.terms = Terms(channels=("log", "mail"), reminder_seconds=2)
    world.analysis.changes = (create_task(world.account),)
    world.channels.refusing.add("mail")
    async with world.review() as handle:
        await world.request(handle)
        await until(lambda: state_of(handle), lambda state: bool(state.failing))
        state = await until(
            lambda: state_of(handle), lambda state: len(state.requests[0].notifications) == 2
        )
        assert {step_of(one.type) for one in state.failing} == {"notify"}
        world.channels.refusing.clear()
        await until(lambda: state_of(handle), lambda state: not state.notices)
        assert (await state_of(handle)).failing == ()


async def test_a_review_of_an_earlier_logic_is_signalled_and_stays_as_it_was(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("starter.NEWEST_LOGIC", 2)
    async with world.worker():
        handle = await stuck_write(world)

        async def signalled() -> bool:
            return "step_failing" in await signals(handle)

        await until(signalled)
        state = await state_of(handle)
        assert state.failing == ()
        assert state.counters.malformed == 0
        world.crm.available = True
        assert (await handle.result()).outcome is Outcome.COMPLETED


async def test_odd_signals_of_failing_steps_are_malformed_and_harm_nothing(world: World) -> None:
    world.analysis.changes = (create_task(world.account),)
    async with world.review() as handle:
        await world.request(handle)
        await handle.signal("step_failing")
        await handle.signal("step_failing", {"activity_id": "", "type": "x", "attempt": 0})
        await handle.signal("step_failing", args=[1, 2])
        await handle.signal("step_recovered", {"activity_id": "unknown"})
        state = await until(lambda: state_of(handle), lambda state: state.counters.malformed == 3)
        assert state.failing == ()
        await handle.signal("cancel_review", {"by": "olga"})
        assert (await handle.result()).outcome is Outcome.CANCELLED


async def test_stopped_writes_are_no_failure(world: World) -> None:
    world.analysis.changes = (create_task(world.account),)
    world.halted_retry = 0.05
    async with world.worker():
        handle = await world.start(tenant="held")
        request = await world.request(handle)
        halts = world.halts()
        await halts.halt("held", "olga", "audit")
        try:
            await handle.execute_update("decide", decision(request))

            async def tried() -> int:
                pending = (await handle.describe()).raw_description.pending_activities
                return max((one.attempt for one in pending), default=0)

            await until(tried, lambda attempt: attempt > 5)
            assert (await state_of(handle)).failing == ()
        finally:
            await halts.release("held", "olga", "done")
        await handle.result()
    assert await signals(handle) == []
