"""The stack as a library: what the demo and the benches use."""

import asyncio
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from temporalio.client import Client

from account_reviews.config import ports
from account_reviews.domain.errors import BadInputError, ConflictError
from account_reviews.local import processes
from account_reviews.local.stack import LocalStack
from tests.support.waiting import PATIENCE


async def _eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


@pytest.mark.temporal
async def test_workers_come_and_go(short_dir: Path) -> None:
    data_dir = short_dir / "stack"
    async with LocalStack(data_dir, ui=False, temporal_port=ports.any_free()) as stack:
        client = await Client.connect(stack.address)
        assert client.namespace == stack.namespace
        first = stack.worker_pids[0]
        assert await stack.kill_worker() == first
        await _eventually(lambda: stack.worker_pids not in ([], [first]))
        second = await stack.start_worker()
        assert second in stack.worker_pids
        shown = json.loads((data_dir / "stack.json").read_text())
        assert shown["worker_pids"] == stack.worker_pids
        with pytest.raises(ConflictError, match=r"runs in .* already"):
            await LocalStack(data_dir).start()
        pids = stack.worker_pids
    assert not any(processes.is_alive(pid) for pid in pids)
    assert not (data_dir / "stack.json").exists()
    await stack.stop()


@pytest.mark.temporal
async def test_a_refused_start_can_be_repeated(short_dir: Path) -> None:
    data_dir = short_dir / "refused"
    data_dir.mkdir()
    (data_dir / "layout").write_text("9\n")
    stack = LocalStack(data_dir, workers=0, ui=False, temporal_port=ports.any_free())
    with pytest.raises(BadInputError):
        await stack.start()
    (data_dir / "layout").unlink()
    async with stack:
        assert stack.ui is None
        assert stack.worker_pids == []


@pytest.mark.temporal
async def test_a_directory_that_is_half_removed_is_lost_and_not_filled_again(
    short_dir: Path,
) -> None:
    """As in the middle of `rm -rf`: the database is gone, and the lock is still there."""
    data_dir = short_dir / "half"
    async with LocalStack(data_dir, workers=0, ui=False, temporal_port=ports.any_free()) as stack:
        shutil.rmtree(data_dir / "postgres")
        async with asyncio.timeout(PATIENCE):
            await stack.lost.wait()
    assert not (data_dir / "postgres").exists()


def test_children_are_led_to_this_stack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TEMPORAL_API_KEY", "of another service")
    monkeypatch.setenv("TEMPORAL_PROFILE", "production")
    environment = LocalStack(tmp_path).environment()
    assert "TEMPORAL_API_KEY" not in environment
    assert "TEMPORAL_PROFILE" not in environment
    assert environment["REVIEWS_DATA_DIR"] == str(tmp_path)
    given = LocalStack(tmp_path, temporal_address="temporal.internal:7233").environment()
    assert given["TEMPORAL_API_KEY"] == "of another service"
    assert given["TEMPORAL_ADDRESS"] == "temporal.internal:7233"
