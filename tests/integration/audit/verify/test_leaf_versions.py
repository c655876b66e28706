"""What was sealed by the first version of leaves still fits; by the second every letter counts."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from account_reviews.audit.archive.archive_files import ArchiveWriter, check_archive
from account_reviews.audit.archive.export import AuditExport
from account_reviews.audit.archive.reader import AuditReader, Filters
from account_reviews.audit.seals.faults import Kind
from account_reviews.audit.seals.keys import public_keys
from account_reviews.audit.seals.leaves import BEGINNING, VERSIONS, Position, leaf_of, leaves_of
from account_reviews.audit.seals.members import LAST_OF_TRANSACTION, members_between
from account_reviews.audit.seals.sealer import Sealer
from account_reviews.audit.seals.store import Member, members_of
from account_reviews.audit.verify.offline import verify_export
from bench.tampering import BEGAN
from tests.support.connections import statements_on
from tests.support.sealed_trail import Sealed, fresh

ROUNDED, OTHER = '{"n": 12345678901234567.25}', '{"n": 12345678901234569.00}'


class OldSealer(Sealer):
    """A sealer of a release before the second version."""

    async def _members(
        self, connection: AsyncConnection, after: Position, oldest: int
    ) -> list[Member]:
        raw: Any = (await connection.get_raw_connection()).driver_connection
        until = Position(oldest - 1, LAST_OF_TRANSACTION)
        chunks = members_between(raw, after, until, self._most, lambda: 1)
        return [member async for chunk in chunks for member in chunk]


@pytest.fixture
async def trail(engine: AsyncEngine, tmp_path: Path) -> Sealed:
    """Rows under seals of both versions, the older first; one under each has a fraction."""
    trail = await fresh(engine, tmp_path)
    for version, first in ((1, 1), (2, 11), (1, 21), (2, 31)):
        await trail.add(*range(first, first + 5))
        await trail.add(*range(first + 5, first + 10))
        ids = f"like '%/{first + 3}'"
        await trail.owner(
            f"update audit.audit_events set details = '{ROUNDED}' where event_id {ids}"
        )
        sealer = trail.sealer() if version == 2 else OldSealer(engine, trail.key, trail.anchors)
        assert await sealer.seal_all() == 1
    return trail


async def test_seals_of_both_versions_are_checked(trail: Sealed) -> None:
    report = await trail.verify()
    assert report.ok, report.faults
    assert (report.rows, report.seals_checked) == (40, 4)


async def test_another_value_that_is_read_alike_is_found(trail: Sealed) -> None:
    await trail.owner(
        f"update audit.audit_events set details = '{OTHER}' where event_id like '%/14'"
    )
    report = await trail.verify()
    (fault,) = report.faults
    assert (fault.kind, fault.seal) == (Kind.DIFFERING, 2)
    assert fault.event_id is not None
    assert fault.event_id.endswith("/14")


@pytest.mark.parametrize("place", [3, 8, 13, 23, 37])
async def test_a_change_is_named_under_either(trail: Sealed, place: int) -> None:
    await trail.owner(
        f"update audit.audit_events set actor = 'mallory' where event_id like '%/{place}'"
    )
    report = await trail.verify()
    assert [one.kind for one in report.faults] == [Kind.DIFFERING]
    assert report.first_bad is not None
    assert str(report.first_bad.event_id).endswith(f"/{place}")


async def test_exports_and_archives_hold_rows_of_both(trail: Sealed, tmp_path: Path) -> None:
    keys = public_keys(trail.key_file)
    reader = AuditReader(statements_on(trail.engine))
    export = AuditExport(trail.engine, reader, "default", keys, trail.key)
    every = Filters(
        tenant="default", since=BEGAN.replace(year=2020), until=BEGAN.replace(year=2199)
    )
    for name, wanted in (
        ("whole.jsonl", every),
        ("some.jsonl", replace(every, actor="worker@host")),
    ):
        await export.range(wanted, tmp_path / name, BEGAN)
        report = verify_export(tmp_path / name, keys)
        assert report.ok, report.faults
        assert report.rows == 40
    writer = ArchiveWriter(tmp_path / "archive.gz", {"archive": 1})
    rows = [
        row async for some in reader.stretch(every, BEGINNING, Position(2**62, 0)) for row in some
    ]
    for seal in await trail.seals():
        writer.seal(seal)
        async with trail.engine.connect() as connection:
            known = {one.position: one.leaf for one in await members_of(connection, seal.number)}
        for row in rows:
            if (leaf := known.get(Position(row["xid"], row["seq"]))) is not None:
                assert leaf in leaves_of(row)
                writer.row(row, leaf)
    assert writer.finish(trail.key)[0] == 40
    assert check_archive(tmp_path / "archive.gz", keys).ok
    assert [leaf_of(rows[0], one) for one in VERSIONS] == leaves_of(rows[0])
