"""The worker: what is registered, on which task queue, with which settings.

`python worker.py` and `reviews worker` are the same. SIGTERM lets running activities finish.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from temporalio.client import Client
from temporalio.worker import Interceptor, Worker

from account_reviews.config.settings import Settings
from account_reviews.domain.base import build_models
from account_reviews.runtime.garbage_collection import pass_over_what_is_there
from account_reviews.runtime.worker import open_worker_parts
from account_reviews.temporal import names
from account_reviews.temporal.sandbox import activity_methods, sandboxed_runner
from account_reviews.temporal.tuning import TUNED
from account_reviews.temporal.worker_interceptor import ReviewInterceptor
from workflows.account_review import AccountReviewWorkflow
from workflows.review_cycle import ReviewCycleWorkflow
from workflows.upkeep import UpkeepWorkflow

WORKFLOWS = [AccountReviewWorkflow, ReviewCycleWorkflow, UpkeepWorkflow]


def build_worker(
    client: Client,
    owners: Sequence[object],
    *,
    task_queue: str = names.TASK_QUEUE,
    tenants: Collection[str] | None = None,
    interceptors: Sequence[Interceptor] = (),
    **options: Any,
) -> Worker:
    """A worker for workflows and activities, of `tenants` only; `options` override TUNED."""
    build_models()  # so that no workflow task does it
    methods = [method for owner in owners for method in activity_methods(owner)]
    # Few threads: more of them only fight the event loop and its heartbeats for the interpreter.
    options.setdefault("workflow_task_executor", ThreadPoolExecutor(2, "workflow"))
    return Worker(
        client,
        task_queue=task_queue,
        workflows=WORKFLOWS,
        activities=methods,
        interceptors=[*interceptors, ReviewInterceptor(tenants)],
        **{**TUNED, "workflow_runner": sandboxed_runner(), **options},
    )


async def run(settings: Settings, adopt: Sequence[str] = ()) -> None:
    """Poll the tenant's queue until SIGTERM or SIGINT, then finish what runs."""
    queue, tenants = names.task_queue(settings.tenant), {settings.tenant, *adopt}
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with open_worker_parts(settings) as opened:
        async with build_worker(
            opened.client,
            opened.activities,
            task_queue=queue,
            tenants=tenants,
            interceptors=opened.interceptors,
            workflow_runner=opened.runner,
        ):
            ready = f"worker ready pid={os.getpid()} task_queue={queue}{opened.remarks}"
            pass_over_what_is_there()
            print(ready, file=sys.stderr, flush=True)  # noqa: T201
            await stop.wait()


if __name__ == "__main__":
    from account_reviews.cli import main

    main(["worker", *sys.argv[1:]])
