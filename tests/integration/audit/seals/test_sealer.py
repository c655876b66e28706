"""The sealer among open transactions, other sealers, restarts and places that are away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import exc, text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.audit.seals import sealer as sealer_module
from account_reviews.audit.seals.leaves import Position
from account_reviews.audit.seals.merkle import leaf_hash
from account_reviews.audit.seals.seal import next_seal
from account_reviews.audit.seals.sealer import SealingStoppedError
from account_reviews.audit.seals.store import Member, add_seal
from account_reviews.audit.store import insert
from account_reviews.domain.audit.events import AuditEvent, EventType, Severity
from account_reviews.domain.errors import BadInputError, UnreachableError
from account_reviews.store.database import create_engine
from bench.tampering import event
from tests.support.sealed_trail import Sealed, fresh
from tests.support.waiting import PATIENCE


@pytest.fixture
async def trail(engine: AsyncEngine, tmp_path: Path) -> Sealed:
    return await fresh(engine, tmp_path)


async def until_sealed(trail: Sealed, rows: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while sum(seal.rows for seal in await trail.seals()) < rows:  # noqa: ASYNC110  it asks the database
            await asyncio.sleep(0.02)


async def test_no_row_no_seal(trail: Sealed) -> None:
    assert await trail.sealer().seal_all() == 0
    await trail.add(1)
    assert await trail.sealer().seal_all() == 1
    assert await trail.sealer().seal_all() == 0


async def test_a_late_commit_comes_under_a_later_seal(trail: Sealed) -> None:
    """The first to begin commits last: by the number alone its row would be passed over."""
    async with trail.engine.connect() as slow, trail.engine.connect() as slower:
        await insert(slow, [event(1)])
        await trail.add(2)
        assert await trail.sealer().seal_all() == 0, "the older one may still come before it"
        await insert(slower, [event(3)])
        await trail.add(4)
        await slow.commit()
        assert await trail.sealer().seal_all() == 1
        assert [seal.rows for seal in await trail.seals()] == [2]
        await slower.commit()
    assert await trail.sealer().seal_all() == 1
    assert [seal.rows for seal in await trail.seals()] == [2, 2]
    report = await trail.verify()
    assert (report.ok, report.rows, report.unsealed) == (True, 4, 0)


async def test_a_transaction_that_was_given_up_holds_nothing_back(trail: Sealed) -> None:
    async with trail.engine.connect() as connection:
        await insert(connection, [event(1)])
        await trail.add(2)
        await connection.rollback()
    assert await trail.sealer().seal_all() == 1
    assert (await trail.verify()).rows == 1


async def test_many_rows_take_several_seals(trail: Sealed) -> None:
    """Also those of one transaction."""
    await trail.add(*range(1, 26))
    assert await trail.sealer(most=10).seal_all() == 3
    assert [seal.rows for seal in await trail.seals()] == [10, 10, 5]
    assert (await trail.verify()).ok


async def test_several_sealers_while_rows_come(trail: Sealed) -> None:
    sealers = [trail.sealer(interval=0.01) for _ in range(4)]
    tasks = [asyncio.create_task(sealer.run()) for sealer in sealers]
    try:
        await asyncio.gather(*(trail.add(*range(n, n + 5)) for n in range(1, 200, 5)))
        await until_sealed(trail, 200)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    report = await trail.verify()
    assert (report.ok, report.rows, report.unsealed) == (True, 200, 0)


async def test_one_works_at_a_time(trail: Sealed) -> None:
    await trail.add(1)
    lock = text("select pg_advisory_lock(hashtextextended('audit-seal', 0))")
    async with trail.engine.connect() as other:
        await other.execute(lock)
        assert await trail.sealer().seal_all() == 0
        await other.invalidate()  # as when its process dies
    async with asyncio.timeout(PATIENCE):
        while not await trail.sealer().seal_all():  # noqa: ASYNC110  it asks the database
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("torn", ["", '{"number":3,"sealed_at":"2026'])
async def test_a_restart_between_table_and_second_place(trail: Sealed, torn: str) -> None:
    for number in (1, 2, 3):
        await trail.add(number)
        await trail.sealer().seal_all()
    whole = trail.place.read_text()
    one, two, _ = whole.splitlines(keepends=True)
    trail.place.write_text(one + two + torn)
    before = await trail.verify()
    assert (before.ok, before.unanchored) == (True, 1)
    await trail.sealer().seal_all()
    assert trail.place.read_text() == whole
    assert (await trail.verify()).unanchored == 0


async def test_a_second_place_that_is_away_keeps_nothing_from_being_sealed(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    blocked = tmp_path / "away"
    blocked.write_text("no directory")
    trail = await fresh(engine, tmp_path, str(blocked / "seals.jsonl"))
    await trail.add(1)
    with pytest.raises(UnreachableError, match="does not answer"):
        await trail.sealer().seal_all()
    task = asyncio.create_task(trail.sealer(interval=0.01).run())
    try:
        await trail.add(2)
        await until_sealed(trail, 2)
        report = await trail.verify()
        assert report.ok
        assert "not compared with the second place" in report.warnings[0]
        blocked.unlink()
        async with asyncio.timeout(PATIENCE):
            while not trail.place.exists() or trail.place.read_text().count("\n") < 2:  # noqa: ASYNC110  another task writes the file
                await asyncio.sleep(0.02)
    finally:
        task.cancel()
        await asyncio.wait([task])
    report = await trail.verify()
    assert (report.ok, report.unanchored, report.warnings) == (True, 0, [])


@pytest.fixture
async def mounted(engine: AsyncEngine, tmp_path: Path) -> AsyncIterator[Sealed]:
    """A sealer at work, whose second place is in a directory that may go away."""
    trail = await fresh(engine, tmp_path, str(tmp_path / "mount" / "seals.jsonl"))
    task = asyncio.create_task(trail.sealer(interval=0.01).run())
    for number in (1, 2):
        await trail.add(number)
        await until_sealed(trail, number)
    await until_complete(trail)
    yield trail
    task.cancel()
    await asyncio.wait([task])


async def until_complete(trail: Sealed) -> None:
    """Until the second place has every seal of the table, from the first on."""
    async with asyncio.timeout(PATIENCE):
        while True:
            there = []
            with suppress(BadInputError):  # a line that is being written
                there = [seal async for seal in trail.anchors.read()]
            if there == await trail.seals():
                return
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("how", ["unmounted", "emptied"])
async def test_a_second_place_that_loses_its_seals_is_filled_again(
    mounted: Sealed, how: str
) -> None:
    if how == "unmounted":
        mounted.place.parent.rename(mounted.folder / "elsewhere")
    else:
        mounted.place.write_text("")
    await mounted.add(3)
    await until_sealed(mounted, 3)
    await until_complete(mounted)
    report = await mounted.verify()
    assert (report.ok, report.unanchored, report.warnings) == (True, 0, [])


async def test_a_second_place_that_comes_back_is_completed(
    mounted: Sealed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has less than the sealer brought to what stood in its place."""
    monkeypatch.setattr(sealer_module, "_STOPPED_SECONDS", 0.05)
    elsewhere = mounted.place.parent.rename(mounted.folder / "elsewhere")
    await mounted.add(3)
    await until_sealed(mounted, 3)
    await until_complete(mounted)
    mounted.place.parent.rename(mounted.folder / "meanwhile")
    elsewhere.rename(mounted.place.parent)
    await mounted.add(4)
    await until_sealed(mounted, 4)
    await until_complete(mounted)
    assert (await mounted.verify()).ok


