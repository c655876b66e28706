"""A run of tests ends, and tells what kept it from ending; a worker of one is not ended by it."""

import subprocess
import sys
from pathlib import Path
from unittest.mock import MagicMock

from temporalio.bridge.proto.activity_task import Cancel
from temporalio.worker._activity import _ActivityWorker

from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE

HANGS = """
import asyncio

async def never_answered():
    await asyncio.Event().wait()

async def test_hangs():
    await never_answered()

async def test_the_next_one():
    await asyncio.sleep(0)
"""
DIES = """
import os

def test_dies():
    os._exit(9)
"""


def test_a_run_ends_whatever_becomes_of_its_tests(tmp_path: Path) -> None:
    (tmp_path / "test_hangs.py").write_text(HANGS)
    (tmp_path / "test_dies.py").write_text(DIES)
    run = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "tests.support.failures"),
            *("-c", ROOT / "pyproject.toml", "--rootdir", tmp_path, "--timeout", "5"),
            *("-p", "no:cacheprovider", "--numprocesses", "2", "--dist", "loadfile", tmp_path),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert run.returncode == 1, run.stdout + run.stderr
    at_once, summary = run.stdout.split("= FAILURES =")
    assert "test_hangs.py::test_hangs, call" in at_once
    assert "in never_answered" in at_once
    assert "crashed while running 'test_dies.py::test_dies'" in at_once
    assert "2 failed, 1 passed" in summary


def test_an_activity_that_ends_as_it_is_cancelled_does_not_end_its_worker() -> None:
    """The SDK warns of it where it polls, and an error there ends the polling for all others."""
    worker = MagicMock(_running_activities={})
    _ActivityWorker._handle_cancel_activity_task(worker, b"local_act_1", Cancel())
