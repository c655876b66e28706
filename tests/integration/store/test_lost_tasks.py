"""What a workflow task saved that was lost with its worker gives way to the task done in its place.

That one is later, and may have come to the same version, or a lower one.
"""

from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.domain.cycle.state import CycleState
from account_reviews.domain.review.decisions import propose
from account_reviews.domain.review.phases import Outcome, Phase, Status
from account_reviews.domain.review.state import ReviewState
from account_reviews.store.cycles import CycleStore
from account_reviews.store.review_queries import ReviewReader
from account_reviews.store.reviews import ReviewStore
from tests.support.connections import statements_on
from tests.support.review_states import NOW, analysis_result, fresh, task_change

SOON = NOW + timedelta(seconds=6)


@pytest.fixture
def store(engine: AsyncEngine) -> ReviewStore:
    return ReviewStore(engine)


@pytest.fixture
def reader(engine: AsyncEngine) -> ReviewReader:
    return ReviewReader(statements_on(engine))


async def found(reader: ReviewReader, state: ReviewState) -> ReviewState:
    detail = await reader.find_run(
        tenant=state.tenant, review_id=state.review_id, run_id=state.run_id
    )
    return detail.state


def ask(state: ReviewState) -> None:
    changes = (task_change(state.account_id),)
    state.analysis = analysis_result("0" * 64, changes)
    propose(state, changes, f"req-{state.run_id}", NOW)


@pytest.mark.parametrize("further", [0, 1, 5], ids=["as far", "further", "much further"])
async def test_a_review_that_went_another_way_closes(
    store: ReviewStore, reader: ReviewReader, further: int
) -> None:
    state = fresh()
    state.move(Phase.INVESTIGATING, NOW)
    await store.save(state)
    lost = state.model_copy(deep=True)
    ask(lost)
    lost.move(Phase.PLANNING, NOW)
    lost.move(Phase.APPROVAL, NOW, status=Status.WAITING)
    await store.save(lost)
    state.close(Outcome.COMPLETED, SOON)
    state.version = lost.version - further
    await store.save(state)
    assert await found(reader, state) == state
    request = await reader.find_request(state.tenant, f"req-{state.run_id}")
    assert (request.request.state, request.request.is_pending) == ("superseded", False)
    lost.record(NOW, "note", "an attempt that comes late")
    await store.save(lost)
    assert await found(reader, state) == state
    request = await reader.find_request(state.tenant, f"req-{state.run_id}")
    assert request.request.state == "superseded"


async def test_a_late_attempt_leaves_no_request_that_nobody_knows(
    store: ReviewStore, reader: ReviewReader, engine: AsyncEngine
) -> None:
    state = fresh()
    state.move(Phase.INVESTIGATING, NOW)
    lost = state.model_copy(deep=True)
    ask(lost)
    state.close(Outcome.NOTHING_TO_DO, SOON)
    await store.save(state)
    await store.save(lost)
    assert await found(reader, state) == state
    query = text("select count(*) from reviews.approval_requests where run_id = :run")
    async with engine.connect() as connection:
        assert await connection.scalar(query, {"run": state.run_id}) == 0


async def test_a_cycle_that_went_another_way_closes(engine: AsyncEngine) -> None:
    store, run_id = CycleStore(engine), uuid4().hex
    state = CycleState(
        cycle_id="weekly",
        run_id=run_id,
        workflow_run_id=run_id,
        tenant="default",
        kind="weekly",
        started_by="ann",
        as_of=NOW,
        started_at=NOW,
        updated_at=NOW,
    )
    lost = state.model_copy(deep=True)
    lost.touch(NOW)
    lost.touch(NOW)
    await store.save(lost)
    state.touch(SOON)
    state.closed_at = SOON
    await store.save(state)
    lost.touch(NOW)
    await store.save(lost)
    query = text("select closed_at, version from reviews.cycles where run_id = :run")
    async with engine.connect() as connection:
        row = (await connection.execute(query, {"run": run_id})).one()
    assert tuple(row) == (SOON, state.version)


@pytest.mark.parametrize("starter_first", [True, False])
async def test_the_clock_of_whoever_started_it_stops_no_save(
    store: ReviewStore, reader: ReviewReader, *, starter_first: bool
) -> None:
    opening = fresh(at=NOW + timedelta(minutes=1))
    state = fresh(opening.account_id).model_copy(
        update={"run_id": opening.run_id, "workflow_run_id": opening.workflow_run_id}
    )
    state.move(Phase.INVESTIGATING, NOW)
    ask(state)
    state.move(Phase.PLANNING, NOW)
    for save in (store.open_run, store.save) if starter_first else (store.save, store.open_run):
        await save(opening if save == store.open_run else state)
    assert await found(reader, state) == state
    request = await reader.find_request(state.tenant, f"req-{state.run_id}")
    assert request.request.is_pending


async def test_a_closing_that_was_lost_leaves_nothing_when_it_comes_late(
    store: ReviewStore, engine: AsyncEngine
) -> None:
    state = fresh()
    state.move(Phase.INVESTIGATING, NOW)
    lost = state.model_copy(deep=True)
    ask(lost)
    lost.close(Outcome.NOTHING_TO_DO, NOW)
    state.move(Phase.PLANNING, SOON)
    await store.save(state)
    await store.save(lost)
    for table in ("memory_outbox", "account_baselines", "proposal_outcomes", "request_numbers"):
        query = text(f"select count(*) from reviews.{table} where account_id = :account")
        async with engine.connect() as connection:
            left = await connection.scalar(query, {"account": state.account_id})
        assert left == 0, table
