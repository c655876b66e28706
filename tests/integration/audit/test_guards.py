"""Nobody changes the trail by statements: not its owner by mistake, not the application at all."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import exc, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.audit.archive.export import AuditExport
from account_reviews.audit.archive.partitions import clean_up, make_ahead
from account_reviews.audit.archive.reader import AuditReader, Filters
from account_reviews.audit.archive.retention import retain
from account_reviews.audit.seals.faults import Kind
from account_reviews.audit.seals.keys import public_keys
from account_reviews.audit.store import insert
from account_reviews.audit.verify.offline import verify_export
from account_reviews.domain.errors import BadInputError
from account_reviews.local.postgres import EmbeddedPostgres
from account_reviews.store.database import create_engine
from account_reviews.store.migration import AUDIT, upgrade
from bench.tampering import event
from tests.support.connections import statements_on
from tests.support.sealed_trail import Sealed, fresh

WRITER = "an_application"
FAR = datetime(2199, 1, 1, tzinfo=UTC)
ARCHIVE = "insert into audit.archives values (1, 'm', now(), now(), 3, '', 'f', '', now(), '', '')"
PARTITIONS = text(
    "select inhrelid::regclass::text from pg_inherits "
    "where inhparent = 'audit.audit_events'::regclass order by 1"
)


@pytest.fixture
async def trail(engine: AsyncEngine, tmp_path: Path) -> Sealed:
    trail = await fresh(engine, tmp_path)
    await trail.add(1, 2, 3)
    await trail.sealer().seal_all()
    return trail


@pytest.fixture
async def writer(trail: Sealed, database_url: str) -> AsyncIterator[Sealed]:
    """The same trail for a login that is a member of `audit_writer` and nothing else."""
    await trail.owner(
        f"do $$ begin if to_regrole('{WRITER}') is null then "
        f"create role {WRITER} login in role audit_writer; end if; end $$"
    )
    url = make_url(database_url).set(username=WRITER).render_as_string(hide_password=False)
    own = create_engine(url, application_name=WRITER)
    yield Sealed(own, trail.folder, trail.anchors)
    await own.dispose()


async def refused(engine: AsyncEngine, statement: str) -> str:
    """The sentence with which the database refuses the statement."""
    with pytest.raises(exc.DBAPIError) as error:
        async with engine.begin() as connection:
            await connection.execute(text(statement))
    return str(error.value.orig)


async def partitions(engine: AsyncEngine) -> list[str]:
    async with engine.connect() as connection:
        return list(await connection.scalars(PARTITIONS))


async def test_this_month_and_the_next_three_are_there(postgres: EmbeddedPostgres) -> None:
    """In a database of its own: the month may have changed since the others were made."""
    postgres.create_database("months")
    engine = create_engine(postgres.url("months"), application_name="tests")
    try:
        first = datetime.now(UTC).replace(day=1)
        await upgrade(engine, AUDIT)
        found = set(await partitions(engine))
    finally:
        await engine.dispose()
    months = [first]
    while len(months) < 4:
        months.append((months[-1] + timedelta(days=31)).replace(day=1))
    names = {f"audit.audit_events_{month:%Y_%m}" for month in months}
    assert names <= found
    assert "audit.audit_events_default" in found


async def test_the_owner_is_refused_everywhere(trail: Sealed) -> None:
    """Also on partitions that are made later, and when no row would match."""
    async with trail.engine.begin() as connection:
        await connection.execute(text("select audit.create_audit_partition('2031-05-17')"))
    found = await partitions(trail.engine)
    assert "audit.audit_events_2031_05" in found
    tables = ["audit.audit_events", *found, "audit.seals", "audit.archives", "audit.archived_rows"]
    for table in tables:
        change = "root = root" if table in ("audit.seals", "audit.archives") else "xid = xid"
        statements = {
            f"update {table} set {change}": "UPDATE",
            f"delete from {table} where false": "DELETE",
            f"truncate {table} cascade": "TRUNCATE",
        }
        for statement, what in statements.items():
            said = await refused(trail.engine, statement)
            assert f"is append-only: {what} is refused" in said, (statement, said)
    upsert = (
        "insert into audit.audit_events (event_id, at, source, tenant, event_type, severity, "
        "actor, action, resource) select event_id, at, source, tenant, event_type, severity, "
        "actor, action, resource from audit.audit_events "
        "on conflict (event_id, at) do update set actor = 'x'"
    )
    assert "UPDATE is refused" in await refused(trail.engine, upsert)
    assert (await trail.verify()).rows == 3


async def test_a_partition_made_by_hand_guards_its_rows(trail: Sealed) -> None:
    """Without our function only the row triggers of the parent are there."""
    await trail.owner(
        "create table audit.by_hand partition of audit.audit_events "
        "for values from ('2133-01-01') to ('2133-02-01')"
    )
    async with trail.engine.begin() as connection:
        await connection.execute(
            text(
                "insert into audit.audit_events (event_id, at, source, tenant, event_type, "
                "severity, actor, action, resource) "
                "values ('e', '2133-01-05', 'fact', 't', 'x', 'info', 'a', 'b', 'c')"
            )
        )
    for statement in ("update audit.by_hand set actor = 'x'", "delete from audit.by_hand"):
        assert "is append-only" in await refused(trail.engine, statement)
    assert "audit.by_hand can be changed" in " ".join(
        one.why for one in (await trail.verify()).of(Kind.GUARD)
    )
    await trail.owner("drop table audit.by_hand")


async def test_the_application_can_do_its_work(writer: Sealed) -> None:
    await writer.add(4, 5)
    await writer.add(5)
    assert await writer.sealer().seal_all() == 1
    report = await writer.verify()
    assert (report.ok, report.rows, report.unsealed, report.unanchored) == (True, 5, 0, 0)
    async with writer.engine.begin() as connection:
        cursor = (
            "insert into audit.runs (namespace, workflow_id, run_id, workflow_type, tenant, "
            "started_at, last_event, closed) values ('n', 'w', 'r', 't', 't', now(), 1, false) "
            "on conflict (run_id) do update set last_event = 2"
        )
        await connection.execute(text(cursor))
        await connection.execute(text(cursor))
        assert await connection.scalar(text("select last_event from audit.runs")) == 2
    await make_ahead(writer.engine)
    assert await make_ahead(writer.engine) == []
    async with writer.engine.begin() as connection:
        made = await connection.scalar(text("select audit.create_audit_partition('2032-01-01')"))
        assert made == "audit_events_2032_01"


async def test_the_application_archives_months_and_drops_none(writer: Sealed) -> None:
    old = datetime(datetime.now(UTC).year - 8, 5, 17, tzinfo=UTC)
    month = f"audit_events_{old:%Y_%m}"
    await insert(writer.engine, [replace(event(9, 9), at=old)])
    await writer.sealer().seal_all()
    assert await make_ahead(writer.engine) == [month]
    done = await clean_up(
        writer.engine,
        str(writer.folder / "archive"),
        writer.key_file,
        tenant="default",
        keep=timedelta(days=2555),
        now=datetime.now(UTC),
    )
    assert (done.archived, done.may_go, done.notes) == (
        [f"{month}-1.jsonl.gz"],
        [month],
        [],
    )
    with pytest.raises(BadInputError, match=f"{WRITER} does not own the trail"):
        await retain(
            writer.engine,
            public_keys(writer.key_file),
            str(writer.folder / "archive"),
            tenant="default",
            actor="x",
            keep=timedelta(days=2555),
            now=datetime.now(UTC),
        )
    report = await writer.verify()
    assert (report.ok, report.rows) == (True, 4)


async def test_the_application_drops_nothing_whatever_it_claims(writer: Sealed) -> None:
    """Neither by what it may insert, nor by a time that is longer than it looks."""
    async with writer.engine.begin() as connection:
        for statement in (
            ARCHIVE,
            "insert into audit.archived_rows select xid, seq, '', 1 from audit.audit_events",
        ):
            await connection.execute(text(statement))
    for keep in ("-12000 months 362700 days", "2555 days"):
        said = await refused(writer.engine, f"select audit.cleanup_audit_partitions('{keep}')")
        assert "permission denied" in said
    assert (await writer.verify()).rows == 3


SEAL = (
    "insert into audit.seals select number + {more}, sealed_at, {after}, {until}, 1, root, "
    "previous, key_id, signature, substr(leaves, 1, 48) from audit.seals order by number desc "
    "limit 1"
)
FALSE_SEALS: dict[str, dict[str, str | int]] = {
    "ahead of the server": {"until": "1::bigint << 62, 1"},
    "under a transaction that runs": {"until": "pg_current_xact_id()::text::bigint, 1"},
    "of another number": {"more": 10**9},
    "over rows that are sealed": {"after": "0, 0"},
    "over nothing": {"until": "until_xid, until_seq"},
}


@pytest.mark.parametrize("name", FALSE_SEALS)
async def test_a_false_seal_is_refused_at_the_door(writer: Sealed, name: str) -> None:
    given: dict[str, str | int] = {
        "more": 1,
        "after": "until_xid, until_seq",
        "until": "until_xid + 1, until_seq",
    }
    said = await refused(writer.engine, SEAL.format(**given | FALSE_SEALS[name]))
    assert "does not follow the seals before it, or lies ahead" in said
    await writer.add(4)
    assert await writer.sealer().seal_all() == 1
    assert (await writer.verify()).ok


async def test_a_seal_from_before_that_lies_ahead_keeps_nobody_from_writing(
    trail: Sealed, writer: Sealed
) -> None:
    """It is believed where a row stands at its end, as in a trail that was restored elsewhere."""
    given = {"more": 1, "after": "until_xid, until_seq", "until": "1::bigint << 62, 1"}
    await trail.owner(SEAL.format(**given))
    await writer.add(4)
    assert not (await writer.verify()).ok
    await trail.owner(
        "update audit.audit_events set xid = 1::bigint << 62, seq = 1 "
        "where seq = (select min(seq) from audit.audit_events)"
    )
    said = await refused(writer.engine, PUT.format(at="2026-11-21", details="{}"))
    assert "are behind the sealed ones" in said


async def test_the_archive_takes_no_rows_ahead_of_the_server(writer: Sealed) -> None:
    async with writer.engine.begin() as connection:
        await connection.execute(text(ARCHIVE))
    ahead = "insert into audit.archived_rows values (1::bigint << 62, 1, '', 1)"
    assert "has not ended" in await refused(writer.engine, ahead)


async def test_a_login_without_rights_cannot_keep_the_trail_from_being_sealed(
    trail: Sealed, writer: Sealed, database_url: str
) -> None:
    """The lock of earlier releases is anybody's; that of this one takes the right to write."""
    stranger = "a_stranger"
    await trail.owner(
        f"do $$ begin if to_regrole('{stranger}') is null then "
        f"create role {stranger} login; end if; end $$",
        f"grant usage on schema audit to {stranger}",
    )
    url = make_url(database_url).set(username=stranger).render_as_string(hide_password=False)
    own = create_engine(url, application_name=stranger)
    try:
        async with own.connect() as holding:
            await holding.execute(
                text("select pg_advisory_lock(hashtextextended('audit-seal', 0))")
            )
            await writer.add(4)
            assert await writer.sealer().seal_all() == 1
            for name in ("sealing", "archiving", "reconciling"):
                lock = f"lock table audit.{name} in share update exclusive mode"
                assert "permission denied" in await refused(own, lock)
    finally:
        await own.dispose()


