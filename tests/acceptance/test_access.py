"""Signed decisions, roles, and workers that may only read: as a person uses them."""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.local.stack import LocalStack
from tests.support.commands import Reviews
from tests.support.stack_trail import rest
from tests.support.waiting import PATIENCE

KEYS = "a:" + "k" * 32
ROLES = """
[access.users]
"Ann Lee" = ["approver"]
"Ilse Varnholt" = ["account_owner"]
"Olga" = { roles = ["account_owner"], id = "ow-2" }
"Lea" = ["analyst"]
"Opal" = ["operator"]
"Udo" = ["auditor"]
"""


class Bench:
    """A stack whose worker goes by a policy file of the test."""

    def __init__(self, reviews: Reviews, policy: Path) -> None:
        self.reviews = reviews
        self.policy = policy
        self.workers: list[subprocess.Popen[str]] = []

    def says(self, text: str) -> None:
        self.policy.write_text(text, encoding="utf-8")

    def work(self, *flags: str, **more: str) -> str:
        """Start a worker; gives its first line."""
        env = {"REVIEWS_POLICY_FILE": str(self.policy), "REVIEWS_APPROVAL_KEYS": KEYS, **more}
        begun = self.reviews.begin("worker", *flags, **env)
        self.workers.append(begun)
        assert begun.stderr is not None
        said = begun.stderr.readline()
        assert said.startswith("worker ready"), said + begun.stderr.read()
        return said

    def stop(self) -> None:
        for one in self.workers:
            one.terminate()
        for one in self.workers:
            one.communicate(timeout=PATIENCE)
        self.workers.clear()

    def lines(self, review: str) -> list[tuple[str, str | None]]:
        """Refusals in the review's own story."""
        items = self.reviews.json("history", review)["items"]
        return [(one["text"], one["by"]) for one in items if one["kind"] == "approval_refused"]


@pytest.fixture(scope="module")
async def without_worker(stack: LocalStack) -> None:
    """From here on the only workers are those that a test starts."""
    await stack.kill_worker()


@pytest.fixture
def bench(reviews: Reviews, without_worker: None, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(reviews, tmp_path / "policy.toml")
    yield bench
    bench.stop()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--decision", "maybe"), "--decision"),
        (("--decision", "approve", "--expires-in", "1 hour"), "--expires-in is '1 hour'"),
        (("--decision", "approve", "--expires-in", "91d"), "--expires-in must be from 1s to 90d"),
        (("--decision", "adjust"), "adjust needs one --item and at least one --set"),
        (("--decision", "approve", "--set", "a=b"), "--set is for adjust only"),
    ],
)
def test_a_token_of_what_could_never_be_applied_is_not_made(
    reviews: Reviews, words: tuple[str, ...], says: str
) -> None:
    found = reviews.json("approvals", "list", "--account", "ac-043")["items"]
    request = found[0] if found else reviews.request("ac-043")
    make = ("approvals", "token", request["request_id"], "--as", "Ann", *words, "-o", "json")
    assert says in reviews.quick(*make, REVIEWS_APPROVAL_KEYS=KEYS).error(2)["message"]
    known = (*make[:5], "--decision", "approve", "--item", "zz", "-o", "json")
    assert "no item 'zz'" in reviews.quick(*known, REVIEWS_APPROVAL_KEYS=KEYS).error(3)["message"]
    numbered = (*make[:5], "--decision", "approve", "--item", "1")
    first = reviews.json(*numbered, REVIEWS_APPROVAL_KEYS=KEYS)
    assert first["request_id"] == request["request_id"]


def decide(bench: Bench, request: dict[str, Any], verdict: str, *words: str, **env: str) -> Any:
    number = request["request_id"]
    return bench.reviews.quick("approvals", verdict, number, *words, "-o", "json", **env)


