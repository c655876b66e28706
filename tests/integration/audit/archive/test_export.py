"""Exports say what the trail says, and whoever changes one of them is found without a database."""

import json
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.audit.archive.review_documents import audit_body, entries_root
from account_reviews.audit.seals.faults import Kind
from account_reviews.audit.seals.keys import PublicKeys, fingerprint, signing_key
from account_reviews.audit.seals.leaves import COLUMNS
from account_reviews.audit.verify.offline import verify_export
from account_reviews.audit.verify.offline_checker import OWN_KEYS, UNSIGNED, Belief
from account_reviews.domain.errors import BadInputError, ReviewNotFoundError
from tests.support.trail_of_rows import (
    FIRST,
    NOW,
    OLD,
    OPEN,
    SECOND,
    Trail,
    check,
    export_of,
    fill,
    load,
    names_in,
)

ENTRIES = 19

Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
async def trail(engine: AsyncEngine, tmp_path_factory: pytest.TempPathFactory) -> Trail:
    trail = Trail(engine, tmp_path_factory.mktemp("keys"))
    await fill(trail)
    return trail


async def session(trail: Trail, folder: Path, *, signed: bool = True) -> tuple[Path, Path]:
    written = await export_of(trail, signed=signed).session("review/ac-1", None, folder, NOW)
    return written.files["audit"], written.files["metrics"]


# one review


async def test_a_review_is_exported_whole_with_its_end_last(trail: Trail, tmp_path: Path) -> None:
    file, beside = await session(trail, tmp_path)
    assert (file.name, beside.name) == ("review_ac-1_audit.json", "review_ac-1_metrics.json")
    audit, metrics = load(file), load(beside)
    assert {"session_id", "status", "exported_at", "total_entries", "entries", "metadata"} <= set(
        audit
    )
    assert (audit["session_id"], audit["status"]) == ("review/ac-1", "completed")
    assert audit["total_entries"] == len(audit["entries"]) == ENTRIES
    assert audit["metadata"] | {"started_by": "ann"} == audit["metadata"]
    assert audit["metadata"]["run_ids"] == [FIRST, SECOND]
    assert audit["entries"][-1]["event_type"] == "session_ended"
    ids = [entry["event_id"] for entry in audit["entries"]]
    assert ids[0] == "read/who asked for the start"
    assert "read/after the end" in ids
    assert "read/of the old one" not in ids
    assert set(audit["entries"][0]) == {*COLUMNS, "proof"}
    assert metrics["total_events"] == sum(metrics["event_counts"].values()) == ENTRIES
    assert metrics["duration_seconds"] == 3604.0
    assert metrics["event_counts"]["session_ended"] == 1
    assert metrics["tools"]["crm.fetch_snapshot"] == {
        "invocations": 1, "successes": 1, "errors": 0, "duration_ms": 120,
    }  # fmt: skip
    report = check(trail, file)
    assert report.document() == {**report.document(), "ok": True, "unsealed": 0, "warnings": []}
    assert (report.rows, report.seals_checked) == (ENTRIES, 2)
    assert check(trail, beside).ok


async def test_an_older_run_and_an_open_review(trail: Trail, tmp_path: Path) -> None:
    export = export_of(trail)
    old = await export.session("review/ac-1", OLD, tmp_path, NOW)
    assert old.files["audit"].name == f"review_ac-1_{OLD}_audit.json"
    entries = load(old.files["audit"])["entries"]
    assert {entry["run_id"] for entry in entries} == {OLD, None}
    assert [entry["event_id"] for entry in entries].count("read/of the old one") == 1
    by_its_second_run = await export.session("review/ac-1", SECOND, tmp_path, NOW)
    assert by_its_second_run.rows == ENTRIES
    going_on = await export.session("review/ac-3", None, tmp_path, NOW)
    assert (going_on.status, going_on.rows, going_on.unsealed) == ("running", 3, 3)
    report = check(trail, going_on.files["audit"])
    assert report.ok
    assert report.unsealed == 3
    assert "not closed" in report.warnings[0]
    for review, run_id in (("review/none", None), ("review/ac-1", OPEN)):
        with pytest.raises(ReviewNotFoundError):
            await export.session(review, run_id, tmp_path / "none", NOW)
    assert names_in(tmp_path / "none") == []


