"""Writes whose answers were lost, and runs that were reset: what stands is in the result, once."""

import asyncio
from collections.abc import Sequence

import pytest
from sqlalchemy import text
from temporalio.client import WorkflowFailureError

from account_reviews.crm.in_memory import InMemoryCrm
from account_reviews.domain.errors import CrmAuthError, CrmUnavailableError, ReviewsError
from account_reviews.domain.operations import Operation
from account_reviews.domain.proposals import ItemState, ProposedChange
from account_reviews.domain.records import SnapshotLimits
from account_reviews.domain.review.approvals import RequestState, Terms
from account_reviews.domain.review.phases import Outcome
from account_reviews.domain.review.state import ReviewState
from account_reviews.domain.review.steps import ApplyResult
from account_reviews.store.review_queries import ReviewReader
from account_reviews.upkeep.rebuild import rebuild
from tests.support.connections import statements_on
from tests.support.resets import places_to_reset, reset
from tests.support.world import AS_OF, Handle, World, create_task, decision, set_status
from workflows.account_review import AccountReviewWorkflow


class LosingCrm(InMemoryCrm):
    """Writes, loses the answer, and then fails every call by `then`."""

    then: ReviewsError | None = None
    written: asyncio.Event
    lost: ReviewsError | None = None

    async def apply(
        self, change: ProposedChange, *, expected_version: str | None, operation_id: str
    ) -> ApplyResult:
        self._fail()
        await super().apply(change, expected_version=expected_version, operation_id=operation_id)
        self.lost = self.then
        self.written.set()
        raise CrmUnavailableError("the CRM did not answer in time")

    def _fail(self) -> None:
        if self.lost is not None:
            raise self.lost


class SilentCrm(LosingCrm):
    """Does not say either what it has written."""

    async def find_operations(self, operations: Sequence[Operation]) -> dict[str, ApplyResult]:
        self._fail()
        return await super().find_operations(operations)


async def losing(world: World, then: ReviewsError, kind: type[LosingCrm] = LosingCrm) -> LosingCrm:
    snapshot = await world.crm.snapshot(world.account.id, as_of=AS_OF, limits=SnapshotLimits())
    crm = kind([snapshot])
    crm.then, crm.written = then, asyncio.Event()
    world.crm = crm
    return crm


async def snapshot_of(handle: Handle) -> ReviewState:
    return await handle.query(AccountReviewWorkflow.snapshot)


@pytest.mark.parametrize("native", [True, False])
async def test_a_write_that_stands_is_in_the_result_of_a_cancelled_review(
    world: World, native: bool
) -> None:
    one, two = create_task(world.account, "One"), create_task(world.account, "Two")
    world.analysis.changes = (one, two)
    crm = await losing(world, CrmUnavailableError())
    async with world.review() as handle:
        await handle.signal("submit_decision", decision(await world.request(handle)))
        await crm.written.wait()
        if native:
            await handle.cancel()
            with pytest.raises(WorkflowFailureError):
                await handle.result()
        else:
            await handle.signal("cancel_review", {"by": "bob", "reason": "stop"})
            await handle.result()
        state = await snapshot_of(handle)
    assert state.outcome is Outcome.CANCELLED
    assert {change.change_id: one for change, one in state.changes} == {
        one.change_id: ItemState.EXECUTED,
        two.change_id: ItemState.SKIPPED,
    }
    assert set(state.written) == {one.change_id}
    assert len(crm.operations) == 1


async def test_a_refusal_after_a_lost_answer_is_no_failed_write(world: World) -> None:
    world.analysis.changes = (set_status(world.account),)
    crm = await losing(world, CrmAuthError())
    async with world.review() as handle:
        await handle.signal("submit_decision", decision(await world.request(handle)))
        result = await handle.result()
    assert set(result.changes.values()) == {ItemState.EXECUTED}
    assert result.outcome is Outcome.COMPLETED
    assert len(crm.operations) == 1


async def test_what_nobody_knows_is_not_called_skipped(world: World) -> None:
    world.analysis.changes = (set_status(world.account),)
    await losing(world, CrmAuthError(), SilentCrm)
    async with world.review() as handle:
        await handle.signal("submit_decision", decision(await world.request(handle)))
        with pytest.raises(WorkflowFailureError):
            await handle.result()
        state = await snapshot_of(handle)
    item = state.requests[0].items[0]
    assert item.state is ItemState.FAILED
    assert item.reason == (
        "whether it was written is not known: The CRM does not accept our credentials."
    )
    assert state.needs_attention


