"""Whatever is wrong, a person gets one sentence and programs one object, with the exit code."""

import base64
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.config import ports
from account_reviews.local.stack import LocalStack
from tests.support.commands import Reviews, rows
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE

HEX = "0123456789abcdef0123456789abcdef"
MIXED = "Northern0123456789AbcdefGhijklmNopq"
"""As long as keys are, and none: what was typed is told as it was typed."""
FAR_PAST = "0001-01-01T00:00:00+00:00"


class Bad(NamedTuple):
    """A command that cannot be done, its exit code, and words of its sentence."""

    words: tuple[str, ...]
    code: int
    says: tuple[str, ...]


def cursor(*parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


def bad(line: str, code: int, *says: str) -> Any:
    return pytest.param(Bad(tuple(line.split()), code, says), id=line)


USAGE = [
    bad("nonsense", 2, "No such command 'nonsense'", "try: reviews --help"),
    bad("list --nope", 2, "--nope", "try: reviews list --help"),
    bad("list --limit 0", 2, "--limit is '0'", "1"),
    bad("list --limit=many", 2, "--limit is 'many'", "integer"),
    bad("list a b", 2, "a b"),
    bad("show", 2, "review"),
    bad("start ac-001 --kind odd", 2, "--kind", "'odd'", "on_demand"),
    bad("start ac-001 --if-running hope", 2, "--if-running", "'hope'", "join"),
    bad("approvals approve some", 2, "--as", "try: reviews approvals approve --help"),
    bad("approvals nonsense", 2, "No such command 'nonsense'", "reviews approvals --help"),
]
UNKNOWN = [
    bad("start nope", 3, "no account 'nope'"),
    bad("start --owner nope", 3, "no accounts of owner 'nope'"),
    bad(f"start {HEX}", 3, f"no account '{HEX}'"),
    bad(f"start {MIXED}", 3, f"no account '{MIXED}'"),
    bad(f"cycles show cycle/{HEX}", 3, f"no cycle 'cycle/{HEX}'"),
    bad(f"show {MIXED}", 3, f"no review '{MIXED}'"),
    bad(f"approvals approve some --as ann --decision-id {HEX}", 3, "no approval request"),
    bad("show nope", 3, "no review 'nope'"),
    bad("show review/nope", 3, "no review 'review/nope'"),
    bad("watch nope", 3, "no review"),
    bad("brief nope", 3, "no review"),
    bad("history nope", 3, "no review"),
    bad("approvals show nope", 3, "no approval request 'nope'"),
    bad("approvals approve nope --as ann", 3, "no approval request 'nope'"),
    bad("approvals reject nope --as ann --reason no", 3, "no approval request 'nope'"),
]
VALUES = [
    bad("start", 2, "no account is named", "--all"),
    bad("start ac-001 --all", 2, "ACCOUNT and --all", "choose one"),
    bad("start ac-001 --as-of yesterday", 2, "'yesterday' is not a time", "2026-10-01"),
    bad("start ac-001 --as-of 2026-10-01T05:00:00", 2, "no time zone"),
    bad("start ac-001 --as-of 2062-01-01", 2, "2062-01-01", "more than a day ahead", "--plan-only"),
    bad("cycles start --all --as-of 2062-01-01", 2, "more than a day ahead"),
    bad("start ac-001 --as-of 0001-01-01", 2, "'0001-01-01'", "1970"),
    bad("start ac-001 --as-of 9999-12-31T23:59:59-10:00", 2, "2199"),
    bad("start ac-001 --metadata {", 2, "--metadata '{' is not JSON"),
    bad("start ac-001 --metadata [1]", 2, "not a JSON object"),
    bad('start ac-001 --metadata {"a":[1]}', 2, "a is not a plain value"),
    bad('start ac-001 --metadata {"a":NaN}', 2, "is not JSON"),
    bad('start ac-001 --metadata {"a":1e999}', 2, "a is larger than"),
    bad('start ac-001 --metadata {"a":"\\u0000"}', 2, "NUL"),
    bad('start ac-001 --metadata {"\\ud800":1}', 2, "is not JSON"),
    bad(f"start --file /srv/{MIXED}/ids", 2, f"/srv/{MIXED}/ids cannot be read"),
    bad("start --file /nope", 2, "/nope cannot be read", "No such file"),
    bad("start --file /dev/null", 2, "/dev/null names no account"),
    bad("list --phase odd", 2, "--phase is 'odd'", "investigating"),
    bad("list --risk-level odd", 2, "--risk-level is 'odd'", "critical"),
    bad("approvals list --state odd", 2, "--state is 'odd'", "pending", "any"),
    bad("show ac-\udcff", 2, "not UTF-8"),
]


def refused(reviews: Reviews, wanted: Bad, **env: str) -> str:
    """The sentence, after both forms of the refusal were looked at."""
    sentence = reviews.quick(*wanted.words, **env).sentence(wanted.code)
    for part in wanted.says:
        assert part in sentence
    error = reviews.quick(*wanted.words, "-o", "json", **env).error(wanted.code)
    hint = f" ({error['hint']})" if error["hint"] else ""
    assert f"{error['message']}{hint}" == sentence
    return sentence


@pytest.mark.parametrize("verb", [("list",), ("approvals", "list"), ("cycles", "list")])
@pytest.mark.parametrize(
    "word", ["xx", cursor(FAR_PAST), cursor(FAR_PAST, f"a{chr(0)}")], ids=["xx", "short", "nul"]
)
def test_what_is_no_cursor_is_refused(reviews: Reviews, verb: tuple[str, ...], word: str) -> None:
    error = reviews.quick(*verb, "--cursor", word, "-o", "json").error(2)
    assert "is not a cursor" in error["message"]
    assert "-o json" in reviews.quick(*verb, "--cursor", word).sentence(2)


@pytest.mark.parametrize("wanted", [*USAGE, *UNKNOWN, *VALUES])
def test_bad_input(reviews: Reviews, wanted: Bad) -> None:
    refused(reviews, wanted)


@pytest.mark.parametrize("verb", ["list", "approvals list"])
@pytest.mark.parametrize(
    "place", ["xx", cursor(FAR_PAST), cursor(FAR_PAST, "a" + chr(0))], ids=["word", "no id", "nul"]
)
def test_a_cursor_of_nothing(reviews: Reviews, verb: str, place: str) -> None:
    error = reviews.quick(*verb.split(), "--cursor", place, "-o", "json").error(2)
    assert error["message"] == f"{place!r} is not a cursor of this list"
    said = reviews.quick(*verb.split(), "--cursor", place).sentence(2)
    assert "--cursor is for programs" in said
    assert "--page 2" in said


def test_the_option_for_json_counts_wherever_it_stands(reviews: Reviews) -> None:
    for words in (("-o", "json"), ("--output=json",), ("--output", "json"), ("-ojson",)):
        error = reviews.quick("list", *words, "--limit", "0").error(2)
        assert error["code"] == "bad_input"
        assert "--limit" in error["message"]


def test_a_group_without_a_verb_shows_its_help(reviews: Reviews) -> None:
    answer = reviews("approvals")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("Usage: reviews approvals")
    assert "try:" not in answer.err


def test_a_file_that_is_no_text(reviews: Reviews, tmp_path: Path) -> None:
    file = tmp_path / "accounts"
    file.write_bytes(b"\xff\xfe")
    refused(reviews, Bad(("start", "--file", str(file)), 2, ("not UTF-8",)))


def test_an_account_under_review(reviews: Reviews) -> None:
    reviews.request("ac-045")
    refused(reviews, Bad(("start", "ac-045"), 4, ("(ac-045) is under review already", "join")))
    assert reviews.json("start", "ac-045", "--if-running", "join")["joined"] is True


def test_decisions_that_do_not_fit(reviews: Reviews) -> None:
    request = reviews.request("ac-038")
    number = request["request_id"]
    task, account = (
        next(one["item_id"] for one in request["items"] if one["action"] == action)
        for action in ("create_task", "update_account")
    )
    ann = ("--as", "ann")
    cases = [
        (("reject", number, *ann), 2, "a rejection needs a reason"),
        (("reject", number, *ann), 2, "say why with --reason"),
        (("reject", number, *ann, "--reason", " "), 2, "a rejection needs a reason"),
        (("approve", number, "--as", ""), 2, "--as"),
        (("approve", number, *ann, "--item", "odd"), 3, "no item 'odd'"),
        (("approve", number, *ann, "--hash", "old"), 4, "changed since it was shown"),
        (("adjust", number, *ann, "--set", "subject=x"), 2, "adjust needs one --item"),
        (("adjust", number, *ann, "--item", task), 2, "adjust needs one --item"),
        (("adjust", number, *ann, "--item", task, "--set", "subject"), 2, "not FIELD=VALUE"),
        (("adjust", number, *ann, "--item", task, "--set", "due_at=soon"), 2, "Due cannot"),
        (("adjust", number, *ann, "--item", task, "--set", "odd=1"), 2, "no field 'odd'"),
        (("adjust", number, *ann, "--item", account, "--set", "status=Odd"), 2, "Status"),
        (("adjust", number, *ann, "--item", account, "--set", "status=at risk"), 2, "At Risk, "),
        (("adjust", number, *ann, "--item", task, "--set", "subject=null"), 2, "Subject cannot"),
        (("adjust", number, *ann, "--item", task, "--set", "owner_id=ow-999"), 2, "no owner"),
        (("reject", number, "--as", "  ", "--reason", "x"), 2, "--as: it is blank"),
        (("approve", number, *ann, "--decision-id", "x" * 201), 2, "--decision-id: it is 201"),
        (("adjust", number, *ann, "--item", account, "--set", "segment=x"), 2, "'segment'"),
    ]
    for words, code, said in cases:
        refused(reviews, Bad(("approvals", *words), code, (said,)))
    assert reviews.json("approvals", "show", number)["decisions"] == []
    reviews.json("approvals", "defer", number, *ann)


async def test_a_request_that_expired(reviews: Reviews, stack: LocalStack, tmp_path: Path) -> None:
    times = '[approvals]\ntimeout = "2s"\nreminder = "1s"\nescalate = "1s"\n'
    await stack.kill_worker()
    worker = reviews.worker(REVIEWS_POLICY_FILE=policy_of(tmp_path, times))
    try:
        words = ("start", "ac-047", "--wait", "closed", "-o", "json")
        assert reviews.quick(*words).document(code=1)["outcome"] == "expired"
    finally:
        worker.terminate()
        worker.communicate(timeout=PATIENCE)
        await stack.start_worker()
    (request,) = reviews.json("approvals", "list", "--state", "expired")["items"]
    approve = ("approvals", "approve", request["request_id"], "--as", "ann")
    assert "the request is already expired, " in reviews.quick(*approve).sentence(4)
    error = reviews.quick(*approve, "-o", "json").error(4)
    assert error["message"].startswith("the request is already expired at ")


def policy_of(tmp_path: Path, content: str) -> str:
    """A policy file with that content."""
    file = tmp_path / "policy.toml"
    file.write_text(content, encoding="utf-8")
    return str(file)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('[approvals]\ntimeout = "72q"\n', ("approvals.timeout is '72q'", "from 1s to 365d")),
        ("[approvals]\nmax_conflict_rounds = 0\n", ("max_conflict_rounds is 0", "from 1 to 100")),
        ("[approvals]\nodd = 1\n", ("approvals.odd",)),
        ("[approvals\n", ("policy.toml is not valid TOML",)),
    ],
)
def test_a_policy_that_is_not_valid(
    reviews: Reviews, tmp_path: Path, content: str, says: tuple[str, ...]
) -> None:
    file = policy_of(tmp_path, content)
    refused(reviews, Bad(("start", "ac-001"), 2, says), REVIEWS_POLICY_FILE=file)
    refused(reviews, Bad(("policy", "check", file), 2, says))
    sentence = reviews.quick("worker", REVIEWS_POLICY_FILE=file).sentence(2)
    assert all(part in sentence for part in says)


