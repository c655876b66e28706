"""A range as JSON lines: whole between its seals, each row proved, no line too many."""

import hashlib
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.audit.archive.export_format import RANGE_FORMAT
from account_reviews.audit.archive.reader import Filters
from account_reviews.audit.seals.faults import Kind
from account_reviews.domain.audit.events import EventType
from account_reviews.domain.errors import NegativeAnswerError
from tests.support.trail_of_rows import (
    FIRST,
    NOW,
    START,
    Trail,
    check,
    export_of,
    fill,
    names_in,
)

EVENT = f"default/review/ac-1/{FIRST}/4"


@pytest.fixture(scope="module")
async def trail(engine: AsyncEngine, tmp_path_factory: pytest.TempPathFactory) -> Trail:
    trail = Trail(engine, tmp_path_factory.mktemp("keys"))
    await fill(trail)
    return trail


def whole(trail: Trail) -> Filters:
    return Filters(tenant="default", since=START - timedelta(days=30), until=NOW.replace(year=2199))


def read_lines(file: Path) -> list[Any]:
    return [json.loads(spelled) for spelled in file.read_text().splitlines()]


async def ranged(trail: Trail, file: Path, wanted: Filters, *, signed: bool = True) -> list[Any]:
    await export_of(trail, signed=signed).range(wanted, file, NOW)
    return read_lines(file)


async def test_a_range_holds_all_rows_between_its_seals(trail: Trail, tmp_path: Path) -> None:
    file = tmp_path / "range.jsonl"
    lines = await ranged(trail, file, whole(trail))
    header, end = lines[0], lines[-1]["end"]
    assert header["whole_seals"] == [1, 3]
    rows = [one for one in lines if "event_id" in one]
    async with trail.engine.connect() as connection:
        count = await connection.scalar(
            text("select count(*) from audit.audit_events where tenant = 'default'")
        )
    assert len(rows) == count == end["rows"]
    assert [one["why"] for one in lines if "leaf" in one] == ["of another tenant"] * 2
    assert all("emea" not in json.dumps(one) for one in lines)
    report = check(trail, file)
    assert report.ok, report.faults
    assert (report.rows, report.seals_checked, report.unsealed) == (len(rows) - 3, 3, 3)
    assert len(report.warnings) == 2
    assert names_in(tmp_path) == [file.name]


async def test_a_filtered_range_proves_each_row(trail: Trail, tmp_path: Path) -> None:
    file = tmp_path / "range.jsonl"
    wanted = Filters(
        tenant="default",
        since=START,
        until=NOW,
        types=(EventType.SESSION_ENDED, EventType.DATA_ACCESS),
    )
    lines = await ranged(trail, file, wanted)
    assert lines[0]["filters"] == {"types": ["session_ended", "data_access"]}
    rows = [one for one in lines if "event_id" in one]
    assert {one["event_type"] for one in rows} == {"session_ended", "data_access"}
    assert all(datetime.fromisoformat(one["at"]) >= START for one in rows)
    assert all(one["proof"]["path"] for one in rows)
    report = check(trail, file)
    assert report.ok, report.faults
    assert report.rows == len(rows) == 4


async def test_rows_that_came_late_are_in_their_time(trail: Trail, tmp_path: Path) -> None:
    """Sealed after the end of the range, and so each with its own proof."""
    async with trail.engine.connect() as connection:
        sealed = [
            row[0]
            for row in await connection.execute(
                text("select sealed_at from audit.seals order by 1")
            )
        ]
    wanted = Filters(tenant="default", since=START - timedelta(days=30), until=sealed[0])
    lines = await ranged(trail, tmp_path / "range.jsonl", wanted)
    assert lines[0]["whole_seals"] == [1, 1]
    proofs = [one["proof"] for one in lines if "event_id" in one]
    assert any("path" in proof for proof in proofs if proof)
    assert check(trail, tmp_path / "range.jsonl").ok
    nothing = Filters(tenant="default", since=START - timedelta(99), until=START - timedelta(98))
    lines = await ranged(trail, tmp_path / "empty.jsonl", nothing)
    assert lines[-1]["end"]["rows"] == sum(one.get("event_id") is not None for one in lines)
    assert check(trail, tmp_path / "empty.jsonl").ok


