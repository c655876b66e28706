"""Runs the commands of a page as a reader would: one shell, top to bottom.

A page shows commands in fenced blocks marked `console`, each on a line that begins with `$ `. The
lines below a command are what it prints: each must appear, in order, and `...` stands for whatever
differs between runs. Words of capital letters that a page asks the reader to fill in (REQUEST,
ITEM, CYCLE) are taken from what was printed last.
"""

import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE

UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_NAMED = rf"(?:{UUID}|[\w.-]+-\d+)\b"
PLACEHOLDERS = {
    "REQUEST": rf"(?:request |show ){_NAMED}|request_id\": ?\"{UUID}|^[a-z]+-\d+-\d+\b",
    "CYCLE": r"cycle/[0-9a-f]{32}|(?<=cycles show )[0-9a-f]{8}|^[0-9a-f]{8}\b",
    "ITEM": r'^Item \d+(?= of)|^ +\d+(?=\. )|^ *[0-9a-f]{16}\b|item_id": ?"[0-9a-f]{16}',
}
READS = re.compile(
    r"(temporal workflow|tctl workflow|reviews|reviews approvals|reviews cycles|reviews schedules|"
    r"reviews audit) (list|show|describe|query|history|tail)\b"
)
"""Commands that change nothing: repeated for a while, since lists follow within a second."""

_TRIES = 20
_PAUSE = 0.5
_END = "the-command-ended-with"


class Command(NamedTuple):
    """One command of a page, the number of its line, and the lines it is said to print."""

    line: int
    text: str
    prints: tuple[str, ...]


def blocks(page: str, language: str = "console") -> Iterator[tuple[int, list[str]]]:
    """The fenced blocks of a page: number of the first line, lines."""
    lines = page.splitlines()
    starts = [number for number, line in enumerate(lines) if line == f"```{language}"]
    for start in starts:
        end = lines.index("```", start)
        yield start + 2, lines[start + 1 : end]


def commands(page: str) -> list[Command]:
    """Every command of a page, in order. A backslash at the end goes on in the next line."""
    found: list[Command] = []
    for first, lines in blocks(page):
        for number, line in enumerate(lines, first):
            last = found[-1] if found else None
            if line.startswith("$ "):
                found.append(Command(number, line[2:], ()))
            elif last is not None and last.text.endswith("\\"):
                found[-1] = last._replace(text=f"{last.text}\n{line}")
            elif last is not None and line.strip():
                found[-1] = last._replace(prints=(*last.prints, line))
    return found


class Shell:
    """A bash that keeps its directory and variables between commands."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.printed = ""
        self._words: dict[str, str] = {}
        self._bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=ROOT,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, command: Command) -> None:
        """Run one command; fail when it fails or prints something else than the page says."""
        text = self._filled_in(command.text)
        for _ in range(_TRIES if READS.match(text) else 1):
            code = self._send(text)
            missing = first_missing(command.prints, self.printed)
            if code == 0 and missing is None:
                return
            time.sleep(_PAUSE)
        said = f"line {command.line}: {text}\nended with {code} and printed:\n{self.printed}"
        pytest.fail(said + (f"without the line {missing!r}" if missing is not None else ""))

    def do(self, text: str) -> None:
        """Run a command that no page shows."""
        self.run(Command(0, text, ()))

    def close(self) -> None:
        self._bash.communicate()

    def _send(self, text: str) -> int:
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        self._bash.stdin.write(f"{{ {text}\n}} </dev/null\n__code=$?; echo; echo {_END} $__code\n")
        self._bash.stdin.flush()
        lines: list[str] = []
        for line in self._bash.stdout:
            if line.startswith(_END):
                self.printed = "".join(lines)
                self._remember_words()
                return int(line.split()[1])
            lines.append(line)
        raise EOFError(f"the shell ended with {text}")

    def _remember_words(self) -> None:
        for word, pattern in PLACEHOLDERS.items():
            found = re.search(pattern, self.printed, re.MULTILINE)
            if found:
                self._words[word] = re.split(r'[\s"]+', found[0].strip())[-1]

    def _filled_in(self, text: str) -> str:
        for word, value in self._words.items():
            text = re.sub(rf"\b{word}\b", value, text)
        return text


def first_missing(wanted: tuple[str, ...], printed: str) -> str | None:
    """The first wanted line that is not printed after the ones before it. Widths do not count."""
    lines = iter([" ".join(line.split()) for line in printed.splitlines()])
    for want in wanted:
        parts = [re.escape(" ".join(part.split())) for part in want.split("...")]
        if any(parts) and not any(re.search(".*".join(parts), line) for line in lines):
            return want
    return None


@contextmanager
def shell(env: Mapping[str, str]) -> Iterator[Shell]:
    """A shell that ends with the block."""
    opened = Shell(env)
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def in_background(command: str, env: Mapping[str, str], ready: Path) -> Iterator[None]:
    """Run a command that goes on, as in a second terminal. It is ready when the file is there."""
    process = subprocess.Popen(
        ["bash", "-c", f"exec {command}"],
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        for _ in range(600):
            if ready.exists():
                break
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)
