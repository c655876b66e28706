"""`reviews dev` as a person uses it: the real command, the real servers."""

import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from itertools import count
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from sqlalchemy import text
from temporalio.client import Client

from account_reviews.config import ports
from account_reviews.local import processes
from account_reviews.local.postgres import EmbeddedPostgres
from account_reviews.local.temporal_server import TemporalServer
from account_reviews.store.database import create_engine
from tests.support.waiting import PATIENCE, eventually

_CLI = (sys.executable, "-m", "account_reviews.cli")
_numbers = count(1)
_PR_CAPBSET_DROP = 24
_DAC_OVERRIDE, _DAC_READ_SEARCH = 1, 2


class Dev:
    """A running `reviews dev`."""

    def __init__(self, data_dir: Path, *flags: str, env: dict[str, str] | None = None) -> None:
        self.data_dir = data_dir
        self.process = subprocess.Popen(
            [*_CLI, "dev", "--data-dir", str(data_dir), *flags],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **(env or {})},
        )

    @property
    def stack(self) -> dict[str, Any]:
        """What stack.json says."""
        found: dict[str, Any] = json.loads((self.data_dir / "stack.json").read_text())
        return found

    def wait_ready(self) -> dict[str, Any]:
        """Wait for stack.json of this process."""
        file = self.data_dir / "stack.json"
        eventually(
            lambda: (
                self.process.poll() is not None
                or (file.exists() and self.stack["pid"] == self.process.pid)
            )
        )
        assert self.process.poll() is None, self.process.communicate()[0]
        return self.stack

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Send the signal; gives exit code and output."""
        self.process.send_signal(number)
        said, _ = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, said


Start = Callable[..., Dev]


def processes_of(data_dir: Path) -> list[str]:
    """Command lines of all processes that name the directory."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(data_dir) in line:
            found.append(line)
    return found


@pytest.fixture
def data_dir(short_dir: Path) -> Path:
    """A data directory that does not exist yet."""
    return short_dir / f"dev{next(_numbers)}"


@pytest.fixture
def start(data_dir: Path) -> Iterator[Start]:
    """Starts `reviews dev`; whatever is left at the end is killed."""
    running: list[Dev] = []

    def start(*flags: str, env: dict[str, str] | None = None) -> Dev:
        running.append(Dev(data_dir, *flags, env=env))
        return running[-1]

    yield start
    for dev in running:
        if dev.process.poll() is None:
            dev.process.kill()
        dev.process.communicate()
    EmbeddedPostgres(data_dir).stop()