async def test_what_the_keys_are_worth_is_said(trail: Trail, tmp_path: Path) -> None:
    file, _ = await session(trail, tmp_path, signed=False)
    assert verify_export(file).warnings == [OWN_KEYS, UNSIGNED]
    assert check(trail, file).warnings == [UNSIGNED]
    stranger = signing_key(tmp_path / "another.pem")
    report = verify_export(file, PublicKeys([stranger.public]))
    assert {fault.kind for fault in report.faults} == {Kind.SEAL}


def entry(document: dict[str, Any], number: int) -> dict[str, Any]:
    found: dict[str, Any] = document["entries"][number]
    return found


def find(document: dict[str, Any], event_id: str) -> int:
    return next(n for n, one in enumerate(document["entries"]) if one["event_id"] == event_id)


def edit(column: str, value: Any) -> Change:
    return lambda document: entry(document, 5).update({column: value})


def remove(event_id: str, *, recount: bool = True) -> Change:
    def change(document: dict[str, Any]) -> None:
        del document["entries"][find(document, event_id)]
        if recount:
            document["total_entries"] -= 1

    return change


def swap_contents(document: dict[str, Any]) -> None:
    a, b = entry(document, 3), entry(document, 4)
    a["details"], b["details"] = b["details"], a["details"]


def swap_places(document: dict[str, Any]) -> None:
    entries = document["entries"]
    entries[3], entries[4] = entries[4], entries[3]


def insert_copy(document: dict[str, Any]) -> None:
    document["entries"].insert(4, {**entry(document, 3), "event_id": "read/made up"})
    document["total_entries"] += 1


def insert_twice(document: dict[str, Any]) -> None:
    document["entries"].insert(4, deepcopy(entry(document, 3)))
    document["total_entries"] += 1


def insert_unsealed(document: dict[str, Any]) -> None:
    made = {**entry(document, 3), "event_id": "read/made up", "proof": None, "seq": 10**6}
    document["entries"].insert(4, made)
    document["total_entries"] += 1
    document["proof"]["unsealed"] += 1


def take_proof(document: dict[str, Any]) -> None:
    entry(document, 3).update({"proof": None, "actor": "mallory"})
    document["proof"]["unsealed"] += 1


def put_behind(document: dict[str, Any]) -> None:
    """Edit a row and say that it is younger than the last seal."""
    entry(document, 3).update({"proof": None, "actor": "mallory", "xid": 10**15})
    document["proof"]["unsealed"] += 1


def make_up(document: dict[str, Any]) -> None:
    """Say of all rows that they are younger than every seal."""
    for one in document["entries"]:
        one.update({"proof": None, "actor": "mallory"})
    document["proof"] |= {"unsealed": len(document["entries"]), "seals": []}


def cut_tail(document: dict[str, Any]) -> None:
    del document["entries"][-3:]
    document["total_entries"] -= 3


def cut_run(run_id: str) -> Change:
    def change(document: dict[str, Any]) -> None:
        document["entries"] = [one for one in document["entries"] if one["run_id"] != run_id]
        document["total_entries"] = len(document["entries"])

    return change


def set_in(*path: Any, value: Any) -> Change:
    def change(document: dict[str, Any]) -> None:
        place = document
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return change


