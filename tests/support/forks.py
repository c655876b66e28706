"""Runs commands in processes forked from one that has imported everything: a tenth of the time.

Each command is a process of its own with its own environment, output and exit code, as if typed;
only the imports are shared. `python -m tests.support.forks ADDRESS` is that one process. It forks
for whoever calls at the socket: `forked_reviews.py` sends it the words, the environment and its
own input and output, and ends as the command ends.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from shlex import quote
from typing import Any, NoReturn

from tests.support.forked_reviews import called
from tests.support.paths import ROOT

PATIENCE = 300
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
    """The process to fork from."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._address = str(directory / "forks")
        self._files = directory / "command.out", directory / "command.err"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.forks", self._address],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def run(self, words: Sequence[str], env: Mapping[str, str]) -> tuple[int, str, str]:
        """Exit code, standard output and standard error of `reviews` with these words."""
        out, err = self._files
        with Path(os.devnull).open() as nothing, out.open("w") as said, err.open("w") as complained:
            files = [nothing.fileno(), said.fileno(), complained.fileno()]
            code = called(self._address, words, ROOT, env, files)
        return code, out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8")

    def on_path(self) -> Path:
        """A directory that holds a `reviews` for shells, which is forked too."""
        place = self._directory / "forked"
        place.mkdir(exist_ok=True)
        caller = Path(__file__).with_name("forked_reviews.py")
        words = (sys.executable, "-I", "-S", str(caller), self._address)
        script = place / "reviews"
        script.write_text(f'#!/bin/sh\nexec {" ".join(map(quote, words))} "$@"\n')
        script.chmod(0o755)
        return place

    def close(self) -> None:
        self._process.terminate()
        self._process.communicate()


def _serve(address: str) -> None:
    from account_reviews.cli.app import main

    for name in IMPORTS:
        import_module(name)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(address)
        door.listen()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            caller, _ = door.accept()
            with caller:
                if os.fork() == 0:
                    _answer(caller, main)


def _answer(caller: socket.socket, main: Callable[[Sequence[str]], NoReturn]) -> NoReturn:
    """Fork the command, and tell the caller how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    order, files = _heard(caller)
    command = os.fork()
    if command == 0:
        _become(order, files)
        sys.argv = ["reviews", *order["words"]]
        main(order["words"])
    _, status = os.waitpid(command, 0)
    caller.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _heard(caller: socket.socket) -> tuple[dict[str, Any], list[int]]:
    heard, files, _, _ = socket.recv_fds(caller, 1 << 16, 3)
    while more := caller.recv(1 << 16):
        heard += more
    order: dict[str, Any] = json.loads(heard)
    return order, files


def _become(order: dict[str, Any], files: Sequence[int]) -> None:
    signal.alarm(PATIENCE)
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["directory"])
    for number, file in enumerate(files):
        os.dup2(file, number)
    # Those of the process that forked remember whether its own files can be wound back.
    sys.stdin = os.fdopen(0, closefd=False, encoding="utf-8")
    sys.stdout = os.fdopen(1, "w", closefd=False, encoding="utf-8")
    sys.stderr = os.fdopen(2, "w", 1, closefd=False, encoding="utf-8", errors="backslashreplace")


if __name__ == "__main__":
    _serve(sys.argv[1])
