"""A worker that Temporal gives no more work ends by itself, with the reason and without a trace."""

import subprocess
import sys

import pytest

from account_reviews.local.stack import LocalStack
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE

FAILING = """
import asyncio
from temporalio.worker._activity import _ActivityWorker
from account_reviews.cli import main
from account_reviews.runtime import workers

async def run(self):
    await asyncio.sleep(0.5)
    raise RuntimeError("Activity worker failed") from ValueError("Namespace x is not found.")

async def never():
    await asyncio.Event().wait()

workers.PATIENCE = 1
_ActivityWorker.run = run
if {hangs}:
    _ActivityWorker.drain_poll_queue = lambda self: never()
main(["worker"])
"""
"""A worker both of whose queues fail while it runs, and perhaps do not let it shut down."""


@pytest.mark.parametrize("hangs", [False, True])
def test_a_worker_that_cannot_poll_ends_with_the_reason(stack: LocalStack, hangs: bool) -> None:
    run = subprocess.run(
        [sys.executable, "-P", "-c", FAILING.format(hangs=hangs)],
        env=stack.environment() | {"REVIEWS_TENANT": "failing", "OTEL_METRICS_EXPORTER": "none"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    told = [line for line in run.stderr.splitlines() if not line.startswith("{")]
    assert run.returncode == 5, run.stderr
    assert told[0].startswith("worker ready")
    assert told[-1].startswith(
        "the worker cannot ask Temporal for work any more: Namespace x is not found"
    )
    assert not any(line.startswith(("Traceback", "  File")) for line in told)
