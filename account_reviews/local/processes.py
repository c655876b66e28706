"""Small questions about processes and files that several parts of the local stack ask."""

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from account_reviews.domain.errors import ConflictError
from account_reviews.local import tether as tether_module

PRIVATE = 0o077
"""Of the permissions of what is written, those that nobody gets: all but the user's own."""


@contextmanager
def locked(path: Path, *, timeout: float = 0.0) -> Iterator[None]:
    """Hold an exclusive lock on the file. ConflictError when another process keeps it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _take(descriptor, path, timeout)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, path: Path, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise ConflictError(f"another process holds {path}") from None
            time.sleep(0.05)
        else:
            return


def is_alive(pid: int, *, named: str | None = None, working_in: Path | None = None) -> bool:
    """True when the process runs (a zombie does not), and is the one that is meant.

    `named` and `working_in` set it apart from a stranger that got the same number.
    """
    found = _look(pid)
    if found is None or found[0].startswith("Z"):
        return False
    if named is not None and Path(found[1]).name != named:
        return False
    if working_in is None or not Path("/proc/self/cwd").exists():
        return True
    try:
        return Path(f"/proc/{pid}/cwd").samefile(working_in)
    except OSError:
        return False


def _look(pid: int) -> tuple[str, str] | None:
    """State and name of a process, None when there is none."""
    if not Path("/proc/self/stat").exists():
        shown = subprocess.run(
            ["ps", "-o", "stat=,comm=", "-p", str(pid)], capture_output=True, text=True, check=False
        ).stdout.split(None, 1)
        return (shown[0], shown[1].strip()) if len(shown) == 2 else None
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    name = text[text.index("(") + 1 : text.rindex(")")]
    return text[text.rindex(")") + 2], name


async def to_its_end(work: Callable[[], None]) -> None:
    """Run it in a thread. Whoever is cancelled meanwhile goes on when it has ended.

    A thread cannot be interrupted: what it begins after we looked would never be undone.
    """
    task = asyncio.create_task(asyncio.to_thread(work))
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


async def spawn(
    command: Sequence[str | Path],
    *,
    log: IO[bytes] | int,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Process:
    """Start a process that dies with this one. Call it from a thread that lives as long.

    It gets its own process group: Ctrl-C in the terminal reaches us alone, and we stop it in order.
    """
    tether = [sys.executable, "-I", "-S", tether_module.__file__, str(os.getpid())]
    return await asyncio.create_subprocess_exec(
        *tether,
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        env=env,
        cwd=cwd,
        start_new_session=True,
        umask=PRIVATE,
    )


async def end(process: Process, *, patience: float) -> None:
    """Ask the process to stop (SIGTERM) and wait; after `patience` seconds it is killed."""
    for stop in (process.terminate, process.kill):
        if process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            stop()
        try:
            await asyncio.wait_for(process.wait(), patience)
        except TimeoutError:
            continue


def kill_and_wait(pid: int, *, timeout: float = 10.0) -> None:
    """SIGKILL a process that is not our child, and wait until it is gone."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + timeout
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