async def test_a_sealer_of_an_earlier_release_is_waited_for(writer: Sealed) -> None:
    async with writer.engine.connect() as holding:
        await holding.execute(text("select pg_advisory_lock(hashtextextended('audit-seal', 0))"))
        await writer.add(4)
        assert await writer.sealer().seal_all() == 0
        await holding.execute(text("select pg_advisory_unlock(hashtextextended('audit-seal', 0))"))
    assert await writer.sealer().seal_all() == 1


@pytest.mark.parametrize(
    "statement",
    [
        "update audit.audit_events set actor = 'x'",
        "delete from audit.audit_events",
        "truncate audit.audit_events",
        "delete from audit.audit_events_default",
        "insert into audit.audit_events_default (event_id, at) values ('x', now())",
        "insert into audit.audit_events (event_id, at, seq) values ('x', now(), 1)",
        "insert into audit.audit_events (event_id, at, xid) values ('x', now(), 1)",
        "insert into audit.audit_events (event_id, at, recorded_at) values ('x', now(), now())",
        "update audit.seals set root = root",
        "delete from audit.seals",
        "truncate audit.seals",
        "update audit.archives set rows = 0",
        "delete from audit.archived_rows",
        "update audit.retention set keep = '1 day'",
        "select audit.cleanup_audit_partitions('1 day')",
        "select setval('audit.audit_events_seq', 1)",
        "alter table audit.audit_events disable trigger user",
        "drop trigger no_change on audit.audit_events",
        "drop table audit.audit_events_default",
        "alter table audit.audit_events detach partition audit.audit_events_default",
        "set session_replication_role = replica",
        "create or replace function audit.refuse_change() returns trigger language sql as ''",
        "select audit.grant_writer('public')",
        "create table audit.mine (x int)",
    ],
)
async def test_the_application_can_change_nothing(writer: Sealed, statement: str) -> None:
    said = await refused(writer.engine, statement)
    assert "permission denied" in said or "must be owner" in said, said


