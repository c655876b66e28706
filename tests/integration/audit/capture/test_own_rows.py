"""Rows that are recorded: into the trail, past a dead one, and back into it, each once."""

import asyncio
import json
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.audit.capture.log import AuditLog
from account_reviews.audit.capture.outbox_relay import Relay
from account_reviews.audit.event_rows import stand_in_id
from account_reviews.audit.store import insert, try_insert
from account_reviews.domain.audit.events import AuditEvent, EventType, Severity, Source
from account_reviews.domain.audit.redaction import DEFAULT
from account_reviews.domain.errors import UnreachableError
from account_reviews.local.postgres import EmbeddedPostgres
from account_reviews.store.database import create_engine
from account_reviews.store.migration import AUDIT, upgrade
from account_reviews.store.outbox import put_into_outbox
from account_reviews.store.outbox_rows import document_of
from tests.support.connections import statements_on
from tests.support.hooks import counting
from tests.support.trail_rows import event, outbox, trail
from tests.support.waiting import until

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


class Apart(NamedTuple):
    """A trail on a server of its own, which can be killed."""

    server: EmbeddedPostgres
    engine: AsyncEngine

    async def kill(self) -> None:
        pid = self.server.pid
        assert pid is not None
        os.kill(pid, signal.SIGQUIT)  # what the operating system leaves of a crash
        while self.server.pid is not None:  # noqa: ASYNC110  it is no child of ours
            await asyncio.sleep(0.02)

    async def restart(self) -> None:
        await asyncio.to_thread(self.server.start)


