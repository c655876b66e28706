"""`reviews audit tail` and `export` as a person runs them, on a real review from start to write."""

import asyncio
import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.audit.store import insert
from account_reviews.local.postgres import EmbeddedPostgres
from account_reviews.store.database import create_engine
from account_reviews.store.migration import AUDIT, upgrade
from tests.support.commands import Reviews, rows
from tests.support.trail_rows import event
from tests.support.waiting import PATIENCE

AGREED = [
    *("event_id", "tenant", "review_id", "workflow_id", "run_id", "event_type", "at", "actor"),
    *("action", "resource", "severity", "trace_id", "details"),
]
ACCOUNT = "ac-034"


@pytest.fixture(scope="module")
def closed(reviews: Reviews) -> dict[str, Any]:
    """A review that was decided on, written and closed, all of it sealed."""
    request = reviews.request(ACCOUNT)
    assert reviews.quick("approvals", "approve", request["request_id"], "--as", "ann").code == 0
    state: dict[str, Any] = reviews.closed(ACCOUNT)
    for kind in ("session_ended", "crm_write"):  # each comes on a way of its own
        reviews.until(
            *("audit", "tail", "--review", ACCOUNT, "--type", kind),
            holds=lambda page: bool(page["items"]),
        )
    return state


def sealed(reviews: Reviews, folder: Path) -> Path:
    """The audit document of the review, once a seal covers all of it."""
    deadline = time.monotonic() + PATIENCE
    while True:
        exported = reviews.json("audit", "export", "--review", ACCOUNT, "--to", str(folder))
        if exported["unsealed"] == 0:
            return Path(exported["audit"])
        assert time.monotonic() < deadline, exported
        time.sleep(0.3)


def test_the_rows_of_a_review_are_found(reviews: Reviews, closed: dict[str, Any]) -> None:
    page = reviews.json("audit", "tail", "--review", ACCOUNT, "--limit", "1000")
    assert set(page) == {"items", "next_cursor"}
    assert page["next_cursor"] is None
    assert all(list(row)[:13] == AGREED for row in page["items"])
    kinds = {row["event_type"] for row in page["items"]}
    assert {
        *("session_started", "session_ended", "phase_changed", "approval_requested"),
        *("approval_decided", "crm_write", "update_accepted", "tool_success", "task_completed"),
        *("data_access", "request_made"),
    } <= kinds
    by_account = reviews.json("audit", "tail", "--account", ACCOUNT, "--type", "crm_write")
    for row in by_account["items"]:
        assert {"before", "after"} <= set(row["details"])
        assert row["run_id"] == closed["run_id"]
    assert len(by_account["items"]) >= 1
    decided = reviews.json("audit", "tail", "--actor", "ann", "--type", "approval_decided")
    assert [row["review_id"] for row in decided["items"]] == [closed["review_id"]]
    one = reviews.json("audit", "tail", "--review", ACCOUNT, "--limit", "1")
    assert len(one["items"]) == 1
    more = ("--limit", "1", "--cursor", one["next_cursor"])
    assert reviews.json("audit", "tail", "--review", ACCOUNT, *more)["items"] != one["items"]
    table = reviews.quick("audit", "tail", "--review", ACCOUNT, "--text", "approve", "--limit", "3")
    assert table.code == 0
    assert "approves" in table.out


async def test_class_one_is_the_history(
    reviews: Reviews, closed: dict[str, Any], stack_engine: AsyncEngine
) -> None:
    found = await rows(
        stack_engine,
        "select count(*) as rows, max(split_part(event_id, '/', 5)::int) as last "
        "from audit.audit_events where run_id = :run and source = 'history'",
        run=closed["run_id"],
    )
    assert found[0]["rows"] == found[0]["last"] > 10


