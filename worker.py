"""The worker: what is registered, on which task queue, with which settings.

`python worker.py` and `reviews worker` are the same. SIGTERM lets running activities finish.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from temporalio.client import Client
from temporalio.worker import Worker

from account_reviews.bootstrap import open_parts
from account_reviews.settings import Settings
from account_reviews.temporal.client import connect
from account_reviews.temporal.interceptors import ReviewInterceptor
from account_reviews.temporal.names import TASK_QUEUE
from account_reviews.temporal.runner import activity_methods, compile_workflows, sandboxed_runner
from workflows.account_review import AccountReviewWorkflow
from workflows.review_cycle import ReviewCycleWorkflow
from workflows.upkeep import UpkeepWorkflow

WORKFLOWS = [AccountReviewWorkflow, ReviewCycleWorkflow, UpkeepWorkflow]

TUNED: dict[str, Any] = {
    # A dead worker's waiting reviews move on after this, not after ten seconds.
    "sticky_queue_schedule_to_start_timeout": timedelta(seconds=2),
    # Enough to start a burst of workflow tasks at once, few enough to end each in time.
    "max_concurrent_workflow_tasks": 44,
    # After a restart all comes from the normal queue: half of the pollers listen there.
    "max_concurrent_workflow_task_polls": 8,
    "nonsticky_to_sticky_poll_ratio": 0.5,
    "max_concurrent_local_activities": 24,
    "max_concurrent_activities": 64,
    "max_cached_workflows": 500,
    "graceful_shutdown_timeout": timedelta(seconds=10),
}


def build_worker(
    client: Client, owners: Sequence[object], *, task_queue: str = TASK_QUEUE, **options: Any
) -> Worker:
    """A worker for the workflows and the activities of `owners`; `options` override TUNED."""
    methods = [method for owner in owners for method in activity_methods(owner)]
    # Few threads: more of them only fight the event loop and its heartbeats for the interpreter.
    options.setdefault("workflow_task_executor", ThreadPoolExecutor(2, "workflow"))
    return Worker(
        client,
        task_queue=task_queue,
        workflows=WORKFLOWS,
        activities=methods,
        interceptors=[ReviewInterceptor()],
        **{**TUNED, "workflow_runner": sandboxed_runner(), **options},
    )


async def run(settings: Settings) -> None:
    """Poll until SIGTERM or SIGINT, then finish what runs."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    compile_workflows(WORKFLOWS)
    async with open_parts(settings, application="reviews-worker") as parts:
        client = await connect(settings)
        async with build_worker(client, parts.activities()):
            ready = f"worker ready pid={os.getpid()} task_queue={TASK_QUEUE}"
            print(ready, file=sys.stderr, flush=True)  # noqa: T201
            await stop.wait()


if __name__ == "__main__":
    from account_reviews.cli import main

    main(["worker", *sys.argv[1:]])