def test_services_that_do_not_answer(reviews: Reviews, tmp_path: Path) -> None:
    nobody = f"{ports.LOOPBACK}:{ports.any_free()}"
    start = Bad(("start", "ac-001"), 5, (nobody, "Temporal"))
    refused(reviews, start, TEMPORAL_ADDRESS=nobody)
    assert nobody in reviews.quick("worker", TEMPORAL_ADDRESS=nobody).sentence(5)
    url = f"postgresql://ann:secret@{nobody}/reviews"
    for words in (("list",), ("start", "ac-001"), ("approvals", "list")):
        wanted = Bad(words, 5, ("database", "Connection refused"))
        assert "secret" not in refused(reviews, wanted, REVIEWS_DATABASE_URL=url)
    nothing = str(tmp_path / "nothing")
    for words in (("list",), ("show", "ac-001"), ("start", "ac-001")):
        wanted = Bad(words, 5, ("no stack runs", nothing, "reviews dev"))
        refused(reviews, wanted, REVIEWS_DATA_DIR=nothing)


def test_reading_goes_on_without_temporal(reviews: Reviews) -> None:
    nobody = f"{ports.LOOPBACK}:{ports.any_free()}"
    reviews.request("ac-046")
    shown = reviews.json("show", "ac-046", TEMPORAL_ADDRESS=nobody)
    assert (shown["source"], shown["status"]) == ("projection", "waiting")


