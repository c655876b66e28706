"""What a review used is what the results in its history say, whatever became of its workers."""

import json
from datetime import datetime

from temporalio.api.enums.v1 import EventType

from account_reviews.crm.in_memory import InMemoryCrm
from account_reviews.domain.errors import CrmUnavailableError
from account_reviews.domain.records import AccountSnapshot, SnapshotLimits
from account_reviews.domain.review.state import Execution, ReviewState, Usage
from account_reviews.domain.review.usage import plus
from tests.support.control import investigates, until
from tests.support.world import AS_OF, Handle, World, create_task, decision, set_status
from workflows.account_review import AccountReviewWorkflow

REGULAR = Execution(crm_reads="regular", memory="regular", own="regular")


async def recorded(handle: Handle) -> Usage:
    """The sum of all results in the history."""
    total = Usage()
    async for event in handle.fetch_history_events():
        if event.event_type != EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
            continue
        for payload in event.activity_task_completed_event_attributes.result.payloads:
            found = json.loads(payload.data) if payload.data else None
            if isinstance(found, dict) and found.get("usage"):
                total = plus(total, Usage.model_validate(found["usage"]))
    return total


async def state_of(handle: Handle) -> ReviewState:
    return await handle.query(AccountReviewWorkflow.snapshot)


async def test_the_counters_are_the_sum_of_the_results_over_a_change_of_workers(
    world: World,
) -> None:
    world.analysis.changes = (create_task(world.account), set_status(world.account))
    async with world.worker():
        handle = await world.start(execution=REGULAR)
        request = await world.request(handle)
        first = (await state_of(handle)).counters
        assert first.usage == await recorded(handle)
        assert set(first.steps) == {"gather", "recall", "analyse"}
    async with world.worker():
        await handle.execute_update("decide", decision(request))
        result = await handle.result()
        assert result.counters.usage == await recorded(handle)
        steps = result.counters.steps
        assert {name: one.calls for name, one in steps.items()} == {
            "gather": 1,
            "recall": 1,
            "analyse": 0,
            "write": 2,
            "read_back": 1,
        }
        assert all(one.milliseconds > 0 for one in steps.values())
        assert result.counters.usage.errors == 0
        assert (await state_of(handle)).counters == result.counters


async def test_questions_and_proposals_count_too(world: World) -> None:
    async with world.worker():
        handle = await world.start(execution=REGULAR, interactive=True)
        await until(handle, investigates)
        await handle.execute_update("ask", {"by": "ann", "question": "How is it?"})
        wanted = {"action": "update_account", "after": {"status": "At Risk"}}
        await handle.execute_update("propose", {"by": "bot", "changes": [wanted]})
        counters = (await state_of(handle)).counters
        assert counters.usage == await recorded(handle)
    assert {"answer", "prepare"} <= set(counters.steps)


class Refusing(InMemoryCrm):
    """Cannot be reached the first few times it is read."""

    left = 0

    async def snapshot(
        self, account_id: str, *, as_of: datetime, limits: SnapshotLimits
    ) -> AccountSnapshot:
        if self.left > 0:
            self.left -= 1
            raise CrmUnavailableError("away")
        return await super().snapshot(account_id, as_of=as_of, limits=limits)


async def test_attempts_that_failed_are_errors_local_ones_too(world: World) -> None:
    held = await world.crm.snapshot(world.account.id, as_of=AS_OF, limits=SnapshotLimits())
    world.crm = crm = Refusing([held])
    crm.left = 3
    async with world.review() as handle:
        result = await handle.result()
    steps = result.counters.steps
    assert steps["gather"].errors == 3, "two local tries and a regular one"
    assert steps["recall"].errors == steps["analyse"].errors == 0
    assert result.counters.usage.errors == 3


async def test_a_write_whose_answer_was_lost_counts_it(world: World) -> None:
    world.analysis.changes = (set_status(world.account),)
    world.crm.lose_answers()
    async with world.review() as handle:
        await handle.execute_update("decide", decision(await world.request(handle)))
        result = await handle.result()
    assert result.counters.steps["write"].errors == 1
    assert result.counters.steps["write"].calls == 1, "of the attempt that ended it"
