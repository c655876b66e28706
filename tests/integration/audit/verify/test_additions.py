"""A signed export says what it said: nothing can be added, said twice, or spelled otherwise."""

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
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

Change = Callable[[Any], None]


@pytest.fixture(scope="module")
async def trail(engine: AsyncEngine, tmp_path_factory: pytest.TempPathFactory) -> Trail:
    trail = Trail(engine, tmp_path_factory.mktemp("keys"))
    await fill(trail)
    return trail


@pytest.fixture(scope="module")
async def folder(trail: Trail, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A review's two documents, a range and an archive of the same rows, all signed."""
    folder = tmp_path_factory.mktemp("exports")
    export = export_of(trail)
    await export.session("review/ac-1", None, folder, NOW)
    every = Filters(tenant="default", since=START.replace(year=2025), until=NOW.replace(year=2199))
    await export.range(every, folder / "range.jsonl", NOW)
    writer = ArchiveWriter(folder / "archive.gz", {"archive": 1})
    for one in map(json.loads, (folder / "range.jsonl").read_text().splitlines()):
        if "seal" in one:
            writer.seal(seal_from(one["seal"]))
        elif isinstance(one.get("proof"), dict):
            writer.row({name: one[name] for name in one if name != "proof"}, leaf_of(one))
        elif "leaf" in one:
            writer.leaf(bytes.fromhex(one["leaf"]))
    writer.finish(trail.key)
    return folder


def put(*path: Any, value: Any = "approved by the board") -> Change:
    """Write a value at a path of a document."""

    def change(document: Any) -> None:
        for step in path[:-1]:
            document = document[step]
        document[path[-1]] = value

    return change


def respell(*path: Any, kind: Callable[[Any], Any]) -> Change:
    """Write the value that is there as another kind."""

    def change(document: Any) -> None:
        for step in path[:-1]:
            document = document[step]
        assert document[path[-1]] != kind(document[path[-1]]) or kind in (float, bool)
        document[path[-1]] = kind(document[path[-1]])

    return change


AUDIT: dict[str, Change] = {
    "a conclusion": put("conclusion"),
    "in the proof": put("proof", "conclusion"),
    "in the metadata": put("metadata", "conclusion"),
    "in the signature": put("proof", "signature", "conclusion"),
    "in a seal": put("proof", "seals", 0, "conclusion"),
    "nothing in a seal": put("proof", "seals", 0, "conclusion", value=None),
    "in a row": put("entries", 3, "conclusion"),
    "in a row's proof": put("entries", 3, "proof", "conclusion"),
    "a total as text": respell("total_entries", kind=str),
    "a total as a fraction": respell("total_entries", kind=float),
    "a number of a row as text": respell("entries", 3, "seq", kind=str),
    "a place as text": respell("entries", 3, "proof", "index", kind=str),
    "a seal's number as text": respell("proof", "seals", 0, "number", kind=str),
    "a seal's number as a truth": respell("proof", "seals", 0, "number", kind=bool),
    "a seal's time in another zone": put(
        "proof", "seals", 0, "sealed_at", value="2026-10-01T08:00:00+01:00"
    ),
    "unsealed as a truth": respell("proof", "unsealed", kind=bool),
    "the root in capitals": respell("proof", "entries_root", kind=str.upper),
    "the signature in capitals": respell("proof", "signature", "signature", kind=str.upper),
}
METRICS: dict[str, Change] = {
    "a conclusion": put("conclusion"),
    "in the proof": put("proof", "conclusion"),
    "among the figures": put("event_counts", "frauds", value=0),
    "a figure as text": respell("total_events", kind=str),
    "a figure as a fraction": respell("total_events", kind=float),
    "other keys": put("proof", "public_keys", value={}),
}
RANGE: dict[str, Change] = {
    "in the first line": put(0, "conclusion"),
    "in a seal's line": put(1, "conclusion"),
    "in the last line": put(-1, "end", "conclusion"),
    "beside the end": put(-1, "conclusion"),
    "a count as text": respell(-1, "end", "rows", kind=str),
    "a count as a fraction": respell(-1, "end", "rows", kind=float),
}


@pytest.mark.parametrize("name", AUDIT)
def test_nothing_is_added_to_a_document(
    trail: Trail, folder: Path, name: str, tmp_path: Path
) -> None:
    document = load(folder / "review_ac-1_audit.json")
    AUDIT[name](document)
    file = tmp_path / "changed_audit.json"
    file.write_text(json.dumps(document))
    assert not verify_export(file, trail.keys).ok


@pytest.mark.parametrize("name", METRICS)
def test_nothing_is_added_to_the_figures(
    trail: Trail, folder: Path, name: str, tmp_path: Path
) -> None:
    for kind in ("audit", "metrics"):
        document = load(folder / f"review_ac-1_{kind}.json")
        if kind == "metrics":
            METRICS[name](document)
        (tmp_path / f"x_{kind}.json").write_text(json.dumps(document))
    assert not verify_export(tmp_path / "x_audit.json", trail.keys).ok


@pytest.mark.parametrize("name", RANGE)
def test_nothing_is_added_to_a_range(trail: Trail, folder: Path, name: str, tmp_path: Path) -> None:
    lines = [json.loads(one) for one in (folder / "range.jsonl").read_text().splitlines()]
    RANGE[name](lines)
    file = tmp_path / "range.jsonl"
    file.write_text("".join(json.dumps(one, separators=(",", ":")) + "\n" for one in lines))
    assert not verify_export(file, trail.keys).ok


def test_a_key_that_is_not_believed_is_named(trail: Trail, folder: Path, tmp_path: Path) -> None:
    """Whoever adds one to a document makes nothing believed by it."""
    document = load(folder / "review_ac-1_audit.json")
    (own,) = document["proof"]["public_keys"]
    other = "5" * 64
    document["proof"]["public_keys"]["made up"] = other
    file = tmp_path / "changed_audit.json"
    file.write_text(json.dumps(document))
    with pytest.raises(BadInputError, match="public keys by their ids"):
        verify_export(file, trail.keys)
    assert own in trail.keys


def twice(text: str, key: str, before: str = "[]") -> str:
    """The text with one more value for a key, in front of its own."""
    assert f'"{key}":' in text
    return text.replace(f'"{key}":', f'"{key}": {before}, "{key}":', 1)


@pytest.mark.parametrize("key", ["entries", "status", "actor", "root", "signature", "proof"])
def test_nothing_is_said_twice_in_a_document(
    trail: Trail, folder: Path, key: str, tmp_path: Path
) -> None:
    file = tmp_path / "changed_audit.json"
    file.write_text(twice((folder / "review_ac-1_audit.json").read_text(), key))
    with pytest.raises(BadInputError, match=f"holds the key '{key}' twice"):
        verify_export(file, trail.keys)


@pytest.mark.parametrize("key", ["actor", "rows", "sha256", "root"])
def test_nothing_is_said_twice_in_a_line(
    trail: Trail, folder: Path, key: str, tmp_path: Path
) -> None:
    file = tmp_path / "range.jsonl"
    file.write_text(twice((folder / "range.jsonl").read_text(), key))
    report = verify_export(file, trail.keys)
    assert not report.ok
    assert f"{key!r} twice" in report.faults[0].why
    packed = gzip.decompress((folder / "archive.gz").read_bytes()).decode()
    (tmp_path / "archive.gz").write_bytes(gzip.compress(twice(packed, key).encode()))
    with pytest.raises(BadInputError, match="twice"):
        check_archive(tmp_path / "archive.gz", trail.keys)


def test_a_number_has_one_spelling(trail: Trail, folder: Path, tmp_path: Path) -> None:
    metrics = (folder / "review_ac-1_metrics.json").read_text()
    assert '"duration_seconds": 3604.0' in metrics
    for odd in ("3604.00", "3604.0000000000000000001", "3.604e3", "NaN", "1e400"):
        (tmp_path / "x_audit.json").write_text((folder / "review_ac-1_audit.json").read_text())
        (tmp_path / "x_metrics.json").write_text(metrics.replace("3604.0", odd, 1))
        with pytest.raises(BadInputError, match="is not JSON"):
            verify_export(tmp_path / "x_audit.json", trail.keys)


def test_a_small_file_takes_no_gigabytes(trail: Trail, tmp_path: Path) -> None:
    """A line of a gigabyte of blanks is a megabyte when it is packed."""
    bomb = tmp_path / "bomb.gz"
    with gzip.open(bomb, "wb", compresslevel=1) as stream:
        stream.write(b'{"format": "')
        for _ in range(512):
            stream.write(b" " * 2**21)
    assert bomb.stat().st_size < 8 * 2**20
    script = (
        "import resource, sys; from pathlib import Path\n"
        "resource.setrlimit(resource.RLIMIT_AS, (800 * 2**20, 800 * 2**20))\n"
        "from account_reviews.audit.archive.archive_files import check_archive\n"
        "from account_reviews.audit.seals.keys import PublicKeys\n"
        "from account_reviews.domain.errors import BadInputError\n"
        "try:\n    check_archive(Path(sys.argv[1]), PublicKeys())\n"
        "except BadInputError as error:\n    print(error.message)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(bomb)], capture_output=True, text=True, check=False
    )
    assert f"line 1 of {bomb} is longer than" in done.stdout, done.stderr[-2000:]
