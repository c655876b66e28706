"""Whatever is sent to a review, it goes on; what matters stands in its timeline."""

from typing import Any

import pytest
from temporalio.api.common.v1 import Payload, Payloads, WorkflowExecution
from temporalio.api.workflowservice.v1 import SignalWorkflowExecutionRequest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from account_reviews.domain.proposals import ItemState
from account_reviews.domain.review.messages import DecisionAnswer
from account_reviews.domain.review.phases import Outcome
from tests.support.world import Handle, World, create_task, decision, eventually
from workflows.account_review import AccountReviewWorkflow

JSON = {"encoding": b"json/plain"}


async def send(world: World, handle: Handle, name: str, *payloads: Payload) -> None:
    await world.client.workflow_service.signal_workflow_execution(
        SignalWorkflowExecutionRequest(
            namespace=world.client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=handle.id),
            signal_name=name,
            input=Payloads(payloads=payloads),
        )
    )


ODD = {
    "no argument": ((), "no argument"),
    "two arguments": (
        (Payload(metadata=JSON, data=b"[1]"), Payload(metadata=JSON, data=b"2")),
        "a list",
    ),
    "not JSON": ((Payload(metadata=JSON, data=b"notjson{"),), "not JSON"),
    "raw bytes": ((Payload(metadata={"encoding": b"binary/plain"}, data=b"\xff"),), "encoding"),
    "unknown encoding": ((Payload(metadata={"encoding": b"odd"}, data=b"{}"),), "encoding"),
    "no encoding": ((Payload(data=b"{}"),), "encoding"),
    "a list": ((Payload(metadata=JSON, data=b"[]"),), "a list"),
    "wrong shape": ((Payload(metadata=JSON, data=b'{"request_id": 7}'),), "request_id"),
}


@pytest.mark.parametrize("name", [*ODD])
@pytest.mark.parametrize("signal", ["submit_decision", "cancel_review"])
async def test_an_odd_signal_is_told_and_the_review_goes_on(
    world: World, name: str, signal: str
) -> None:
    payloads, part = ODD[name]
    world.analysis.changes = (create_task(world.account),)
    if signal == "cancel_review" and name == "wrong shape":
        payloads, part = (Payload(metadata=JSON, data=b'{"by": []}'),), "by"
    async with world.review() as handle:
        request = await world.request(handle)
        await send(world, handle, signal, *payloads)
        state = await eventually(
            lambda: handle.query(AccountReviewWorkflow.snapshot),
            lambda state: state.counters.malformed == 1,
        )
        texts = [line.text for line in state.timeline if line.kind == "malformed_signal"]
        assert len(texts) == 1
        assert part in texts[0]
        await handle.execute_update("decide", decision(request))
        result = await handle.result()
    assert result.outcome is Outcome.COMPLETED


async def test_two_arguments_of_which_the_first_is_good_count(world: World) -> None:
    world.analysis.changes = (create_task(world.account),)
    async with world.review() as handle:
        request = await world.request(handle)
        await handle.signal("submit_decision", args=[decision(request), {"more": 1}])
        result = await handle.result()
    assert result.outcome is Outcome.COMPLETED


async def test_an_unknown_signal_does_no_harm(world: World) -> None:
    world.analysis.changes = (create_task(world.account),)
    async with world.review() as handle:
        request = await world.request(handle)
        await handle.signal("hello", "there")
        await handle.signal("submit_decision", decision(request))
        result = await handle.result()
    assert result.outcome is Outcome.COMPLETED


async def refusal(handle: Handle, *args: Any) -> ApplicationError:
    with pytest.raises(WorkflowUpdateFailedError) as failure:
        await handle.execute_update("decide", args=list(args))
    assert isinstance(failure.value.cause, ApplicationError)
    return failure.value.cause


async def test_the_validator_turns_away_without_an_event(world: World) -> None:
    world.analysis.changes = (create_task(world.account),)
    async with world.review() as handle:
        request = await world.request(handle)
        before = (await handle.describe()).history_length
        assert (await refusal(handle)).type == "bad_shape"
        assert (await refusal(handle, "text")).type == "bad_shape"
        assert (await refusal(handle, [1], [2])).type == "bad_shape"
        unknown = {**decision(request), "request_id": "other"}
        assert (await refusal(handle, unknown)).type == "unknown_request"
        assert (await handle.describe()).history_length == before
        await handle.execute_update("decide", decision(request))
        await handle.result()


