"""Closed reviews go to the archives, on real tables: once, whole, and without the open ones."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.domain.canonical import content_hash
from account_reviews.domain.errors import ReviewNotFoundError
from account_reviews.domain.policy.model import Policy, parse_policy
from account_reviews.domain.review.decisions import propose
from account_reviews.domain.review.phases import Outcome, Phase, Status
from account_reviews.domain.review.state import ReviewState
from account_reviews.store.account_erasure import AccountErasure
from account_reviews.store.database import create_engine
from account_reviews.store.retention import Removed
from account_reviews.store.review_queries import ReviewReader
from account_reviews.store.reviews import ReviewStore
from account_reviews.upkeep.purge import purge
from account_reviews.upkeep.read_model import reconcile
from account_reviews.upkeep.rebuild import rebuild
from tests.support.connections import statements_on
from tests.support.review_states import analysis_result, fresh, task_change
from tests.support.world import World, create_task, make_world

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
OLD = NOW - timedelta(days=7, seconds=1)
WEEK = timedelta(days=7)


@pytest.fixture
def store(engine: AsyncEngine) -> ReviewStore:
    return ReviewStore(engine)


@pytest.fixture
def tenant() -> str:
    return f"t-{uuid4().hex[:8]}"


async def run(
    engine: AsyncEngine, tenant: str, policy: Policy | None = None, **more: Any
) -> Removed:
    return await purge(engine, policy or Policy(), tenant, actor="ann", now=NOW, **more)


async def saved(
    store: ReviewStore, tenant: str, *, closed: datetime | None, account: str | None = None
) -> ReviewState:
    """A review that asked for one task; it was refused when the review is closed."""
    state = fresh(account, at=NOW - timedelta(days=400), tenant=tenant)
    state.move(Phase.INVESTIGATING, state.started_at)
    change = task_change(state.account_id)
    stored = await store.put_document("analysis", {"recommendations": [], "of": state.run_id})
    state.analysis = analysis_result(stored, (change,))
    state.move(Phase.PLANNING, state.started_at)
    propose(state, (change,), f"req-{state.run_id}", state.started_at)
    state.move(Phase.APPROVAL, state.started_at, status=Status.WAITING)
    if closed is not None:
        state.record(closed, "approval_decided", "rejected", "ann")
        state.close(Outcome.REJECTED, closed)
    await store.save(state)
    return state


async def rows(engine: AsyncEngine, query: str, **values: Any) -> list[Any]:
    async with engine.connect() as connection:
        return list((await connection.execute(text(query), values)).all())


async def left(engine: AsyncEngine, tenant: str) -> set[str]:
    query = "select run_id from reviews.review_runs where tenant = :tenant"
    return {row.run_id for row in await rows(engine, query, tenant=tenant)}


async def test_a_closed_review_is_one_document_whose_hash_the_trail_names(
    engine: AsyncEngine, store: ReviewStore, tenant: str
) -> None:
    state = await saved(store, tenant, closed=OLD)
    assert (await run(engine, tenant)).reviews == 1
    (archive,) = await rows(
        engine, "select * from reviews.archives where run_id = :run", run=state.run_id
    )
    assert archive.hash == content_hash(archive.body)
    assert archive.body["decisions"] == []
    assert [line["kind"] for line in archive.body["timeline"]] == [
        line.kind for line in state.timeline
    ]
    assert ReviewState.model_validate(archive.body["state"]) == state
    assert [one["state"] for one in archive.body["outcomes"]] == ["proposed"]
    (entry,) = await rows(
        engine,
        "select body from reviews.audit_outbox where body->>'event_type' = 'review_archived' "
        "and body->>'run_id' = :run",
        run=state.run_id,
    )
    assert entry.body["details"]["hash"] == archive.hash
    assert entry.body["actor"] == "ann"
    for table in ("review_runs", "approval_requests"):
        query = f"select 1 from reviews.{table} where run_id = :run"
        assert not await rows(engine, query, run=state.run_id)
    query = "select 1 from reviews.proposal_outcomes where run_id = :run"
    assert await rows(engine, query, run=state.run_id), "the next review goes by it"


async def test_an_archived_review_is_still_found_and_says_so(
    engine: AsyncEngine, store: ReviewStore, tenant: str
) -> None:
    first = await saved(store, tenant, closed=OLD)
    second = await saved(store, tenant, closed=OLD, account=first.account_id)
    await run(engine, tenant)
    reader = ReviewReader(statements_on(engine))
    found = await reader.find_archived(
        tenant=tenant, review_id=first.review_id, run_id=first.run_id
    )
    assert found is not None
    assert found.archived is not None
    assert (found.state, found.archived.analysis["of"]) == (first, first.run_id)
    newest = await reader.find_archived(tenant=tenant, review_id=first.review_id)
    assert newest is not None
    assert newest.state.run_id in (first.run_id, second.run_id)
    assert await store.state_of(tenant, first.run_id) == first, "a write of it can be undone"
    assert await store.state_of("other", first.run_id) is None
    assert await reader.find_archived(tenant="other", review_id=first.review_id) is None
    with pytest.raises(ReviewNotFoundError):
        await reader.find_run(tenant=tenant, review_id=first.review_id)


async def test_what_is_open_stays_however_old_and_however_short_the_age(
    engine: AsyncEngine, store: ReviewStore, tenant: str
) -> None:
    waiting = await saved(store, tenant, closed=None)
    closed = await saved(store, tenant, closed=NOW - timedelta(hours=1))
    assert (await run(engine, tenant)).total == 0
    shortest = timedelta(seconds=1)
    assert (await run(engine, tenant, older_than=shortest)).reviews == 1
    assert await left(engine, tenant) == {waiting.run_id}
    assert closed.run_id not in await left(engine, tenant)


async def test_a_legal_hold_keeps_all_of_an_account(
    engine: AsyncEngine, store: ReviewStore, tenant: str
) -> None:
    held = await saved(store, tenant, closed=OLD)
    other = await saved(store, tenant, closed=OLD)
    policy = parse_policy(f'[retention]\nlegal_hold = ["{held.account_id}"]')
    counted = await run(engine, tenant, policy, dry_run=True)
    assert (counted.reviews, counted.held) == (1, 1)
    removed = await run(engine, tenant, policy)
    assert (removed.reviews, removed.held) == (1, 1)
    assert await left(engine, tenant) == {held.run_id}
    assert other.run_id not in await left(engine, tenant)


async def test_a_dry_run_changes_nothing(
    engine: AsyncEngine, store: ReviewStore, tenant: str
) -> None:
    state = await saved(store, tenant, closed=OLD)
    assert (await run(engine, tenant, dry_run=True)).reviews == 1
    assert await left(engine, tenant) == {state.run_id}


async def test_several_at_once_share_the_work(
    engine: AsyncEngine, store: ReviewStore, tenant: str
) -> None:
    states = [await saved(store, tenant, closed=OLD) for _ in range(40)]
    found = await asyncio.gather(*(run(engine, tenant, batch=3) for _ in range(4)))
    assert sum(one.reviews for one in found) == 40
    assert await left(engine, tenant) == set()
    query = "select run_id from reviews.archives where tenant = :tenant"
    archived = {row.run_id for row in await rows(engine, query, tenant=tenant)}
    assert archived == {state.run_id for state in states}


async def test_a_worker_has_the_rights_that_it_takes(
    engine: AsyncEngine, store: ReviewStore, tenant: str, database_url: str
) -> None:
    await saved(store, tenant, closed=OLD)
    login = "a_purging_worker"
    async with engine.begin() as connection:
        await connection.execute(
            text(
                f"do $$ begin if to_regrole('{login}') is null then "
                f"create role {login} login in role reviews_worker; end if; end $$"
            )
        )
    url = make_url(database_url).set(username=login).render_as_string(hide_password=False)
    worker = create_engine(url, application_name=login)
    try:
        assert (await run(worker, tenant)).reviews == 1
        account = AccountErasure(worker, tenant, "nobody's")
        assert (await account.erase("e-1")).total() == 0
    finally:
        await worker.dispose()
    assert await left(engine, tenant) == set()


async def test_one_that_cannot_be_read_is_archived_as_it_is(
    engine: AsyncEngine, store: ReviewStore, tenant: str
) -> None:
    state = await saved(store, tenant, closed=OLD)
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "update reviews.review_runs set state = state - 'phase' - 'as_of' where run_id = :r"
            ),
            {"r": state.run_id},
        )
    assert (await run(engine, tenant)).reviews == 1
    (archive,) = await rows(
        engine, "select body from reviews.archives where run_id = :run", run=state.run_id
    )
    assert archive.body["brief"] is None
    assert archive.body["state"]["account_id"] == state.account_id


async def test_archives_and_outcomes_go_when_their_time_has_come(
    engine: AsyncEngine, store: ReviewStore, tenant: str
) -> None:
    await saved(store, tenant, closed=OLD)
    await run(engine, tenant)
    later = NOW + timedelta(days=1095)
    removed = await purge(engine, Policy(), tenant, actor="ann", now=later)
    assert (removed.outcomes, removed.archives) == (1, 0)
    much_later = NOW + timedelta(days=2555)
    removed = await purge(engine, Policy(), tenant, actor="ann", now=much_later)
    assert (removed.outcomes, removed.archives) == (0, 1)


async def test_what_was_purged_does_not_come_back_by_a_rebuild(world: World) -> None:
    tenant = f"t-{uuid4().hex[:8]}"
    world.analysis.changes = (create_task(world.account),)
    async with world.review(tenant=tenant) as waiting:
        await world.request(waiting)
        other = make_world(world.client, world.engine)
        async with other.review(tenant=tenant) as closed:
            await closed.result()
        now = datetime.now(UTC) + timedelta(seconds=2)
        second = timedelta(seconds=1)
        removed = await purge(
            world.engine, Policy(), tenant, actor="ann", now=now, older_than=second
        )
        assert removed.reviews == 1
        only = f"WorkflowId in ('{waiting.id}', '{closed.id}')"
        report = await rebuild(world.client, world.store, only=only)
        assert (report.rebuilt, report.purged, report.failed) == (1, 1, [])
        found = await reconcile(world.client, world.engine, world.store, tenant, kept=WEEK, now=now)
        assert found.missing == 0
        assert len(await left(world.engine, tenant)) == 1
        await waiting.terminate("the test is over")