def test_a_review_is_exported_and_checked_without_a_database(
    reviews: Reviews, closed: dict[str, Any], tmp_path: Path
) -> None:
    file = sealed(reviews, tmp_path)
    audit = json.loads(file.read_text())
    assert audit["session_id"] == closed["review_id"]
    assert audit["status"] == "completed"
    assert audit["metadata"]["run_id"] == closed["run_id"]
    assert audit["total_entries"] == len(audit["entries"])
    assert audit["entries"][-1]["event_type"] == "session_ended"
    metrics = json.loads(file.with_name(file.name.replace("_audit", "_metrics")).read_text())
    assert metrics["total_events"] == audit["total_entries"]
    assert metrics["duration_seconds"] > 0
    nowhere = {"REVIEWS_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing"}
    report = reviews.json("audit", "verify", "--offline", str(file), **nowhere)
    assert report["ok"] is True
    assert report["rows"] == audit["total_entries"]
    table = reviews.quick("audit", "verify", "--offline", str(file))
    assert "whether it is whole see the warnings" in table.out, "nobody named a key"
    (pin,) = report["keys"]
    assert f"fingerprint {pin}" in table.err
    keys = Path(reviews.env["REVIEWS_DATA_DIR"]) / "audit" / "public-keys.json"
    for table in (
        reviews.quick("audit", "verify", "--offline", str(file), "--key", str(keys)),
        reviews.quick("audit", "verify", "--offline", str(file), REVIEWS_AUDIT_KEYS=pin),
    ):
        assert "whole and unaltered" in table.out
    unsigned = tmp_path / "unsigned.json"
    unsigned.write_text(json.dumps({**audit, "proof": {**audit["proof"], "signature": None}}))
    table = reviews.quick("audit", "verify", "--offline", str(unsigned))
    assert (table.code, "whether it is whole see the warnings" in table.out) == (0, True)
    (tmp_path / "none.json").write_text("{}")
    words = ("audit", "verify", "--offline", str(file), "--key", str(tmp_path / "none.json"))
    assert reviews.quick(*words).code == 1, "a file without a key is no reason to believe others"
    file.write_text(file.read_text().replace('"actor": "ann"', '"actor": "eve"', 1))
    bad = reviews.quick("audit", "verify", "--offline", str(file), "-o", "json")
    report = bad.document(1)
    assert report["first_bad"]["why"] == "the row is not what was sealed"
    table = reviews.quick("audit", "verify", "--offline", str(file))
    assert (table.code, "first bad" in table.out) == (1, True)


def test_an_export_is_a_read_with_the_hash_of_its_files(
    reviews: Reviews, closed: dict[str, Any], tmp_path: Path
) -> None:
    words = ("audit", "export", "--review", ACCOUNT, "--to", str(tmp_path))
    exported = reviews.json(*words)
    page = reviews.until(
        *("audit", "tail", "--review", ACCOUNT, "--text", exported["sha256"]["audit"]),
        holds=lambda page: bool(page["items"]),
    )
    (row,) = page["items"]
    assert (row["event_type"], row["action"]) == ("data_access", "reviews audit export")
    assert row["details"]["sha256"] == exported["sha256"]
    said = reviews.quick(*words)
    assert said.code == 0
    assert str(tmp_path / f"review_{ACCOUNT}_audit.json") in said.out


