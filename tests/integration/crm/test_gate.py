"""The kill switch against writers on a real PostgreSQL: what is stopped is stopped."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from itertools import count
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.bootstrap import Parts, open_parts
from account_reviews.crm.sql.backend import OwnSqlCrm, SqlCrm
from account_reviews.crm.writer import CrmWriter
from account_reviews.domain.base import Scalar
from account_reviews.domain.errors import HaltedError, UnreachableError, WritesHaltedError
from account_reviews.domain.proposals import Action, ProposedChange
from account_reviews.domain.review.steps import ApplyResult
from account_reviews.local.postgres import EmbeddedPostgres
from account_reviews.services.halts import (
    ensure_not_halted,
    release_all,
    starting,
    status_of,
    stop_all,
)
from account_reviews.store.database import create_engine
from account_reviews.store.halt_gate import RETRY_SECONDS
from account_reviews.store.halts import HaltStore
from account_reviews.temporal.worker_interceptor import to_application_error
from tests.support.crm import change
from tests.support.crm_loading import clear, load, sample
from tests.support.crm_writing import writer_of
from tests.support.waiting import until

WRITERS = 8
MANY = 5
NOTE: dict[str, Scalar] = {"content": "written by a test"}
QUEUED = (
    "select count(*) from pg_locks where locktype = 'advisory' and not granted "
    "and database = (select oid from pg_database where datname = current_database())"
)
LEDGER = (
    "select count(*), max(applied_at) from (select applied_at from crm.operations "
    "union all select applied_at from reviews.crm_operations where result is not null) as written"
)
"""In whichever of the two the database of a CRM notes what it writes."""
_numbers = count(1)
Write = Callable[[str], Awaitable[ApplyResult]]


def silent(_: str) -> None:
    """Nobody listens."""


@pytest.fixture
async def other_engine(
    postgres: EmbeddedPostgres, template_database: str
) -> AsyncIterator[AsyncEngine]:
    """Another database, where a CRM may be."""
    name = f"other_{next(_numbers)}"
    postgres.create_database(name, template=template_database)
    engine = create_engine(postgres.url(name), application_name="tests")
    yield engine
    await engine.dispose()


@pytest.fixture(params=["in our database", "in another database"])
async def crm_engine(
    request: pytest.FixtureRequest, engine: AsyncEngine, other_engine: AsyncEngine
) -> AsyncEngine:
    """The database of the CRM, with one account."""
    async with engine.begin() as connection:
        await clear(connection)
    found = engine if request.param == "in our database" else other_engine
    await load(found, [sample()])
    return found


@pytest.fixture
def write(parts: Parts, engine: AsyncEngine, crm_engine: AsyncEngine) -> Write:
    """Writes one note as the activity does, under the operation id given."""
    gates = parts.halts.gate
    tenant = parts.settings.tenant

    async def in_ours(operation: str) -> ApplyResult:
        return await OwnSqlCrm(crm_engine).apply_gated(
            change(Action.ADD_NOTE, NOTE),
            expected_version=None,
            operation_id=operation,
            gate=gates(tenant),
        )

    async def in_another(operation: str) -> ApplyResult:
        return await CrmWriter(SqlCrm(crm_engine), parts.operations, gates).apply(
            change(Action.ADD_NOTE, NOTE),
            tenant=tenant,
            expected_version=None,
            operation_id=operation,
        )

    return in_ours if crm_engine is engine else in_another


async def ledger(engine: AsyncEngine) -> tuple[int, datetime | None]:
    """How many operations there are, and when the last began."""
    async with engine.connect() as connection:
        row = (await connection.execute(text(LEDGER))).one()
        return int(row[0]), row[1]


async def now(engine: AsyncEngine) -> Any:
    async with engine.connect() as connection:
        return await connection.scalar(text("select clock_timestamp()"))


@asynccontextmanager
async def held_account(engine: AsyncEngine) -> AsyncIterator[None]:
    """No write to the account can end meanwhile."""
    async with engine.begin() as connection:
        await connection.execute(text("select 1 from crm.accounts where id = 'ac-1' for update"))
        yield


async def test_no_write_is_made_after_everything_was_stopped(
    parts: Parts, write: Write, crm_engine: AsyncEngine
) -> None:
    halted, operations = 0, count()
    go_on = True

    async def writer() -> None:
        nonlocal halted
        while go_on:
            try:
                await write(f"{parts.settings.tenant}:{next(operations)}")
            except WritesHaltedError:
                halted += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(WRITERS):
            group.create_task(writer())

        async def busy() -> bool:
            return (await ledger(crm_engine))[0] >= WRITERS * MANY

        await until(busy)
        await stop_all(parts, "ann", "bad data", notify=silent)
        returned_at, (written, last) = await now(crm_engine), await ledger(crm_engine)
        already = halted

        async def tried() -> bool:
            return halted >= already + WRITERS * MANY

        await until(tried)
        go_on = False
    assert await ledger(crm_engine) == (written, last)
    assert last is not None
    assert last < returned_at


async def test_a_write_under_way_is_waited_for(
    parts: Parts, write: Write, crm_engine: AsyncEngine
) -> None:
    tenant, ended = parts.settings.tenant, list[str]()

    def note(name: str) -> Callable[[object], None]:
        return lambda _: ended.append(name)

    async def begun() -> bool:
        return await parts.halts.writers_left(tenant) == 1

    async def in_force() -> bool:
        return await parts.halts.current(tenant) is not None

    async with held_account(crm_engine):
        writing = asyncio.ensure_future(write("run:under-way"))
        writing.add_done_callback(note("written"))
        await until(begun)
        stopping = asyncio.ensure_future(stop_all(parts, "ann", "bad data", notify=silent))
        stopping.add_done_callback(note("stopped"))
        await until(in_force)
        with pytest.raises(WritesHaltedError):
            await write("run:too-late")
        # Long enough to come to its end, if it did not wait.
        await asyncio.wait({stopping}, timeout=1)
        assert not stopping.done()
    assert (await writing).status == "applied"
    assert (await stopping).halted
    assert ended == ["written", "stopped"]
    assert await parts.halts.writers_left(tenant) == 0


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read"])
@pytest.mark.parametrize("in_transaction", [True, False])
async def test_a_stop_that_comes_while_a_writer_queues_is_seen(
    parts: Parts, engine: AsyncEngine, isolation: str, in_transaction: bool
) -> None:
    """What the database has as its default makes no difference."""
    await load(engine, [sample()])
    tenant, url = parts.settings.tenant, parts.settings.require_database_url()
    setting = f"default_transaction_isolation={isolation.replace(' ', '%20')}"
    mine = create_engine(f"{url}{'&' if '?' in url else '?'}{setting}", application_name="tests")
    gate, note = HaltStore(mine).gate(tenant), change(Action.ADD_NOTE, NOTE)

    async def write() -> None:
        if in_transaction:
            await OwnSqlCrm(mine).apply_gated(
                note, expected_version=None, operation_id="run:queued", gate=gate
            )
        else:
            await writer_of(SqlCrm(mine), mine, lambda _: gate).apply(
                note, tenant=tenant, expected_version=None, operation_id="run:queued"
            )

    async def queues() -> bool:
        async with engine.connect() as other:
            return bool(await other.scalar(text(QUEUED)))

    async with engine.begin() as connection:
        lock = text("select pg_advisory_xact_lock(hashtextextended(:name, 0))")
        await connection.execute(lock, {"name": f"reviews-writes:{tenant}"})
        writing = asyncio.ensure_future(write())
        await until(queues)
        await parts.halts.halt(tenant, "ann", "bad data")
    with pytest.raises(WritesHaltedError):
        await writing
    assert (await ledger(engine))[0] == 0
    await mine.dispose()


async def test_after_a_release_the_same_operation_is_written_once(
    parts: Parts, write: Write, crm_engine: AsyncEngine
) -> None:
    before, _ = await ledger(crm_engine)
    await stop_all(parts, "ann", "bad data", notify=silent)
    for _ in range(3):
        with pytest.raises(
            WritesHaltedError, match=r"writes are stopped by ann since .*: bad data"
        ):
            await write("run:halted")
    assert (await ledger(crm_engine))[0] == before
    await release_all(parts, "bob", "all is well")
    assert (await write("run:halted")).status == "applied"
    assert (await write("run:halted")).status == "already_applied"
    assert (await ledger(crm_engine))[0] == before + 1


async def test_a_writer_that_dies_holds_nobody_up(parts: Parts, engine: AsyncEngine) -> None:
    tenant = parts.settings.tenant
    gone = create_engine(parts.settings.require_database_url(), application_name="dies")
    async with gone.connect() as connection:
        gate = HaltStore(gone).gate(tenant).open_for_write(connection)
        await gate.__aenter__()
        assert await parts.halts.writers_left(tenant) == 1
        pid = await connection.scalar(text("select pg_backend_pid()"))
        async with engine.begin() as other:
            await other.execute(text("select pg_terminate_backend(:pid)"), {"pid": pid})
        assert (await stop_all(parts, "ann", "bad data", notify=silent)).halted
        await connection.invalidate()
    await gone.dispose()


async def test_a_second_stop_changes_nothing(parts: Parts) -> None:
    first = await stop_all(parts, "ann", "bad data", notify=silent)
    second = await stop_all(parts, "bob", "something else", notify=silent)
    assert (first.changed, second.changed) == (True, False)
    assert second.halt == first.halt
    assert second.halt is not None
    assert (second.halt.by, second.halt.reason) == ("ann", "bad data")
    assert len(await parts.halt_history.history(parts.settings.tenant)) == 1


async def test_a_release_of_nothing_changes_nothing(parts: Parts) -> None:
    found = await release_all(parts, "bob", "why not")
    assert (found.halted, found.changed, found.halt) == (False, False, None)
    await stop_all(parts, "ann", "bad data", notify=silent)
    released = await release_all(parts, "bob", "all is well")
    again = await release_all(parts, "carl", "again")
    assert (released.changed, again.changed) == (True, False)
    assert again.halt == released.halt
    assert released.halt is not None
    assert (released.halt.released_by, released.halt.released_reason) == ("bob", "all is well")
    await ensure_not_halted(parts)


async def test_many_that_stop_at_once_make_one_halt(parts: Parts) -> None:
    tenant = parts.settings.tenant
    stops = [parts.halts.halt(tenant, f"p{n}", "now") for n in range(10)]
    found = await asyncio.gather(*stops)
    assert sum(new for _, new in found) == 1
    assert len({halt.id for halt, _ in found}) == 1


async def test_one_tenant_does_not_stop_another(parts: Parts, engine: AsyncEngine) -> None:
    await load(engine, [sample()])
    await stop_all(parts, "ann", "bad data", notify=silent)
    other = parts.halts.gate("somebody-else")
    done = await OwnSqlCrm(engine).apply_gated(
        change(Action.ADD_NOTE, NOTE), expected_version=None, operation_id="run:other", gate=other
    )
    assert done.status == "applied"


async def test_starts_are_refused_with_who_when_and_why(parts: Parts) -> None:
    async with starting(parts):
        assert await parts.halts.writers_left(parts.settings.tenant) == 1
    standing = await stop_all(parts, "ann", "bad data", notify=silent)
    assert standing.halt is not None
    for refused in (ensure_not_halted(parts), starting(parts).__aenter__()):
        with pytest.raises(HaltedError) as error:
            await refused
        assert error.value.message.startswith(
            "nothing can be started: everything is stopped by ann"
        )
        assert standing.halt.at.strftime("%Y-%m-%dT%H:%M") in error.value.message
        assert error.value.message.endswith(": bad data")
        assert "stop-all --release" in (error.value.hint or "")
        assert (error.value.exit_code, error.value.code) == (4, "halted")


async def test_a_stop_waits_for_every_start_under_way(parts: Parts) -> None:
    """Also for several at once, each on its own, and for none that comes later."""
    tenant, may_end = parts.settings.tenant, asyncio.Event()

    async def start() -> None:
        async with starting(parts):
            await may_end.wait()

    async def all_begun() -> bool:
        return await parts.halts.writers_left(tenant) == MANY

    async def is_halted() -> bool:
        return await parts.halts.current(tenant) is not None

    begun = [asyncio.ensure_future(start()) for _ in range(MANY)]
    await until(all_begun)
    stopping = asyncio.ensure_future(stop_all(parts, "ann", "bad data", notify=silent))
    await until(is_halted)
    with pytest.raises(HaltedError):
        async with starting(parts):
            pytest.fail("the gate is open")
    assert await parts.halts.writers_left(tenant) == MANY
    assert not stopping.done()
    may_end.set()
    await asyncio.gather(*begun)
    assert (await stopping).halted
    assert await parts.halts.writers_left(tenant) == 0


async def test_a_stop_that_comes_while_a_start_queues_is_seen(
    parts: Parts, engine: AsyncEngine
) -> None:
    tenant = parts.settings.tenant

    async def start() -> None:
        async with starting(parts):
            pytest.fail("the gate is open")

    async def queues() -> bool:
        async with engine.connect() as other:
            return bool(await other.scalar(text(QUEUED)))

    async with engine.begin() as connection:
        lock = text("select pg_advisory_xact_lock(hashtextextended(:name, 0))")
        await connection.execute(lock, {"name": f"reviews-writes:{tenant}"})
        begun = asyncio.ensure_future(start())
        await until(queues)
        await parts.halts.halt(tenant, "ann", "bad data")
    with pytest.raises(HaltedError, match="nothing can be started"):
        await begun


async def test_without_temporal_writes_stop_all_the_same(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
        with pytest.raises(UnreachableError) as error:
            await stop_all(parts, "ann", "bad data", notify=silent)
        assert "writes and starts are stopped by ann" in error.value.message
        assert "the schedules could not be paused" in error.value.message
        assert error.value.exit_code == 5
        standing = await status_of(parts)
        assert (standing.halted, standing.schedules_paused) == (True, None)
        with pytest.raises(UnreachableError, match="could not be resumed"):
            await release_all(parts, "bob", "all is well")
    assert not (await status_of(parts)).halted


async def test_a_halted_write_is_tried_again_after_thirty_seconds(parts: Parts) -> None:
    await parts.halts.halt(parts.settings.tenant, "ann", "bad data")
    async with parts.operations.transaction() as connection:
        with pytest.raises(WritesHaltedError) as error:
            async with parts.halts.gate(parts.settings.tenant).open_for_write(connection):
                pytest.fail("the gate is open")
    mapped = to_application_error(error.value)
    assert not mapped.non_retryable
    assert mapped.next_retry_delay is not None
    assert mapped.next_retry_delay.total_seconds() == RETRY_SECONDS == 30


def many_notes() -> list[ProposedChange]:
    return [change(Action.ADD_NOTE, {"content": f"note {number}"}) for number in range(24)]


@pytest.mark.parametrize("spelling", ["the same", "another"])
async def test_a_crm_url_that_names_our_database_is_our_database(
    parts: Parts, engine: AsyncEngine, spelling: str
) -> None:
    await load(engine, [sample()])
    url = parts.settings.require_database_url()
    other = url.replace("postgresql+asyncpg://", "postgres://") + "?application_name=crm"
    settings = replace(parts.settings, crm_url=url if spelling == "the same" else other)
    async with open_parts(settings, application="tests") as mine:
        crm = mine.crm
        assert isinstance(crm, OwnSqlCrm)
        gate = mine.halts.gate(settings.tenant)
        async with asyncio.TaskGroup() as group:
            writes = [
                group.create_task(
                    crm.apply_gated(
                        note, expected_version=None, operation_id=f"24:{number}", gate=gate
                    )
                )
                for number, note in enumerate(many_notes())
            ]
    assert {write.result().status for write in writes} == {"applied"}
