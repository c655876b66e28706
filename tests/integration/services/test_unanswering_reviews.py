"""Reviews and cycles that are paused in Temporal, or that it does not know any more."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import Worker

from account_reviews.audit.history.reconciler import Reconciler
from account_reviews.bootstrap import Parts
from account_reviews.domain.audit.redaction import Rules
from account_reviews.domain.cycle.state import CycleState
from account_reviews.domain.errors import ConflictError, NotFoundError
from account_reviews.domain.records import Account, RecordRef, RecordType
from account_reviews.domain.review.approvals import ApprovalRequest
from account_reviews.domain.review.messages import QueuedAnswer, SubmitDecision
from account_reviews.domain.review.phases import Outcome, Status
from account_reviews.domain.review.steps import ApplyResult
from account_reviews.domain.review.terms import Terms
from account_reviews.services.cancellations import cancel
from account_reviews.services.cycles import ask, command, end_left_behind, handle_of, last_view
from account_reviews.services.decisions import UnansweredError, decide, until_seen
from account_reviews.services.reviews import open_review, show_review
from account_reviews.services.waits import wait_for
from account_reviews.store.cycle_queries import CycleRow
from account_reviews.store.cycles import CycleStore
from account_reviews.temporal.open_reviews import count_running
from account_reviews.upkeep.doctor import examine
from account_reviews.upkeep.examination import Check
from account_reviews.upkeep.read_model import Reconciled, reconcile
from account_reviews.upkeep.rebuild import rebuild
from tests.support.operations import delete, pause, unpause
from tests.support.waiting import until
from tests.support.world import Handle, World, create_task, make_world

WEEK = timedelta(days=7)
NOW = datetime(2020, 10, 1, tzinfo=UTC)


@pytest.fixture
async def world(own_client: Client, engine: AsyncEngine) -> World:
    """A world in the namespace of `parts`."""
    world = make_world(own_client, engine)
    world.analysis.changes = (create_task(world.account), create_task(world.account, "Write"))
    return world


@pytest.fixture
async def waiting(world: World, parts: Parts) -> AsyncIterator[tuple[Handle, ApprovalRequest]]:
    """A review that waits for a decision, and its request."""
    async with world.review(tenant=parts.settings.tenant) as handle:
        yield handle, await world.request(handle)


async def show(parts: Parts, client: Client, handle: Handle) -> dict[str, Any]:
    async with parts.engine.begin() as connection:  # this world has no real ones
        await connection.execute(text("delete from reviews.documents where kind = 'analysis'"))

    async def connect() -> Client:
        return client

    _, _, document = await show_review(parts, connect, handle.id)
    return document


async def reconciled(parts: Parts, world: World) -> Reconciled:
    now, tenant = datetime.now(UTC), parts.settings.tenant
    return await reconcile(world.client, world.engine, world.store, tenant, kept=WEEK, now=now)


async def check_of(name: str, parts: Parts) -> Check:
    report = await examine(parts.settings)
    return next(check for check in report.checks if check.name == name)


async def send(parts: Parts, world: World, request: ApprovalRequest, **more: Any) -> Any:
    tenant = parts.settings.tenant
    row = await parts.reader.find_request(tenant, request.request_id)
    decision = {"decision": "approve", "approver": "ann", **more}
    message = SubmitDecision(request_id=request.request_id, **decision)
    answer = await decide(world.client, row, message, {"ow-4": "Ann Lee"})
    await until_seen(parts.reader, tenant, row, answer)
    return answer


async def carried_out(parts: Parts, operation_id: str) -> None:
    """The CRM has the write, and nobody has heard of it."""
    result = ApplyResult(status="applied", record=RecordRef(type=RecordType.TASK, id="task-1"))
    values = {"id": operation_id, "result": result.model_dump_json()}
    async with parts.engine.begin() as connection:
        await connection.execute(
            text(
                "insert into reviews.crm_operations (operation_id, tenant, change_id, action, "
                "account_id, after, result, settled_at) values "
                "(:id, 'default', 'c', 'create_task', 'a', '{}', cast(:result as jsonb), now())"
            ),
            values,
        )


async def test_a_decision_on_a_paused_review_waits_and_counts_when_it_goes_on(
    world: World, parts: Parts, waiting: tuple[Handle, ApprovalRequest]
) -> None:
    handle, request = waiting
    await pause(world.client, handle.id)
    answer = await send(parts, world, request, item_ids=(request.items[0].item_id,))
    assert isinstance(answer, QueuedAnswer)
    assert answer.queued
    assert [(one.item_id, one.applied) for one in answer.items] == [
        (request.items[0].item_id, False)
    ]
    document = await show(parts, world.client, handle)
    assert document["source"] == "projection"
    assert (document["status"], document["temporal_status"]) == ("paused", "paused")
    await unpause(world.client, handle.id)
    await send(parts, world, request, decision="reject", reason="no")
    result = await handle.result()
    assert result.outcome is Outcome.COMPLETED
    assert sorted(result.changes.values()) == ["executed", "rejected"]


@pytest.mark.parametrize(
    "terms", [{"spellings": {"ow-4": "Ann Lee"}}, {"ids": {"ann lee": "ow-4"}}]
)
async def test_a_repeat_is_the_same_decision_by_either_name(
    world: World, parts: Parts, terms: Terms
) -> None:
    world.analysis.terms = terms
    async with world.review(tenant=parts.settings.tenant) as handle:
        request = await world.request(handle)
        first = request.items[0].item_id
        said = {"item_ids": (first,), "decision_id": uuid4().hex}
        answer = await send(parts, world, request, approver="ow-4", **said)
        for name in ("ow-4", "Ann Lee"):
            assert await send(parts, world, request, approver=name, **said) == answer
        with pytest.raises(ConflictError, match="was used already"):
            await send(parts, world, request, approver="ben", **said)
        await send(parts, world, request, decision="reject", reason="no")
        await handle.result()


@workflow.defn(name="AtAStandstill", sandboxed=False)
class _AtAStandstill:
    """None of its workflow tasks is ever completed."""

    @workflow.run
    async def run(self) -> None:
        raise RuntimeError("a fault of the worker")


async def test_a_decision_that_no_worker_gets_on_with_may_still_be_applied(
    world: World, parts: Parts, waiting: tuple[Handle, ApprovalRequest]
) -> None:
    row = await parts.reader.find_request(parts.settings.tenant, waiting[1].request_id)
    name = uuid4().hex
    async with Worker(world.client, task_queue=name, workflows=[_AtAStandstill]):
        stands = await world.client.start_workflow("AtAStandstill", id=name, task_queue=name)
        said = SubmitDecision(request_id=row.request.request_id, decision="approve", approver="ann")
        there = row._replace(review_id=name, run_id=stands.first_execution_run_id or "")

        async def unanswered() -> str | None:
            try:
                await decide(world.client, there, said)
            except UnansweredError as error:
                return f"{error.message} {error.hint}"
            return None

        told = await until(unanswered, lambda found: "no worker gets on with it" in (found or ""))
    assert "may still be applied" in (told or "")
    assert "--decision-id" in (told or "")


async def test_one_paused_review_stops_nothing_else(
    world: World, parts: Parts, waiting: tuple[Handle, ApprovalRequest]
) -> None:
    handle, _ = waiting
    other, tenant = make_world(world.client, world.engine), parts.settings.tenant
    other.analysis.changes = (create_task(other.account),)
    async with other.review(tenant=tenant) as second:
        await other.request(second)
        await pause(world.client, handle.id)
        report = await rebuild(world.client, world.store, only=f"Tenant = '{tenant}'")
        assert (report.rebuilt, report.failed) == (1, [])
        assert [one.split(" ")[0] for one in report.paused] == [handle.id]
        assert await reconciled(parts, world) == Reconciled(paused=(handle.id,))
        check = await check_of("reviews", parts)
        assert check.ok
        assert check.detail == f"2 are open, 1 of them paused in Temporal: {handle.id}"
        assert await count_running(world.client, tenant) == 2
        row = await open_review(parts, world.client, world.account.id)
        assert (row.run_id, row.status) == (handle.first_execution_run_id, Status.WAITING)
        trail = Reconciler(world.client, world.engine, world.engine, Rules())
        found = await trail.full(now=datetime.now(UTC), settle=0)
        assert (found.gaps, found.warnings) == ((), ())
        await second.terminate()
    await unpause(world.client, handle.id)


async def test_a_cancel_of_a_paused_review_waits(
    world: World, parts: Parts, waiting: tuple[Handle, ApprovalRequest]
) -> None:
    handle, _ = waiting
    await pause(world.client, handle.id)
    done = await cancel(parts, world.client, handle.id, run_id=None, by="olga", reason="merged")
    assert done.queued
    assert done.state.closed_at is None
    await unpause(world.client, handle.id)
    assert (await handle.result()).outcome is Outcome.CANCELLED


async def test_a_person_cancels_an_open_review_and_a_closed_one_stays_as_it_is(
    world: World, parts: Parts, waiting: tuple[Handle, ApprovalRequest]
) -> None:
    handle, _ = waiting
    for _ in range(2):
        done = await cancel(parts, world.client, handle.id, run_id=None, by="olga", reason=None)
        assert (done.queued, done.state.outcome) == (False, Outcome.CANCELLED)
    assert (await handle.result()).outcome is Outcome.CANCELLED


async def test_a_review_that_temporal_does_not_know_is_found_told_and_ended(
    world: World, parts: Parts, waiting: tuple[Handle, ApprovalRequest]
) -> None:
    handle, request = waiting
    tenant, run_id = parts.settings.tenant, handle.first_execution_run_id or ""
    await delete(world.client, handle.id, run_id)
    for _ in range(2):
        assert await reconciled(parts, world) == Reconciled(gone=(handle.id,))
    check = await check_of("reviews", parts)
    assert not check.ok
    assert f"{handle.id} (run {run_id})" in check.detail
    document = await show(parts, world.client, handle)
    assert (document["temporal_status"], document["needs_attention"]) == ("gone", True)
    assert "reviews cancel" in document["last_error"]
    with pytest.raises(NotFoundError, match="does not know") as error:
        await send(parts, world, request)
    assert f"--run {run_id}" in str(error.value.hint), "a newer review of the account is not meant"
    assert (await show(parts, world.client, handle))["closed_at"] is None, "a person ends it"
    written, skipped = request.items
    await carried_out(parts, f"{run_id}:{written.item_id}")
    done = await cancel(parts, world.client, handle.id, run_id=None, by="olga", reason="deleted")
    assert (done.state.outcome, done.queued) == (Outcome.CANCELLED, False)
    assert {change.change_id: state for change, state in done.state.changes} == {
        written.item_id: "executed",
        skipped.item_id: "skipped",
    }
    assert list(done.state.written) == [written.item_id]
    ended = await parts.reader.find_request(tenant, request.request_id)
    assert ended.request.state == "cancelled"
    found = await parts.reader.find_run(tenant=tenant, review_id=handle.id)
    assert (found.state.reason, found.state.timeline[-1].by) == ("gone from Temporal", "olga")
    assert await reconciled(parts, world) == Reconciled()
    assert (await check_of("reviews", parts)).ok
    with pytest.raises(ConflictError):
        await send(parts, world, request)


async def test_a_review_that_is_gone_is_not_taken_for_the_account_s_next_one(
    world: World, parts: Parts, waiting: tuple[Handle, ApprovalRequest]
) -> None:
    handle, request = waiting
    tenant, run_id = parts.settings.tenant, handle.first_execution_run_id or ""
    await delete(world.client, handle.id, run_id)
    following = await world.start(tenant=tenant)
    newer = await world.request(following)
    assert await reconciled(parts, world) == Reconciled(gone=(handle.id,))
    with pytest.raises(ConflictError):
        await send(parts, world, request)
    done = await cancel(parts, world.client, handle.id, run_id=run_id, by="olga", reason=None)
    assert (done.state.run_id, done.state.outcome) == (run_id, Outcome.CANCELLED)
    assert await reconciled(parts, world) == Reconciled()
    listed = await parts.reader.list_requests(tenant=tenant)
    assert [one.request.request_id for one in listed.items] == [newer.request_id]
    await following.execute_update(
        "decide", {"request_id": newer.request_id, "decision": "defer", "approver": "ann"}
    )
    await following.result()


async def cycle(parts: Parts, run_id: str = "none") -> CycleRow:
    """The row of a running cycle with one account that waits for its turn."""
    cycle_id = f"cycle/{uuid4().hex}"
    start = {"kind": "on_demand", "started_by": "olga", "as_of": NOW, "started_at": NOW}
    state = CycleState(
        cycle_id=cycle_id,
        run_id=run_id if run_id != "none" else uuid4().hex,
        workflow_run_id=run_id,
        tenant=parts.settings.tenant,
        updated_at=NOW,
        **start,
    )
    await CycleStore(parts.engine).save(state)
    await CycleStore(parts.engine).queue(
        state.run_id, state.tenant, [Account(id="acc-1", version="1", name="Acme")]
    )
    return await parts.cycles.find(parts.settings.tenant, state.run_id)


async def test_a_cycle_that_temporal_does_not_know_is_ended_by_a_person(
    world: World, parts: Parts
) -> None:
    row = await cycle(parts)
    found = await check_of("cycles", parts)
    assert (found.ok, row.cycle_id in found.detail) == (False, True)
    ended = await end_left_behind(parts, world.client, row, "olga")
    assert ended is not None
    assert (ended.status, ended.reason) == ("cancelled", "gone from Temporal, ended by olga")
    assert ended.closed_at is not None
    accounts = await CycleStore(parts.engine).next(row.run_id, -100, 10)
    assert [one.state for one in accounts] == ["skipped"]
    assert (await check_of("cycles", parts)).ok


async def test_a_cycle_that_is_paused_in_temporal_says_so_and_one_that_was_terminated_ends(
    world: World, parts: Parts
) -> None:
    row = await cycle(parts)
    handle = await world.client.start_workflow(
        "ReviewCycle", {}, id=row.cycle_id, task_queue="nobody-listens"
    )
    moved = row.model_copy(update={"run_id": handle.first_execution_run_id})
    assert await end_left_behind(parts, world.client, moved, "olga") is None, "it is open"
    await pause(world.client, row.cycle_id)
    assert await end_left_behind(parts, world.client, moved, "olga") is None
    shown = handle_of(world.client, row)
    assert await ask(shown) is None
    assert await last_view(shown) is None
    with pytest.raises(ConflictError, match="paused in Temporal"):
        await command(shown, "pause", {"by": "olga"})
    await handle.terminate()
    begun = await cycle(parts, handle.first_execution_run_id or "")
    begun = begun.model_copy(update={"cycle_id": row.cycle_id})
    ended = await end_left_behind(parts, world.client, begun, "olga")
    assert ended is not None
    assert ended.reason == "terminated in Temporal, ended by olga"


async def test_a_review_that_went_on_is_never_taken_for_gone(
    world: World, parts: Parts, waiting: tuple[Handle, ApprovalRequest]
) -> None:
    handle, _ = waiting

    async def known() -> bool:
        return await reconciled(parts, world) == Reconciled()

    await until(known)
    await handle.signal("cancel_review", {"by": "olga"})
    await handle.result()
    await until(known)


async def test_waiting_for_a_review_ends_when_it_was_deleted_in_temporal(
    world: World, parts: Parts, waiting: tuple[Handle, ApprovalRequest]
) -> None:
    handle, _ = waiting
    run_id = str(handle.first_execution_run_id)
    row: dict[str, Any] = {"review_id": handle.id, "run_id": run_id}
    said: list[str] = []

    async def connect() -> Client:
        return world.client

    await wait_for(parts, connect, [row], closed=False, say=said.append, look_seconds=0)
    assert row["status"] == "waiting"
    assert "error" not in row
    await delete(world.client, handle.id, run_id)
    await wait_for(parts, connect, [row], closed=True, say=said.append, look_seconds=0)
    assert row["error"] == (
        f"Temporal does not know the review {handle.id} any more;"
        f" end it with `reviews cancel {handle.id} --run {run_id}`"
    )
    assert said == ["waiting for 1 of 1 reviews"]