def run(*arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [*_CLI, *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False, **more
    )


def refused(done: subprocess.CompletedProcess[str], code: int) -> str:
    """Its one sentence, after making sure that it is one."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    lines = [line for line in done.stderr.splitlines() if not line.startswith("starting ")]
    assert len(lines) == 1, done.stderr
    return lines[0]


@pytest.mark.temporal
def open_to_others(data_dir: Path) -> list[str]:
    """What another user may read, write or enter, of the directory and what lies in it."""
    paths = [data_dir, *data_dir.rglob("*")]
    found = {path: path.lstat().st_mode for path in paths if not path.is_symlink()}
    public = data_dir / "audit" / "public-keys.json"
    return [str(path) for path, mode in found.items() if mode & 0o077 and path != public]


def test_it_starts_serves_and_leaves_nothing_behind(start: Start, data_dir: Path) -> None:
    dev = start("--no-worker")
    stack = dev.wait_ready()
    assert set(stack) >= {
        *("pid", "temporal_address", "temporal_ui", "namespace", "database_url"),
        *("worker_pids", "metrics_url", "web_url", "started_at"),
    }
    second = refused(run("dev", "--data-dir", str(data_dir)), 4)
    assert str(dev.process.pid) in second
    assert stack["temporal_address"] in second
    report = json.loads(
        run("doctor", "-o", "json", env={**os.environ, "REVIEWS_DATA_DIR": str(data_dir)}).stdout
    )
    assert [check["name"] for check in report["checks"] if not check["ok"]] == ["workers"]
    with urlopen(f"{stack['web_url']}/login") as page:
        assert b"Sign in" in page.read()
    assert open_to_others(data_dir) == []
    code, said = dev.stop(signal.SIGINT)
    assert code == 0
    assert stack["temporal_address"] in said
    assert not (data_dir / "stack.json").exists()
    assert processes_of(data_dir) == []


@pytest.mark.temporal
async def test_after_kill_9_the_next_one_goes_on(start: Start, data_dir: Path) -> None:
    first = start("--no-ui")
    stack = first.wait_ready()
    client = await Client.connect(stack["temporal_address"])
    await client.start_workflow("Any", id="kept", task_queue="nobody")
    engine = create_engine(stack["database_url"], application_name="tests")
    async with engine.begin() as connection:
        await connection.execute(text("create table public.kept as select 7 as n"))
    await engine.dispose()
    children = [int((data_dir / "temporal.pid").read_text()), *stack["worker_pids"]]
    assert len(children) == 2

    first.process.kill()
    first.process.wait()
    eventually(lambda: not any(processes.is_alive(pid) for pid in children), seconds=10)
    lost = run("doctor", env={**os.environ, "REVIEWS_DATA_DIR": str(data_dir)})
    assert lost.returncode == 1
    assert "no stack runs" in lost.stdout

    second = start("--no-worker", "--no-ui")
    stack = second.wait_ready()
    client = await Client.connect(stack["temporal_address"])
    assert (await client.get_workflow_handle("kept").describe()).id == "kept"
    engine = create_engine(stack["database_url"], application_name="tests")
    async with engine.connect() as connection:
        assert await connection.scalar(text("select n from public.kept")) == 7
    await engine.dispose()
    assert second.stop()[0] == 0
    assert processes_of(data_dir) == []


@pytest.mark.temporal
def test_servers_that_die_are_started_again(start: Start, data_dir: Path) -> None:
    dev = start("--no-worker", "--no-ui")
    stack = dev.wait_ready()
    cluster = EmbeddedPostgres(data_dir)
    temporal, postgres = int((data_dir / "temporal.pid").read_text()), cluster.pid
    assert postgres is not None
    os.kill(temporal, signal.SIGKILL)
    os.kill(postgres, signal.SIGKILL)
    eventually(lambda: cluster.pid not in {None, postgres} and cluster.is_running())
    port = int(stack["temporal_address"].rpartition(":")[2])
    eventually(lambda: not ports.is_free(port))
    code, said = dev.stop()
    assert code == 0
    assert "Temporal was killed by SIGKILL; starting it again" in said
    assert "PostgreSQL is gone; starting it again" in said
    assert processes_of(data_dir) == []


@pytest.mark.temporal
def test_a_dead_worker_is_replaced(start: Start, data_dir: Path) -> None:
    dev = start("--no-ui", "--workers", "2")
    before = dev.wait_ready()["worker_pids"]
    assert len(before) == 2
    os.kill(before[0], signal.SIGKILL)
    eventually(
        lambda: len(dev.stack["worker_pids"]) == 2 and before[0] not in dev.stack["worker_pids"]
    )
    after = dev.stack["worker_pids"]
    report = run("doctor", env={**os.environ, "REVIEWS_DATA_DIR": str(data_dir)})
    assert report.returncode == 0, report.stdout
    code, said = dev.stop()
    assert code == 0
    assert f"worker {before[0]} was killed by SIGKILL; starting a new one" in said
    assert not any(processes.is_alive(pid) for pid in (*before, *after))


@pytest.mark.temporal
@pytest.mark.parametrize("after", [0.1, 0.9])
def test_a_signal_during_the_start_leaves_nothing(
    start: Start, data_dir: Path, after: float
) -> None:
    dev = start("--no-worker", "--no-ui")
    eventually((data_dir / "dev.lock").exists)
    time.sleep(after)
    code, said = dev.stop()
    assert code == 0, said
    assert "Traceback" not in said
    assert processes_of(data_dir) == []


@pytest.mark.temporal
def test_taken_ports(data_dir: Path, start: Start) -> None:
    with socket.create_server((ports.LOOPBACK, 0)) as other:
        taken = str(other.getsockname()[1])
        sentence = refused(run("dev", "--data-dir", str(data_dir), "--temporal-port", taken), 4)
        assert taken in sentence
        assert "--temporal-port" in sentence
    assert processes_of(data_dir) == []


def hold(port: int, held: ExitStack) -> None:
    """Take a port, unless somebody keeps it for good: a test beside this one lets go of it soon."""
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        with suppress(OSError):
            held.enter_context(socket.create_server((ports.LOOPBACK, port)))
            return
        time.sleep(0.1)


def test_it_says_which_ports_it_took_and_why(data_dir: Path, start: Start) -> None:
    with ExitStack() as held:
        for port in (7233, 8233):
            hold(port, held)
        dev = start("--no-worker")
        stack = dev.wait_ready()
        code, said = dev.stop()
    assert code == 0, said
    mine = stack["temporal_address"].rpartition(":")[2], stack["temporal_ui"].rpartition(":")[2]
    assert f"port 7233 is taken by another program; Temporal has port {mine[0]}." in said
    assert f"port 8233 is taken by another program; the Temporal UI has port {mine[1]}." in said
    assert "starting PostgreSQL with a new database (1 of 3)\n" in said
    assert f"Open the inbox: {stack['web_url']}/login/link/" in said
    assert f"export REVIEWS_DATA_DIR={data_dir}" in said
    assert "reviews doctor" in said


def test_given_servers_are_used_and_left_alone(
    start: Start, temporal_server: TemporalServer, database_url: str, data_dir: Path
) -> None:
    given = {"TEMPORAL_ADDRESS": temporal_server.address, "REVIEWS_DATABASE_URL": database_url}
    dev = start("--no-worker", env=given)
    stack = dev.wait_ready()
    assert stack["temporal_address"] == temporal_server.address
    assert stack["temporal_ui"] is None
    assert stack["database_url"] == database_url
    assert not (data_dir / "postgres").exists()
    assert not (data_dir / "temporal.db").exists()
    assert dev.stop()[0] == 0
    assert temporal_server.pid is not None


def test_an_address_without_a_server(data_dir: Path) -> None:
    address = f"{ports.LOOPBACK}:{ports.any_free()}"
    done = run(
        *("dev", "--data-dir", str(data_dir), "--no-worker"),
        env={**os.environ, "TEMPORAL_ADDRESS": address},
    )
    assert address in refused(done, 5)
    assert processes_of(data_dir) == []


def test_a_newer_directory_is_refused(data_dir: Path) -> None:
    data_dir.mkdir()
    (data_dir / "layout").write_text("9\n")
    assert "layout 9" in refused(run("dev", "--data-dir", str(data_dir)), 2)


def test_a_newer_postgres_is_refused(data_dir: Path) -> None:
    (data_dir / "postgres").mkdir(parents=True)
    (data_dir / "postgres" / "PG_VERSION").write_text("99\n")
    assert "PostgreSQL 99" in refused(run("dev", "--data-dir", str(data_dir)), 2)


def _lose_privileges() -> None:
    """Root may write anywhere; without these two capabilities it may not."""
    for capability in (_DAC_OVERRIDE, _DAC_READ_SEARCH):
        ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, capability)


def test_no_permission(data_dir: Path) -> None:
    data_dir.mkdir()
    data_dir.chmod(0o555)
    for path in (data_dir, data_dir / "below"):
        sentence = refused(run("dev", "--data-dir", str(path), preexec_fn=_lose_privileges), 2)
        assert "permission denied" in sentence
        assert str(path) in sentence


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("REVIEWS_POLICY_FILE", "policy.toml", "risk.inactivity_days"),
        ("REVIEWS_HOOKS", "nowhere:nothing", "REVIEWS_HOOKS names 'nowhere:nothing'"),
        ("REVIEWS_AUDIT_DATABASE_URL", "mysql://x/y", "which is not PostgreSQL"),
        ("OTEL_METRICS_EXPORTER", "statsd", "OTEL_METRICS_EXPORTER is 'statsd'"),
    ],
)
def test_what_a_worker_would_refuse_is_refused_before_anything_is_started(
    data_dir: Path, tmp_path: Path, variable: str, value: str, words: str
) -> None:
    (tmp_path / "policy.toml").write_text("[risk]\ninactivity_days = 'soon'\n")
    done = run(
        *("dev", "--data-dir", str(data_dir)),
        env={**os.environ, variable: value.replace("policy", f"{tmp_path}/policy")},
    )
    assert words in refused(done, 2)
    assert "starting" not in done.stderr
    assert not data_dir.exists()


@pytest.mark.temporal
def test_a_data_directory_that_is_removed_ends_it(start: Start, data_dir: Path) -> None:
    dev = start("--no-worker", "--no-ui")
    dev.wait_ready()
    shutil.rmtree(data_dir, ignore_errors=True)
    said, _ = dev.process.communicate(timeout=PATIENCE)
    assert dev.process.returncode == 5
    assert f"the data directory {data_dir} was removed under the running stack" in said
    assert not data_dir.exists()
    assert processes_of(data_dir) == []
