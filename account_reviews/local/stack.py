"""The local stack: PostgreSQL, Temporal and workers, started and stopped as one."""

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from temporalio.client import Client
from temporalio.service import RPCError

from account_reviews.domain.errors import ConflictError, ReviewsError, UnreachableError
from account_reviews.local import datadir, processes
from account_reviews.local.postgres import DATABASE, EmbeddedPostgres
from account_reviews.local.supervisor import Notify, Supervisor, how_it_ended
from account_reviews.local.temporal_server import TUNED_SERVER, ServerSettings, TemporalServer
from account_reviews.local.web_process import WebProcess
from account_reviews.temporal import tls_mismatch
from account_reviews.temporal.names import NAMESPACE
from account_reviews.temporal.service_choice import named_by_environment, tls_wanted_by

_LOOK_EVERY: Final = 1.0
_REMOVING: Final = 0.3
"""Seconds after which a directory that is being removed is no longer whole."""
_LONGEST_PAUSE: Final = 30.0
_WORKER: Final = "worker"
"""The login of workers. Ours, the owner's, is that of the commands."""
_WORKER_LOGIN: Final = f"""
do $$ begin
    if to_regrole('{_WORKER}') is null then
        create role {_WORKER} login in role reviews_worker, audit_writer;
    end if;
end $$
"""


During = Callable[[str], AbstractContextManager[None]]
"""Told that a part starts, and held until it is ready."""


def _silent(_: str) -> None:
    """Notifies nobody."""


def _said_by(notify: Notify) -> During:
    @contextmanager
    def during(part: str) -> Iterator[None]:
        notify(f"starting {part}")
        yield

    return during


