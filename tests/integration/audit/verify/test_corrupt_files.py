"""Whatever stands in a file: a report, or one sentence about it; never an error of our own."""

import gzip
import json
import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.audit.archive.archive_files import ArchiveWriter, check_archive
from account_reviews.audit.archive.reader import Filters
from account_reviews.audit.seals.leaves import leaf_of
from account_reviews.audit.seals.seal import seal_from
from account_reviews.audit.verify.offline import verify_export
from account_reviews.domain.errors import BadInputError
from tests.support.trail_of_rows import NOW, START, Trail, export_of, fill, load

ODD: tuple[Any, ...] = (
    *(None, True, 0, -1, 2**70, 1.5, "", "x", "9", "00", [], [[]], {}, {"a": []}, "\ud800"),
    *("2026-11-21", "2026-11-21T10:00:00", "0001-01-01T00:00:00+14:00", ["a"], [1, 2**60]),
)
"""Values that stand nowhere in an export, or not there."""
EACH = 3
"""Odd values that are tried in each place."""


@pytest.fixture(scope="module")
async def trail(engine: AsyncEngine, tmp_path_factory: pytest.TempPathFactory) -> Trail:
    trail = Trail(engine, tmp_path_factory.mktemp("keys"))
    await fill(trail)
    return trail


@pytest.fixture(scope="module")
async def document(trail: Trail, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("session")
    written = await export_of(trail).session("review/ac-1", None, folder, NOW)
    return load(written.files["audit"])


@pytest.fixture(scope="module")
async def lines(trail: Trail, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    file = tmp_path_factory.mktemp("range") / "range.jsonl"
    every = Filters(tenant="default", since=START.replace(year=2025), until=NOW.replace(year=2199))
    await export_of(trail).range(every, file, NOW)
    return [json.loads(one) for one in file.read_text().splitlines()]


def places(found: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in a document with every key in it."""
    keys = found if isinstance(found, dict) else range(len(found))
    for key in list(keys):
        yield found, key
        if isinstance(found[key], dict | list):
            yield from places(found[key])


def spoilt(whole: Any, few: int) -> Iterator[Any]:
    """The document with one value after another replaced; it is as before in the end."""
    chance = random.Random(11)
    for holder, key in chance.sample(list(places(whole)), few):
        kept = holder[key]
        for odd in chance.sample(ODD, EACH):
            holder[key] = odd
            yield whole
        holder[key] = kept


def test_documents(trail: Trail, document: dict[str, Any], tmp_path: Path) -> None:
    file, fine = tmp_path / "some_audit.json", 0
    for changed in spoilt(document, 70):
        file.write_text(json.dumps(changed))
        for keys in (trail.keys, None):
            with suppress(BadInputError):
                fine += json.dumps(verify_export(file, keys).document()) != ""
    assert fine > 70


def test_details_that_nobody_wrote(trail: Trail, document: dict[str, Any], tmp_path: Path) -> None:
    """Where the rows lead from run to run, and whatever figures are made of."""
    file = tmp_path / "some_audit.json"
    names = ("first_run_id", "new_run_id", "continued_run_id", "status", "outcome", "duration_ms")
    kinds = ("session_started", "session_continued", "session_ended", "tool_success")
    for entry in [one for one in document["entries"] if one["event_type"] in kinds]:
        kept = entry["details"]
        for name in names:
            for odd in ODD[::2]:
                entry["details"] = {**kept, name: odd}
                file.write_text(json.dumps(document))
                with suppress(BadInputError):
                    assert odd == kept.get(name, ()) or not verify_export(file, trail.keys).ok
        entry["details"] = kept


def test_ranges(trail: Trail, lines: list[Any], tmp_path: Path) -> None:
    file, fine = tmp_path / "range.jsonl", 0
    for changed in spoilt(lines, 70):
        file.write_text("".join(json.dumps(one) + "\n" for one in changed))
        for keys in (trail.keys, None):
            with suppress(BadInputError):
                fine += json.dumps(verify_export(file, keys).document()) != ""
    assert fine > 70


def test_archives(trail: Trail, lines: list[Any], tmp_path: Path) -> None:
    file, fine = tmp_path / "archive.gz", 0
    writer = ArchiveWriter(file, {"archive": 1})
    for one in lines:
        if "seal" in one:
            writer.seal(seal_from(one["seal"]))
        elif isinstance(one.get("proof"), dict):
            writer.row(one, leaf_of(one))
        elif "leaf" in one:
            writer.leaf(bytes.fromhex(one["leaf"]))
    writer.finish(trail.key)
    assert check_archive(file, trail.keys).ok
    whole = [json.loads(one) for one in gzip.decompress(file.read_bytes()).splitlines()]
    for changed in spoilt(whole, 70):
        spelled = "".join(json.dumps(one) + "\n" for one in changed)
        file.write_bytes(gzip.compress(spelled.encode(), 1))
        with suppress(BadInputError):
            fine += json.dumps(check_archive(file, trail.keys).document()) != ""
    assert fine > 30


def test_bytes_that_are_no_gzip(trail: Trail, tmp_path: Path) -> None:
    file, chance = tmp_path / "archive.gz", random.Random(3)
    writer = ArchiveWriter(file, {"archive": 1, "of": [chance.random() for _ in range(200)]})
    writer.finish(trail.key)
    content = file.read_bytes()
    for _ in range(300):
        broken = bytearray(content)
        start = chance.randrange(2, len(broken))
        broken[start : start + 4] = chance.randbytes(4)
        file.write_bytes(broken)
        with suppress(BadInputError):
            check_archive(file, trail.keys)