async def test_functions_cannot_be_misled_by_the_caller(writer: Sealed) -> None:
    """They run as the owner: a table or operator of the caller must not come in between."""
    async with writer.engine.connect() as connection:
        await connection.execute(text("create temporary table retention (keep interval)"))
        await connection.execute(text("insert into pg_temp.retention values ('0 days')"))
        await connection.execute(text("set search_path = pg_temp, audit"))
        with pytest.raises(exc.DBAPIError, match="permission denied"):
            await connection.execute(text("select audit.cleanup_audit_partitions('1 day')"))
        await connection.rollback()
        for month in ("1999-12-01", "2100-01-01"):
            with pytest.raises(exc.DBAPIError, match="no partition is made for"):
                await connection.execute(text(f"select audit.create_audit_partition('{month}')"))
            await connection.rollback()


PUT = (
    "insert into audit.audit_events (event_id, at, source, tenant, event_type, severity, actor, "
    "action, resource, review_id, details) values ('odd', '{at}', 'fact', 'default', 'other', "
    "'info', 'x', 'x', 'x', 'review/odd', '{details}')"
)
ODD = {
    "too large": '{"a": 1e400}',
    "too small": '{"a": 1e-400}',
    "too many digits": '{"a": 1e5000}',
    "as deep as can be": '{"a": ' * 100 + "1" + "}" * 100,
    "too deep": '{"a": ' * 101 + "1" + "}" * 101,
    "far too deep": "[" * 3000 + "1.5" + "]" * 3000,
    "no object": '"x"',
    "nothing": "null",
}


