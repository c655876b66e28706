"""Runs commands in processes forked from one that has imported everything: a tenth of the time.

Each command is a process of its own with its own environment, output and exit code, as if typed;
only the imports are shared. `python -m tests.support.forks` is that one process: a line of JSON
in (words, environment, files for the output), a line with the exit code out.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.support.paths import ROOT

PATIENCE = 60
"""Seconds until a command that does not end is ended with SIGALRM."""

IMPORTS = (
    *(
        "account_reviews.crm.importing.importer",
        "account_reviews.presentation.brief",
        "account_reviews.services.reviews",
    ),
    *("rich.table", "starter", "worker", "yaml"),
)
"""What commands import when they run."""


class Forks:
    """The process to fork from. Commands run one after the other."""

    def __init__(self, directory: Path) -> None:
        self._files = directory / "command.out", directory / "command.err"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.forks"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, words: Sequence[str], env: Mapping[str, str]) -> tuple[int, str, str]:
        """Exit code, standard output and standard error of `reviews` with these words."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        out, err = self._files
        order = {"words": list(words), "env": dict(env), "out": str(out), "err": str(err)}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        return code, out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8")

    def close(self) -> None:
        self._process.communicate()


def _serve() -> None:
    from account_reviews.cli.app import main

    for name in IMPORTS:
        import_module(name)
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(order)
            sys.argv = ["reviews", *order["words"]]
            main(order["words"])
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _become(order: dict[str, Any]) -> None:
    signal.alarm(PATIENCE)
    os.environ.clear()
    os.environ.update(order["env"])
    for number, name in ((0, os.devnull), (1, order["out"]), (2, order["err"])):
        flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        os.dup2(os.open(name, flags, 0o600), number)


if __name__ == "__main__":
    _serve()