async def test_it_goes_on_after_the_database_closed_its_connection(
    trail: Sealed, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealer_module, "_RETRY_SECONDS", 0.05)
    own = create_engine(database_url, application_name="the-sealer")
    sealer = replace(trail, engine=own).sealer(interval=0.01)
    task = asyncio.create_task(sealer.run())
    try:
        await trail.add(1)
        await until_sealed(trail, 1)
        await trail.owner(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where application_name = 'the-sealer'"
        )
        await trail.add(2)
        await until_sealed(trail, 2)
    finally:
        task.cancel()
        await asyncio.wait([task])
        await own.dispose()
    assert (await trail.verify()).ok


@pytest.fixture
async def running(
    trail: Sealed, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[list[AuditEvent]]:
    """A sealer at work over two seals; gives the rows about alarms."""
    monkeypatch.setattr(sealer_module, "_STOPPED_SECONDS", 0.05)
    for number in (1, 2):
        await trail.add(number)
        await trail.sealer().seal_all()
    recorded: list[AuditEvent] = []
    task = asyncio.create_task(trail.sealer(interval=0.01, record=recorded.append).run())
    await trail.add(3)
    await until_sealed(trail, 3)
    yield recorded
    task.cancel()
    await asyncio.wait([task])


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("delete from audit.seals where number > 1", "seal 3 is gone"),
        ("truncate audit.seals", "seal 3 is gone"),
        ("update audit.seals set root = previous where number = 3", "seal 3 was changed"),
    ],
)
async def test_it_stops_when_the_table_loses_seals(
    trail: Sealed, running: list[AuditEvent], how: str, words: str
) -> None:
    await trail.owner(how)
    left = len(await trail.seals())
    await trail.add(4)
    async with asyncio.timeout(PATIENCE):
        while not running:  # noqa: ASYNC110  another task fills it
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)
    assert len(await trail.seals()) == left, "nothing more is sealed"
    (row,) = running
    # Where it was about to seal when the seals went, the second place says it at its next try.
    second_place = ("holds seal 3, but the newest", "seal 3 of the database differs from that in")
    assert any(one in str(row.details["message"]) for one in (words, *second_place))
    assert row.severity is Severity.CRITICAL
    assert row.event_type is EventType.ERROR_OCCURRED


