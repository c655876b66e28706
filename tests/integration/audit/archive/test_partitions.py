"""Months of the trail: made in time, moved out of the default one, archived and dropped."""

import asyncio
import gzip
import hashlib
import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.audit.archive.archive_files import check_archive
from account_reviews.audit.archive.partitions import CleanedUp, clean_up, make_ahead
from account_reviews.audit.archive.retention import Retained, retain
from account_reviews.audit.event_rows import store_each
from account_reviews.audit.seals.faults import Kind
from account_reviews.audit.seals.keys import PublicKeys, public_keys
from account_reviews.audit.seals.merkle import EMPTY_ROOT
from account_reviews.audit.seals.store import members_of
from account_reviews.audit.store import insert
from account_reviews.domain.errors import BadInputError, NegativeAnswerError, UnreachableError
from bench.tampering import event
from tests.support.sealed_trail import Sealed, fresh

YEARS = timedelta(days=2555)
YEAR = datetime.now(UTC).year - 9
"""Older than the trail is kept, and not so old that no month is made for it."""
OLD = datetime(YEAR, 3, 31, 23, 59, tzinfo=UTC)
MARCH = f"audit_events_{YEAR}_03"
DAY = timedelta(days=1)


@pytest.fixture
async def trail(engine: AsyncEngine, tmp_path: Path) -> Sealed:
    trail = await fresh(engine, tmp_path)
    found = text(
        "select inhrelid::regclass::text from pg_inherits "
        "where inhparent = 'audit.audit_events'::regclass "
        f"and inhrelid::regclass::text < 'audit.audit_events_{YEAR + 2}'"
    )
    async with engine.connect() as connection:
        names = list(await connection.scalars(found))
    for name in names:
        await trail.owner(f"drop table {name}")
    return trail


async def old_rows(trail: Sealed, *at: datetime) -> None:
    await insert(trail.engine, [replace(event(n, 9), at=when) for n, when in enumerate(at, 1)])


async def rows_of(engine: AsyncEngine, table: str) -> list[Any]:
    async with engine.connect() as connection:
        query = text(f"select event_id, at, seq, xid, recorded_at from {table} order by seq")
        return list(await connection.execute(query))


async def facts(engine: AsyncEngine) -> list[Any]:
    async with engine.connect() as connection:
        query = "select event_type, resource, actor from audit.audit_events where source = 'fact' "
        return [tuple(row) for row in await connection.execute(text(query + "order by seq"))]


async def tidy(trail: Sealed, place: str | None = None, keep: timedelta = YEARS) -> CleanedUp:
    return await clean_up(
        trail.engine,
        place or str(trail.folder / "archive"),
        trail.key_file,
        tenant="default",
        keep=keep,
        now=datetime.now(UTC),
    )


async def drop(trail: Sealed, place: str | None = None, keep: timedelta = YEARS) -> Retained:
    return await retain(
        trail.engine,
        public_keys(trail.key_file),
        place or str(trail.folder / "archive"),
        tenant="default",
        actor="olga",
        keep=keep,
        now=datetime.now(UTC),
    )


async def test_rows_of_a_month_that_was_not_there_move_into_it(trail: Sealed) -> None:
    """As they are: number, transaction and time of recording stay, so the seal still fits."""
    await old_rows(trail, OLD, OLD + 2 * timedelta(minutes=1), OLD + 40 * DAY)
    await trail.sealer().seal_all()
    before = await rows_of(trail.engine, "audit.audit_events_default")
    assert len(before) == 3
    async with trail.engine.begin() as connection:
        for _ in range(2):
            name = await connection.scalar(
                text(f"select audit.create_audit_partition('{YEAR}-03-05')")
            )
            assert name == MARCH
    assert await rows_of(trail.engine, f"audit.{MARCH}") == before[:1]
    assert await rows_of(trail.engine, "audit.audit_events_default") == before[1:]
    made = await make_ahead(trail.engine)  # a month may have begun since the table was made
    assert [name for name in made if str(YEAR) in name] == [
        f"audit_events_{YEAR}_04",
        f"audit_events_{YEAR}_05",
    ]
    assert await rows_of(trail.engine, "audit.audit_events_default") == []
    assert await rows_of(trail.engine, "audit.audit_events") == before
    assert (await trail.verify()).ok
    with pytest.raises(Exception, match="append-only"):
        await _delete(trail.engine, "audit.audit_events_default")


async def _delete(engine: AsyncEngine, table: str) -> None:
    async with engine.begin() as connection:
        await connection.execute(text(f"delete from {table}"))