class LocalStack:
    """Everything a review needs, on this machine, in one data directory.

    Use it as an async context manager, or call `start` and `stop`. With `temporal_address` or
    `database_url` that part is used as it is, neither started nor stopped. Start it in the main
    thread: the servers die with the thread that started them.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        workers: int = 1,
        restart: bool = True,
        temporal_port: int | None = None,
        ui_port: int | None = None,
        ui: bool = True,
        temporal_address: str | None = None,
        database_url: str | None = None,
        web: bool = False,
        web_port: int | None = None,
        temporal_settings: ServerSettings = TUNED_SERVER,
        notify: Notify = _silent,
    ) -> None:
        self.data_dir = data_dir.expanduser().absolute()
        self.namespace = NAMESPACE
        self._workers = workers
        self._restart = restart
        self._wanted_web, self._web_port = web, web_port
        self._web: WebProcess | None = None
        self._web_moved: list[str] = []
        self._notify = notify
        self._during = _said_by(notify)
        self._external_temporal = temporal_address
        self._external_database = database_url
        self._postgres = EmbeddedPostgres(self.data_dir)
        self._temporal = TemporalServer(
            self.data_dir,
            port=temporal_port,
            ui_port=ui_port,
            ui=ui,
            settings=temporal_settings,
        )
        self._supervisor: Supervisor | None = None
        self._undo: AsyncExitStack | None = None
        self._identity: tuple[int, int] | None = None
        self.lost = asyncio.Event()
        """Set when the data directory was removed under the running stack."""
        self._started_at = ""

    @property
    def address(self) -> str:
        """Where Temporal answers, `HOST:PORT`."""
        return self._external_temporal or self._temporal.address

    @property
    def ui(self) -> str | None:
        """The address of the Temporal UI, None when it is not ours or not wanted."""
        return None if self._external_temporal else self._temporal.ui

    @property
    def database_url(self) -> str:
        """The database, for SQLAlchemy."""
        return self._external_database or self._postgres.url()

    @property
    def moved(self) -> tuple[str, ...]:
        """Why a part has another port than the usual one, a sentence each."""
        return (*self._temporal.moved, *self._web_moved)

    @property
    def is_new(self) -> bool:
        """True where no database was ever made in the data directory."""
        return not self._external_database and not (self.data_dir / "postgres").exists()

    @property
    def parts(self) -> int:
        """How many parts are started one after the other."""
        ours = (not self._external_database, not self._external_temporal, bool(self._workers))
        return sum(ours) + self._wanted_web

    @property
    def web_url(self) -> str | None:
        """Where the pages are, None without the web app."""
        return self._web.url if self._web else None

    @property
    def worker_pids(self) -> list[int]:
        """Process ids of the workers that are ready."""
        return self._supervisor.pids if self._supervisor else []

    @property
    def metrics_url(self) -> str | None:
        """The metrics page of the first worker, None without one."""
        urls = self._supervisor.metrics_urls if self._supervisor else []
        return urls[0] if urls else None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    def tell_with(self, during: During) -> None:
        """Tell of each part that starts this way, in place of by `notify`."""
        self._during = during

    async def start(self) -> None:
        """Start all parts in order and write `stack.json`.

        BadInputError: the data directory cannot be used. ConflictError: a stack runs there, or a
        port is taken. UnreachableError: a part does not start. On an error all is stopped again.
        """
        async with AsyncExitStack() as undo:
            await asyncio.to_thread(datadir.prepare, self.data_dir)
            undo.enter_context(self._alone())
            self._identity = _identity_of(self._lock)
            self._file.unlink(missing_ok=True)
            await self._start_database(undo)
            await self._start_temporal(undo)
            await self._start_workers(undo)
            await self._start_web(undo)
            self._started_at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            undo.callback(self._forget)
            self._write()
            self._watch(undo, self._keep_directory())
            self._undo = undo.pop_all()

    async def stop(self) -> None:
        """Stop the workers, which finish what they do, then Temporal, then PostgreSQL."""
        if self._undo is not None:
            undo, self._undo = self._undo, None
            await undo.aclose()

    async def start_worker(self) -> int:
        """Start one more worker; gives its process id once it polls."""
        if self._supervisor is None:
            raise RuntimeError("the stack was not started")
        return await self._supervisor.start_worker()

    async def kill_worker(self, pid: int | None = None) -> int:
        """SIGKILL a worker (default: the first); gives its process id."""
        if self._supervisor is None:
            raise RuntimeError("the stack was not started")
        return await self._supervisor.kill_worker(pid)

    def environment(self) -> dict[str, str]:
        """The environment that leads any of our commands to this stack."""
        kept = dict(os.environ)
        if not self._external_temporal:
            # A profile or key for some other Temporal must not be used on our own.
            for name in [name for name in kept if name.startswith("TEMPORAL_")]:
                del kept[name]
            kept |= {"TEMPORAL_NAMESPACE": self.namespace, "TEMPORAL_CONFIG_FILE": os.devnull}
        return kept | {
            "TEMPORAL_ADDRESS": self.address,
            "REVIEWS_DATA_DIR": str(self.data_dir),
            "REVIEWS_DATABASE_URL": self.database_url,
        }

    def _worker_environment(self) -> dict[str, str]:
        """The same for a worker, which owns nothing of what it writes to."""
        if self._external_database:
            return self.environment()
        return self.environment() | {"REVIEWS_DATABASE_URL": self._postgres.url(login=_WORKER)}

    async def _start_database(self, undo: AsyncExitStack) -> None:
        with ExitStack() as told:
            if not self._external_database:
                new = " with a new database" if self.is_new else ""
                told.enter_context(self._during(f"PostgreSQL{new}"))
                # First, so that a start that is interrupted is undone as well.
                undo.push_async_callback(self._stop_postgres)
                await processes.to_its_end(self._postgres.start)
                await processes.to_its_end(partial(self._postgres.create_database, DATABASE))
                self._watch(undo, self._keep_postgres())
            await self._bring_up_to_date()

    async def _stop_postgres(self) -> None:
        await asyncio.to_thread(self._postgres.stop, lost=self.lost.is_set())

    async def _bring_up_to_date(self) -> None:
        """The tables, and the login of workers."""
        from sqlalchemy import text

        from account_reviews.store.database import create_engine
        from account_reviews.store.migration import AUDIT, upgrade

        engine = create_engine(self.database_url, application_name="reviews dev")
        try:
            await upgrade(engine)
            await upgrade(engine, AUDIT)
            if not self._external_database:
                async with engine.begin() as connection:
                    await connection.execute(text(_WORKER_LOGIN))
        finally:
            await engine.dispose()

    async def _start_temporal(self, undo: AsyncExitStack) -> None:
        if self._external_temporal:
            self.namespace = await _external_namespace(self._external_temporal)
            return
        with self._during("Temporal"):
            undo.push_async_callback(self._temporal.stop)
            await self._temporal.start()
        self._watch(undo, self._keep_temporal())

    async def _start_workers(self, undo: AsyncExitStack) -> None:
        self._supervisor = Supervisor(
            self._worker_environment(),
            self.data_dir / "worker.log",
            notify=self._notify,
            changed=self._write,
            restart=self._restart,
        )
        undo.push_async_callback(self._supervisor.stop)
        if self._workers:
            with self._during(f"{self._workers} worker{'s' if self._workers > 1 else ''}"):
                await asyncio.gather(*(self.start_worker() for _ in range(self._workers)))

    async def _start_web(self, undo: AsyncExitStack) -> None:
        if not self._wanted_web:
            return
        self._web_moved.clear()
        self._web = WebProcess(
            self._worker_environment(),
            self.data_dir / "web.log",
            port=self._web_port,
            notify=self._notify,
            changed=self._write,
            moved=self._web_moved.append,
            restart=self._restart,
        )
        undo.push_async_callback(self._web.stop)
        with self._during("the web app"):
            await self._web.start()

    def _watch(self, undo: AsyncExitStack, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)

        async def end() -> None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

        undo.push_async_callback(end)

    async def _keep_directory(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            if not self._is_there():
                return

    def _is_there(self) -> bool:
        """False once the data directory is gone or going, or another one has its name."""
        there = self._identity is not None and _identity_of(self._lock) == self._identity
        there = there and (bool(self._external_database) or self._postgres.has_files)
        if not there:
            self.lost.set()
        return there

    async def _keep_postgres(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            if self._postgres.pid is not None:
                continue
            await asyncio.sleep(_REMOVING)
            if self._is_there():
                self._notify("PostgreSQL is gone; starting it again")
                await self._again(lambda: processes.to_its_end(self._postgres.start))

    async def _keep_temporal(self) -> None:
        while True:
            code = await self._temporal.wait()
            if not self._is_there():
                return
            self._notify(f"Temporal {how_it_ended(code)}; starting it again")
            await self._again(self._temporal.start)

    async def _again(self, start: Callable[[], Awaitable[None]]) -> None:
        pause = 0.5
        while self._is_there():
            try:
                await start()
            except ReviewsError as error:
                self._notify(f"{error.message}; next try in {pause:g} s")
                await asyncio.sleep(pause)
                pause = min(_LONGEST_PAUSE, pause * 2)
            else:
                return

    @property
    def _file(self) -> Path:
        return self.data_dir / "stack.json"

    @property
    def _lock(self) -> Path:
        return self.data_dir / "dev.lock"

    def _forget(self) -> None:
        self._started_at = ""
        self._file.unlink(missing_ok=True)

    def _write(self) -> None:
        if not self._started_at or self.lost.is_set():
            return
        document: dict[str, Any] = {
            "pid": os.getpid(),
            "temporal_address": self.address,
            "temporal_ui": self.ui,
            "namespace": self.namespace,
            "database_url": self.database_url,
            "worker_pids": self.worker_pids,
            "metrics_url": self.metrics_url,
            "web_url": self.web_url,
            "started_at": self._started_at,
        }
        fresh = self._file.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        fresh.replace(self._file)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep every other stack away from this directory for as long as this one lives."""
        lock = self._lock
        with ExitStack() as held:
            try:
                held.enter_context(processes.locked(lock))
            except ConflictError:
                raise ConflictError(
                    f"a stack runs in {self.data_dir} already: {self._who(lock)}",
                    hint="use it, stop it, or choose another --data-dir",
                ) from None
            lock.write_text(f"{os.getpid()}\n", encoding="utf-8")
            yield

    def _who(self, lock: Path) -> str:
        """The process that holds the directory, and where its Temporal answers."""
        pid = lock.read_text(encoding="utf-8").strip()
        try:
            address = json.loads(self._file.read_text(encoding="utf-8"))["temporal_address"]
        except (OSError, ValueError, KeyError, TypeError):
            return f"process {pid}, which is starting or stopping"
        return f"process {pid}, Temporal at {address}"