async def test_a_signed_decision_counts_for_what_was_signed_and_once(bench: Bench) -> None:
    bench.says("[approvals]\nrequire_signed = true\n")
    bench.work()
    request = bench.reviews.request("ac-041")
    number, review = request["request_id"], request["review_id"]
    ann = ("--as", "Ann Lee")
    unsigned = decide(bench, request, "approve", *ann).error(1)
    assert "decisions must be signed" in unsigned["message"]
    kindly = decide(bench, request, "approve", *ann, REVIEWS_POLICY_FILE=str(bench.policy)).error(1)
    assert "has no --token" in kindly["message"]
    assert "reviews approvals token" in kindly["hint"]
    told = bench.reviews.json("audit", "tail", "--review", review, "--type", "approval_refused")
    assert any("has no --token" in str(row["details"]) for row in told["items"])

    make = ("approvals", "token", number, "--decision", "approve", *ann)
    keyless = bench.reviews.quick(*make, "-o", "json").error(2)
    assert keyless["message"] == "there is no key to sign with"
    token = bench.reviews.json(*make, REVIEWS_APPROVAL_KEYS=KEYS)["token"]
    other = bench.reviews.json(*make, REVIEWS_APPROVAL_KEYS="a:" + "x" * 32)["token"]

    for verdict, words, says in (
        ("approve", ("--as", "Bob", "--token", token), "it was made for ann lee, not for bob"),
        ("reject", (*ann, "--reason", "no", "--token", token), "made to approve, not to reject"),
        ("approve", (*ann, "--token", other), "changed, or signed with another key"),
        ("approve", (*ann, "--token", token[:-2]), "the token is not valid"),
        ("approve", (*ann, "--item", request["items"][0]["item_id"], "--token", token), "items"),
    ):
        assert says in decide(bench, request, verdict, *words).error(1)["message"]
    gone = bench.reviews.json(*make, "--expires-in", "1s", REVIEWS_APPROVAL_KEYS=KEYS)["token"]
    await asyncio.sleep(1.1)
    late = decide(bench, request, "approve", *ann, "--token", gone).error(1)
    assert "the token has expired" in late["message"]

    done = decide(bench, request, "approve", "--as", " ann  LEE", "--token", token).document()
    assert done["state"] == "approved"
    again = decide(bench, request, "approve", *ann, "--token", token)
    assert again.code == 4
    closed = bench.reviews.closed("ac-041")
    assert closed["outcome"] == "completed"
    (made,) = closed["approvals"][0]["decisions"]
    assert (made["by"], made["verified"]) == ("ann LEE", True)
    assert len(bench.lines(review)) == 7
    tail = bench.reviews.json("audit", "tail", "--review", review, "--limit", "500")["items"]
    assert [one["actor"] for one in tail if one["action"] == "decision signed"] == ["Ann Lee"] * 3
    assert token not in str(tail)


def test_a_token_is_checked_also_where_none_is_asked_for(bench: Bench) -> None:
    bench.says('version = "free"\n')
    bench.work()
    request = bench.reviews.request("ac-042")
    ann = ("--as", "Ann Lee")
    wrong = decide(bench, request, "approve", *ann, "--token", "nonsense").error(1)
    assert "the token is not valid" in wrong["message"]
    make = ("approvals", "token", request["request_id"], "--decision", "approve", *ann)
    token = bench.reviews.json(*make, REVIEWS_APPROVAL_KEYS=KEYS)["token"]
    decide(bench, request, "approve", *ann, "--token", token).document()
    (made,) = bench.reviews.closed("ac-042")["approvals"][0]["decisions"]
    assert made["verified"] is True


def test_keys_that_cannot_be_used_stop_a_worker_at_its_door(bench: Bench, tmp_path: Path) -> None:
    bench.says("[approvals]\nrequire_signed = true\n")
    policy = str(bench.policy)
    reviews = bench.reviews
    short = reviews("worker", REVIEWS_APPROVAL_KEYS="a:short").sentence(2)
    assert "the secret of the key 'a' in REVIEWS_APPROVAL_KEYS has 5 bytes" in short
    none = reviews("worker", REVIEWS_POLICY_FILE=policy).sentence(2)
    assert "there are no keys to check decisions with" in none
    both = {"REVIEWS_APPROVAL_KEYS": KEYS, "REVIEWS_APPROVAL_KEYS_FILE": policy}
    assert "_FILE are set" in reviews("worker", **both).sentence(2)
    away = reviews("worker", REVIEWS_APPROVAL_KEYS_FILE=str(tmp_path / "none")).sentence(2)
    assert "which cannot be read: No such file" in away
    shown = reviews.json("config", "show", REVIEWS_APPROVAL_KEYS=KEYS)
    values = {one["name"]: one["value"] for one in shown["items"]}
    assert values["REVIEWS_APPROVAL_KEYS"] == "***"