def drop(number: int) -> Callable[[list[bytes]], None]:
    return lambda lines: lines.__delitem__(number)


def swap(a: int, b: int) -> Callable[[list[bytes]], None]:
    def change(lines: list[bytes]) -> None:
        lines[a], lines[b] = lines[b], lines[a]

    return change


def put(number: int, old: bytes, new: bytes) -> Callable[[list[bytes]], None]:
    def change(lines: list[bytes]) -> None:
        assert old in lines[number]
        lines[number] = lines[number].replace(old, new, 1)

    return change


RANGE_TAMPERINGS: dict[str, Callable[[list[bytes]], None]] = {
    "edit": put(5, b"worker@host", b"mallory"),
    "edit, leaf too": put(5, b'"leaf":"', b'"leaf":"0'),
    "delete": drop(5),
    "delete the first": drop(2),
    "insert": lambda lines: lines.insert(5, lines[4]),
    "insert text": lambda lines: lines.insert(5, b"made up\n"),
    "swap": swap(4, 5),
    "take a seal": drop(1),
    "cut the tail": lambda lines: lines.__delitem__(slice(-4, None)),
    "cut the end": drop(-1),
    "add behind the end": lambda lines: lines.append(lines[3]),
    "edit a root": put(1, b'"root":"', b'"root":"00'),
    "edit the header": put(0, b"2026", b"2025"),
    "edit the count": put(-1, b'"rows":', b'"rows":1'),
    "edit an unsealed row": put(-2, b"worker@host", b"mallory"),
    "take the first seal with its rows": lambda lines: lines.__delitem__(slice(1, 8)),
}