@pytest.fixture(scope="module")
def server(short_dir: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(short_dir / "trail")
    server.start()
    server.create_database("trail")
    yield server
    server.stop()


@pytest.fixture(scope="module")
async def apart(server: EmbeddedPostgres) -> AsyncIterator[Apart]:
    engine = create_engine(server.url("trail"), application_name="tests")
    await upgrade(engine, AUDIT)
    yield Apart(server, engine)
    await engine.dispose()


@pytest.fixture
async def nowhere() -> AsyncIterator[AsyncEngine]:
    """A database nobody answers for."""
    engine = create_engine(NOWHERE, application_name="tests")
    yield engine
    await engine.dispose()


def some(count: int, **fields: object) -> list[AuditEvent]:
    """Rows of one test."""
    prefix = f"some-{uuid4()}"
    return [event(f"{prefix}/{n}", **fields) for n in range(count)]


async def test_rows_are_added_once_and_read_back_as_they_were(engine: AsyncEngine) -> None:
    rows = some(600, details={"a": [1, {"b": None}], "text": "ü 𝄞"}, trace_id="ab" * 16)
    assert await insert(engine, rows[:400]) == 400
    assert await insert(engine, [*rows, *rows]) == 200
    prefix = rows[0].event_id.removesuffix("0")
    assert await trail(engine, prefix) == rows
    await try_insert(engine)
    assert await trail(engine, "try/") == []


async def test_what_no_text_can_hold_does_not_wedge_the_log(engine: AsyncEngine) -> None:
    rows = some(3)
    bad = replace(
        rows[1], actor="a\0nn", details={"k\0": ["half \ud83d of a pair", "\0"], "n": 2**80}
    )
    async with AuditLog(statements_on(engine), statements_on(engine)) as log:
        log.put(rows[0], bad, rows[2])
        assert await log.flush(10)
    first, cleaned, last = await trail(engine, rows[0].event_id.removesuffix("0"))
    assert (first, last) == (rows[0], rows[2])
    assert cleaned.actor == "a\N{REPLACEMENT CHARACTER}nn"
    assert cleaned.details["n"] == 2**80
    assert list(cleaned.details) == ["n", "k\N{REPLACEMENT CHARACTER}"]
    assert log.dropped == 0


async def test_a_row_the_database_refuses_is_told_and_holds_up_nobody(engine: AsyncEngine) -> None:
    rows = some(5)
    long = "".join(str(uuid4()) for _ in range(400))
    rows[2] = replace(rows[2], actor=long)  # no index takes it
    async with AuditLog(statements_on(engine), statements_on(engine)) as log:
        log.put(*rows, lambda: 1 / 0)  # type: ignore[arg-type,return-value]
        assert await log.flush(10)
    found = await trail(engine, rows[0].event_id.removesuffix("0"))
    assert found == [*rows[:2], *rows[3:]]
    (recorded,) = [
        one
        for one in await trail(engine, "unstorable/")
        if one.details["event_id"] == rows[2].event_id
    ]
    assert (recorded.event_type, recorded.severity) == (EventType.ERROR_OCCURRED, Severity.ERROR)
    assert long.startswith(recorded.actor)


async def test_telling_from_many_threads(engine: AsyncEngine) -> None:
    rows = some(2000)
    async with AuditLog(statements_on(engine), statements_on(engine)) as log:
        parts = [rows[start::8] for start in range(8)]
        threads = [threading.Thread(target=_put, args=(log, part)) for part in parts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        prefix = rows[0].event_id.removesuffix("0")

        async def all_there() -> bool:
            return len(await trail(engine, prefix)) == len(rows)

        await until(all_there)
    assert {one.event_id for one in await trail(engine, prefix)} == {one.event_id for one in rows}


def _put(log: AuditLog, rows: Sequence[AuditEvent]) -> None:
    for one in rows:
        log.put(one)


async def test_a_dead_trail_sends_rows_over_the_outbox_each_once(
    engine: AsyncEngine, apart: Apart
) -> None:
    rows = some(60)
    relay = asyncio.create_task(Relay(engine, apart.engine, DEFAULT).run())
    async with AuditLog(statements_on(apart.engine), statements_on(engine)) as log:
        log.put(*rows[:20])
        assert await log.flush(10)
        await apart.kill()
        log.put(*rows[20:40])
        assert await log.flush(10)
        prefix = rows[0].event_id.removesuffix("0")
        assert await outbox(engine, prefix) == rows[20:40]
        await apart.restart()
        log.put(*rows[40:])
        await log.flush(10)

        async def brought() -> bool:
            return not await outbox(engine, prefix)

        await until(brought)
    relay.cancel()
    await asyncio.wait({relay})
    found = await trail(apart.engine, prefix)
    assert sorted(found, key=lambda one: int(one.event_id.rpartition("/")[2])) == rows
    assert log.dropped == 0


async def test_without_any_database_the_newest_rows_are_kept(nowhere: AsyncEngine) -> None:
    rows = some(25)
    with counting() as counted:
        async with AuditLog(
            statements_on(nowhere), statements_on(nowhere), most=10, closing_seconds=0.5
        ) as log:
            log.put(*rows)
            assert not await log.flush(0.5)
            assert (len(log), log.dropped) == (10, 15)
            assert counted("reviews_audit_waiting_rows") == {(): 10}
        assert (len(log), log.dropped) == (0, 25)
        assert counted("reviews_audit_rows_dropped") == {(): 25}


async def test_what_is_told_is_counted_once_a_batch_by_its_sources(engine: AsyncEngine) -> None:
    attempts, asked = some(7, source=Source.ATTEMPT), some(2, source=Source.CLIENT)
    with counting() as counted:
        async with AuditLog(statements_on(engine), statements_on(engine)) as log:
            log.put(*attempts, *asked)
            assert await log.flush(10)
            log.put(*attempts)
            assert await log.flush(10), "which are there already"
        assert counted("reviews_audit_rows_written") == {("attempt",): 7, ("client",): 2}
        assert counted("reviews_audit_lag") == {("attempt",): 1, ("client",): 1}
        assert counted("reviews_audit_waiting_rows") == {(): 0}


async def test_a_database_that_never_answers_delays_the_end_by_its_bound(
    engine: AsyncEngine,
) -> None:
    rows = some(2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        hanging = create_engine(
            f"postgresql://u@127.0.0.1:{silent.getsockname()[1]}/d", application_name="tests"
        )
        async with (
            asyncio.timeout(40),  # less than a connection is waited for
            AuditLog(statements_on(hanging), statements_on(engine)) as log,
        ):
            log.put(*rows)
        await hanging.dispose()
    assert await outbox(engine, rows[0].event_id.removesuffix("0")) == rows


async def test_the_relay_keeps_the_order_and_puts_the_unreadable_aside(
    engine: AsyncEngine, database_url: str
) -> None:
    rows = some(1203)
    prefix = rows[0].event_id.removesuffix("0")
    async with engine.begin() as connection:
        await put_into_outbox(connection, rows[:3])
        await connection.execute(
            text("insert into reviews.audit_outbox (event_id, body) values (:id, :body)"),
            {"id": "odd", "body": '{"event_type": "of a newer release", "actor": "eve"}'},
        )
        await put_into_outbox(connection, rows[3:])
    relays = [Relay(engine, engine, DEFAULT) for _ in range(2)]
    moved = 0
    while done := sum(await asyncio.gather(*(relay.outbox() for relay in relays))):
        moved += done
    assert moved >= 1204
    assert await outbox(engine) == []
    found = await trail(engine, prefix)
    assert {one.event_id for one in found} == {one.event_id for one in rows}
    assert len(found) == len(rows)
    (odd,) = await trail(engine, stand_in_id("odd"))
    assert (odd.actor, odd.severity) == ("eve", Severity.ERROR)
    assert "newer release" in str(odd.details["body"])


ODD_BODIES: dict[str, dict[str, Any]] = {
    "no tenant": {"tenant": None},
    "the end of times": {"at": "9999-12-31T23:59:59+00:00"},
    "before all times": {"at": "0001-01-01T00:00:00+00:00"},
    "no time": {"at": None},
    "no zone": {"at": "2026-01-01T00:00:00"},
    "no id": {"event_id": None},
    "a long id": {"event_id": "".join(str(uuid4()) for _ in range(400))},
    "an odd source": {"source": "hearsay"},
}


@pytest.mark.parametrize("name", ODD_BODIES)
async def test_a_fact_that_cannot_be_stored_goes_to_quarantine_alone(
    engine: AsyncEngine, name: str
) -> None:
    good = some(2)
    bad = document_of(event(f"bad-{uuid4()}")) | ODD_BODIES[name]
    async with engine.begin() as connection:
        await put_into_outbox(connection, good[:1])
        await connection.execute(
            text(
                "insert into reviews.audit_outbox (event_id, body, put_at) "
                "values (:id, cast(:body as jsonb), 'infinity')"
            ),
            {"id": f"bad {name}", "body": json.dumps(bad)},
        )
        await put_into_outbox(connection, good[1:])
    relay = Relay(engine, engine, DEFAULT)
    with counting() as counted:
        while await relay.outbox():
            pass
        failures = counted("reviews_audit_export_errors")
    assert await outbox(engine) == []
    assert await trail(engine, good[0].event_id.removesuffix("0")) == good
    async with engine.begin() as connection:
        put_aside = (
            await connection.execute(
                text("select body, reason from reviews.audit_quarantine where event_id = :id"),
                {"id": f"bad {name}"},
            )
        ).all()
    if name == "no zone":
        assert put_aside == [], "the server's zone is ours"
        return
    assert [row.body for row in put_aside] == [bad]
    assert put_aside[0].reason
    assert sum(failures.values()) == 1


async def test_a_write_nobody_can_read_holds_up_no_other(engine: AsyncEngine) -> None:
    run = str(uuid4())
    await _write(engine, run, datetime.now(UTC))
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "update reviews.crm_operations set result = '[1]', applied_at = '-infinity' "
                "where operation_id = :id"
            ),
            {"id": f"{run}:change-2"},
        )
    relay = Relay(engine, engine, DEFAULT, tenant="acme")
    while await relay.writes():
        pass
    (written,) = await trail(engine, f"write/{run}")
    assert written.actor == "ann"
    (unread,) = await trail(engine, stand_in_id(f"write/{run}:change-2"))
    assert unread.severity == Severity.ERROR


async def _write(engine: AsyncEngine, run: str, at: datetime) -> None:
    """Two writes of a review into the ledger; somebody approved the first."""
    state = {
        "workflow_run_id": run,
        "requests": [{"items": [{"item_id": "change-1", "decided_by": "ann"}]}],
    }
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "insert into reviews.review_runs (run_id, review_id, tenant, account_id, name, "
                "kind, phase, status, state, version, started_at, updated_at) values (:run, "
                "'review/acme/a-1', 'acme', 'a-1', 'n', 'manual', 'executing', 'running', "
                ":state, 1, :at, :at)"
            ),
            {"run": run, "state": json.dumps(state), "at": at},
        )
        for change in ("change-1", "change-2"):
            await connection.execute(
                text(
                    "insert into reviews.crm_operations (operation_id, tenant, change_id, action, "
                    "account_id, record, before, after, result, applied_at, settled_at) "
                    "values (:id, 'acme', :change, 'update_contact', 'a-1', :record, :before, "
                    ":after, :result, :at, :at)"
                ),
                {
                    "id": f"{run}:{change}",
                    "change": change,
                    "record": json.dumps({"type": "contact", "id": "c-1", "version": "4"}),
                    "before": json.dumps(
                        {"title": "CTO", "email": "old@acme.example", "share": 0.5}
                    ),
                    "after": json.dumps(
                        {"title": "CEO", "email": "new@acme.example", "share": 0.75}
                    ),
                    "result": json.dumps({"current": {}}),
                    "at": at,
                },
            )


