"""Keeps worker processes alive: starts them, reports when one dies, starts the next at once."""

import asyncio
import re
import signal
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from account_reviews.domain.errors import (
    BadInputError,
    ConflictError,
    NotFoundError,
    ReviewsError,
    UnreachableError,
)
from account_reviews.local import processes

WORKER: Final[tuple[str, ...]] = (sys.executable, "-P", "-m", "account_reviews.cli", "worker")
"""With -P, so that no `worker.py` of the current directory is taken for ours."""

_KINDS: Final = {one.exit_code: one for one in (BadInputError, NotFoundError, ConflictError)}
"""What the exit code of a worker says, when it is not that something does not answer."""
_READY: Final = "{kind} ready pid={pid} "
_PAGE: Final = re.compile(r"[^\n]*\nmetrics page (\S+)")
"""The line after it names the worker's metrics page, when it has one."""
_READY_TIMEOUT: Final = 60.0
_STOP_PATIENCE: Final = 30.0
_SHORT_LIFE: Final = 5.0
"""Seconds. A worker that lived shorter than this is started again after a growing pause."""
_LONGEST_PAUSE: Final = 30.0

Notify = Callable[[str], None]


class Supervisor:
    """Worker processes of one stack.

    `env` is their whole environment; what they print goes to `log`. `changed` is called whenever
    `pids` is different. `kind` is what a process calls itself when it is ready.
    """

    def __init__(
        self,
        env: Mapping[str, str],
        log: Path,
        *,
        notify: Notify,
        changed: Callable[[], None],
        restart: bool = True,
        command: Sequence[str] = WORKER,
        kind: str = "worker",
    ) -> None:
        self.log = log
        self._env = dict(env)
        self._restart = restart
        self._notify = notify
        self._changed = changed
        self._command = command
        self._kind = kind
        self._running: list[Process] = []
        self._pages: dict[int, str] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._stopping = False

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers that are ready."""
        return [process.pid for process in self._running if process.returncode is None]

    @property
    def metrics_urls(self) -> list[str]:
        """The metrics pages of the workers that are ready and have one."""
        return [self._pages[pid] for pid in self.pids if pid in self._pages]

    async def start_worker(self) -> int:
        """Start one more worker and wait until it polls. Gives its process id.

        An error of the worker's exit code with its own last words when it ends before that.
        """
        process = await self._spawn()
        self._keepers.append(asyncio.create_task(self._keep(process)))
        return process.pid

    async def kill_worker(self, pid: int | None = None) -> int:
        """SIGKILL a worker (default: the first) and wait for its death. Gives its process id.

        NotFoundError when no such worker runs.
        """
        for process in self._running:
            if process.returncode is None and pid in (None, process.pid):
                process.kill()
                await process.wait()
                return process.pid
        raise NotFoundError(f"no {self._kind} {pid} runs" if pid else f"no {self._kind} runs")

    async def stop(self) -> None:
        """Let all workers finish what they do, then end them."""
        self._stopping = True
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        ends = [processes.end(process, patience=_STOP_PATIENCE) for process in self._running]
        await asyncio.gather(*ends)
        self._running.clear()

    async def _keep(self, process: Process) -> None:
        """Wait for the worker's end; replace it."""
        pause = 0.0
        while True:
            started = time.monotonic()
            code = await process.wait()
            self._running.remove(process)
            self._pages.pop(process.pid, None)
            self._changed()
            if not self._restart:
                self._notify(
                    f"{self._kind} {process.pid} {how_it_ended(code)}; it is not restarted"
                )
                return
            self._notify(f"{self._kind} {process.pid} {how_it_ended(code)}; starting a new one")
            lived = time.monotonic() - started
            pause = 0.0 if lived > _SHORT_LIFE else min(_LONGEST_PAUSE, pause * 2 + 0.5)
            process = await self._replace(pause if code >= 0 else 0.0)

    async def _replace(self, pause: float) -> Process:
        """A new worker. One that cannot start is tried again, ever more slowly."""
        while True:
            await asyncio.sleep(pause)
            try:
                process = await self._spawn()
            except ReviewsError as error:
                pause = min(_LONGEST_PAUSE, pause * 2 + 0.5)
                self._notify(f"{error.message}; next try in {pause:g} s")
            else:
                self._notify(f"{self._kind} {process.pid} is ready")
                return process

    async def _spawn(self) -> Process:
        with self.log.open("ab") as log:
            offset = log.tell()
            process = await processes.spawn(self._command, log=log.fileno(), env=self._env)
        self._running.append(process)
        try:
            await self._wait_ready(process, offset)
        except BaseException:
            if not self._stopping:
                await processes.end(process, patience=1)
                self._running.remove(process)
            raise
        self._changed()
        return process

    async def _wait_ready(self, process: Process, offset: int) -> None:
        deadline = time.monotonic() + _READY_TIMEOUT
        while time.monotonic() < deadline:
            said = self._said(offset)
            _, ready, rest = said.partition(_READY.format(kind=self._kind, pid=process.pid))
            if ready:
                page = _PAGE.match(rest)
                self._pages |= {process.pid: page[1]} if page else {}
                return
            if process.returncode is not None:
                words = [line for line in said.splitlines() if line.strip()]
                last = f": {words[-1].strip()}" if words else ""
                kind = _KINDS.get(process.returncode, UnreachableError)
                ended = f"the {self._kind} {how_it_ended(process.returncode)}"
                raise kind(
                    f"{ended} before it was ready{last}",
                    hint=f"see {self.log}",
                )
            await asyncio.sleep(0.03)
        raise UnreachableError(
            f"the {self._kind} was not ready after {_READY_TIMEOUT:.0f} s", hint=f"see {self.log}"
        )

    def _said(self, offset: int) -> str:
        with self.log.open("rb") as log:
            log.seek(offset)
            return log.read().decode(errors="replace")


def how_it_ended(code: int) -> str:
    """An exit code in words: `ended with exit code 1`, `was killed by SIGKILL`."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"