@pytest.fixture(scope="module")
async def range_lines(trail: Trail, tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    file = tmp_path_factory.mktemp("range") / "range.jsonl"
    await export_of(trail).range(whole(trail), file, NOW)
    return file.read_bytes().splitlines(keepends=True)


@pytest.mark.parametrize("name", RANGE_TAMPERINGS)
def test_every_tampering_of_a_range_is_found(
    trail: Trail, range_lines: list[bytes], name: str, tmp_path: Path
) -> None:
    lines = list(range_lines)
    RANGE_TAMPERINGS[name](lines)
    assert lines != range_lines
    file = tmp_path / "range.jsonl"
    file.write_bytes(b"".join(lines))
    assert not check(trail, file).ok


@pytest.mark.parametrize(
    "name",
    [
        *("edit", "delete", "delete the first", "insert", "swap", "take a seal", "edit a root"),
        *("take the first seal with its rows",),
    ],
)
def test_seals_alone_show_what_was_done_to_a_range(
    trail: Trail, range_lines: list[bytes], name: str, tmp_path: Path
) -> None:
    """Whoever changes a line can also write another last line, and leave the signature out."""
    lines = sealed_only(range_lines)
    file = tmp_path / "range.jsonl"
    file.write_bytes(unsigned(lines))
    assert check(trail, file).ok
    RANGE_TAMPERINGS[name](lines)
    file.write_bytes(unsigned(lines))
    assert not check(trail, file).ok


def sealed_only(lines: list[bytes]) -> list[bytes]:
    """Without the rows that no seal proves."""
    return [one for one in lines if b'"proof":null' not in one]


def unsigned(lines: list[bytes]) -> bytes:
    """The lines with a last one that fits them, without a signature."""
    end = {
        "format": RANGE_FORMAT,
        "rows": sum(b"event_id" in one for one in lines),
        "unsealed": sum(b'"proof":null' in one for one in lines),
        "sha256": hashlib.sha256(b"".join(lines[:-1])).hexdigest(),
        "signature": None,
    }
    return b"".join([*lines[:-1], json.dumps({"end": end}).encode()])


def unproved(spelled: bytes) -> bytes:
    """A row that is edited and said to be younger than the last seal."""
    changed = {**json.loads(spelled), "xid": 10**15, "actor": "mallory", "proof": None}
    return json.dumps(changed, separators=(",", ":")).encode() + b"\n"


def put_behind(lines: list[bytes]) -> None:
    lines.insert(-1, unproved(lines[4]))


def make_up(lines: list[bytes]) -> None:
    """No seal at all, and no other rows."""
    header = {**json.loads(lines[0]), "whole_seals": None}
    lines[:-1] = [json.dumps(header).encode() + b"\n", unproved(lines[4])]


@pytest.mark.parametrize("change", [put_behind, make_up])
def test_a_line_without_proof_needs_the_signature(
    trail: Trail,
    range_lines: list[bytes],
    change: Callable[[list[bytes]], None],
    tmp_path: Path,
) -> None:
    lines = sealed_only(range_lines)
    change(lines)
    file = tmp_path / "range.jsonl"
    file.write_bytes(unsigned(lines))
    (fault,) = check(trail, file).faults
    assert (fault.kind, fault.rows) == (Kind.EXTRA, 1)
    assert "nobody signed" in fault.why


def test_leaves_instead_of_rows_are_reported(
    trail: Trail, range_lines: list[bytes], tmp_path: Path
) -> None:
    """Whoever has an export can hide a row behind its hash, as those of other tenants are."""
    lines = sealed_only(range_lines)
    hidden = json.loads(lines[4])
    place = {name: hidden[name] for name in ("xid", "seq")}
    leaf = {"leaf": hidden["proof"]["leaf"], **place, "why": "of another tenant"}
    lines[4] = json.dumps(leaf).encode() + b"\n"
    file = tmp_path / "range.jsonl"
    file.write_bytes(unsigned(lines))
    report = check(trail, file)
    assert not report.document()["signed"]
    assert "3 rows are only leaves" in report.warnings[-1]
    assert "nobody signed it" in report.warnings[-1]


def test_a_made_up_number_of_seals(trail: Trail, range_lines: list[bytes], tmp_path: Path) -> None:
    lines = list(range_lines)
    lines[0] = lines[0].replace(b'"whole_seals":[1,3]', b'"whole_seals":[1,999999999999999]')
    file = tmp_path / "range.jsonl"
    file.write_bytes(b"".join(lines))
    assert not check(trail, file).ok


def test_every_single_line_counts(trail: Trail, range_lines: list[bytes], tmp_path: Path) -> None:
    """Without any line but the header, and with any line twice, a range is not whole."""
    file = tmp_path / "range.jsonl"
    for number in range(1, len(range_lines)):
        file.write_bytes(b"".join(range_lines[:number] + range_lines[number + 1 :]))
        assert not check(trail, file).ok, range_lines[number]
        file.write_bytes(b"".join([*range_lines[:number], *range_lines[number - 1 :]]))
        if number > 1:
            assert not check(trail, file).ok, range_lines[number - 1]


# a trail that is not as it was sealed


async def test_nothing_is_exported_from_a_trail_that_was_changed(
    trail: Trail, tmp_path: Path
) -> None:
    change = (
        "alter table audit.audit_events disable trigger user",
        "update audit.audit_events set actor = 'mallory' where event_id = :id",
    )
    async with trail.engine.connect() as connection:
        for name in await partitions(connection):
            await connection.execute(text(f"alter table audit.{name} disable trigger user"))
        for statement in change:
            await connection.execute(text(statement), {"id": EVENT} if ":id" in statement else {})
        await connection.commit()
    try:
        with pytest.raises(NegativeAnswerError, match="does not agree with seal 2"):
            await export_of(trail).range(whole(trail), tmp_path / "range.jsonl", NOW)
        assert names_in(tmp_path) == []
    finally:
        async with trail.engine.begin() as connection:
            await connection.execute(
                text("update audit.audit_events set actor = 'worker@host' where event_id = :id"),
                {"id": EVENT},
            )
            for name in await partitions(connection):
                await connection.execute(text(f"alter table audit.{name} enable trigger user"))
            await connection.execute(text("alter table audit.audit_events enable trigger user"))
    assert (await export_of(trail).range(whole(trail), tmp_path / "again.jsonl", NOW)).rows


async def partitions(connection: Any) -> list[str]:
    found = await connection.execute(
        text(
            "select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid "
            "where i.inhparent = 'audit.audit_events'::regclass"
        )
    )
    return [row[0] for row in found]