@pytest.mark.parametrize(
    ("name", "value", "code", "says"),
    [
        ("REVIEWS_DATABASE_URL", "nonsense", 2, "database URL"),
        ("REVIEWS_CRM_URL", "nonsense", 2, "database URL"),
        ("REVIEWS_LOG_LEVEL", "loud", 2, "REVIEWS_LOG_LEVEL is 'loud'"),
        ("REVIEWS_POLICY_FILE", "/nope", 2, "/nope cannot be read"),
        ("APPROVAL_TIMEOUT", "soon", 2, "APPROVAL_TIMEOUT is 'soon'"),
        ("DATABASE_HOST", "127.0.0.1", 5, "database"),
        ("TEMPORAL_ADDRESS", "http://127.0.0.1:7233", 2, "HOST:PORT"),
        ("TEMPORAL_ADDRESS", "127.0.0.1:odd", 2, "HOST:PORT"),
        ("TEMPORAL_NAMESPACE", "nowhere", 3, "no namespace 'nowhere'"),
    ],
)
def test_settings_that_do_not_fit(
    reviews: Reviews, name: str, value: str, code: int, says: str
) -> None:
    more = {"DATABASE_PORT": str(ports.any_free())} if name == "DATABASE_HOST" else {}
    refused(reviews, Bad(("start", "ac-001"), code, (says,)), **{name: value}, **more)