async def run_until_signal(stack: LocalStack, ready: Callable[[], Awaitable[None]]) -> bool:
    """Start the stack, await `ready`, stop it on SIGINT, SIGTERM or SIGHUP.

    False when the signal came before it was ready. Errors are those of `LocalStack.start`, and
    UnreachableError when its data directory is removed meanwhile.
    """
    loop, asked = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, asked.set)
    starting, waiting = asyncio.create_task(stack.start()), asyncio.create_task(asked.wait())
    await asyncio.wait({starting, waiting}, return_when=asyncio.FIRST_COMPLETED)
    starting.cancel()  # no effect on one that is done
    try:
        await starting
        await ready()
        lost = asyncio.create_task(stack.lost.wait())
        await asyncio.wait({waiting, lost}, return_when=asyncio.FIRST_COMPLETED)
        lost.cancel()
    except asyncio.CancelledError:
        return False
    finally:
        waiting.cancel()
        await stack.stop()
    if stack.lost.is_set():
        raise UnreachableError(
            f"the data directory {stack.data_dir} was removed under the running stack",
            hint="put it back and start again; without it `reviews dev` begins anew",
        )
    return True


def _identity_of(path: Path) -> tuple[int, int] | None:
    """Which file has this name now, None when there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


async def _external_namespace(address: str) -> str:
    """Connect once to a Temporal that is not ours; gives the namespace. UnreachableError."""
    named = named_by_environment()
    options = {**(named.options if named else {}), "target_host": address}
    try:
        client = await asyncio.wait_for(Client.connect(**options), 10)
    except (RuntimeError, RPCError, TimeoutError):
        found = await tls_mismatch.explained(address, tls_wanted_by(options))
        raise (found or _no_answer(address)) from None
    return client.namespace


def _no_answer(address: str) -> UnreachableError:
    return UnreachableError(
        f"Temporal at {address} does not answer",
        hint="correct TEMPORAL_ADDRESS, or unset it to start one here",
    )
