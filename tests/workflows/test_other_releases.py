"""Reviews that another release began, while workers are exchanged and after."""

import asyncio

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowUpdateFailedError

import starter
from account_reviews.domain.review import state
from account_reviews.domain.review.phases import Outcome
from tests.support.world import Handle, World, create_task, decision

_FAILED = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED


async def _failure(handle: Handle) -> str:
    while True:
        history = await handle.fetch_history()
        for event in history.events:
            if event.event_type == _FAILED:
                kinds = {one.event_type for one in history.events}
                assert EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED not in kinds
                return event.workflow_task_failed_event_attributes.failure.message
        await asyncio.sleep(0.05)


async def test_one_of_a_newer_release_waits_for_its_workers(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Begun in the order of this release it could not be read by the other one ever after."""
    world.analysis.changes = (create_task(world.account),)
    newer = state.NEWEST_LOGIC + 1
    with monkeypatch.context() as begun:
        begun.setattr(starter, "NEWEST_LOGIC", newer)
        handle = await world.start()
    async with world.worker():
        said = await _failure(handle)
    assert f"a newer release began this review (logic {newer}" in said
    monkeypatch.setattr(state, "NEWEST_LOGIC", newer)
    async with world.worker():
        request = await world.request(handle)
        await handle.signal("submit_decision", decision(request))
        result = await handle.result()
    assert result.outcome is Outcome.COMPLETED


async def test_one_of_an_earlier_release_refuses_commands_and_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By update and by signal alike; it is not wedged, and what it asks is decided as ever."""
    world.analysis.changes = (create_task(world.account),)
    monkeypatch.setattr(starter, "NEWEST_LOGIC", 2)
    async with world.worker():
        handle = await world.start()
        request = await world.request(handle)
        said = {"by": "ann", "reason": "later", "question": "why?", "outcome": "abandoned"}
        for verb in ("pause", "resume", "close", "annotate", "ask"):
            with pytest.raises(WorkflowUpdateFailedError) as refused:
                await handle.execute_update(verb, said)
            assert "begun by an earlier release" in str(refused.value.cause)
            assert "decide on what it asks or cancel it" in str(refused.value.cause)
        step = {"activity_id": "1", "type": "crm.write", "attempt": 3, "error": "away"}
        for signal in ("pause", "close", "annotate", "touch"):
            await handle.signal(signal, said)
        await handle.signal("step_failing", step)
        await handle.signal("step_recovered", step)
        await handle.signal("submit_decision", decision(request))
        result = await handle.result()
    assert result.outcome is Outcome.COMPLETED
