"""Workers are kept alive. The worker here is a small program that says it is ready."""

import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from account_reviews.domain.errors import NotFoundError, UnreachableError
from account_reviews.local.supervisor import Supervisor

_READY = "import os, sys; print(f'worker ready pid={os.getpid()} task_queue=q', file=sys.stderr)\n"
_STAYS = _READY + "sys.stderr.flush(); import time; time.sleep(60)"
_GRACEFUL = (
    "import signal, sys, time\n"
    "signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.3), print('finished'), sys.exit(0)))\n"
    + _STAYS
)


class Bench:
    """A supervisor with what it said and how often its workers changed."""

    def __init__(self, path: Path, program: str, *, restart: bool = True) -> None:
        self.said: list[str] = []
        self.changes = 0
        self.log = path / "worker.log"
        self.supervisor = Supervisor(
            os.environ,
            self.log,
            notify=self.said.append,
            changed=self._count,
            restart=restart,
            command=(sys.executable, "-u", "-c", program),
        )

    def _count(self) -> None:
        self.changes += 1


async def _eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def _gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def test_a_dead_worker_is_replaced(tmp_path: Path) -> None:
    bench = Bench(tmp_path, _STAYS)
    first = await bench.supervisor.start_worker()
    assert bench.supervisor.pids == [first]
    assert await bench.supervisor.kill_worker() == first
    await _eventually(lambda: bench.supervisor.pids not in ([first], []))
    await _eventually(lambda: len(bench.said) == 2)
    assert bench.said[0] == f"worker {first} was killed by SIGKILL; starting a new one"
    assert bench.changes >= 3
    second = bench.supervisor.pids[0]
    await bench.supervisor.stop()
    assert _gone(first)
    assert _gone(second)
    assert bench.supervisor.pids == []


async def test_without_restart_it_only_says_so(tmp_path: Path) -> None:
    bench = Bench(tmp_path, _STAYS, restart=False)
    pid = await bench.supervisor.start_worker()
    await bench.supervisor.kill_worker(pid)
    await _eventually(lambda: bool(bench.said))
    assert bench.said == [f"worker {pid} was killed by SIGKILL; it is not restarted"]
    assert bench.supervisor.pids == []
    with pytest.raises(NotFoundError):
        await bench.supervisor.kill_worker()
    await bench.supervisor.stop()


async def test_a_worker_that_cannot_start_is_an_error(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "import sys; sys.exit('the key is missing')")
    with pytest.raises(UnreachableError, match=r"exit code 1 .*: the key is missing"):
        await bench.supervisor.start_worker()
    assert bench.supervisor.pids == []
    await bench.supervisor.stop()


async def test_stopping_lets_workers_finish(tmp_path: Path) -> None:
    bench = Bench(tmp_path, _GRACEFUL)
    pids = [await bench.supervisor.start_worker() for _ in range(2)]
    await bench.supervisor.stop()
    assert bench.log.read_text().count("finished") == 2
    assert all(_gone(pid) for pid in pids)
    assert bench.said == []


async def test_no_file_of_the_current_directory_is_taken_for_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("worker", "typer", "account_reviews"):
        (tmp_path / f"{name}.py").write_text("open('taken', 'w').close()")
    monkeypatch.chdir(tmp_path)
    supervisor = Supervisor(
        {**os.environ, "REVIEWS_DATA_DIR": str(tmp_path)},
        tmp_path / "worker.log",
        notify=print,
        changed=lambda: None,
    )
    with pytest.raises(UnreachableError, match="no database: REVIEWS_DATABASE_URL is not set"):
        await supervisor.start_worker()
    await supervisor.stop()
    assert not (tmp_path / "taken").exists()
