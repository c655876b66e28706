"""A review from its start to its end, with the commands of the command line."""

import asyncio
import json
import re
import signal
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from account_reviews.local.stack import LocalStack
from account_reviews.temporal.names import TASK_QUEUE
from tests.support.commands import Reviews, rows
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE, until

STARTED = {*("review_id", "workflow_id", "run_id", "account_id", "name", "phase", "status")}
LISTED = {
    *("review_id", "workflow_id", "account_id", "owner_id", "name", "kind", "phase", "status"),
    *("risk_level", "waiting_on", "due_at", "needs_attention", "started_at", "updated_at"),
}
SHOWN = {
    *("review_id", "workflow_id", "run_id", "account_id", "owner_id", "tenant", "kind", "name"),
    *("purpose", "agent", "metadata", "phase", "status", "outcome", "degraded", "risk", "health"),
    *("findings", "recommendations", "changes", "approvals", "history", "counters", "version"),
    *("resume_ready", "error_count", "last_error", "needs_attention", "summary", "policy_hash"),
    *("started_at", "updated_at", "closed_at", "finalized_at", "duration_seconds", "source"),
    *("priority_score", "needs_review"),
}
RECORD = {"type", "id", "name", "version", "url"}
CHANGE = {"change_id", "action", "record", "before", "after", "hash", "state"}
FINDING = {"kind", "severity", "title", "requires_attention", "evidence"}
EVIDENCE = {"record", "field", "before", "after", "value", "at"}
RECOMMENDATION = {
    *("id", "type", "rule", "title", "rationale", "priority", "urgency", "confidence"),
    *("references", "generated_at", "expires_at", "estimated_effort_minutes"),
}
CONFIDENCE = {
    *("overall", "level", "data_recency", "pattern_strength", "evidence_quality"),
    "historical_accuracy",
}
REQUEST = {
    *("request_id", "review_id", "account_id", "state", "requested_at", "deadline", "required"),
    *("approvers", "items", "decisions", "notifications"),
}
DECISION = {"by", "decision", "at", "reason", "verified"}


def item_of(request: dict[str, Any], action: str) -> str:
    """The first item with that action."""
    return next(str(one["item_id"]) for one in request["items"] if one["action"] == action)


def states(request: dict[str, Any]) -> list[str]:
    return sorted(one["state"] for one in request["items"])


def test_a_fresh_review_is_there_at_once(reviews: Reviews) -> None:
    started = reviews.json("start", "ac-001")
    assert set(started) >= STARTED
    assert started["review_id"] == started["workflow_id"] == "review/ac-001"
    (line,) = reviews.json("list", "--account", "ac-001")["items"]
    assert line["review_id"] == started["review_id"]
    shown = reviews.json("show", "ac-001")
    assert shown["run_id"] == started["run_id"]
    assert shown["started_at"].endswith("Z")


def test_several_accounts_are_one_list(reviews: Reviews) -> None:
    document = reviews.json("start", "ac-002", "ac-003", "--wait", "closed")
    assert document["next_cursor"] is None
    assert [one["account_id"] for one in document["items"]] == ["ac-002", "ac-003"]
    assert {one["outcome"] for one in document["items"]} == {"nothing_to_do"}


def test_all_accounts_of_an_owner(reviews: Reviews) -> None:
    items = reviews.json("start", "--owner", "ow-8", "--wait")["items"]
    assert [(one["account_id"], one["status"]) for one in items] == [
        ("ac-061", "waiting"),
        ("ac-062", "waiting"),
    ]


def test_a_file_and_everything_a_review_can_be_given(reviews: Reviews, tmp_path: Path) -> None:
    file = tmp_path / "accounts.txt"
    file.write_text("ac-005\n\nac-006\n", encoding="utf-8")
    given = ("--kind", "manual", "--name", "Spring", "--purpose", "audit", "--agent", "desk")
    more = ("--metadata", '{"ticket": "T-1", "n": 2}', "--by", "ann", "--as-of", "2026-09-20")
    document = reviews.json("start", "--file", str(file), *given, *more, "--wait")
    assert [one["account_id"] for one in document["items"]] == ["ac-005", "ac-006"]
    shown = reviews.json("show", "ac-006")
    said = {
        "kind": "manual",
        "name": "Spring",
        "purpose": "audit",
        "agent": "desk",
        "metadata": {"ticket": "T-1", "n": 2},
        "started_by": "ann",
        "as_of": "2026-09-20T00:00:00Z",
    }
    assert {name: shown[name] for name in said} == said


def test_the_whole_portfolio_for_looking_only(reviews: Reviews) -> None:
    words = ("start", "--all", "--plan-only", "--if-running", "join", "--wait")
    items = reviews.json(*words)["items"]
    assert len(items) == 64
    own = [one for one in items if not one["joined"]]
    assert {one["outcome"] for one in own} == {"nothing_to_do"}
    shown = reviews.json("show", "ac-036")
    assert {change["state"] for change in shown["changes"]} == {"proposed"}
    assert shown["approvals"] == []