async def test_many_make_the_same_months_while_rows_come(trail: Sealed) -> None:
    """Rows too that chose the default partition and wait for it while their month is made."""
    months = [OLD + n * 31 * DAY for n in range(4)]
    await old_rows(trail, *months)

    async def add(number: int) -> None:
        row = replace(event(number), at=months[number % 4])
        assert await store_each(partial(insert, trail.engine), [row]) == 1

    made = await asyncio.gather(
        *(make_ahead(trail.engine) for _ in range(6)), *(add(n) for n in range(100, 120))
    )
    assert sorted(name for names in made for name in names or () if str(YEAR) in name) == [
        f"audit_events_{YEAR}_{month:02}" for month in (3, 5, 6, 7)
    ]
    assert await rows_of(trail.engine, "audit.audit_events_default") == []
    async with trail.engine.connect() as connection:
        query = "select count(*) from audit.audit_events where event_type = 'activity_completed'"
        assert await connection.scalar(text(query)) == 24


async def test_old_months_are_archived_and_dropped(trail: Sealed) -> None:
    """One seal closes rows of three months: it can still be checked, and so can the files."""
    await old_rows(trail, OLD, OLD + DAY, OLD + 2 * DAY, OLD - DAY)
    await trail.add(1, 2)
    await trail.sealer().seal_all()
    await make_ahead(trail.engine)
    done = await tidy(trail)
    assert done.may_go == [MARCH, f"audit_events_{YEAR}_04"]
    assert (await trail.verify()).rows == 6
    assert await drop(trail) == Retained(dropped=done.may_go)
    assert done.archived == [f"{MARCH}-1.jsonl.gz", f"audit_events_{YEAR}_04-2.jsonl.gz"]
    assert done.notes == []
    report = await trail.verify()
    assert (report.ok, report.rows, report.unsealed) == (True, 2, 4), report.document()
    await trail.sealer().seal_all()
    report = await trail.verify()
    assert (report.ok, report.rows, report.unsealed) == (True, 6, 0)
    assert await facts(trail.engine) == [
        ("audit_partition_archived", f"audit.{MARCH}", "upkeep"),
        ("audit_partition_archived", f"audit.audit_events_{YEAR}_04", "upkeep"),
        ("audit_partition_dropped", f"audit.{MARCH}", "olga"),
        ("audit_partition_dropped", f"audit.audit_events_{YEAR}_04", "olga"),
    ]
    for name in done.archived:
        checked = check_archive(trail.folder / "archive" / name, public_keys(trail.key_file))
        assert (checked.ok, checked.rows, checked.seals_checked) == (True, 2, 1)
    assert await tidy(trail) == CleanedUp()
    assert await drop(trail) == Retained()


async def test_what_is_younger_than_it_is_kept_stays(trail: Sealed) -> None:
    """A month is, as long as a moment of it is: the month in which the time to keep began."""
    edge = datetime.now(UTC) + timedelta(hours=1) - YEARS  # the same month for an hour
    month = edge.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    older = month - 32 * DAY
    await old_rows(trail, older, month, edge)
    await trail.sealer().seal_all()
    await make_ahead(trail.engine)
    done = await tidy(trail)
    assert done.may_go == [f"audit_events_{older:%Y_%m}"]
    assert (await drop(trail)).dropped == done.may_go
    assert len(await rows_of(trail.engine, f"audit.audit_events_{month:%Y_%m}")) == 2
    shorter = await tidy(trail, keep=timedelta(days=30))
    assert shorter.may_go == []
    assert (await drop(trail, keep=timedelta(days=30))).dropped == []
    assert "keeps the trail for 2555 days, although the policy says 30" in shorter.notes[0]


async def test_a_row_that_came_after_the_archive_is_not_dropped_with_it(trail: Sealed) -> None:
    await old_rows(trail, OLD)
    await trail.sealer().seal_all()
    await make_ahead(trail.engine)
    await tidy(trail)
    async with trail.engine.connect() as blocker:
        await blocker.execute(text(f"select 1 from audit.{MARCH}"))
        with pytest.raises(UnreachableError, match="it is in use"):
            await drop(trail)
    await insert(trail.engine, [replace(event(7, 9), at=OLD - DAY)])
    with pytest.raises(NegativeAnswerError, match="is not sealed yet"):
        await tidy(trail)
    assert await drop(trail) == Retained(kept=[MARCH])
    await trail.sealer().seal_all()
    done = await tidy(trail)
    assert done.archived == [f"{MARCH}-2.jsonl.gz"]
    assert (await drop(trail)).dropped == [MARCH]
    await trail.sealer().seal_all()
    report = await trail.verify()
    assert (report.ok, report.unsealed) == (True, 0), report.document()


