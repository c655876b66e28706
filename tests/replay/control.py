"""Scenarios of reviews that people and agents control, for the replay corpus."""

import asyncio
from contextlib import suppress

from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError

from account_reviews.domain.review.checks import Checked, CheckSaid
from account_reviews.domain.review.messages import Refusal, RefusalCode
from account_reviews.domain.review.state import ReviewState
from account_reviews.domain.review.terms import Escalation, Terms
from tests.support.control import investigates, until
from tests.support.undo import executed, take_back
from tests.support.world import Handle, World, create_task, decision, set_status
from workflows.account_review import AccountReviewWorkflow


async def paused_and_resumed(world: World) -> Handle:
    """While it waits, and approved meanwhile."""
    world.analysis.changes = (set_status(world.account),)
    async with world.review() as handle:
        request = await world.request(handle)
        await handle.execute_update("pause", {"by": "ann", "reason": "lunch"})
        await handle.execute_update("decide", decision(request))
        await until(handle, lambda state: bool(state.requests[0].decisions))
        await handle.signal("resume", {"by": "ann"})
        await handle.result()
    return handle


async def paused_while_it_reads(world: World) -> Handle:
    world.crm.available = False
    async with world.review(give_up_after_seconds=60) as handle:
        await handle.execute_update("pause", {"by": "ann"})
        world.crm.available = True
        await until(handle, lambda state: state.snapshot is not None)
        await handle.execute_update("resume", {"by": "ann"})
        await handle.result()
    return handle


async def closed_by_a_person(world: World) -> Handle:
    world.analysis.changes = (create_task(world.account),)
    async with world.review() as handle:
        await world.request(handle)
        await handle.execute_update("close", {"by": "ann", "outcome": "abandoned"})
        await handle.result()
    return handle


async def closed_as_failed(world: World) -> Handle:
    async with world.review(interactive=True) as handle:
        await until(handle, investigates)
        await handle.signal("close", {"by": "bot", "exit_code": 3})
        with suppress(WorkflowFailureError):
            await handle.result()
    return handle


async def driven_by_an_agent(world: World) -> Handle:
    """Asked, annotated, changes proposed in both ways, refused, decided, closed."""
    world.analysis.changes = (create_task(world.account),)
    async with world.review(interactive=True) as handle:
        state = await until(handle, investigates)
        await handle.execute_update("ask", {"by": "ann", "question": "How is it?"})
        await handle.execute_update("annotate", {"by": "bot", "context": {"account_ids": [1]}})
        stale = {"by": "bot", "metadata": {"a": 1}, "expected_version": 1}
        with suppress(WorkflowUpdateFailedError):
            await handle.execute_update("annotate", stale)
        known = {"change_id": state.changes[0][0].change_id}
        own = {"action": "update_account", "after": {"status": "At Risk"}}
        await handle.execute_update("propose", {"by": "bot", "changes": [known, own]})
        request = (await world.request(handle)).request_id
        for approver in ("ann", "ben"):
            said = {"request_id": request, "decision": "approve", "approver": approver}
            with suppress(WorkflowUpdateFailedError):
                await handle.execute_update("decide", said)
        await until(handle, lambda now: investigates(now) and len(now.written) == 2)
        await handle.signal("touch", {"by": "bot"})
        await handle.execute_update("close", {"by": "bot", "exit_code": 0, "summary": "Done"})
        await handle.result()
    return handle


async def abandoned_when_idle(world: World) -> Handle:
    async with world.review(interactive=True, idle_seconds=1) as handle:
        await until(handle, investigates)
        await asyncio.sleep(0.5)
        await handle.signal("touch", {"by": "ann"})
        await handle.result()
    return handle


async def interactive_over_runs(world: World) -> Handle:
    async with world.review(interactive=True, history_limit=40) as handle:
        await until(handle, investigates)
        newest: Handle = world.client.get_workflow_handle(handle.id)
        for number in range(12):
            await newest.execute_update("annotate", {"by": "x", "metadata": {"n": number}})
        await newest.execute_update("close", {"by": "ann"})
        await newest.result()
    return world.client.get_workflow_handle_for(AccountReviewWorkflow.run, handle.id)