async def test_a_review_that_runs_is_joined_on_request(
    reviews: Reviews, stack_engine: AsyncEngine
) -> None:
    request = reviews.request("ac-041")
    refused = reviews("start", "ac-041").sentence(4)
    assert "(ac-041) is under review already" in refused
    async with stack_engine.begin() as connection:  # as of one started by another program
        await connection.execute(
            text("delete from reviews.review_runs where account_id = 'ac-041'")
        )
    assert reviews.json("start", "ac-041", "--if-running", "join")["status"] == "waiting"
    reviews.json("db", "rebuild")
    joined = reviews.json("start", "ac-041", "--if-running", "join", "--wait")
    assert joined["joined"] is True
    assert joined["review_id"] == request["review_id"]
    mixed = reviews.quick("start", "ac-041", "ac-007", "-o", "json").document(code=1)
    assert [("error" in one) for one in mixed["items"]] == [False, True]


def test_an_account_that_cannot_be_reviewed_has_a_row_and_takes_no_other_with_it(
    reviews: Reviews,
) -> None:
    words = ("start", "nobody", "ac-008", "--plan-only", "-o", "json")
    items = reviews.quick(*words).document(code=1)["items"]
    assert [one["account_id"] for one in items] == ["ac-008", "nobody"]
    assert "review_id" in items[0]
    assert items[1]["error"] == "the CRM has no account 'nobody'"
    assert "nobody" in reviews.quick("start", "nobody").sentence(3)


def test_waiting_for_the_end_reports_a_bad_one(reviews: Reviews) -> None:
    waiting = reviews.begin("start", "ac-042", "--wait", "closed", "-o", "json")
    requests = reviews.until(
        *("approvals", "list", "--account", "ac-042"), holds=lambda page: bool(page["items"])
    )
    request_id = requests["items"][0]["request_id"]
    words = ("--as", "ann", "--reason", "not now")
    assert reviews.json("approvals", "reject", request_id, *words)["state"] == "rejected"
    out, err = waiting.communicate(timeout=PATIENCE)
    assert waiting.returncode == 1, err
    assert json.loads(out)["outcome"] == "rejected"


def test_the_starter_is_the_same_command(reviews: Reviews) -> None:
    starter = (sys.executable, str(ROOT / "starter.py"))
    done = reviews("ac-008", "--wait", "-o", "json", program=starter).document()
    assert set(done) >= STARTED
    assert done["outcome"] == "nothing_to_do"
    assert "no account 'nope'" in reviews("nope", program=starter).sentence(3)


def test_lists_are_filtered_and_paged(reviews: Reviews) -> None:
    reviews.json("start", "ac-009", "ac-010", "ac-011", "--wait", "--name", "paged")
    found: list[str] = []
    cursor: tuple[str, ...] = ()
    for _ in range(3):
        page = reviews.json("list", "--name", "paged", "--limit", "1", *cursor)
        found += [one["account_id"] for one in page["items"]]
        assert set(page["items"][0]) >= LISTED
        cursor = ("--cursor", page["next_cursor"])
    assert page["next_cursor"] is None
    assert sorted(found) == ["ac-009", "ac-010", "ac-011"]
    of_one = ("list", "--owner", "ow-3", "--name", "paged", "--status", "completed")
    (line,) = reviews.json(*of_one, "--phase", "completed", "--outcome", "nothing_to_do")["items"]
    assert line["account_id"] == "ac-009"
    assert reviews.json(*of_one, "--kind", "event")["items"] == []
    assert reviews.json("list", "--name", "paged", "--open")["items"] == []
    assert "ac-009" in reviews("list", "--name", "paged").out


def test_a_review_is_shown_whole(reviews: Reviews) -> None:
    request = reviews.request("ac-034")
    assert set(request) >= REQUEST
    shown = reviews.json("show", "ac-034")
    assert set(shown) >= SHOWN
    assert shown["source"] == "workflow"
    assert set(shown["risk"]) >= {"score", "level", "rule", "contributions", "previous"}
    assert set(shown["risk"]["contributions"][0]) >= {"rule", "points", "evidence"}
    assert set(shown["health"]) >= {"score", "band"}
    for finding in shown["findings"]:
        assert set(finding) >= FINDING
        assert all(set(one) >= EVIDENCE for one in finding["evidence"])
    for one in shown["recommendations"]:
        assert set(one) >= RECOMMENDATION
        assert set(one["confidence"]) >= CONFIDENCE
    for change in (*shown["changes"], *request["items"]):
        assert set(change) >= CHANGE
        assert set(change["record"]) >= RECORD
    moves = [(move["from_phase"], move["to_phase"]) for move in shown["history"]]
    assert moves[-1] == ("planning", "approval")
    (approval,) = shown["approvals"]
    assert set(approval) >= REQUEST
    assert approval["request_id"] == request["request_id"]
    assert reviews.json("show", "review/ac-034")["run_id"] == shown["run_id"]
    assert "Birch Optics" in reviews("show", "ac-034").out