EDITED = f"update audit.audit_events set actor = 'x' where at < '{YEAR + 1}-01-01'"
ADDED = (
    "insert into audit.audit_events (event_id, at, seq, xid, source, tenant, event_type, "
    "severity, actor, action, resource) select 'new', at, seq + 1000, xid, source, tenant, "
    "event_type, severity, actor, action, resource from audit.audit_events "
    f"where at < '{YEAR + 1}-01-01' limit 1"
)


@pytest.mark.parametrize(
    ("change", "words"),
    [(EDITED, "not what was sealed"), (ADDED, "never sealed")],
    ids=["edited", "added"],
)
async def test_what_was_tampered_with_is_not_tidied_away(
    trail: Sealed, change: str, words: str
) -> None:
    await old_rows(trail, OLD, OLD - DAY)
    await trail.add(1)
    await trail.sealer().seal_all()
    await make_ahead(trail.engine)
    await trail.owner(change)
    with pytest.raises(NegativeAnswerError, match=words):
        await tidy(trail)
    assert list((trail.folder / "archive").iterdir()) == []
    assert not (await trail.verify()).ok


async def test_rows_cannot_be_passed_off_as_archived(trail: Sealed) -> None:
    """Whoever owns the database removes a row and writes that it is in an archive."""
    await old_rows(trail, OLD)
    await trail.add(1, 2)
    await trail.sealer().seal_all()
    await make_ahead(trail.engine)
    await tidy(trail)
    await drop(trail)
    assert (await trail.verify()).ok
    await trail.owner(
        "insert into audit.archived_rows (xid, seq, leaf, archive) "
        "select xid, seq, sha256('x'), 1 from audit.audit_events where event_id like '%/1'",
        "delete from audit.audit_events where event_id like '%/1'",
    )
    report = await trail.verify()
    assert any("the list of its rows was changed" in one.why for one in report.of(Kind.SEAL))
    await trail.owner("update audit.archives set rows = rows + 1")
    assert any("its signature is wrong" in one.why for one in (await trail.verify()).faults)


@pytest.mark.parametrize("leaf", ["''", "l.leaf"], ids=["made up", "taken from the seal"])
async def test_a_made_up_record_of_an_archive_drops_nothing(trail: Sealed, leaf: str) -> None:
    """The function wants the leaf that was sealed, the command a record that a key signed."""
    await old_rows(trail, OLD, OLD - DAY)
    await trail.sealer().seal_all()
    await make_ahead(trail.engine)
    async with trail.engine.begin() as connection:
        await connection.execute(
            text(
                f"insert into audit.archives values (1, '{MARCH}', now(), now(), 2, "
                "'', 'f', '', now(), '', '')"
            )
        )
        await connection.execute(
            text(
                f"insert into audit.archived_rows select e.xid, e.seq, {leaf}, 1 "
                "from audit.audit_events e, audit.seals s, lateral (select substr(s.leaves, "
                "48 * (row_number() over (order by e.xid, e.seq))::int - 31, 32) as leaf) l"
            )
        )
    with pytest.raises(NegativeAnswerError, match="nothing was dropped: archive f: its signature"):
        await drop(trail)
    if leaf == "''":
        async with trail.engine.begin() as connection:
            query = text("select audit.cleanup_audit_partitions('2555 days')")
            assert list(await connection.scalars(query)) == []
    assert len(await rows_of(trail.engine, f"audit.{MARCH}")) == 2


async def test_no_month_goes_with_rows_under_the_archive_of_another(trail: Sealed) -> None:
    """What stands as archived is passed over, so no file would have the row that somebody hides."""
    await old_rows(trail, OLD)
    await trail.sealer().seal_all()
    await make_ahead(trail.engine)
    await tidy(trail)
    assert (await drop(trail)).dropped == [MARCH]
    await old_rows(trail, OLD + DAY, OLD + 2 * DAY)
    await trail.sealer().seal_all()
    await make_ahead(trail.engine)
    seal = (await trail.seals())[-1]
    async with trail.engine.begin() as connection:
        hidden = (await members_of(connection, seal.number))[-1]
        await connection.execute(
            text("insert into audit.archived_rows values (:xid, :seq, :leaf, 1)"),
            {**hidden.position._asdict(), "leaf": hidden.leaf},
        )
    done = await tidy(trail)
    with pytest.raises(NegativeAnswerError, match="list of its rows was changed"):
        await drop(trail)
    assert len(await rows_of(trail.engine, f"audit.{done.may_go[0]}")) == 2


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 8, 300])
async def test_the_database_computes_the_roots_of_seals(trail: Sealed, rows: int) -> None:
    await old_rows(trail, *(OLD - n * timedelta(minutes=1) for n in range(rows)))
    await trail.sealer().seal_all()
    async with trail.engine.connect() as connection:
        query = "select audit.merkle_root(leaves) = root from audit.seals"
        assert list(await connection.scalars(text(query))) == [True]