@pytest.mark.parametrize("more", [True, False])
async def test_a_restarted_sealer_sees_a_rollback_and_a_fork(trail: Sealed, more: bool) -> None:
    """A restored backup: the second place knows more. It goes on: the two differ."""
    for number in (1, 2, 3):
        await trail.add(number)
        await trail.sealer().seal_all()
    await trail.owner("delete from audit.seals where number > 1")
    await trail.owner("delete from audit.audit_events where event_id like '%/2'")
    if not more:
        lines = trail.place.read_text().splitlines(keepends=True)
        trail.place.write_text(lines[0])
        await trail.sealer().seal_all()
        trail.place.write_text("".join(lines[:2]))
    await trail.add(4)
    with pytest.raises(SealingStoppedError, match="holds seal 3" if more else "seal 2 of"):
        await trail.sealer().seal_all()
    assert not (await trail.verify()).ok


async def restored_seal(trail: Sealed, far: Position) -> None:
    """A seal of another server."""
    leaf = leaf_hash(b"a row of the other server")
    seal = next_seal(None, far, [leaf], datetime.now(UTC), trail.key)
    async with trail.engine.begin() as connection:
        await connection.execute(text("set local session_replication_role = replica"))
        await add_seal(connection, seal, [Member(far, leaf)])


async def test_the_trail_on_a_server_with_older_transaction_numbers(trail: Sealed) -> None:
    """As after a restore by dump: neither rows nor seals may come to lie among the sealed ones."""
    far = Position(2**40, 1)
    await trail.add(9)
    await trail.owner(f"update audit.audit_events set xid = {far.xid}, seq = {far.seq}")
    await restored_seal(trail, far)
    with pytest.raises(SealingStoppedError) as stopped:
        await trail.sealer().seal_all()
    assert (
        stopped.value.hint
        == "stop the server and run `pg_resetwal --epoch=257` on its data directory"
    )
    with pytest.raises(exc.DBAPIError) as refused:
        await trail.add(1)
    assert "behind the sealed ones" in str(refused.value)
    assert "behind the sealed ones" in " ".join((await trail.verify()).warnings)


async def test_a_seal_that_lies_ahead_of_all_rows_is_no_sign_of_a_restore(trail: Sealed) -> None:
    await restored_seal(trail, Position(2**62, 1))
    await trail.add(1)
    with pytest.raises(SealingStoppedError, match="seal 1 ends at a transaction that has not"):
        await trail.sealer().seal_all()
    assert not (await trail.verify()).ok