def test_an_older_review_is_found_by_its_run(reviews: Reviews) -> None:
    first = reviews.json("start", "ac-012", "--wait", "--name", "first")
    second = reviews.json("start", "ac-012", "--wait", "--name", "second")
    assert reviews.json("show", "ac-012")["run_id"] == second["run_id"]
    older = reviews.json("show", "ac-012", "--run", first["run_id"])
    assert (older["name"], older["run_id"]) == ("first", first["run_id"])
    assert older["source"] == "projection"


def test_brief_history_and_watch(reviews: Reviews) -> None:
    request = reviews.request("ac-040")
    watching = reviews.begin("watch", "ac-040", "-o", "json")
    brief = reviews("brief", "ac-040").out
    assert brief.startswith("# Harbor Optics (ac-040)\n")
    assert f"reviews approvals show {request['short_id']}" in brief
    inbox = reviews.quick("brief", "ac-040", REVIEWS_WEB_URL="https://reviews.example").out
    assert f"https://reviews.example/requests/{request['short_id']}" in inbox
    assert reviews.quick("brief", "ac-040", "--format", "html").out.startswith("<!doctype html>")
    assert reviews.json("brief", "ac-040")["account_id"] == "ac-040"
    reviews.json("approvals", "approve", request["request_id"], "--as", "ann")
    out, err = watching.communicate(timeout=PATIENCE)
    assert watching.returncode == 0, err
    lines = [json.loads(line) for line in out.splitlines()]
    history = reviews.json("history", "ac-040")["items"]
    assert [line["text"] for line in lines] == [line["text"] for line in history]
    assert "approval_decided" in [line["kind"] for line in history]
    assert history == sorted(history, key=lambda line: line["at"])


async def test_decisions_item_by_item(reviews: Reviews, stack_engine: AsyncEngine) -> None:
    request = reviews.request("ac-036")
    request_id = request["request_id"]
    decide = ("approvals",)
    task, account = item_of(request, "create_task"), item_of(request, "update_account")
    note = item_of(request, "add_note")
    words = ("--set", "subject=Ring them", "--as", "ann", "--reason", "shorter")
    adjusted = reviews.json(*decide, "adjust", request_id, "--item", task, *words)
    assert (adjusted["state"], adjusted["items"][0]["state"]) == ("pending", "adjusted")
    because = ("--as", "bob", "--reason", "we know")
    reviews.json(*decide, "reject", request_id, "--item", account, *because)
    reviews.json(*decide, "approve", request_id, "--item", note, "--as", "ann")
    again = reviews.quick(*decide, "approve", request_id, "--item", note, "--as", "bob").sentence(4)
    assert again.startswith("decided already: New note: ")
    assert re.search(r" by ann, \w{3} \d", again)
    answer = reviews.json(*decide, "defer", request_id, "--as", "ann", "--reason", "next month")
    assert answer["state"] == "mixed"
    review = reviews.closed("ac-036")
    assert review["outcome"] == "completed"
    shown = reviews.json(*decide, "show", request_id)
    assert set(shown) >= REQUEST
    assert all(set(one) >= DECISION for one in shown["decisions"])
    assert [one["by"] for one in shown["decisions"]] == ["ann", "bob", "ann", "ann"]
    assert states(shown) == ["deferred", "deferred", "executed", "executed", "rejected"]
    written = await rows(
        stack_engine,
        "select t.subject from reviews.crm_operations o join crm.tasks t on t.id = o.record->>'id' "
        "where o.account_id = 'ac-036' and o.action = 'create_task'",
    )
    assert [one["subject"] for one in written] == ["Ring them"]


def test_answers_to_a_closed_request(reviews: Reviews) -> None:
    request_id = reviews.request("ac-043")["request_id"]
    reviews.json("approvals", "approve", request_id, "--as", "ann")
    reviews.closed("ac-043")
    for verb in (("approve",), ("reject", "--reason", "late"), ("defer",)):
        said = reviews.quick("approvals", *verb, request_id, "--as", "bob").sentence(4)
        assert re.match(r"the request is already approved by ann, \w{3} \d", said)
    assert reviews.json("approvals", "list", "--account", "ac-043")["items"] == []
    (line,) = reviews.json("approvals", "list", "--account", "ac-043", "--state", "any")["items"]
    assert line["state"] == "approved"