EVENT = f"default/review/ac-1/{FIRST}/4"
TAMPERINGS: dict[str, tuple[Change, Kind]] = {
    **{f"edit {name}": (edit(name, "x"), Kind.DIFFERING) for name in COLUMNS},
    "edit details": (edit("details", {"n": 2}), Kind.DIFFERING),
    "edit a time": (edit("at", "2026-10-01T08:00:09Z"), Kind.DIFFERING),
    "edit a number": (edit("seq", 7), Kind.DIFFERING),
    "take a column": (lambda d: entry(d, 5).pop("actor"), Kind.DIFFERING),
    "add a column": (edit("approved", True), Kind.DIFFERING),
    "no row": (set_in("entries", 5, value=None), Kind.DIFFERING),
    "delete, total left": (remove(EVENT, recount=False), Kind.MISSING),
    "delete an event": (remove(EVENT), Kind.MISSING),
    "delete the first event": (remove(f"default/review/ac-1/{FIRST}/1"), Kind.MISSING),
    "delete the last event of a run": (remove(f"default/review/ac-1/{FIRST}/7"), Kind.MISSING),
    "delete a line": (remove(f"timeline/{FIRST}/1"), Kind.MISSING),
    "delete a start": (remove(f"{FIRST}/crm.fetch_snapshot/1/start"), Kind.MISSING),
    "delete a read": (remove("read/after the end"), Kind.SEAL),
    "delete the last line": (remove(f"timeline/{FIRST}/2"), Kind.SEAL),
    "cut the tail": (cut_tail, Kind.SEAL),
    "cut the first run": (cut_run(FIRST), Kind.MISSING),
    "cut the second run": (cut_run(SECOND), Kind.MISSING),
    "swap contents": (swap_contents, Kind.DIFFERING),
    "swap places": (swap_places, Kind.DIFFERING),
    "insert a copy": (insert_copy, Kind.EXTRA),
    "insert twice": (insert_twice, Kind.EXTRA),
    "insert without proof": (insert_unsealed, Kind.SEAL),
    "take the proof": (take_proof, Kind.DIFFERING),
    "edit a path": (set_in("entries", 3, "proof", "path", 0, value="00" * 32), Kind.DIFFERING),
    "edit an index": (set_in("entries", 3, "proof", "index", value=0), Kind.DIFFERING),
    "break a proof": (set_in("entries", 3, "proof", value={"seal": "x"}), Kind.DIFFERING),
    "edit a root": (set_in("proof", "seals", 0, "root", value="00" * 32), Kind.SEAL),
    "edit a count": (set_in("proof", "seals", 0, "rows", value=1), Kind.SEAL),
    "break a link": (set_in("proof", "seals", 1, "previous", value="00" * 32), Kind.SEAL),
    "take a seal": (lambda d: d["proof"]["seals"].pop(0), Kind.SEAL),
    "no seals": (set_in("proof", "seals", value=None), Kind.SEAL),
    "turn the seals": (lambda d: d["proof"]["seals"].reverse(), Kind.SEAL),
    "break a seal": (set_in("proof", "seals", 0, value={"number": 1}), Kind.SEAL),
    "edit the status": (set_in("status", value="failed"), Kind.DIFFERING),
    "edit who started": (set_in("metadata", "started_by", value="mallory"), Kind.DIFFERING),
    "edit the time": (set_in("exported_at", value="2020-01-01T00:00:00Z"), Kind.SEAL),
    "edit the total": (set_in("total_entries", value=99), Kind.MISSING),
    "edit the signature": (set_in("proof", "signature", "signature", value="00" * 64), Kind.SEAL),
    "break the signature": (set_in("proof", "signature", value="x"), Kind.SEAL),
    "edit the unsealed": (set_in("proof", "unsealed", value=3), Kind.DIFFERING),
}


