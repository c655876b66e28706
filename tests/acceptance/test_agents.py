"""The agents of docs/agents.md drive reviews of a real stack, as they stand there."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from account_reviews.local.stack import LocalStack
from tests.support.commands import Reviews
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE

PAGE = (ROOT / "docs" / "agents.md").read_text(encoding="utf-8")


def program(language: str, directory: Path, before: str = "") -> Path:
    """The one block of the page in that language, as a file."""
    (text,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    file = directory / f"agent.{language}"
    file.write_text(before + text, encoding="utf-8")
    return file


def begin(reviews: Reviews, *words: str) -> "subprocess.Popen[str]":
    """Run it as its user would: our commands are on PATH."""
    bin_directory = Path(sys.executable).parent
    path = f"{bin_directory}:{reviews.env['PATH']}"
    return reviews.begin(program=words, PATH=path)


def request_of(reviews: Reviews, account: str, agent: str) -> dict[str, Any]:
    """The request with what the agent proposes."""
    pages = reviews.until(
        *("approvals", "list", "--account", account),
        holds=lambda page: any(
            one["rule"] == "proposed" for request in page["items"] for one in request["items"]
        ),
    )
    found: dict[str, Any] = next(
        request
        for request in pages["items"]
        if any(one["rule"] == "proposed" for one in request["items"])
    )
    return found


def decide_all(reviews: Reviews, account: str) -> None:
    for request in reviews.json("approvals", "list", "--account", account)["items"]:
        reviews.json("approvals", "approve", request["request_id"], "--as", "ann")


def test_the_agent_in_python_is_thirty_lines() -> None:
    (text,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    lines = [line for line in text.splitlines() if line.strip()]
    assert len(lines) <= 30


async def test_the_agent_in_python_proposes_and_others_decide(
    reviews: Reviews, stack: LocalStack, tmp_path: Path
) -> None:
    reviews.json("start", "ac-011", "--agent", "scout", "--interactive", "--wait")
    agent = begin(reviews, sys.executable, str(program("python", tmp_path)), "ac-011")
    request = request_of(reviews, "ac-011", "scout")
    own = reviews.quick("approvals", "approve", request["request_id"], "--as", "scout")
    assert own.code != 0, own.out
    assert "propose" in own.err, own.err
    await stack.kill_worker()
    await stack.start_worker()
    decide_all(reviews, "ac-011")
    out, err = await asyncio.to_thread(agent.communicate, timeout=PATIENCE)
    assert agent.returncode == 0, err
    assert request["request_id"] in out
    closed = reviews.closed("ac-011")
    assert (closed["phase"], closed["agent"]) == ("completed", "scout")
    assert closed["plan"] == ["ask", "propose", "wait"]
    assert closed["step"] == "wait"
    assert closed["context"] == {"recommendations_count": 1}
    assert closed["conversation"][0]["by"] == "scout"
    (written,) = [one for one in closed["changes"] if one["rule"] == "proposed"]
    assert written["state"] == "executed"


def test_the_agent_in_a_shell_ends_its_review_with_its_exit_code(
    reviews: Reviews, tmp_path: Path
) -> None:
    agent = begin(reviews, "sh", str(program("sh", tmp_path)), "ac-012")
    request_of(reviews, "ac-012", "nightly")
    decide_all(reviews, "ac-012")
    _, err = agent.communicate(timeout=PATIENCE)
    assert agent.returncode == 0, err
    closed = reviews.closed("ac-012")
    assert (closed["phase"], closed["metadata"]["host"]) == ("completed", "night-1")
    (written,) = [one for one in closed["changes"] if one["rule"] == "proposed"]
    assert written["state"] == "executed"


@pytest.mark.parametrize("code", [3])
def test_an_agent_that_fails_leaves_a_review_that_failed(
    reviews: Reviews, tmp_path: Path, code: int
) -> None:
    broken = f'reviews() {{ [ $1 = propose ] && return {code}; command reviews "$@"; }}\n'
    agent = begin(reviews, "sh", str(program("sh", tmp_path, broken)), "ac-013")
    _, err = agent.communicate(timeout=PATIENCE)
    assert agent.returncode == code, err
    closed = reviews.closed("ac-013")
    assert (closed["phase"], closed["outcome"]) == ("failed", "failed")
