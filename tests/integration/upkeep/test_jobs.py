"""The upkeep jobs against real tables and the real server."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import ScheduleDescription

from account_reviews.domain.policy.model import Policy
from account_reviews.domain.records import SnapshotRef
from account_reviews.domain.review.phases import Outcome, Phase
from account_reviews.domain.review.state import ReviewState
from account_reviews.domain.schedule.lateness import Judgement, Verdict
from account_reviews.domain.schedule.runs import KEPT_RUNS, CloseRun, OpenRun, RunStatus
from account_reviews.store.digest_queries import DigestReader
from account_reviews.store.reviews import ReviewStore
from account_reviews.temporal.schedules.upkeep import extend_biweekly, remove_done
from account_reviews.upkeep.jobs import Tools, digest, retention
from account_reviews.upkeep.purge import purge
from tests.support.connections import statements_on
from tests.support.review_states import fresh
from tests.support.schedules import Place, entry
from tests.support.waiting import until

OF_A_CYCLE = (
    (
        "insert into reviews.cycle_accounts (run_id, account_id, position, account_name, "
        "risk_level, state) values (:run, 'a', 0, 'A', 'low', 'done')"
    ),
    "insert into reviews.cycle_briefs (run_id, owner_id, body) values (:run, 'o', '{}')",
)
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
WEEK = timedelta(days=7)


@pytest.fixture
def store(engine: AsyncEngine) -> ReviewStore:
    return ReviewStore(engine)


@pytest.fixture
def tenant() -> str:
    return f"t-{uuid4().hex[:8]}"


async def review(store: ReviewStore, tenant: str, *, closed: datetime | None) -> ReviewState:
    """A review with a snapshot of its own, closed then."""
    state = fresh(at=NOW - timedelta(days=40), tenant=tenant)
    state.move(Phase.INVESTIGATING, state.started_at)
    stored = await store.put_document("snapshot", {"of": state.run_id})
    state.snapshot = SnapshotRef(
        hash=stored, account_name="A", owner_id=None, owner_name=None, fetched_at=NOW
    )
    if closed is not None:
        state.close(Outcome.NOTHING_TO_DO, closed)
    await store.save(state)
    return state


async def age(engine: AsyncEngine) -> None:
    """All documents are old."""
    async with engine.begin() as connection:
        await connection.execute(text("update reviews.documents set created_at = '2026-01-01'"))


async def count(engine: AsyncEngine, table: str, tenant: str) -> int:
    async with engine.begin() as connection:
        query = f"select count(*) from reviews.{table} where tenant = :tenant"
        return int((await connection.execute(text(query), {"tenant": tenant})).scalar_one())


async def has_document(engine: AsyncEngine, state: ReviewState) -> bool:
    """As another process sees it: this one remembers what it has just stored."""
    assert state.snapshot is not None
    try:
        return bool(await ReviewStore(engine).get_document(state.snapshot.hash))
    except KeyError:
        return False


async def test_retention_takes_old_closed_reviews_in_batches(
    engine: AsyncEngine, store: ReviewStore, tenant: str
) -> None:
    old = [await review(store, tenant, closed=NOW - WEEK - timedelta(hours=n)) for n in range(1, 8)]
    young = await review(store, tenant, closed=NOW - WEEK + timedelta(minutes=1))
    still_open = await review(store, tenant, closed=None)
    other = await review(store, f"{tenant}-other", closed=NOW - 2 * WEEK)
    await age(engine)
    removed = await purge(engine, Policy(), tenant, actor="ann", now=NOW, batch=3)
    assert (removed.reviews, removed.documents) == (7, 7)
    assert await count(engine, "review_runs", tenant) == 2
    assert [await has_document(engine, one) for one in (*old, young, still_open, other)] == [
        *[False] * 7,
        *[True] * 3,
    ]
    again = await purge(engine, Policy(), tenant, actor="ann", now=NOW, batch=3)
    assert again.total == 0


async def test_retention_keeps_what_somebody_refers_to(
    engine: AsyncEngine, store: ReviewStore, tenant: str
) -> None:
    baseline, of_cycle, gone = [
        await review(store, tenant, closed=NOW - 2 * WEEK) for _ in range(3)
    ]
    running = await store.put_document("memory", {"of": tenant})
    await age(engine)
    assert await store.put_document("memory", {"of": tenant}) == running, "stored again: young"
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "insert into reviews.account_baselines values "
                "(:tenant, 'a', :hash, 'r', 1, 'low', now())"
            ),
            {"tenant": tenant, "hash": baseline.snapshot and baseline.snapshot.hash},
        )
        await connection.execute(
            text(
                "insert into reviews.cycle_accounts (run_id, account_id, position, account_name, "
                "risk_level, snapshot, state) values (:run_id, 'a', 0, 'A', 'low', "
                "jsonb_build_object('hash', cast(:hash as text)), 'running')"
            ),
            {"run_id": tenant, "hash": of_cycle.snapshot and of_cycle.snapshot.hash},
        )
    removed = await purge(engine, Policy(), tenant, actor="ann", now=NOW)
    assert (removed.reviews, removed.documents) == (3, 1)
    assert await has_document(engine, baseline)
    assert await has_document(engine, of_cycle)
    assert not await has_document(engine, gone)
    assert await store.get_document(running) == {"of": tenant}


async def test_retention_takes_cycles_and_digests(engine: AsyncEngine, tenant: str) -> None:
    async with engine.begin() as connection:
        for name, kind, closed in (
            ("old", "weekly", NOW - 2 * WEEK),
            ("young", "weekly", NOW),
            ("open", "weekly", None),
            ("last", "monthly", NOW - 2 * WEEK),
        ):
            run = {"run": f"{tenant}-{name}", "tenant": tenant, "kind": kind}
            values = {**run, "closed": closed, "at": closed or NOW}
            await connection.execute(
                text(
                    "insert into reviews.cycles (run_id, cycle_id, tenant, kind, status, "
                    "started_by, as_of, version, started_at, updated_at, closed_at) values "
                    "(:run, 'c', :tenant, :kind, 'completed', 'ann', :at, 1, :at, :at, :closed)"
                ),
                values,
            )
            for statement in OF_A_CYCLE:
                await connection.execute(text(statement), values)
        for day in ("2026-11-01", "2026-11-14", "2026-11-20"):
            await connection.execute(
                text(
                    "insert into reviews.digests (tenant, owner_id, day, body) values "
                    "(:tenant, 'o', cast(cast(:day as text) as date), '{}')"
                ),
                {"tenant": tenant, "day": day},
            )
    removed = await purge(engine, Policy(), tenant, actor="ann", now=NOW)
    assert (removed.cycles, removed.digests) == (1, 1)
    assert await count(engine, "cycles", tenant) == 3, "the last of its kind is compared with"
    for table in ("cycle_accounts", "cycle_briefs"):
        async with engine.begin() as connection:
            left = await connection.execute(
                text(f"select run_id from reviews.{table} where run_id like :like order by 1"),
                {"like": f"{tenant}-%"},
            )
            kept = [f"{tenant}-{name}" for name in ("last", "open", "young")]
            assert [row.run_id for row in left] == kept


async def test_the_job_says_what_it_did(place: Place, engine: AsyncEngine) -> None:
    store = ReviewStore(engine)
    await review(store, place.tenant, closed=NOW - 2 * WEEK)
    tools = Tools(place.client, engine, store, place.runs, Policy(), place.tenant, NOW)
    report = await retention(tools)
    assert report.summary.startswith("removed 1 reviews, 0 cycles, 0 digests and ")
    assert report.changed >= 1


async def test_digests_are_made_for_every_owner(place: Place, engine: AsyncEngine) -> None:
    store = ReviewStore(engine)
    for owner in ("ow-1", "ow-2"):
        state = await review(store, place.tenant, closed=None)
        assert state.snapshot is not None
        state.snapshot = state.snapshot.model_copy(update={"owner_id": owner})
        state.touch(NOW)
        await store.save(state)
    tools = Tools(
        place.client,
        engine,
        store,
        place.runs,
        Policy(),
        place.tenant,
        NOW,
        digests=DigestReader(statements_on(engine)),
    )
    report = await digest(tools)
    assert (report.summary, report.changed) == ("made the digests of ow-1, ow-2", 2)
    await digest(tools)
    assert await count(engine, "digests", place.tenant) == 2


BIWEEKLY = entry('kind = "biweekly"\nanchor = 2026-11-23\ntime_zone = "Europe/Berlin"', "two")


def last_date(found: ScheduleDescription) -> datetime:
    """The last of its dates."""
    month = found.schedule.spec.calendars[-1]
    day = max(one.start for one in month.day_of_month)
    return datetime(month.year[0].start, month.month[0].start, day, tzinfo=UTC)


async def test_biweekly_dates_are_extended_in_time(place: Place) -> None:
    await place.apply(BIWEEKLY)
    before = (await place.control.get("two")).description
    assert len(before.info.next_action_times) == 10
    now = datetime.now(UTC)
    assert await extend_biweekly(place.client, place.tenant, now) == []
    later = now + timedelta(days=2 * 365 + 30)
    assert await extend_biweekly(place.client, place.tenant, later) == ["two"]
    after = (await place.control.get("two")).description
    since, until = last_date(before), last_date(after)
    assert abs((until - since) - (later - now)) <= timedelta(days=14)
    assert await extend_biweekly(place.client, place.tenant, later) == []
    assert await place.steps(BIWEEKLY) == {"two": "unchanged"}


async def test_done_schedules_are_removed_and_stay_done(place: Place) -> None:
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=3)
    ran = entry(f'kind = "one_time"\njob = "remove_done"\nrun_at = {at.isoformat()}', "ran")
    never = ran.replace('"ran"', '"never"') + "paused = true\n"
    future = entry(
        'kind = "one_time"\njob = "remove_done"\nrun_at = 2099-01-01T00:00:00Z', "future"
    )
    await place.apply(ran + never + future)
    found = await until(lambda: place.control.get("ran"), lambda one: one.ran_out)
    run = found.description.info.recent_actions[0].action
    later = at + timedelta(seconds=301)
    assert await remove_done(place.client, place.runs, place.tenant, at) == [], "it still runs"
    handle = place.client.get_workflow_handle(run.workflow_id)  # type: ignore[attr-defined]
    await handle.terminate("the test has no worker")
    await until(
        lambda: place.control.get("ran"), lambda one: not one.description.info.running_actions
    )
    removed = await remove_done(place.client, place.runs, place.tenant, later)
    assert sorted(removed) == ["never", "ran"]
    (row,) = (await place.history.history(place.tenant, "ran")).items
    assert (row.status, row.workflow_id, row.scheduled_at) == ("failed", handle.id, at)
    (row,) = (await place.history.history(place.tenant, "never")).items
    assert (row.status, row.scheduled_at) == ("missed", at)
    place.now = later
    assert await place.steps(ran + never + future) == {
        "ran": "done",
        "never": "done",
        "future": "unchanged",
    }
    await place.apply(ran + never + future)
    assert await remove_done(place.client, place.runs, place.tenant, later) == []


def opened(tenant: str, number: int, **more: object) -> OpenRun:
    at = NOW + timedelta(minutes=number)
    judgement = Judgement(
        verdict=Verdict.LATE, scheduled_at=at, started_at=at, lateness_seconds=2.5
    )
    fields = {"id": f"{tenant}-{number:05}", "schedule_id": "s", "workflow_id": "w", **more}
    return OpenRun.model_validate({"tenant": tenant, "judgement": judgement, **fields})


async def test_rows_are_written_once_and_the_last_thousand_are_kept(place: Place) -> None:
    tenant, runs = place.tenant, place.runs
    for number in range(KEPT_RUNS + 5):
        await runs.open(opened(tenant, number))
    first = await place.history.history(tenant, "s", limit=600)
    rest = await place.history.history(tenant, "s", limit=600, cursor=first.next_cursor)
    ids = [one.id for one in (*first.items, *rest.items)]
    assert ids == [f"{tenant}-{number:05}" for number in range(KEPT_RUNS + 4, 4, -1)]
    assert rest.next_cursor is None
    newest = opened(tenant, KEPT_RUNS + 4)
    closed_at = newest.judgement.started_at + timedelta(seconds=90)
    done = CloseRun(
        id=newest.id, status=RunStatus.SUCCESS, closed_at=closed_at, accounts_processed=12
    )
    for _ in range(2):
        await runs.close(done)
        await runs.open(newest)
        row = (await place.history.history(tenant, "s", limit=1)).items[0]
        assert (row.status, row.accounts_processed, row.duration_seconds) == ("success", 12, 90)
        assert (row.late, row.lateness_seconds) == (True, 2.5)


async def test_a_later_attempt_opens_a_failed_row_again(place: Place) -> None:
    first = opened(place.tenant, 1)
    failed = CloseRun(id=first.id, status=RunStatus.FAILED, closed_at=NOW, error="broken")
    await place.runs.open(first)
    await place.runs.close(failed)
    await place.runs.open(first)
    (row,) = (await place.history.history(place.tenant, "s")).items
    assert (row.status, row.error) == ("failed", "broken")
    await place.runs.open(first.model_copy(update={"attempt": 2}))
    (row,) = (await place.history.history(place.tenant, "s")).items
    assert (row.status, row.error, row.duration_seconds) == ("running", None, None)
