"""What people and agents do to open reviews, with the commands of the command line."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.local.stack import LocalStack
from tests.support.commands import Reviews, rows
from tests.support.waiting import PATIENCE

ANSWER = {
    *("review_id", "run_id", "account_id", "phase", "status", "version", "queued", "message"),
    "outcome",
}
NOTE = {"action": "add_note", "after": {"title": "Called", "content": "They renew in May."}}
ONE_PLACE = {"SESSION_MAX_CONCURRENT": "1"}
OPERATIONS = "select 1 from reviews.crm_operations where account_id = :account"


def open_one(reviews: Reviews, account: str, *words: str) -> dict[str, Any]:
    """An interactive review, once it can be asked."""
    started: dict[str, Any] = reviews.json("start", account, "--interactive", "--wait", *words)
    assert started["outcome"] is None
    return started


async def test_a_paused_review_takes_decisions_and_writes_once_it_goes_on(
    reviews: Reviews, stack: LocalStack, stack_engine: AsyncEngine
) -> None:
    request = reviews.request("ac-041")
    paused = reviews.json("pause", "ac-041", "--as", "olga", "--reason", "wait for the call")
    assert set(paused) >= ANSWER
    assert (paused["status"], paused["queued"]) == ("paused", False)
    shown = reviews.json("show", "ac-041")
    assert shown["status"] == "paused"
    assert (shown["paused"]["by"], shown["paused"]["reason"]) == ("olga", "wait for the call")
    assert "paused by olga since" in reviews.quick("show", "ac-041").out

    decided = reviews.json("approvals", "approve", request["request_id"], "--as", "ow-5")
    assert {one["state"] for one in decided["items"]} == {"approved"}
    for pid in stack.worker_pids:
        os.kill(pid, signal.SIGKILL)
    await stack.start_worker()
    again = reviews.until("show", "ac-041", holds=lambda one: one["source"] == "workflow")
    assert (again["status"], again["phase"]) == ("paused", "approval")
    assert await rows(stack_engine, OPERATIONS, account="ac-041") == []

    refused = reviews.quick("pause", "ac-041", "--as", "ann").sentence(4)
    assert "paused already, by olga since" in refused
    assert "(phase approval)" in refused
    assert reviews.json("resume", "ac-041", "--as", "olga")["status"] != "paused"
    assert reviews.closed("ac-041")["outcome"] == "completed"
    assert len(await rows(stack_engine, OPERATIONS, account="ac-041")) == len(request["items"])
    late = reviews.quick("resume", "ac-041", "--as", "olga").sentence(4)
    assert "the review is closed" in late
    assert "(phase completed)" in late


def test_the_history_has_each_phase_with_from_to_and_time(reviews: Reviews) -> None:
    reviews.request("ac-042")
    items = reviews.json("history", "ac-042")["items"]
    moves = [(one["from_phase"], one["to_phase"]) for one in items if one["kind"] == "phase"]
    assert moves == [
        ("initializing", "investigating"),
        ("investigating", "planning"),
        ("planning", "approval"),
    ]
    assert all(one["at"].endswith("Z") for one in items)
    assert "Reads the account" in reviews.quick("history", "ac-042").out


def test_an_interactive_review_is_asked_annotated_handed_changes_and_closed(
    reviews: Reviews,
) -> None:
    open_one(reviews, "ac-011", "--agent", "scout", "--purpose", "renewal")
    answer = reviews.json("ask", "ac-011", "Who owns this account?", "--as", "ann")
    assert answer["turn"]["question"] == "Who owns this account?"
    assert answer["turn"]["answer"]
    said = reviews.quick("ask", "ac-011", "What is the health score?", "--as", "ann")
    assert said.code == 0
    assert said.out.strip()

    words = ("--context", '{"processed_accounts": ["ac-011"], "current_batch": 2}')
    more = ("--metadata", '{"ticket": "T-9"}', "--plan", '["look", "call"]', "--step", "look")
    noted = reviews.json("annotate", "ac-011", *words, *more, "--as", "scout")
    found = reviews.json("snapshot", "ac-011")
    assert found["version"] >= noted["version"]
    assert found["context"] == {"processed_accounts": ["ac-011"], "current_batch": 2}
    assert found["metadata"]["ticket"] == "T-9"
    assert (found["plan"], found["step"], found["agent"]) == (["look", "call"], "look", "scout")
    assert [one["question"] for one in found["conversation"]] == [
        "Who owns this account?",
        "What is the health score?",
    ]
    assert found["counters"]["turns"] == 2
    shown = reviews.quick("show", "ac-011").out
    assert "ann asks: Who owns this account?" in shown
    assert "context current_batch: 2" in shown

    assert reviews.json("touch", "ac-011", "--as", "scout")["message"] == "touched"
    proposed = reviews.json(
        *("propose", "ac-011", "--changes", json.dumps([NOTE]), "--as", "scout"),
        *("--reason", "they called"),
    )
    assert proposed["request_id"]
    assert [one["state"] for one in proposed["items"]] == ["proposed"]
    (pending,) = reviews.json("approvals", "list", "--account", "ac-011")["items"]
    assert pending["request_id"] == proposed["request_id"]

    done = reviews.json(
        *("close", "ac-011", "--exit-code", "0", "--summary", "talked it over", "--as", "scout")
    )
    assert done["status"] in ("completed", "running", "waiting")
    closed = reviews.closed("ac-011")
    assert closed["phase"] == "completed"
    again = reviews.json("close", "ac-011", "--outcome", "failed")
    assert "is closed already" in again["message"]


def test_an_exit_code_other_than_zero_is_failed(reviews: Reviews) -> None:
    open_one(reviews, "ac-012", "--agent", "scout")
    reviews.json("annotate", "ac-012", "--error", "the model was away", "--as", "scout")
    reviews.json("close", "ac-012", "--exit-code", "3", "--as", "scout")
    closed = reviews.closed("ac-012")
    assert (closed["phase"], closed["status"]) == ("failed", "failed")
    assert closed["error_count"] >= 1
    assert closed["last_error"] == "the model was away"


def test_of_two_writers_with_one_base_version_one_wins(reviews: Reviews) -> None:
    open_one(reviews, "ac-013")
    base = str(reviews.json("snapshot", "ac-013")["version"])
    words = ("annotate", "ac-013", "--expected-version", base, "--as")
    assert reviews.quick(*words, "one", "--context", '{"current_batch": 1}').code == 0
    refused = reviews.quick(*words, "two", "--context", '{"current_batch": 2}')
    assert f"not at {base}" in refused.sentence(4)
    assert reviews.json("snapshot", "ac-013")["context"] == {"current_batch": 1}
    reviews.json("close", "ac-013", "--outcome", "abandoned")
    assert reviews.closed("ac-013")["outcome"] == "abandoned"


def test_several_reviews_are_a_row_each(reviews: Reviews) -> None:
    reviews.request("ac-043")
    reviews.request("ac-044")
    words = ("ac-043", "nobody", "ac-044", "--as", "olga", "-o", "json")
    for verb, status in (("pause", "paused"), ("resume", "waiting"), ("cancel", "cancelled")):
        items = reviews.quick(verb, *words).document(code=1)["items"]
        assert [one["review"] for one in items] == ["ac-043", "nobody", "ac-044"]
        assert [one.get("status") for one in items] == [status, None, status], verb
        assert "nobody" in items[1]["error"]
    table = reviews.quick("cancel", "ac-043", "ac-044")
    assert table.code == 0
    assert "closed already" in table.out


def test_a_command_can_be_repeated_by_its_id(reviews: Reviews) -> None:
    reviews.request("ac-045")
    words = ("pause", "ac-045", "--as", "olga", "--command-id", "c-1")
    first = reviews.json(*words)
    assert reviews.json(*words) == first
    reviews.json("resume", "ac-045")
    lines = reviews.json("history", "ac-045")["items"]
    assert sum(one["kind"] == "paused" for one in lines) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("pause", "nobody"), "nobody"),
        (("resume", "nobody"), "nobody"),
        (("cancel", "nobody"), "nobody"),
        (("close", "nobody", "--outcome", "failed"), "nobody"),
        (("touch", "nobody"), "nobody"),
        (("ask", "nobody", "Why?"), "nobody"),
        (("annotate", "nobody", "--error", "x"), "nobody"),
        (("propose", "nobody", "--changes", json.dumps([NOTE])), "nobody"),
        (("snapshot", "nobody"), "nobody"),
    ],
    ids=lambda words: words[0] if isinstance(words, tuple) else "",
)
def test_an_unknown_review_is_not_found(
    reviews: Reviews, words: tuple[str, ...], said: str
) -> None:
    assert said in reviews.quick(*words).sentence(3)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("close", "ac-001"), "--outcome completed|failed|abandoned"),
        (("close", "ac-001", "--outcome", "failed", "--exit-code", "1"), "in one way"),
        (("close", "ac-001", "--outcome", "great"), "--outcome is 'great'"),
        (("close", "ac-001", "--exit-code", "999"), "--exit-code"),
        (("close", "ac-001", "--exit-code", "x"), "--exit-code is 'x'"),
        (("ask", "ac-001", ""), "QUESTION"),
        (("ask", "ac-001", "?" * 6000), "QUESTION: it is 6,000 characters long"),
        (("annotate", "ac-001"), "there is nothing to note"),
        (("annotate", "ac-001", "--expected-version", "3"), "there is nothing to note"),
        (("annotate", "ac-001", "--metadata", "[1]"), "--metadata '[1]' is not a JSON object"),
        (("annotate", "ac-001", "--metadata", '{"a": []}'), "--metadata: a is not a plain value"),
        (("annotate", "ac-001", "--context", "nope"), "--context 'nope' is not JSON"),
        (("annotate", "ac-001", "--plan", "{}"), "--plan '{}' is not a JSON list"),
        (("annotate", "ac-001", "--error", "e", "--expected-version", "-1"), "--expected-version"),
        (("annotate", "ac-001", "--context", '{"a": "\\u0000"}'), "NUL"),
        (("propose", "ac-001"), "give --changes JSON, or --file FILE"),
        (("propose", "ac-001", "--changes", "{}"), "--changes '{}' is not a JSON list"),
        (("propose", "ac-001", "--changes", "[]"), "--changes"),
        (("propose", "ac-001", "--changes", '[{"action": "fly"}]'), "--changes"),
        (("propose", "ac-001", "--file", "/no/such/file"), "--file /no/such/file cannot be read"),
        (("pause", "ac-001", "--reason", "r" * 5001), "--reason: it is 5,001 characters long"),
        (("pause", "ac-001", "ac-002", "--run", "x"), "--run is about one review"),
        (("touch", "ac-001", "--as", "n" * 201), "--as: it is 201 characters long"),
    ],
    ids=lambda words: " ".join(words)[:40] if isinstance(words, tuple) else "",
)
def test_what_does_not_fit_is_one_sentence(
    reviews: Reviews, words: tuple[str, ...], said: str
) -> None:
    assert said in reviews.quick(*words).sentence(2)
    assert reviews.quick(*words, "-o", "json").error(2)["code"] == "bad_input"


def test_what_a_review_does_not_take_now_names_its_phase(reviews: Reviews, tmp_path: Path) -> None:
    reviews.json("start", "ac-014", "--wait", "closed")
    for words in (
        ("pause",), ("resume",), ("touch",), ("ask", "Why?"), ("annotate", "--error", "e"),
        ("propose", "--changes", json.dumps([NOTE])),
    ):  # fmt: skip
        refused = reviews.quick(words[0], "ac-014", *words[1:]).sentence(4)
        assert refused.startswith(f"{words[0]}: the review is closed already"), refused
        assert "(phase completed)" in refused
    reviews.request("ac-046")
    assert "not paused (phase approval" in reviews.quick("resume", "ac-046").sentence(4)
    changes = tmp_path / "changes.json"
    changes.write_text('[{"change_id": "feedfeedfeedfeed"}]', encoding="utf-8")
    refused = reviews.quick("propose", "ac-046", "--file", str(changes)).sentence(2)
    assert "feedfeedfeedfeed" in refused
    reviews.json("cancel", "ac-046")


def test_at_most_so_many_interactive_reviews_are_open(reviews: Reviews) -> None:
    opened = open_one(reviews, "ac-015")
    refused = reviews.quick("start", "ac-016", "--interactive", **ONE_PLACE)
    assert "Maximum concurrent reviews (1) reached" in refused.sentence(6)
    error = reviews.quick("start", "ac-016", "--interactive", "-o", "json", **ONE_PLACE).error(6)
    assert error["code"] == "limit_reached"
    many = reviews.quick("start", "ac-016", "ac-017", "--interactive", "-o", "json", **ONE_PLACE)
    assert all("Maximum" in one["error"] for one in many.document(code=1)["items"])
    joined = reviews.json("start", "ac-015", "--interactive", "--if-running", "join", **ONE_PLACE)
    assert (joined["run_id"], joined["joined"]) == (opened["run_id"], True)
    assert reviews.json("start", "ac-018", **ONE_PLACE)["account_id"] == "ac-018"
    reviews.json("annotate", "ac-015", "--step", "still usable")
    reviews.json("close", "ac-015", "--outcome", "completed")
    reviews.closed("ac-015")
    assert reviews.json("start", "ac-016", "--interactive", "--wait", **ONE_PLACE)["run_id"]
    reviews.json("close", "ac-016", "--outcome", "completed")


async def test_commands_that_race_for_the_last_places_cannot_win_more_than_there_are(
    reviews: Reviews, stack_engine: AsyncEngine
) -> None:
    taken = await rows(stack_engine, "select reservation_id from reviews.admission")
    most = {"SESSION_MAX_CONCURRENT": str(len(taken) + 2)}
    accounts = [f"ac-0{number}" for number in range(22, 30)]
    begun = [reviews.begin("start", one, "--interactive", **most) for one in accounts]
    said = [process.communicate(timeout=PATIENCE)[1] for process in begun]
    ended = [process.returncode for process in begun]
    assert sorted(ended) == [0, 0, *[6] * 6], said
    for account, code in zip(accounts, ended, strict=True):
        if code == 0:
            reviews.json("cancel", account)


def test_one_that_nobody_touches_is_abandoned_and_makes_room(reviews: Reviews) -> None:
    short = {"SESSION_TIMEOUT_SECS": "3"}
    started = reviews.quick("start", "ac-030", "--interactive", "--wait", "closed", **short)
    assert started.code == 1, started.err
    closed = reviews.closed("ac-030")
    assert (closed["phase"], closed["outcome"]) == ("abandoned", "abandoned")
    assert "nobody touched it" in closed["reason"]
    assert reviews.json("start", "ac-030")["outcome"] is None


def test_who_may_is_asked_before_anything_is_sent(reviews: Reviews, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('[access.users.ann]\nroles = ["auditor"]\n', encoding="utf-8")
    given = {"REVIEWS_POLICY_FILE": str(policy)}
    reviews.request("ac-047")
    version = reviews.json("snapshot", "ac-047")["version"]
    for words in (
        ("pause",), ("resume",), ("cancel",), ("close", "--outcome", "failed"), ("touch",),
        ("ask", "Why?"), ("annotate", "--error", "e"),
        ("propose", "--changes", json.dumps([NOTE])),
    ):  # fmt: skip
        for name in ("ann", "stranger"):
            refused = reviews.quick(words[0], "ac-047", *words[1:], "--as", name, **given)
            assert name in refused.sentence(1), words
    assert reviews.json("snapshot", "ac-047")["version"] == version
    reviews.json("cancel", "ac-047")


def test_an_idle_time_is_that_of_the_start(reviews: Reviews, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('[idle]\ntimeout = "off"\n', encoding="utf-8")
    reviews.json("start", "ac-019", "--interactive", "--wait", SESSION_TIMEOUT_SECS="90")
    reviews.json("start", "ac-020", "--interactive", "--wait", REVIEWS_POLICY_FILE=str(policy))
    assert reviews.json("snapshot", "ac-019")["idle_seconds"] == 90
    assert reviews.json("snapshot", "ac-020")["idle_seconds"] is None
    assert reviews.json("snapshot", "ac-020")["interactive"] is True
    for account in ("ac-019", "ac-020"):
        reviews.json("close", account, "--outcome", "completed")
    wrong = reviews.quick("start", "ac-021", "--interactive", SESSION_TIMEOUT_SECS="soon")
    assert "SESSION_TIMEOUT_SECS is 'soon'" in wrong.sentence(2)
