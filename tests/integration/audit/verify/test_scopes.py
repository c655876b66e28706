"""What is not the whole trail is checked whole too: a review, a time, and rows in odd places."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.audit.archive.export import AuditExport
from account_reviews.audit.archive.partitions import clean_up, make_ahead
from account_reviews.audit.archive.reader import AuditReader
from account_reviews.audit.history.comparison import Comparison
from account_reviews.audit.seals.faults import Kind
from account_reviews.audit.seals.keys import public_keys
from account_reviews.audit.store import insert
from account_reviews.audit.verify.completeness import _judge
from account_reviews.audit.verify.offline import verify_export
from account_reviews.audit.verify.verifier import Report
from account_reviews.domain.audit.events import AuditEvent, EventType, Source, attempt_id
from account_reviews.domain.errors import NotFoundError
from account_reviews.store.database import create_engine
from bench.tampering import event
from tests.support.connections import statements_on
from tests.support.sealed_trail import Sealed, fresh

SEALS = 6
REVIEW = "review/ac-000"
HOUR_AGO = "update audit.audit_events set recorded_at = recorded_at - interval '1 hour'"


def named(number: int) -> str:
    """The id of an event of the review."""
    return event(number).event_id


@pytest.fixture
async def trail(engine: AsyncEngine, tmp_path: Path) -> Sealed:
    """Six seals; each closes two events of the review and three of another."""
    trail = await fresh(engine, tmp_path)
    for turn in range(SEALS):
        await trail.add(2 * turn + 1, 2 * turn + 2)
        await trail.add(*range(3 * turn + 1, 3 * turn + 4), review=1)
        await trail.owner(f"{HOUR_AGO} where recorded_at > now() - interval '30 minutes'")
        await trail.sealer().seal_all()
    return trail


async def of_review(trail: Sealed) -> Report:
    return await trail.verifier().verify_review("default", REVIEW)


def found(report: Report, kind: Kind) -> set[str | None]:
    return {one.event_id for one in report.of(kind)}


PLACES = {
    "before the first seal": "xid = -1",
    "at the very beginning": "xid = 0, seq = 0",
    "in a transaction of the far future": "xid = 4611686018427387904",
}


@pytest.mark.parametrize("place", PLACES)
async def test_a_row_where_no_seal_comes(trail: Sealed, place: str) -> None:
    await trail.add(99)
    assert (await trail.verify()).ok, "a row of now is only not sealed yet"
    await trail.owner(
        f"update audit.audit_events set {PLACES[place]} where event_id = '{named(99)}'"
    )
    since = await trail.verifier().verify(since=datetime.now(UTC))
    for report in (await trail.verify(), await of_review(trail), since):
        assert found(report, Kind.EXTRA) == {named(99)}


# one review


async def test_a_review_is_checked_from_its_first_row_on(trail: Sealed) -> None:
    report = await of_review(trail)
    assert (report.ok, report.warnings) == (True, [])
    assert (report.seals_checked, report.rows) == (SEALS, 5 * SEALS)
    await trail.add(1, 2, review=7)
    await trail.sealer().seal_all()
    assert (await trail.verifier().verify_review("default", "review/ac-007")).seals_checked == 1
    await trail.add(1, review=8)
    report = await trail.verifier().verify_review("default", "review/ac-008")
    assert (report.ok, report.seals_checked, report.unsealed) == (True, 1, 1), "the newest seal"
    with pytest.raises(NotFoundError):
        await trail.verifier().verify_review("default", "review/none")


EDITED = f"update audit.audit_events set actor = 'x' where event_id = '{named(1)}'"
HIDING: dict[str, Sequence[str]] = {
    "the seal of its first row is gone": (EDITED, "delete from audit.seals where number = 1"),
    "all seals are gone": (EDITED, "truncate audit.seals"),
    "a row before all others": (
        EDITED,
        f"update audit.audit_events set xid = -1 where event_id = '{named(4)}'",
    ),
    "the newest seal says less": (
        EDITED,
        "update audit.seals set until_xid = 1, until_seq = number, after_xid = 0, after_seq = 0",
    ),
    "first rows deleted": (
        f"delete from audit.audit_events where event_id in ('{named(1)}', '{named(2)}')",
    ),
    "first rows of another review now": (
        f"update audit.audit_events set review_id = 'x' where event_id = '{named(1)}'",
        f"update audit.audit_events set review_id = 'x' where event_id = '{named(2)}'",
    ),
    "last rows deleted": (
        f"delete from audit.audit_events where event_id in ('{named(12)}', '{named(11)}')",
    ),
    "last rows of another tenant now": (
        f"update audit.audit_events set tenant = 'x' where event_id = '{named(12)}'",
    ),
}


@pytest.mark.parametrize("how", HIDING)
async def test_nothing_of_a_review_is_hidden_by_what_is_done_around_it(
    trail: Sealed, how: str
) -> None:
    await trail.owner(*HIDING[how])
    report = await of_review(trail)
    assert not report.ok
    if EDITED in HIDING[how] and "newest" not in how:
        assert named(1) in found(report, Kind.DIFFERING)
    if "first rows" in how:
        assert found(report, Kind.MISSING) == {named(1), named(2)}


async def test_a_gap_is_told_when_it_had_time_to_be_filled(trail: Sealed) -> None:
    await trail.add(2, 1, review=5)
    await trail.owner(f"delete from audit.audit_events where event_id = '{event(1, 5).event_id}'")
    review = "review/ac-005"
    assert (await trail.verifier().verify_review("default", review)).ok
    await trail.owner(f"{HOUR_AGO} where review_id = '{review}'")
    report = await trail.verifier().verify_review("default", review)
    assert found(report, Kind.MISSING) == {event(1, 5).event_id}


async def test_an_event_of_the_review_that_is_there_twice(trail: Sealed) -> None:
    for review in (0, 1):
        again = replace(event(3, review), at=event(3, review).at + timedelta(seconds=1))
        await insert(trail.engine, [again])
    assert found(await of_review(trail), Kind.EXTRA) == {named(3)}


async def test_a_try_that_was_closed_as_lost_may_end_after_all(
    trail: Sealed, tmp_path: Path
) -> None:
    def row(edge: str, seconds: int, **more: bool) -> AuditEvent:
        known = event(1)
        return replace(
            known,
            event_id=attempt_id(known.run_id or "", "7", 1, edge),
            at=known.at + timedelta(seconds=seconds),
            source=Source.ATTEMPT,
            event_type=EventType.TASK_COMPLETED,
            details={"activity_id": "7", "attempt": 1, **more},
        )

    async def judged() -> set[bool]:
        await trail.sealer().seal_all()
        reader = AuditReader(statements_on(trail.engine))
        export = AuditExport(
            trail.engine,
            reader,
            "default",
            public_keys(trail.key_file),
            None,
        )
        written = await export.session(REVIEW, None, tmp_path, datetime.now(UTC))
        offline = verify_export(written.files["audit"], public_keys(trail.key_file))
        return {(await trail.verify()).ok, (await of_review(trail)).ok, offline.ok}

    await insert(trail.engine, [row("start", 1), row("end", 2, lost=True), row("end", 9)])
    assert await judged() == {True}
    await insert(trail.engine, [row("end", 10)])
    assert await judged() == {False}


async def test_what_is_in_an_archive_is_no_gap(trail: Sealed) -> None:
    """Of a review that began in a month that was archived, the first events are gone for good."""
    year = datetime.now(UTC).year - 9
    april = f"audit.audit_events_{year}_04"
    old = datetime(year, 3, 31, 23, 59, tzinfo=UTC)
    rows = [replace(event(n, 9), at=old + (n - 1) * timedelta(minutes=5)) for n in (1, 2, 3)]
    await insert(trail.engine, rows)
    await trail.owner(HOUR_AGO + " where at < now() - interval '8 years'")
    await trail.sealer().seal_all()
    await make_ahead(trail.engine)
    await trail.owner(f"alter table audit.audit_events detach partition {april}")
    try:
        keep, now = timedelta(days=2555), datetime.now(UTC)
        place = str(trail.folder / "archive")
        await clean_up(trail.engine, place, trail.key_file, tenant="default", keep=keep, now=now)
    finally:
        await trail.owner(
            f"alter table audit.audit_events attach partition {april} "
            f"for values from ('{year}-04-01') to ('{year}-05-01')"
        )
    report = await trail.verifier().verify_review("default", "review/ac-009")
    assert report.ok, report.document()
    assert any("may lie in archives" in one for one in report.warnings)
    await trail.owner(f"drop table {april}")
    assert (await of_review(trail)).warnings == [], "it is years younger"


# a time


async def test_what_was_sealed_since_a_time(trail: Sealed) -> None:
    async with trail.engine.connect() as connection:
        newest = await connection.scalar(text("select max(sealed_at) from audit.seals"))
    report = await trail.verifier().verify(since=newest + timedelta(days=1))
    assert (report.ok, report.seals_checked) == (True, 1), "the newest is always looked at"
    report = await trail.verifier().verify(since=newest - timedelta(days=1))
    assert (report.ok, report.seals_checked) == (True, SEALS)


AGED = "update audit.seals set sealed_at = sealed_at - interval '1 year' where number "


@pytest.mark.parametrize(
    "how",
    [
        (f"{AGED} > 0",),
        (f"{AGED} <= 4",),
        (f"{AGED} < 4", "delete from audit.seals where number = 4"),
    ],
)
async def test_times_of_seals_are_not_believed(trail: Sealed, how: Sequence[str]) -> None:
    """Whoever edits a row under seal 4 can write that the seal is an old one."""
    since = datetime.now(UTC) - timedelta(hours=1)
    edit = f"update audit.audit_events set actor = 'x' where event_id = '{named(7)}'"
    await trail.owner(edit, *how)
    assert (await trail.verifier().verify(since=since)).of(Kind.SEAL)


# what the histories say


async def test_only_rows_that_were_compared_are_called_sealed(trail: Sealed) -> None:
    rows = [named(1), named(12)]
    whole, some = await trail.verify(), Report()
    some.sealed_until = whole.sealed_until
    some.stretches = [(seal.after, seal.until) for seal in await trail.seals() if seal.number > 3]
    for report in (whole, some):
        await _judge(report, trail.engine, Comparison(differing=rows))
        assert report.ok
    (as_sealed,) = whole.warnings
    assert as_sealed.startswith("2 sealed rows")
    one, other = some.warnings
    assert one.startswith("1 sealed rows")
    assert "1 rows" in other
    assert "were not compared with their seals" in other


# patience


async def test_no_command_of_a_check_is_cut_off(trail: Sealed, database_url: str) -> None:
    impatient = create_engine(database_url, application_name="tests", command_timeout=1e-6)
    try:
        verifier = replace(trail, engine=impatient).verifier()
        assert (await verifier.verify()).ok
        assert (await verifier.verify_review("default", REVIEW)).ok
    finally:
        await impatient.dispose()