def test_a_range_is_exported_and_checked(
    reviews: Reviews, closed: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "range.jsonl"
    exported = reviews.json("audit", "export", "--since", "2026-01-01", "--to", str(file))
    assert exported["file"] == str(file)
    lines = file.read_text().splitlines()
    assert sum('"event_id"' in one for one in lines) == exported["rows"]
    assert reviews.json("audit", "verify", "--offline", str(file))["ok"] is True
    some = tmp_path / "some.jsonl"
    words = ("--since", "2026-01-01", "--type", "crm_write", "--to", str(some))
    assert reviews.json("audit", "export", *words)["rows"] >= 1
    assert reviews.json("audit", "verify", "--offline", str(some))["ok"] is True
    some.write_text(some.read_text().replace("crm_write", "crm_read", 1))
    assert reviews.quick("audit", "verify", "--offline", str(some)).code == 1


def test_tail_follows_what_happens(reviews: Reviews, closed: dict[str, Any]) -> None:
    request = reviews.request("ac-036")["request_id"]
    process = reviews.begin("audit", "tail", "-f", "--account", "ac-036", "-o", "json")
    try:
        until_seen(process, "timer_started")
        words = ("approvals", "reject", request, "--as", "ann", "--reason", "enough")
        assert reviews.quick(*words).code == 0
        until_seen(process, "session_ended")
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    finally:
        end(process)


async def test_tail_goes_on_when_the_trail_was_away(reviews: Reviews, short_dir: Path) -> None:
    server = EmbeddedPostgres(short_dir / "away")
    server.start()
    try:
        server.create_database("trail")
        engine = create_engine(server.url("trail"), application_name="tests")
        await upgrade(engine, AUDIT)
        process = reviews.begin(
            *("audit", "tail", "-f", "-o", "json"),
            REVIEWS_AUDIT_DATABASE_URL=server.url("trail"),
        )
        try:
            await insert(engine, [event("before")])
            await asyncio.to_thread(until_shown, process, "before")
            server.stop()
            assert process.stderr is not None
            said = await asyncio.to_thread(process.stderr.readline)
            assert "going on as soon as it is there again" in said
            server.start()
            await engine.dispose()
            await insert(engine, [event("after")])
            await asyncio.to_thread(until_shown, process, "after")
        finally:
            end(process)
            await engine.dispose()
    finally:
        server.stop()


def until_shown(process: "subprocess.Popen[str]", event_id: str) -> None:
    """Read rows until that one comes."""
    assert process.stdout is not None
    while json.loads(process.stdout.readline())["event_id"] != event_id:
        pass


def until_seen(process: "subprocess.Popen[str]", event_type: str) -> None:
    """Read rows until one of that type comes."""
    assert process.stdout is not None
    while (row := json.loads(process.stdout.readline()))["event_type"] != event_type:
        assert row["account_id"] == "ac-036"


def end(process: "subprocess.Popen[str]") -> None:
    """Whatever came of it."""
    if process.poll() is None:
        process.kill()
        process.wait()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()


BAD = {
    "tail --review nope": (3, "review/nope"),
    "tail --limit 0": (2, "--limit is '0'"),
    "tail --limit 1001": (2, "--limit is '1001'"),
    "tail --since yesterday": (2, "--since: 'yesterday' is not a time"),
    "tail --until 2026-10-01T05:00": (2, "--until: '2026-10-01T05:00' has no time zone"),
    "tail --since 2026-10-02 --until 2026-10-01": (2, "not before --until"),
    "tail --type crm_wirte": (2, "did you mean crm_write?"),
    "tail --severity bad": (2, "must be one of info, warning, error, critical"),
    "tail --source x": (2, "must be one of history, attempt, fact, client"),
    "tail --cursor x": (2, "'x' is not a cursor of this list"),
    "tail -f --cursor x": (2, "leave --cursor out"),
    "tail --text=": (2, "--text is empty"),
    "export": (2, "give --review, or --since"),
    "export --since 2026-10-01": (2, "give --to FILE"),
    "export --since soon --to /tmp/x": (2, "--since: 'soon' is not a time"),
    "export --review nope --to {folder}": (3, "review/nope"),
    "export --review ac-034 --run nope --to {folder}": (3, "no run nope"),
    "export --review ac-034 --type crm_write": (2, "--type and --review do not go together"),
    "export --run x --since 2026-10-01": (2, "--run names a run of a review"),
    "export --since 2026-10-01 --to {folder}": (2, "is a directory"),
    "export --since 2026-10-01 --to {folder}/file/x": (2, "cannot be written"),
    "export --review ac-034 --to /proc/nothing": (2, "cannot be written"),
    "export --since 2026-10-01 --type nope --to {folder}/x": (2, "no type of row"),
    "verify --offline {folder}/none": (2, "cannot be read"),
    "verify --offline {folder}/file": (2, "no"),
}


@pytest.mark.parametrize("line", BAD)
def test_bad_input_is_one_sentence(
    reviews: Reviews, closed: dict[str, Any], line: str, tmp_path: Path
) -> None:
    code, says = BAD[line]
    (tmp_path / "file").write_text("{}")
    words = [word.format(folder=tmp_path) for word in line.split()]
    assert says in reviews.quick("audit", *words).sentence(code)
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("line", ["tail --type crm_wirte", "export --review nope --to /tmp"])
def test_bad_input_is_one_object_for_programs(
    reviews: Reviews, closed: dict[str, Any], line: str
) -> None:
    code, says = BAD.get(line, (3, "review/nope"))
    error = reviews.quick("audit", *line.split(), "-o", "json").error(code)
    assert says in f"{error['message']} ({error['hint']})"


def test_without_the_audit_database_reading_says_so(reviews: Reviews) -> None:
    away = {"REVIEWS_AUDIT_DATABASE_URL": "postgresql://u:geheim4711@127.0.0.1:1/nothing"}
    said = reviews.quick("audit", "tail", **away).sentence(5)
    assert "cannot connect to the database" in said
    assert "geheim" not in said