def test_what_was_deferred_comes_back_and_what_was_rejected_does_not(reviews: Reviews) -> None:
    request = reviews.request("ac-029")
    rejected, deferred = (one["item_id"] for one in request["items"])
    request_id = request["request_id"]
    because = ("--as", "ann", "--reason", "no")
    reviews.json("approvals", "reject", request_id, "--item", rejected, *because)
    because = ("--as", "bob", "--reason", "in spring")
    reviews.json("approvals", "defer", request_id, *because)
    assert reviews.closed("ac-029")["outcome"] == "deferred"
    (item,) = reviews.request("ac-029")["items"]
    assert item["item_id"] == deferred
    assert (item["deferred"]["by"], item["deferred"]["reason"]) == ("bob", "in spring")


async def test_a_decision_while_no_worker_runs(
    reviews: Reviews, stack: LocalStack, stack_engine: AsyncEngine
) -> None:
    request_id = reviews.request("ac-044")["request_id"]
    await stack.kill_worker()
    worker = None
    try:
        shown = reviews.json("show", "ac-044")
        assert shown["source"] == "projection"
        assert shown["age_seconds"] > 0
        approve = ("approvals", "approve", request_id, "--as", "ann", "--decision-id", "once-1")
        error = reviews.quick(*approve, "-o", "json").error(5)
        assert error["code"] == "unreachable"
        assert "may still be applied" in error["message"]
        assert "--decision-id once-1" in error["hint"]
        worker = reviews.worker(program=(sys.executable, str(ROOT / "worker.py")))
        for _ in range(2):
            assert reviews.json(*approve)["state"] == "approved"
        review = reviews.closed("ac-044")
        assert reviews.json(*approve)["state"] == "approved"
    finally:
        if worker is not None:
            worker.send_signal(signal.SIGTERM)
            await asyncio.to_thread(worker.communicate, timeout=PATIENCE)
        await stack.start_worker()
    assert worker.returncode == 0
    assert [one["by"] for one in review["approvals"][0]["decisions"]] == ["ann"]
    ledger = "select 1 from reviews.crm_operations where account_id = 'ac-044'"
    assert len(await rows(stack_engine, ledger)) == 1


async def test_a_review_that_somebody_started_by_hand_is_told_as_such(
    reviews: Reviews, stack: LocalStack
) -> None:
    client = await Client.connect(stack.address)
    handle = await client.start_workflow(
        "AccountReview", {}, id="review/ac-060", task_queue=TASK_QUEUE
    )
    start = ("start", "ac-060", "--if-running", "join")
    answers = []

    async def fails() -> bool:
        answers.append(reviews.quick(*start))
        return answers[-1].code == 4

    await until(fails)
    sentence = answers[-1].sentence(4)
    assert "the review of Larch Mills (ac-060) is open but cannot run: " in sentence
    assert "temporal workflow terminate -w review/ac-060" in sentence
    await handle.terminate()


def test_a_person_cancels_a_review_once(reviews: Reviews) -> None:
    request = reviews.request("ac-048")
    done = reviews.json("cancel", "ac-048", "--as", "olga", "--reason", "the account was merged")
    assert (done["status"], done["outcome"], done["queued"]) == ("cancelled", "cancelled", False)
    assert "is closed already" in reviews.quick("cancel", "ac-048").out
    assert reviews.quick("cancel", "nobody").code == 3
    lines = reviews.json("history", "ac-048")["items"]
    assert [(one["text"], one["by"]) for one in lines if one["kind"] == "cancelled"] == [
        ("the account was merged", "olga")
    ]
    late = reviews.quick("approvals", "approve", request["request_id"], "--as", "ann")
    assert late.code == 4


def test_a_start_while_the_crm_is_away(reviews: Reviews) -> None:
    assert reviews.quick("start", "ac-058", "--plan-only", "--wait", "closed").code == 0
    away = {"REVIEWS_CRM_URL": "postgresql://reviews@127.0.0.1:9/none"}
    known = reviews.quick("start", "ac-058", "--plan-only", "-o", "json", **away)
    assert known.document()["account_id"] == "ac-058"
    assert "what is started waits for the CRM" in known.err
    assert "no review of account 'fresh' is stored" in reviews("start", "fresh", **away).sentence(5)
    assert "only the CRM knows" in reviews.quick("start", "--all", **away).sentence(5)
    fresh = reviews.quick("start", "fresh", "--unchecked", "-o", "json", **away)
    assert fresh.document()["account_id"] == "fresh"
    refused = reviews.quick("start", "--all", "--unchecked").sentence(2)
    assert "--unchecked takes account ids" in refused
    shown = reviews.closed("fresh")
    assert shown["outcome"] == "failed"
    assert "the CRM has no account 'fresh'" in shown["reason"]
