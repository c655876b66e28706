"""Lists, snapshots, the resume decision and health, as people and agents ask for them."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.local.stack import LocalStack
from tests.support.commands import CLI, Answer, Reviews, rows
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE

_LONG_AGO = """
update reviews.review_runs set
  state = jsonb_set(state, '{updated_at}', to_jsonb(now() - interval '31 minutes'))
where account_id = 'ac-034'
"""


@pytest.fixture(scope="module")
def waiting(reviews: Reviews) -> dict[str, Any]:
    """A request of a review that waits, beside one that is closed."""
    closed = ("start", "ac-008", "--wait", "--name", "the call", "--agent", "desk")
    assert reviews(*closed, "--purpose", "renewal", "--metadata", '{"ticket": "T-1"}').code == 0
    return reviews.request("ac-034")


def accounts(reviews: Reviews, *words: str) -> list[str]:
    return [item["account_id"] for item in reviews.json("list", *words)["items"]]


def agent(reviews: Reviews, sent: bytes, *words: str) -> Answer:
    """What `resumable --stdin` answers."""
    done = subprocess.run(
        [*CLI, "resumable", "--stdin", *words],
        input=sent,
        env=reviews.env,
        cwd=ROOT,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    return Answer(done.returncode, done.stdout.decode(), done.stderr.decode())


def test_filters_narrow_the_list_together(reviews: Reviews, waiting: dict[str, Any]) -> None:
    owner = waiting["owner_id"]
    approver = waiting["approvers"][0]
    assert accounts(reviews) == ["ac-034", "ac-008"]
    for words, found in (
        (("--status", "waiting"), ["ac-034"]),
        (("--phase", "APPROVAL", "--owner", owner), ["ac-034"]),
        (("--waiting-on", approver), ["ac-034"]),
        (("--waiting-on", approver, "--agent", "desk"), []),
        (("--agent", "desk", "--purpose", "renewal", "--name", "the call"), ["ac-008"]),
        (("--outcome", "completed"), []),
        (("--since", "2030-01-01"), []),
        (("--until", "2030-01-01", "--open"), ["ac-034"]),
        (("--kind", "on_demand", "--account", "ac-008"), ["ac-008"]),
        (("--needs-attention", "--risk-level", "high"), ["ac-034"]),
        (("--tenant", "elsewhere"), []),
    ):
        assert accounts(reviews, *words) == found, words


def test_a_page_says_how_to_go_on(reviews: Reviews, waiting: dict[str, Any]) -> None:
    first = reviews.json("list", "--limit", "1")
    (item,) = first["items"]
    assert item["waiting_on"] == waiting["approvers"]
    assert item["risk_level"] == "high"
    assert item["due_at"]
    assert item["needs_attention"] is True
    second = reviews.json("list", "--limit", "1", "--cursor", first["next_cursor"])
    assert [item["account_id"] for item in second["items"]] == ["ac-008"]
    assert second["next_cursor"] is None


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--phase", "sleeping"), "initializing, investigating, planning, approval"),
        (("--kind", "odd"), "scheduled, on_demand, manual, event, undo"),
        (("--risk-level", "huge"), "critical, high, medium, low, none, unknown"),
        (("--limit", "201"), "200"),
        (("--limit", "0"), "1"),
        (("--since", "yesterday"), "--since: 'yesterday' is not a time"),
        (("--since", "2026-02-01", "--until", "2026-01-01"), "--since is not before --until"),
    ],
)
def test_what_no_review_can_have_is_refused(
    reviews: Reviews, words: tuple[str, ...], says: str
) -> None:
    assert says in reviews.quick("list", *words).sentence(2)


def test_a_snapshot_has_all_that_is_saved(reviews: Reviews, waiting: dict[str, Any]) -> None:
    live = reviews.json("snapshot", "ac-034")
    assert live["source"] == "workflow"
    assert live["phase"] == "approval"
    assert live["version"] > 0
    assert (live["context"], live["conversation"], live["plan"], live["step"]) == ({}, [], [], None)
    assert live["counters"]["crm_reads"] == 1
    assert [one["request_id"] for one in live["requests"]] == [waiting["request_id"]]
    closed = reviews.json("snapshot", "ac-008")
    assert closed["source"] == "projection"
    assert closed["metadata"] == {"ticket": "T-1"}
    assert closed["outcome"] == "nothing_to_do"
    said = reviews.quick("snapshot", "ac-008")
    assert "metadata ticket: T-1" in said.out
    assert "no review" in reviews.quick("snapshot", "nope").sentence(3)


def test_yes_and_no_have_their_exit_codes(reviews: Reviews, waiting: dict[str, Any]) -> None:
    yes = reviews.quick("resumable", "ac-034", "-o", "json").document()
    assert yes["resumable"] is True
    assert (yes["phase"], yes["source"], yes["error_count"]) == ("approval", "workflow", 0)
    no = reviews.quick("resumable", "ac-008", "-o", "json").document(1)
    assert no["resumable"] is False
    assert "closed" in no["reason"]
    unknown = reviews.quick("resumable", "nope", "-o", "json").document(1)
    assert unknown["resumable"] is False
    assert unknown["review_id"] is None
    assert reviews.quick("resumable", waiting["run_id"]).out.startswith("yes")
    assert "--stdin" in reviews.quick("resumable").sentence(2)


@pytest.mark.usefixtures("waiting")
def test_an_agent_is_handed_what_it_goes_on_with(reviews: Reviews) -> None:
    sent = {"agent_name": "desk", "task_id": "T-1", "agent_id": "review/ac-034", "x": "\ud800é"}
    answer = agent(reviews, json.dumps(sent).encode()).document()
    assert answer["should_resume"] is True
    assert answer["reason"] == "session_resumable"
    assert answer["agent_id"] == "review/ac-034"
    assert answer["original_context"] == sent
    assert answer["resume_metadata"]["previous_phase"] == "approval"
    assert answer["resume_metadata"]["history"]
    assert answer["resume_metadata"]["session_metadata"] == {}


@pytest.mark.usefixtures("waiting")
@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"{}", "no_existing_session"),
        (b'{"agent_id": null}', "no_existing_session"),
        (b'{"agent_id": 7}', "no_existing_session"),
        (b'{"agent_id": "nope"}', "session_not_resumable"),
        (b'{"agent_id": "ac-008"}', "session_not_resumable"),
        (b'{"agent_id": "a\\u0000b"}', "session_not_resumable"),
        (b"", "error"),
        (b"[1]", "error"),
        (b"{", "error"),
        (b"\xff\xfe\x00", "error"),
        (b"[" * 100_000, "error"),
    ],
)
def test_an_agent_is_always_answered(reviews: Reviews, sent: bytes, reason: str) -> None:
    answer = agent(reviews, sent)
    document = answer.document(1)
    assert document["should_resume"] is False
    assert document["reason"] == reason
    assert {"agent_id", "resume_metadata", "original_context"} <= set(document)
    assert "Traceback" not in answer.err


def test_without_a_database_an_agent_is_answered_too(reviews: Reviews) -> None:
    away = Reviews.__new__(Reviews)
    away.env = {**reviews.env, "REVIEWS_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none"}
    document = agent(away, b'{"agent_id": "ac-034"}').document(1)
    assert document["reason"] == "module_not_found"
    assert document["original_context"] == {"agent_id": "ac-034"}
    broken = {**reviews.env, "REVIEWS_POLICY_FILE": "/there/is/none.toml"}
    away.env = broken
    assert agent(away, b'{"agent_id": "ac-034"}').document(1)["reason"] == "error"


@pytest.mark.usefixtures("waiting")
def test_the_contract_tries_itself(reviews: Reviews) -> None:
    tried = reviews.quick("resumable", "--test", "-o", "json").document()
    assert tried["ok"] is True
    assert len(tried["cases"]) == 4


async def test_the_views_show_reviews_in_other_words(
    waiting: dict[str, Any], stack_engine: AsyncEngine
) -> None:
    found = await rows(stack_engine, "select * from reviews.agent_sessions order by created_at")
    assert [one["status"] for one in found] == ["completed", "running"]
    assert list(found[0]) == [
        "session_id", "orchestrator_id", "status", "session_type", "context_snapshot",
        "account_ids", "owner_id", "created_at", "updated_at",
    ]  # fmt: skip
    last = found[-1]
    assert last["session_id"] == waiting["run_id"]
    assert last["orchestrator_id"] == "review/ac-034"
    assert last["account_ids"] == ["ac-034"]
    assert last["session_type"] == "on_demand"
    assert last["context_snapshot"]["account_ids"] == ["ac-034"]
    assert found[0]["context_snapshot"]["metadata"] == {"ticket": "T-1"}


SERVICE = {"name", "ok", "breaker", "since", "detail"}


def test_health_says_what_is_not_well(reviews: Reviews, waiting: dict[str, Any]) -> None:
    assert waiting["state"] == "pending"
    document = reviews.quick("health", "-o", "json").document()
    assert (document["ok"], document["level"]) == (True, "full")
    names = [check["name"] for check in document["checks"]]
    assert names == ["database", "temporal", "workers", "read model", "crm", "memory"]
    assert [set(one) for one in document["services"]] == [SERVICE] * 6
    assert document["snapshot_age_seconds"] < 3600
    assert document["active_sessions"] >= 1
    assert document["oldest_session_age"] >= document["avg_session_age"] > 0
    crm = {"REVIEWS_CRM_URL": "postgresql://nobody@127.0.0.1:9/none"}
    without = reviews.quick("health", "-o", "json", **crm).document()
    assert (without["ok"], without["level"]) == (True, "degraded")
    database = {"REVIEWS_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none"}
    away = reviews.quick("health", "-o", "json", **database).document(1)
    failed = {check["name"]: check for check in away["checks"] if not check["ok"]}
    assert set(failed) == {"database", "read model", "crm", "memory"}
    assert (away["level"], away["snapshot_age_seconds"]) == ("minimal", None)
    assert away["total_sessions"] is None
    temporal = {"TEMPORAL_ADDRESS": "127.0.0.1:9"}
    away = reviews.quick("health", "-o", "json", **temporal).document(1)
    failed = {check["name"]: check for check in away["checks"] if not check["ok"]}
    assert set(failed) == {"temporal", "workers", "read model"}
    assert all(check["hint"] for check in failed.values())
    queue = {"REVIEWS_TENANT": "nobody"}
    away = reviews.quick("health", "-o", "json", **queue).document(1)
    (check,) = [one for one in away["checks"] if not one["ok"]]
    assert check["name"] == "workers"
    assert check["hint"] == "start one: `reviews worker`"
    assert "FAILED" in reviews.quick("health", **queue).out


@pytest.mark.usefixtures("waiting")
async def test_without_a_worker_what_was_saved_last_counts(
    reviews: Reviews, stack: LocalStack, stack_engine: AsyncEngine, short_dir: Path
) -> None:
    """The last test: the worker is killed."""
    for pid in stack.worker_pids:
        os.kill(pid, signal.SIGKILL)
    still = reviews.json("snapshot", "ac-034")
    assert still["source"] == "projection"
    assert still["age_seconds"] >= 0
    policy = short_dir / "short-memory.toml"
    policy.write_text('[resume]\ncontext_max_age = "30m"\n', encoding="utf-8")
    limited = {"REVIEWS_POLICY_FILE": str(policy)}
    assert reviews.quick("resumable", "ac-034", **limited).code == 0
    async with stack_engine.begin() as connection:
        await connection.execute(text(_LONG_AGO))
    assert reviews.quick("resumable", "ac-034").code == 0, "age counts for nothing by default"
    old = reviews.quick("resumable", "ac-034", **limited)
    assert old.code == 1
    assert "older than 30m" in old.out
