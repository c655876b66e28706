"""What changes is told at once, in order, and what was missed is told later."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.bootstrap import open_parts
from account_reviews.config.settings import Settings
from account_reviews.domain.errors import BadInputError
from account_reviews.domain.live import LiveEvent, Watching
from account_reviews.domain.policy.model import Policy
from account_reviews.upkeep.purge import purge
from account_reviews.web import live as live_module
from account_reviews.web.live import Live, Subscription
from tests.support.waiting import PATIENCE

_RUN = text(
    "insert into reviews.review_runs (run_id, review_id, tenant, account_id, kind, phase, status, "
    "state, version, started_at, updated_at) values (:id, 'review/' || :account, :tenant, :account,"
    " 'manual', 'approval', 'waiting', '{}', 1, now(), now())"
)
_SAVE = text("update reviews.review_runs set version = version + 1 where run_id = :id")
_OPENED = text(
    "select count(*) from pg_stat_activity where application_name = 'reviews-web-live' "
    "and datname = current_database()"
)


@pytest.fixture
def tenant() -> str:
    return f"t-{uuid4().hex[:8]}"


@asynccontextmanager
async def open_live(database_url: str, tmp_path: Path, tenant: str) -> AsyncIterator[Live]:
    settings = Settings.load(data_dir=tmp_path, database_url=database_url, tenant=tenant)
    async with open_parts(settings, application="tests") as parts:
        found = Live(parts, asyncio.Event())
        try:
            yield found
        finally:
            await found.close()


@pytest.fixture
async def live(database_url: str, tmp_path: Path, tenant: str) -> AsyncIterator[Live]:
    async with open_live(database_url, tmp_path, tenant) as found:
        yield found


async def add(engine: AsyncEngine, tenant: str, account: str = "ac-1") -> str:
    run_id = uuid4().hex
    async with engine.begin() as connection:
        await connection.execute(_RUN, {"id": run_id, "tenant": tenant, "account": account})
    return run_id


async def take(watching: Subscription, many: int) -> list[LiveEvent]:
    """So many events; no less ever comes, or the test does not end."""
    found: list[LiveEvent] = []
    async with asyncio.timeout(PATIENCE):
        while len(found) < many:
            told = await watching.next(5)
            assert told is not None
            found += told
    return found


async def test_what_is_committed_is_told(live: Live, engine: AsyncEngine, tenant: str) -> None:
    async with live.open() as watching:
        run_id = await add(engine, tenant)
        (event,) = await take(watching, 1)
    assert (event.kind, event.run_id, event.state, event.version) == (
        "review", run_id, "waiting", 1,
    )  # fmt: skip
    assert event.document | {"at": ""} == {
        "kind": "review",
        "account_id": "ac-1",
        "review_id": "review/ac-1",
        "run_id": run_id,
        "state": "waiting",
        "phase": "approval",
        "version": 1,
        "at": "",
    }


async def test_only_what_is_wanted_and_of_this_tenant(
    live: Live, engine: AsyncEngine, tenant: str
) -> None:
    async with live.open(Watching(account_id="ac-2")) as watching:
        await add(engine, tenant, "ac-1")
        await add(engine, f"{tenant}-other", "ac-2")
        wanted = await add(engine, tenant, "ac-2")
        assert [event.run_id for event in await take(watching, 1)] == [wanted]


async def test_a_transaction_that_commits_late_is_not_passed_over(
    live: Live, engine: AsyncEngine, tenant: str
) -> None:
    late, early = uuid4().hex, ""
    async with live.open() as watching:
        async with engine.begin() as connection:
            await connection.execute(_RUN, {"id": late, "tenant": tenant, "account": "a"})
            early = await add(engine, tenant, "b")
            (first,) = await take(watching, 1)
            assert first.run_id == early
        (second,) = await take(watching, 1)
        assert second.run_id == late
    async with live.open(after=first.id) as again:
        assert [event.run_id for event in await take(again, 1)] == [late]


async def test_after_a_restart_what_was_missed_is_told_once(
    database_url: str, tmp_path: Path, engine: AsyncEngine, tenant: str
) -> None:
    async with open_live(database_url, tmp_path, tenant) as before, before.open() as watching:
        runs = [await add(engine, tenant) for _ in range(5)]
        told = await take(watching, 2)
    runs += [await add(engine, tenant) for _ in range(5)]
    async with open_live(database_url, tmp_path, tenant) as live:
        async with live.open(after=told[1].id) as watching:
            missed = await take(watching, 8)
            runs.append(await add(engine, tenant))
            missed += await take(watching, 1)
    assert [event.run_id for event in (*told[:2], *missed)] == runs


async def test_more_than_fits_is_read_page_by_page(
    live: Live, engine: AsyncEngine, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_module, "_WAITING", 3)
    start = await live.here()
    run_id = await add(engine, tenant)
    async with live.open(after=start) as replayed, live.open() as slow:
        async with engine.begin() as connection:
            for _ in range(1200):
                await connection.execute(_SAVE, {"id": run_id})
        told = await take(replayed, 1201)
        slowly = await take(slow, 1200)
    assert [event.version for event in told] == list(range(1, 1202))
    assert [event.version for event in slowly][-1200:] == list(range(2, 1202))


async def test_a_lost_connection_loses_nothing(
    live: Live, engine: AsyncEngine, tenant: str
) -> None:
    async with live.open() as watching:
        run_id = await add(engine, tenant)
        await take(watching, 1)
        async with engine.begin() as connection:
            await connection.execute(
                text(
                    "select pg_terminate_backend(pid) from pg_stat_activity "
                    "where application_name = 'reviews-web-live' and datname = current_database()"
                )
            )
            await connection.execute(_SAVE, {"id": run_id})
        (event,) = await take(watching, 1)
        assert event.version == 2


async def test_many_watch_and_one_connection_listens(live: Live, engine: AsyncEngine) -> None:
    async with live.open(), live.open(), live.open():
        assert live.count == 3
        async with engine.connect() as connection:
            assert await connection.scalar(_OPENED) == 1
    assert live.count == 0


async def test_what_is_not_kept_any_more_is_said(
    live: Live, engine: AsyncEngine, tenant: str
) -> None:
    at, rest = (await live.here()).split(";", 1)
    async with live.open(after=f"{int(at) - 90_000_000};{rest}") as watching:
        assert [event.kind for event in await take(watching, 1)] == ["missed"]
        run_id = await add(engine, tenant)
        assert [event.run_id for event in await take(watching, 1)] == [run_id]


async def test_requests_are_told_when_what_they_say_changes(
    live: Live, engine: AsyncEngine, tenant: str
) -> None:
    async with live.open(Watching(kinds=frozenset({"request"}))) as watching:
        async with engine.begin() as connection:
            for version, body in ((1, "{}"), (2, "{}"), (3, '{"a": 1}')):
                await connection.execute(
                    text(
                        "insert into reviews.approval_requests values (:id, 'r', 'review/a', "
                        ":tenant, 'a', null, 'pending', now(), now(), cast(:body as jsonb), :v) "
                        "on conflict (request_id) do update set body = excluded.body, "
                        "version = excluded.version"
                    ),
                    {"id": tenant, "tenant": tenant, "body": body, "v": version},
                )
        assert [event.version for event in await take(watching, 2)] == [1, 3]


async def test_the_end_of_the_process_ends_every_subscription(live: Live) -> None:
    async with live.open() as watching:
        waiting = asyncio.create_task(watching.next(60))
        await asyncio.sleep(0)
        live._closing.set()
        assert await waiting is None
        assert await watching.next(60) is None


async def test_what_is_no_id_is_refused(live: Live) -> None:
    with pytest.raises(BadInputError, match="not the id of an event"):
        async with live.open(after="nonsense"):
            raise AssertionError("it was taken")


async def test_events_of_the_day_before_go_with_the_purge(
    live: Live, engine: AsyncEngine, tenant: str
) -> None:
    await add(engine, tenant)
    count = text("select count(*) from reviews.live_events where tenant = :tenant")
    async with engine.begin() as connection:
        await connection.execute(
            text("update reviews.live_events set at = at - interval '25 hours'"),
        )
    fresh = await add(engine, tenant)
    await purge(engine, Policy(), tenant, actor="tests", now=datetime.now(UTC))
    async with engine.connect() as connection:
        assert await connection.scalar(count, {"tenant": tenant}) == 1
    assert fresh