def test_roles_hold_whatever_door_and_when_it_is_decided(bench: Bench) -> None:
    bench.says(ROLES)
    bench.work()
    request = bench.reviews.request("ac-044")
    here = {"REVIEWS_POLICY_FILE": str(bench.policy)}
    for name, says in (
        ("Eve", "'Eve' is not among the users of the policy and may do nothing"),
        ("Lea", "Lea is analyst and may not decide"),
        ("Udo", "Udo is auditor and may not decide"),
        ("Ilse Varnholt", "Ilse Varnholt may decide on his own accounts only"),
    ):
        for env in ({}, here):  # by the review itself, and by our command before it
            words = ("--as", name, "--reason", "no")
            assert says in decide(bench, request, "reject", *words, **env).error(1)["message"]
    assert len(bench.lines("ac-044")) == 4
    tail = bench.reviews.json("audit", "tail", "--limit", "500", "--type", "approval_refused")
    assert {one["actor"] for one in tail["items"]} >= {"Eve", "Lea", "Udo", "Ilse Varnholt"}

    refused = bench.reviews.quick("cancel", "ac-044", "--as", "Udo", "-o", "json", **here)
    assert "Udo is auditor and may not cancel" in refused.error(1)["message"]
    stop = bench.reviews.quick("stop-all", "--as", "Lea", "-o", "json", **here)
    assert "Lea is analyst and may not stop-all" in stop.error(1)["message"]
    apply = bench.reviews.quick("schedules", "apply", "--as", "Ann Lee", "-o", "json", **here)
    assert "Ann Lee is approver and may not schedules" in apply.error(1)["message"]

    bench.says(ROLES.replace('"Ann Lee" = ["approver"]', ""))
    removed = decide(bench, request, "approve", "--as", "Ann Lee").error(1)
    assert "'Ann Lee' is not among the users" in removed["message"]
    bench.says(ROLES.replace('["approver"]', '["aprover"]'))
    broken = decide(bench, request, "approve", "--as", "Ann Lee").error(1)
    assert "it cannot be checked now" in broken["message"]
    assert "has the role 'aprover'" in broken["message"]
    bench.says(ROLES)
    assert decide(bench, request, "approve", "--as", "olga").document()["state"] == "approved"
    assert bench.reviews.closed("ac-044")["outcome"] == "completed"


async def test_a_decision_by_the_id_of_the_crm_is_no_fault_of_the_trail(
    bench: Bench, stack_engine: AsyncEngine
) -> None:
    """The policy gives that id to a name, and the review records by that name."""
    bench.says(ROLES)
    bench.work()
    request = bench.reviews.request("ac-038")
    first = ("--item", request["items"][0]["item_id"])
    decide(bench, request, "approve", *first, "--as", "ow-2").document()
    assert decide(bench, request, "approve", *first, "--as", "Olga").code == 4
    decide(bench, request, "defer", "--as", "OW-2 ").document()
    made = bench.reviews.closed("ac-038")["approvals"][0]["decisions"]
    assert {one["by"] for one in made} == {"Olga"}
    bench.reviews.json("audit", "reconcile")
    await rest(stack_engine)
    found = bench.reviews.json("audit", "verify", "--review", "ac-038")
    assert (found["ok"], found["missing"], found["extra"]) == (True, [], [])

    here = {"REVIEWS_POLICY_FILE": str(bench.policy)}
    by_name, by_id = (
        bench.reviews.json("audit", "tail", "--account", "ac-038", "--actor", who, **here)["items"]
        for who in ("Olga", "ow-2")
    )
    assert by_name == by_id
    assert {one["actor"] for one in by_name} >= {"Olga", "ow-2"}
    name = bench.reviews.json("show", "ac-038")["account_name"]
    assert bench.reviews.json("audit", "verify", "--review", name)["ok"] is True


def test_roles_hold_for_what_is_opened_after_they_were_given(bench: Bench) -> None:
    bench.says('version = "free"\n')
    bench.work()
    before = bench.reviews.request("ac-046")
    bench.says(ROLES)
    after = bench.reviews.request("ac-047")
    refused = decide(bench, after, "approve", "--as", "Eve").error(1)
    assert "'Eve' is not among the users of the policy" in refused["message"]
    assert decide(bench, before, "defer", "--as", "Eve").document()["state"] == "deferred"
    assert decide(bench, after, "defer", "--as", "Ann Lee").document()["state"] == "deferred"


def test_starting_is_for_those_who_may(bench: Bench) -> None:
    bench.says(ROLES)
    here = {"REVIEWS_POLICY_FILE": str(bench.policy)}
    words = ("start", "ac-001", "--plan-only", "-o", "json", "--by")
    bench.work()
    assert (
        "Udo is auditor and may not start"
        in (bench.reviews.quick(*words, "Udo", **here).error(1)["message"])
    )
    bench.reviews.quick(*words, "Ilse Varnholt", "--wait", "closed", **here).document()
    rows = ("start", "ac-001", "ac-002", "--plan-only", "-o", "json", "--by", "Ilse Varnholt")
    mixed = bench.reviews.quick(*rows, **here).document(code=1)["items"]
    assert [("error" in one) for one in mixed] == [False, True]
    assert "on his own accounts only" in mixed[1]["error"]


def test_a_worker_that_may_only_read_leaves_writes_to_one_that_writes(bench: Bench) -> None:
    bench.says('version = "two"\n')
    said = bench.work("--only", "read")
    assert "task_queue=account-reviews " in f"{said.strip()} "
    assert ":write" not in said
    request = bench.reviews.request("ac-045")
    assert decide(bench, request, "approve", "--as", "Ann").document()["state"] == "approved"
    assert bench.reviews.json("show", "ac-045")["phase"] == "executing"
    said = bench.work("--only", "write")
    assert "task_queue=account-reviews:write" in said
    assert bench.reviews.closed("ac-045")["outcome"] == "completed"