@pytest.mark.parametrize("name", ODD)
async def test_no_row_keeps_others_from_being_sealed(
    trail: Sealed, writer: Sealed, name: str, tmp_path: Path
) -> None:
    """The database takes numbers and depths that our own reading does not."""
    async with writer.engine.begin() as connection:
        statement = PUT.format(at="2026-11-21", details=ODD[name])
        await connection.exec_driver_sql(statement)
    assert await writer.sealer().seal_all() == 1
    assert (await trail.verify()).ok
    assert (await trail.verifier().verify_review("default", "review/odd")).ok
    reader = AuditReader(statements_on(trail.engine))
    export = AuditExport(
        trail.engine,
        reader,
        "default",
        public_keys(trail.key_file),
        None,
    )
    wanted = Filters(tenant="default", since=datetime(2000, 1, 1, tzinfo=UTC), until=FAR)
    await export.range(wanted, tmp_path / "range.jsonl", datetime.now(UTC))
    assert verify_export(tmp_path / "range.jsonl", public_keys(trail.key_file)).ok
    await trail.owner("update audit.audit_events set details = '{\"a\": 7}' where event_id = 'odd'")
    assert not (await trail.verify()).ok


@pytest.mark.parametrize("at", ["20000-01-01", "4000-01-01 BC", "infinity", "-infinity"])
async def test_times_that_nobody_can_read_are_refused(
    trail: Sealed, writer: Sealed, at: str
) -> None:
    assert "check constraint" in await refused(writer.engine, PUT.format(at=at, details="{}"))
    await trail.add(9)
    assert await writer.sealer().seal_all() == 1