@pytest.mark.parametrize("program", ["starter.py", "worker.py"])
def test_the_programs_of_the_root_refuse_alike(reviews: Reviews, program: str) -> None:
    path = (sys.executable, str(ROOT / program))
    assert "--nope" in reviews("--nope", program=path).sentence(2)
    assert "/nope" in reviews(program=path, REVIEWS_POLICY_FILE="/nope").sentence(2)


async def test_a_fault_of_the_program_is_one_sentence_too(
    reviews: Reviews, stack_engine: AsyncEngine
) -> None:
    run_id = reviews.json("start", "ac-013", "--wait")["run_id"]
    query = "select state from reviews.review_runs where run_id = :run_id"
    (row,) = await rows(stack_engine, query, run_id=run_id)
    await spoil(stack_engine, run_id, {"odd": 1})
    refused(reviews, Bad(("show", "ac-013"), 2, ("unexpected ValidationError", "debug")))
    printed = reviews.debugged("show", "ac-013", REVIEWS_LOG_LEVEL="debug")
    assert "Traceback" in printed.err
    assert printed.code == 2
    await spoil(stack_engine, run_id, row["state"])


async def spoil(engine: AsyncEngine, run_id: str, state: dict[str, Any]) -> None:
    """Put something else where a review was."""
    query = "update reviews.review_runs set state = cast(:state as jsonb) where run_id = :run_id"
    async with engine.begin() as connection:
        await connection.execute(text(query), {"state": json.dumps(state), "run_id": run_id})
