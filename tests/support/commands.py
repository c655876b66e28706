"""The reviews command as a person uses it, on a stack of the tests."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.forks import Forks
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE

CLI = (sys.executable, "-m", "account_reviews.cli")


_numbers = count(1)


SAMPLE = ROOT / "examples" / "portfolio"


IMPORT = (
    *("crm", "import", str(SAMPLE), "--mapping", str(SAMPLE / "mapping.yaml")),
    *("--as-of", "2026-10-01"),
)


class Answer(NamedTuple):
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    def document(self, code: int = 0) -> Any:
        """The one JSON document of standard output."""
        assert self.code == code, self.err
        return json.loads(self.out)

    def sentence(self, code: int) -> str:
        """The one sentence of a refusal; nothing else was printed."""
        assert self.code == code, self
        assert self.out == ""
        assert self.err.count("\n") == 1, self.err
        return self.err.strip()

    def error(self, code: int) -> dict[str, Any]:
        """The refusal as programs get it."""
        found: dict[str, Any] = json.loads(self.sentence(code))
        assert set(found) == {"error"}
        error: dict[str, Any] = found["error"]
        assert set(error) == {"code", "message", "hint"}
        return error


class Reviews:
    """Runs `reviews` against the stack of a data directory."""

    def __init__(self, data_dir: Path, forks: Forks) -> None:
        self.env = {**os.environ, "REVIEWS_DATA_DIR": str(data_dir)}
        self._forks = forks

    def __call__(self, *words: str, program: Sequence[str] = CLI, **more: str) -> Answer:
        """Run a command to its end. No command ever shows a traceback."""
        done = subprocess.run(
            [*program, *words],
            env={**self.env, **more},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return _without_traceback(Answer(done.returncode, done.stdout, done.stderr))

    def quick(self, *words: str, **more: str) -> Answer:
        """The same in a fork of a process that has the imports behind it."""
        return _without_traceback(self.debugged(*words, **more))

    def debugged(self, *words: str, **more: str) -> Answer:
        """The same, where a traceback is allowed."""
        return Answer(*self._forks.run(words, {**self.env, **more}))

    def json(self, *words: str, **more: str) -> Any:
        """The document of a command that succeeds, run in a fork."""
        return self.quick(*words, "-o", "json", **more).document()

    def begin(
        self, *words: str, program: Sequence[str] = CLI, **more: str
    ) -> subprocess.Popen[str]:
        """Start a command that goes on."""
        return subprocess.Popen(
            [*program, *words],
            env={**self.env, **more},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def worker(
        self, program: Sequence[str] = (*CLI, "worker"), **more: str
    ) -> subprocess.Popen[str]:
        """Start a worker process; gives it once it polls."""
        process = self.begin(program=program, **more)
        assert process.stderr is not None
        said = process.stderr.readline()
        assert said.startswith("worker ready"), said + process.stderr.read()
        return process

    def request(self, account: str) -> dict[str, Any]:
        """Start a review of the account and give its request, once it waits for a person."""
        started = self.json("start", account, "--wait")
        assert started["status"] == "waiting", started
        (found,) = self.json("approvals", "list", "--account", account)["items"]
        request: dict[str, Any] = found
        return request

    def until(self, *words: str, holds: Callable[[Any], bool], seconds: float = PATIENCE) -> Any:
        """Repeat a command until its document holds."""
        deadline = time.monotonic() + seconds
        while not holds(document := self.json(*words)):
            assert time.monotonic() < deadline, document
            time.sleep(0.2)
        return document

    def closed(self, account: str) -> Any:
        """The account's newest review, once it is closed and its row says so."""
        self.until(
            *("list", "--account", account, "--limit", "1"),
            holds=lambda page: page["items"][0]["outcome"] is not None,
        )
        return self.json("show", account)


def _without_traceback(answer: Answer) -> Answer:
    assert "Traceback" not in answer.err, answer.err
    return answer


async def rows(engine: AsyncEngine, query: str, **values: Any) -> list[dict[str, Any]]:
    """What the database answers."""
    async with engine.connect() as connection:
        found = await connection.execute(text(query), values)
        return [dict(row) for row in found.mappings()]
