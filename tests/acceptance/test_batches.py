"""Many requests decided on by one command."""

import csv
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import CLI, SAMPLE, Reviews
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE

ROW = {
    *("request_id", "review_id", "account_id", "decision", "decision_id", "ok", "queued", "state"),
    *("items", "error"),
}


@pytest.fixture(scope="module", autouse=True)
def worker(reviews: Reviews) -> Iterator[None]:
    process = reviews.worker()
    yield
    process.terminate()
    process.communicate()


def ids(reviews: Reviews, *accounts: str) -> list[str]:
    """Start reviews of these accounts and give their requests."""
    reviews.json("start", *accounts, "--wait")
    found = [reviews.json("approvals", "list", "--account", one)["items"] for one in accounts]
    return [str(items[0]["request_id"]) for items in found]


def typed(
    reviews: Reviews, *words: str, answer: str, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run a command with something on its standard input."""
    return subprocess.run(
        [*CLI, *words],
        env={**reviews.env, **more},
        cwd=ROOT,
        input=answer,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_several_are_approved_and_each_has_a_row(reviews: Reviews) -> None:
    first, second = ids(reviews, "ac-034", "ac-036")
    named = (first, second[:8], "ac-034-1", first)
    rows = reviews.json("approvals", "approve", *named, "--as", "ow-4")["items"]
    assert [row["request_id"] for row in rows] == [first, second]
    assert reviews.json("approvals", "show", "ac-036-1")["request_id"] == second
    assert reviews.json("approvals", "show", first)["short_id"] == "ac-034-1"
    assert all(set(row) == ROW for row in rows)
    assert {(row["ok"], row["state"], row["error"]) for row in rows} == {(True, "approved", None)}
    assert reviews.closed("ac-036")["outcome"] == "completed"


def test_a_name_that_nothing_can_have_is_refused_alone(reviews: Reviews, tmp_path: Path) -> None:
    (request,) = ids(reviews, "ac-041")
    file = tmp_path / "decisions.json"
    names = (r"a\u0000b", r"\ud800", "x" * 1000)
    entries = [f'{{"request_id": "{name}"}}' for name in (*names, request)]
    file.write_text(f"[{','.join(entries)}]", encoding="utf-8")
    answer = reviews.quick(
        "approvals", "defer", "--file", str(file), "--as", "ow-5", "-o", "json"
    ).document(1)
    codes = [row["ok"] or row["error"]["code"] for row in answer["items"]]
    assert codes == ["request_not_found"] * 3 + [True]
    assert len(answer["items"][2]["error"]["message"]) < 200


def test_one_that_fails_stops_and_undoes_no_other(reviews: Reviews) -> None:
    first, second = ids(reviews, "ac-038", "ac-040")
    reviews.json("approvals", "defer", first, "--as", "ow-2")
    answer = reviews.quick(
        *("approvals", "reject", first, "nosuchrequest", second, "--as", "ow-1"),
        *("--reason", "not now", "-o", "json"),
    )
    rows = answer.document(1)["items"]
    assert [row["ok"] for row in rows] == [False, False, True]
    assert [row["error"] and row["error"]["code"] for row in rows] == [
        "conflict", "request_not_found", None,
    ]  # fmt: skip
    assert "ow-2" in rows[0]["error"]["message"]
    told = reviews.quick("approvals", "defer", first, second, "--as", "ow-1")
    assert told.code == 1
    assert "0 decided, 2 refused" in told.out


def test_all_is_asked_for_before_anything_is_decided(reviews: Reviews) -> None:
    (request,) = ids(reviews, "ac-042")
    every = ("approvals", "approve", "--all", "--account", "ac-042", "--as", "ow-1")
    for answer in ("", "no\n", "\n"):
        done = typed(reviews, *every, answer=answer)
        assert done.returncode == 1, done
        assert "nothing was decided" in done.stderr
    assert reviews.json("approvals", "show", request)["decisions"] == []
    done = typed(reviews, *every, "-o", "json", answer="yes\n")
    assert [row["request_id"] for row in json.loads(done.stdout)["items"]] == [request]
    assert "ac-042-" in done.stderr
    assert reviews.quick(*every, "--yes").out == "there is nothing to decide\n"


def test_all_of_an_owner_without_a_question(reviews: Reviews) -> None:
    reviews.json("start", "--owner", "ow-8", "--wait")
    rows = reviews.json("approvals", "defer", "--all", "--owner", "ow-8", "--as", "ow-8", "--yes")
    assert {row["account_id"] for row in rows["items"]} == {"ac-061", "ac-062"}
    assert {row["state"] for row in rows["items"]} == {"deferred"}


def test_a_file_says_what_is_decided_of_each(reviews: Reviews, tmp_path: Path) -> None:
    first, second = ids(reviews, "ac-035", "ac-046")
    items = reviews.json("approvals", "show", first)["items"]
    entries: list[dict[str, Any]] = [
        {"request_id": first, "item_ids": [items[0]["item_id"]]},
        {"request_id": first, "decision": "reject", "reason": "enough"},
        {"request_id": second, "decision": "defer"},
        {"request_id": second, "decision": "defer"},
        {"request_id": second, "decision": "nonsense"},
    ]
    file = tmp_path / "decisions.json"
    file.write_text(json.dumps(entries), encoding="utf-8")
    words = ("approvals", "approve", "--file", str(file), "--as", "ow-1", "-o", "json")
    rows = reviews.quick(*words).document(1)["items"]
    assert [(row["decision"], row["ok"]) for row in rows] == [
        ("approve", True), ("reject", True), ("defer", True), ("nonsense", False),
    ]  # fmt: skip
    assert rows[-1]["error"]["code"] == "bad_input"
    shown = reviews.json("approvals", "show", first)
    assert {one["decision"] for one in shown["decisions"]} == {"approve", "reject"}


def test_standard_input_is_a_file_too(reviews: Reviews) -> None:
    (request,) = ids(reviews, "ac-048")
    entries = {"items": [{"request_id": request}]}
    words = ("approvals", "defer", "--file", "-", "--as", "ow-1")
    done = typed(reviews, *words, answer=json.dumps(entries))
    assert done.returncode == 0, done
    assert "1 decided, 0 refused" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "no request is named"),
        (("a-request", "--all"), "cannot be given together"),
        (("a-request", "--owner", "ow-1"), "--owner goes with --all"),
        (("one-request", "another-one", "--item", "i"), "--item is about one request"),
        (("one-request", "another-one", "--decision-id", "i"), "--decision-id is about one"),
        (("--file", "/nowhere.json"), "cannot be read"),
    ],
)
def test_words_that_do_not_go_together(reviews: Reviews, words: tuple[str, ...], said: str) -> None:
    answer = reviews.quick("approvals", "approve", *words, "--as", "ow-1")
    assert said in answer.sentence(2)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is not JSON"),
        ('"x"', "holds no list"),
        ("[1]", "decision 1 is not a JSON object"),
        ("[{}]", "decision 1 names no request_id"),
        ('[{"request_id": "a", "approver": "b"}]', "--as"),
    ],
)
def test_a_file_that_cannot_be_used(
    reviews: Reviews, tmp_path: Path, content: str, said: str
) -> None:
    file = tmp_path / "decisions.json"
    file.write_text(content, encoding="utf-8")
    answer = reviews.quick("approvals", "approve", "--file", str(file), "--as", "ow-1")
    assert said in answer.sentence(2)


def test_a_policy_can_forbid_batches(reviews: Reviews, tmp_path: Path) -> None:
    first, second = ids(reviews, "ac-033", "ac-037")
    policy = tmp_path / "policy.toml"
    policy.write_text("[approvals]\nbatch = false\n", encoding="utf-8")
    off = {"REVIEWS_POLICY_FILE": str(policy)}
    words = ("approvals", "defer", first, second, "--as", "ow-1", "-o", "json")
    rows = reviews.quick(*words, **off).document(1)["items"]
    assert [row["ok"] for row in rows] == [False, False]
    assert "no decisions on several requests" in rows[0]["error"]["message"]
    assert reviews.json("approvals", "show", first)["state"] == "pending"
    assert reviews.quick("approvals", "defer", first, "--as", "ow-1", **off).code == 0


@pytest.mark.timeout(400)
def test_a_hundred_at_once(reviews: Reviews, tmp_path: Path) -> None:
    portfolio = tmp_path / "portfolio"
    shutil.copytree(SAMPLE, portfolio)
    source = SAMPLE / "accounts.csv"
    with source.open(encoding="utf-8", newline="") as file:
        lines = list(csv.reader(file))
    at_risk = next(line for line in lines if line[0] == "ac-034")
    with (portfolio / "accounts.csv").open("a", encoding="utf-8", newline="") as file:
        copies = [[f"copy-{n:03}", *at_risk[1:]] for n in range(100)]
        csv.writer(file).writerows(copies)
    mapping = ("--mapping", str(portfolio / "mapping.yaml"), "--as-of", "2026-10-01")
    assert reviews.quick("crm", "import", str(portfolio), *mapping).code == 0
    names = [line[0] for line in copies]
    reviews.json("start", *names)

    def requests_of(page: dict[str, Any]) -> list[str]:
        return [one["request_id"] for one in page["items"] if one["account_id"] in names]

    page = reviews.until(
        *("approvals", "list", "--limit", "1000"),
        holds=lambda page: len(requests_of(page)) == 100,
        seconds=300,  # a hundred reviews on a machine that has other work
    )
    requests = requests_of(page)
    rows = reviews.json("approvals", "reject", *requests, "--as", "ow-1", "--reason", "a test")
    assert [row["request_id"] for row in rows["items"]] == requests
    assert {(row["ok"], row["state"]) for row in rows["items"]} == {(True, "rejected")}