@pytest.fixture(scope="module")
async def exported(trail: Trail, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    file, _ = await session(trail, folder)
    return file


@pytest.mark.parametrize("name", TAMPERINGS)
def test_every_tampering_of_a_document_is_found(
    trail: Trail, exported: Path, name: str, tmp_path: Path
) -> None:
    change, kind = TAMPERINGS[name]
    document = json.loads(exported.read_text())
    change(document)
    file = tmp_path / "changed.json"
    file.write_text(json.dumps(document))
    report = check(trail, file)
    assert not report.ok
    assert kind in {fault.kind for fault in report.faults}, report.faults
    assert report.first_bad is not None
    assert verify_export(file).ok is False


@pytest.mark.parametrize(
    "name",
    [
        *(f"edit {column}" for column in COLUMNS),
        *("delete an event", "delete the first event", "delete a line", "swap contents"),
        *("insert a copy", "insert twice", "take the proof", "cut the first run"),
        "cut the second run",
    ],
)
def test_no_signature_is_needed_to_find_most(
    trail: Trail, exported: Path, name: str, tmp_path: Path
) -> None:
    """Whoever changes a row can also make all figures again and leave the signature out."""
    change, kind = TAMPERINGS[name]
    file = unsigned(exported, change, tmp_path)
    assert kind in {fault.kind for fault in check(trail, file).faults}


def unsigned(exported: Path, change: Change, folder: Path) -> Path:
    """The export after a change, with figures that fit it, and without its signature."""
    document = load(exported)
    change(document)
    rows = [{name: one.get(name) for name in COLUMNS} for one in document["entries"]]
    with suppress(ValueError, TypeError):  # of an edited time or number nothing can be made
        document |= audit_body(rows)
        document["proof"] |= {"signature": None, "entries_root": entries_root(rows)}
    file = folder / "changed.json"
    file.write_text(json.dumps(document))
    return file


@pytest.mark.parametrize(("change", "rows"), [(put_behind, 1), (make_up, ENTRIES)])
def test_a_row_without_proof_needs_the_signature(
    trail: Trail, exported: Path, change: Change, rows: int, tmp_path: Path
) -> None:
    file = unsigned(exported, change, tmp_path)
    for report in (check(trail, file), verify_export(file)):
        (fault,) = report.faults
        assert (fault.kind, fault.rows) == (Kind.EXTRA, rows)
        assert "nobody signed" in fault.why
        assert not report.document()["signed"]
    file = unsigned(exported, lambda _: None, tmp_path)
    assert check(trail, file).ok, "each row is proved by a seal"


async def test_an_open_review_that_nobody_signed(trail: Trail, tmp_path: Path) -> None:
    """Its rows may be genuine; nothing in the file shows it."""
    going_on = await export_of(trail, signed=False).session("review/ac-3", None, tmp_path, NOW)
    report = check(trail, going_on.files["audit"])
    assert [(one.kind, one.rows) for one in report.faults] == [(Kind.EXTRA, 3)]


def test_a_file_is_whole_by_a_key_that_somebody_named(trail: Trail, exported: Path) -> None:
    """Keys that were found, in the file or beside us, may have been put there by its maker."""
    found = verify_export(exported, belief=Belief(trail.keys, found_in="/srv/reviews/audit"))
    assert (found.ok, found.signed) == (True, False)
    assert "/srv/reviews/audit" in found.warnings[0]
    pin = fingerprint(trail.key.public)
    for belief in (
        Belief(trail.keys),
        Belief(pins=frozenset({pin})),
        Belief(PublicKeys(), pins=frozenset({pin, "0" * 64})),
    ):
        named = verify_export(exported, belief=belief)
        assert (named.ok, named.signed, named.warnings) == (True, True, [])
        assert named.keys.all_raw() == [trail.key.public]
    other = verify_export(exported, belief=Belief(trail.keys, pins=frozenset({"0" * 64})))
    assert not other.ok


def test_only_a_believed_key_signs_the_whole(trail: Trail, exported: Path) -> None:
    assert check(trail, exported).document()["signed"]
    assert not verify_export(exported).document()["signed"], "its own keys show nothing"
    nobody = verify_export(exported, PublicKeys())
    assert {fault.kind for fault in nobody.faults} == {Kind.SEAL}


@pytest.mark.parametrize(
    "key", ["total_events", "duration_seconds", "event_counts", "tools", "status"]
)
def test_figures_that_do_not_follow_are_found(
    trail: Trail, exported: Path, key: str, tmp_path: Path
) -> None:
    beside = exported.with_name(exported.name.replace("_audit", "_metrics"))
    metrics = json.loads(beside.read_text())
    metrics[key] = {}
    (tmp_path / exported.name).write_text(exported.read_text())
    (tmp_path / beside.name).write_text(json.dumps(metrics))
    for name in (exported.name, beside.name):
        report = check(trail, tmp_path / name)
        assert [fault.why for fault in report.faults] == [
            f"{key} of the metrics does not follow from the entries"
        ]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": "x"}', "\x00", '{"entries": []}'])
def test_what_is_no_export_is_said_so(content: str, tmp_path: Path) -> None:
    file = tmp_path / "some.json"
    file.write_text(content)
    with pytest.raises(BadInputError):
        verify_export(file)
    with pytest.raises(BadInputError, match="cannot be read"):
        verify_export(tmp_path / "none.json")