async def test_a_refusal_that_matters_stands_in_the_history(world: World) -> None:
    one, two = create_task(world.account, "One"), create_task(world.account, "Two")
    world.analysis.changes = (one, two)
    async with world.review() as handle:
        request = await world.request(handle)
        first = decision(request, item_ids=[one.change_id])
        answer = await handle.execute_update("decide", first, result_type=DecisionAnswer)
        assert answer.items[0].state is ItemState.APPROVED
        late = decision(request, "reject", item_ids=[one.change_id], reason="no", approver="bob")
        assert (await refusal(handle, late)).type == "already_decided"
        assert (await refusal(handle, decision(request, "reject"))).type == "reason_required"
        state = await handle.query(AccountReviewWorkflow.snapshot)
        refused = [line.by for line in state.timeline if line.kind == "approval_refused"]
        assert refused == ["bob", "ann"]
        await handle.execute_update("decide", decision(request))
        result = await handle.result()
    assert set(result.changes.values()) == {ItemState.EXECUTED}


async def test_the_same_update_id_is_one_decision(world: World) -> None:
    one, two = create_task(world.account, "One"), create_task(world.account, "Two")
    world.analysis.changes = (one, two)
    async with world.review() as handle:
        request = await world.request(handle)
        said = decision(request, item_ids=[one.change_id])
        answers = [
            await handle.execute_update("decide", said, id="d1", result_type=DecisionAnswer)
            for _ in range(2)
        ]
        assert answers[0] == answers[1]
        await handle.execute_update("decide", decision(request, "defer"))
        result = await handle.result()
    assert result.counters.decisions == 2


async def test_a_flood_of_refusals_is_stopped_at_the_door(world: World) -> None:
    world.analysis.changes = (create_task(world.account),)
    async with world.review() as handle:
        request = await world.request(handle)
        for _ in range(50):
            await handle.signal("submit_decision", decision(request, "reject"))
        await eventually(
            lambda: handle.query(AccountReviewWorkflow.snapshot),
            lambda state: state.counters.refusals == 50,
        )
        assert (await refusal(handle, decision(request))).type == "not_allowed"
        await handle.signal("submit_decision", decision(request))
        result = await handle.result()
    assert result.outcome is Outcome.COMPLETED


async def test_queries_answer(world: World) -> None:
    world.analysis.changes = (create_task(world.account),)
    async with world.review() as handle:
        request = await world.request(handle)
        status = await handle.query(AccountReviewWorkflow.status)
        assert (status.phase, status.status) == ("approval", "waiting")
        assert status.waiting_on == ("owner-1",)
        pending = await handle.query(AccountReviewWorkflow.pending_approvals)
        assert [one.request_id for one in pending.items] == [request.request_id]
        assert (await handle.query(AccountReviewWorkflow.timeline)).items
        assert (await handle.query(AccountReviewWorkflow.resumable)).resumable
        await handle.signal("submit_decision", decision(request))
        await handle.result()
        assert not (await handle.query(AccountReviewWorkflow.resumable)).resumable


async def test_messages_of_a_megabyte_do_not_wedge_a_review(world: World) -> None:
    world.analysis.changes = (create_task(world.account),)
    async with world.review() as handle:
        request = await world.request(handle)
        for name in ("request_id", "decision_id", "token", "proposal_hash", "changes", "unread"):
            long = {"x" * 1_000_000: "x"} if name == "changes" else "x" * 1_000_000
            await handle.signal("submit_decision", {**decision(request), name: long})
        for place in range(40):
            early = decision(request, "reject", reason="é" * 5000, decision_id=f"d{place}")
            await handle.signal("submit_decision", {**early, "request_id": f"other-{place}"})
        again: Handle = world.client.get_workflow_handle_for(AccountReviewWorkflow.run, handle.id)
        state = await eventually(
            lambda: again.query(AccountReviewWorkflow.snapshot),
            lambda state: state.counters.malformed == 6 and state.counters.refusals == 40,
        )
        assert all(len(line.text) < 300 for line in state.timeline)
        await again.execute_update("decide", decision(request))
        result = await again.result()
    assert result.outcome is Outcome.COMPLETED


EDGES = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00")


@pytest.mark.parametrize("moment", EDGES)
async def test_a_time_outside_the_years_we_know_is_malformed(world: World, moment: str) -> None:
    world.analysis.changes = (create_task(world.account),)
    async with world.review() as handle:
        request = await world.request(handle)
        late = decision(request, decided_at=moment)
        await handle.signal("submit_decision", late)
        state = await eventually(
            lambda: handle.query(AccountReviewWorkflow.snapshot),
            lambda state: state.counters.malformed == 1,
        )
        assert "outside the years 1 to 9999" in state.timeline[-1].text
        assert (await refusal(handle, late)).type == "bad_shape"
        await handle.execute_update("decide", decision(request))
        await handle.result()