@pytest.mark.parametrize("end", ["reject", "cancel", "expire"])
async def test_what_was_written_before_a_reset_is_in_the_result_however_it_ends(
    world: World, end: str
) -> None:
    one = create_task(world.account)
    world.analysis.changes = (one,)
    async with world.worker():
        first = await world.start()
        await first.execute_update("decide", decision(await world.request(first)))
        await first.result()
        if end == "expire":
            world.analysis.terms = Terms(timeout_seconds=1)
        again = await reset(world, first, (await places_to_reset(first))[0])
        if end == "reject":
            request = await world.request(again)
            await again.signal("submit_decision", decision(request, "reject", reason="no"))
        elif end == "cancel":
            await world.request(again)
            await again.signal("cancel_review", {"by": "bob"})
        result = await again.result()
        state = await snapshot_of(again)
    assert set(state.written) == {one.change_id}
    rejected = end == "reject"
    assert result.changes == {one.change_id: ItemState.REJECTED if rejected else ItemState.EXECUTED}
    assert state.needs_attention or not rejected
    ends = {"reject": Outcome.REJECTED, "cancel": Outcome.CANCELLED, "expire": Outcome.COMPLETED}
    assert result.outcome is ends[end]
    assert len(world.crm.operations) == 1


async def test_a_reset_at_any_event_writes_once_and_leaves_no_request_behind(
    world: World,
) -> None:
    world.analysis.changes = (create_task(world.account), set_status(world.account))
    async with world.worker():
        first = await world.start()
        old = await world.request(first)
        await first.signal("submit_decision", decision(old))
        await first.result()
        run_id = first.first_execution_run_id
        for event_id in await places_to_reset(first):
            again = await reset(world, first, event_id)
            state = await eventually_decidable(again)
            if state.pending and state.pending[0].request_id != old.request_id:
                assert state.pending[0].decisions == (), "of the run before"
                await again.signal("submit_decision", decision(state.pending[0], approver="bob"))
            result = await again.result()
            assert set(result.changes.values()) == {ItemState.EXECUTED}
            assert len(world.crm.operations) == world.crm.writes == 2
            state = await snapshot_of(again)
            rows = await request_rows(world, run_id or "")
            assert {one.request_id: one.state for one in state.requests}.items() <= rows.items()
            assert RequestState.PENDING not in rows.values()
            assert await run_row(world, run_id or "") == (state.version, "completed")


async def test_a_request_of_the_run_before_is_closed_as_soon_as_the_reset_run_waits(
    world: World,
) -> None:
    world.analysis.changes = (create_task(world.account),)
    async with world.worker():
        first = await world.start()
        old = await world.request(first)
        again = await reset(world, first, (await places_to_reset(first))[0])
        new = await world.request(again)
        assert new.request_id != old.request_id
        rows = await eventually_rows(world, first.first_execution_run_id or "", new.request_id)
        assert rows == {old.request_id: "superseded", new.request_id: "pending"}
        await again.signal("cancel_review", {"by": "ann"})
        await again.result()


@pytest.mark.parametrize("said", [True, False])
async def test_what_a_terminated_review_had_written_is_not_called_skipped(
    world: World, said: bool
) -> None:
    one, two = create_task(world.account, "One"), create_task(world.account, "Two")
    world.analysis.changes = (one, two)
    crm = await losing(world, CrmUnavailableError(), LosingCrm if said else SilentCrm)
    async with world.review() as handle:
        await handle.signal("submit_decision", decision(await world.request(handle)))
        await crm.written.wait()
        await handle.terminate("emergency")
        only = f"WorkflowId = '{handle.id}'"
        if not said:
            report = await rebuild(world.client, world.store, only=only, writer=world.writer())
            assert len(report.failed) == 1, "left open until the CRM can be asked"
            crm.lost = CrmAuthError()
        report = await rebuild(world.client, world.store, only=only, writer=world.writer())
    assert (report.rebuilt, report.failed) == (1, [])
    row = await ReviewReader(statements_on(world.engine)).find_run(
        tenant="default", review_id=handle.id
    )
    assert row.state.outcome is Outcome.ABANDONED
    states = {change.change_id: state for change, state in row.state.changes}
    if said:
        assert states == {one.change_id: ItemState.EXECUTED, two.change_id: ItemState.SKIPPED}
        assert set(row.state.written) == {one.change_id}
    else:
        assert set(states.values()) == {ItemState.FAILED}
        assert "is not known" in (row.state.last_error or "")


async def eventually_decidable(handle: Handle) -> ReviewState:
    while True:
        state = await snapshot_of(handle)
        if state.pending or state.outcome is not None:
            return state
        await asyncio.sleep(0.02)


async def eventually_rows(world: World, run_id: str, request_id: str) -> dict[str, str]:
    while True:
        rows = await request_rows(world, run_id)
        if request_id in rows:
            return rows
        await asyncio.sleep(0.02)


async def request_rows(world: World, run_id: str) -> dict[str, str]:
    query = text(
        "select request_id, state, body->>'state' as said from reviews.approval_requests "
        "where run_id = :run_id"
    )
    async with world.engine.connect() as connection:
        found = (await connection.execute(query, {"run_id": run_id})).all()
    assert all(row.state == row.said for row in found)
    return {row.request_id: row.state for row in found}


async def run_row(world: World, run_id: str) -> tuple[int, str]:
    query = text("select version, phase from reviews.review_runs where run_id = :run_id")
    async with world.engine.connect() as connection:
        row = (await connection.execute(query, {"run_id": run_id})).one()
    return row.version, row.phase