async def test_no_month_goes_whose_seal_was_changed(trail: Sealed) -> None:
    await old_rows(trail, OLD, OLD - DAY)
    await trail.sealer().seal_all()
    await make_ahead(trail.engine)
    await tidy(trail)
    await trail.owner("update audit.seals set root = sha256(root)")
    assert await drop(trail) == Retained(kept=[MARCH])


async def test_no_month_goes_whose_file_is_gone_or_was_changed(trail: Sealed) -> None:
    await old_rows(trail, OLD)
    await trail.sealer().seal_all()
    await make_ahead(trail.engine)
    (name,) = (await tidy(trail)).archived
    file = trail.folder / "archive" / name
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    with pytest.raises(NegativeAnswerError, match="is not as it was written"):
        await drop(trail)
    file.unlink()
    with pytest.raises(NegativeAnswerError, match="is not in"):
        await drop(trail)
    file.write_bytes(whole)
    assert (await drop(trail)).dropped == [MARCH]


@pytest.mark.parametrize(
    "keep",
    ["-12000 months 362700 days", "-1 day", "1 month -40 days", "0", "83 years -1000 months"],
)
async def test_times_are_compared_as_times(trail: Sealed, keep: str) -> None:
    """An interval of long days and negative months is longer than seven years, and ends ahead."""
    with pytest.raises(Exception, match="is kept for 2555 days at least"):
        async with trail.engine.begin() as connection:
            await connection.execute(text(f"select audit.cleanup_audit_partitions('{keep}')"))


async def test_every_change_of_a_file_is_found(trail: Sealed) -> None:
    """Lines left out, put in, changed or swapped; and a file of somebody else's key."""
    await old_rows(trail, *(OLD - n * timedelta(hours=1) for n in range(6)))
    await trail.add(1, 2)
    await trail.sealer().seal_all()
    await make_ahead(trail.engine)
    (name,) = (await tidy(trail)).archived
    file = trail.folder / "archive" / name
    keys = public_keys(trail.key_file)
    assert check_archive(file, keys).ok
    assert not check_archive(file, PublicKeys()).ok
    lines = gzip.decompress(file.read_bytes()).splitlines(keepends=True)
    chance, bad = random.Random(7), trail.folder / "bad.gz"
    for number in range(1, len(lines)):
        other = chance.choice([n for n in range(1, len(lines)) if n != number])
        swapped = list(lines)
        swapped[number], swapped[other] = lines[other], lines[number]
        for changed in (
            lines[:number] + lines[number + 1 :],
            [*lines[:number], lines[number], *lines[number:]],
            [*lines[:number], lines[number].replace(b"0", b"1", 1), *lines[number + 1 :]],
            swapped,
            lines[:number],
        ):
            if changed == lines:
                continue
            bad.write_bytes(gzip.compress(b"".join(changed)))
            try:
                assert not check_archive(bad, keys).ok, (number, changed)
            except BadInputError as error:
                assert "\n" not in error.message  # noqa: PT017  either way it is refused


async def test_a_file_that_was_cut_or_spoilt(trail: Sealed) -> None:
    """Whoever leaves a seal out with its rows can write another last line, but not sign it."""
    await old_rows(trail, OLD, OLD - DAY)
    await trail.sealer().seal_all()
    await make_ahead(trail.engine)
    (name,) = (await tidy(trail)).archived
    file, bad = trail.folder / "archive" / name, trail.folder / "bad.gz"
    keys = public_keys(trail.key_file)
    _cut_with_another_end(bad, gzip.decompress(file.read_bytes()).splitlines(keepends=True))
    faults = check_archive(bad, keys).faults
    assert [one.kind for one in faults] == [Kind.SEAL], faults
    bad.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(BadInputError, match="is torn"):
        check_archive(bad, keys)
    whole = bytearray(file.read_bytes())
    whole[40:60] = bytes(20)
    bad.write_bytes(whole)
    with pytest.raises(BadInputError, match="is torn"):
        check_archive(bad, keys)
    bad.write_bytes(gzip.compress(b'{"format":"x"}\n'))
    with pytest.raises(BadInputError, match="is no archive"):
        check_archive(bad, keys)


def _cut_with_another_end(bad: Path, lines: list[bytes]) -> None:
    """Its only seal is left out with all rows, and the last line fits what is left."""
    end = json.loads(lines[-1])
    end |= {"rows": 0, "root": EMPTY_ROOT.hex(), "seals": 0}
    end["sha256"] = hashlib.sha256(lines[0]).hexdigest()
    bad.write_bytes(gzip.compress(lines[0] + json.dumps(end).encode()))