async def notified_reminded_expired(world: World) -> Handle:
    world.analysis.terms = Terms(
        channels=("log", "mail"),
        timeout_seconds=3,
        reminder_seconds=2,
        escalate_seconds=1,
        escalation=Escalation(levels=("lead", "director")),
    )
    world.analysis.changes = (create_task(world.account),)
    async with world.review() as handle:
        await handle.result()
    return handle


async def notified_and_decided(world: World) -> Handle:
    """One of the channels is dead: the review ends while it is still tried."""
    world.channels.dead.add("mail")
    world.analysis.terms = Terms(channels=("log", "mail"))
    world.analysis.changes = (create_task(world.account),)
    async with world.review() as handle:
        request = await world.request(handle)
        await until(handle, lambda _: bool(world.channels.delivered))
        await handle.execute_update("decide", decision(request))
        await handle.result()
    return handle


async def decisions_are_checked(world: World) -> Handle:
    """One is refused by its roles; a pause before the analysis is checked, too."""

    def only_ann(call: CheckSaid) -> Checked:
        if call.by == "ann":
            return Checked(allowed=True, verified=True, nonce="9999999999.one", person="ann")
        why = Refusal(code=RefusalCode.NOT_AN_APPROVER, message=f"{call.by} may not")
        return Checked(allowed=False, refusal=why)

    world.checked = only_ann
    world.analysis.terms = Terms(checked=True)
    world.analysis.changes = (set_status(world.account), create_task(world.account))
    async with world.review() as handle:
        request = await world.request(handle)
        await handle.signal("submit_decision", decision(request, approver="eve"))
        await handle.signal("pause", {"by": "eve"})
        await handle.execute_update("pause", {"by": "ann"})
        await handle.execute_update("resume", {"by": "ann"})
        await handle.execute_update("decide", decision(request))
        await handle.result()
    return handle


async def cancelled_with_a_decision(world: World) -> Handle:
    """Both in one task: nothing is written."""
    world.analysis.changes = (set_status(world.account),)
    async with world.worker():
        handle = await world.start()
        request = await world.request(handle)
    await handle.signal("submit_decision", decision(request))
    await handle.signal("cancel_review", {"by": "ann"})
    async with world.worker():
        await handle.result()
    return handle


async def failing_step(world: World) -> Handle:
    """As its worker would say it, while the process waits for that step."""
    world.analysis.changes = (create_task(world.account),)
    said = {"activity_id": "7", "type": "crm.apply_change", "attempt": 3, "error": "refused"}
    async with world.review() as handle:
        request = await world.request(handle)
        world.crm.available = False
        await handle.execute_update("decide", decision(request))
        await handle.signal("step_failing", said)
        await handle.signal("step_failing", {**said, "attempt": 4})
        await until(handle, _is_failing)
        world.crm.available = True
        await handle.signal("step_recovered", {"activity_id": "7"})
        await handle.result()
    return handle


async def seat_handed_over(world: World) -> Handle:
    world.analysis.changes = (create_task(world.account),)
    async with world.review() as handle:
        request = await world.request(handle)
        said = {"request_id": request.request_id, "by": "owner-1", "to": "ben"}
        await handle.execute_update("delegate", said)
        message = decision(request, approver="ben", on_behalf_of="owner-1")
        await handle.execute_update("decide", message)
        await handle.result()
    return handle


async def undone(world: World) -> Handle:
    async with world.worker():
        of, change_id = await executed(world)
        handle = await take_back(world, of, change_id)
        request = await world.request(handle)
        await handle.execute_update("decide", decision(request))
        await handle.result()
    return handle


async def undo_refused(world: World) -> Handle:
    """Somebody else has changed the record since."""
    async with world.worker():
        of, change_id = await executed(world)
        world.set_status("Onboarding")
        handle = await take_back(world, of, change_id)
        with suppress(WorkflowFailureError):
            await handle.result()
    return handle


def _is_failing(state: ReviewState) -> bool:
    return any(one.attempt == 4 for one in state.failing)


CONTROL_SCENARIOS = (
    paused_and_resumed,
    paused_while_it_reads,
    closed_by_a_person,
    closed_as_failed,
    driven_by_an_agent,
    abandoned_when_idle,
    interactive_over_runs,
    notified_reminded_expired,
    notified_and_decided,
    decisions_are_checked,
    cancelled_with_a_decision,
    failing_step,
    seat_handed_over,
    undone,
    undo_refused,
)