async def test_writes_of_the_ledger_are_told_with_before_and_after(engine: AsyncEngine) -> None:
    run, at = str(uuid4()), datetime.now(UTC)
    await _write(engine, run, at)
    relay = Relay(engine, engine, DEFAULT, tenant="acme")
    assert (await relay.writes(), await relay.writes()) == (1, 0)
    (recorded,) = await trail(engine, f"write/{run}:")
    assert recorded.event_id == f"write/{run}:change-1"
    assert (recorded.actor, recorded.tenant, recorded.at) == ("ann", "acme", at)
    assert (recorded.action, recorded.resource) == ("update_contact", "contact/c-1")
    assert (recorded.review_id, recorded.run_id) == ("review/acme/a-1", run)
    before, after = recorded.details["before"], recorded.details["after"]
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    assert (before["title"], after["title"]) == ("CTO", "CEO")
    assert (before["share"], after["share"]) == ("0.5", "0.75")
    assert "old@acme" not in str(before)
    await _until_nobody_waits_for_an_approval(engine, run)
    assert await relay.writes() == 1
    assert [one.actor for one in await trail(engine, f"write/{run}:")] == ["ann", "unknown"]


async def test_a_trail_of_its_own(engine: AsyncEngine, apart: Apart, nowhere: AsyncEngine) -> None:
    """Two databases, and at first nobody answers for the trail's."""
    run, at = str(uuid4()), datetime.now(UTC)
    rows = some(3)
    await _write(engine, run, at)
    async with engine.begin() as connection:
        await put_into_outbox(connection, rows)
    relay = Relay(engine, nowhere, DEFAULT, tenant="acme")
    for step in (relay.outbox, relay.writes):
        with pytest.raises(UnreachableError):
            await step()
    relay = Relay(engine, apart.engine, DEFAULT, tenant="acme")
    while await relay.outbox():
        pass
    assert (await relay.writes(), await relay.writes()) == (1, 0)
    assert await trail(apart.engine, rows[0].event_id.removesuffix("0")) == rows
    (recorded,) = await trail(apart.engine, f"write/{run}:")
    assert (recorded.actor, recorded.tenant, recorded.at) == ("ann", "acme", at)


async def _until_nobody_waits_for_an_approval(engine: AsyncEngine, run: str) -> None:
    """As if the write had been made longer ago."""
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "update reviews.crm_operations set applied_at = now() - interval '1 minute' "
                "where operation_id = :id"
            ),
            {"id": f"{run}:change-2"},
        )
