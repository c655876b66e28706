"""The worker: what is registered, on which task queues, with which settings.

`python worker.py` and `reviews worker` are the same. SIGTERM lets running activities finish.
"""

import os
import sys
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from temporalio.client import Client
from temporalio.worker import Interceptor, Worker

from account_reviews.config.settings import Settings
from account_reviews.domain.base import build_models
from account_reviews.runtime.garbage_collection import pass_over_what_is_there
from account_reviews.runtime.queues import Only, by_queue
from account_reviews.runtime.worker import open_worker_parts
from account_reviews.runtime.workers import Workers, ending_in_any_case, told_to_stop
from account_reviews.temporal import names
from account_reviews.temporal.failing_steps_interceptor import FailingStepsInterceptor
from account_reviews.temporal.sandbox import sandboxed_runner
from account_reviews.temporal.tuning import TUNED
from account_reviews.temporal.worker_interceptor import ReviewInterceptor
from workflows.account_review import AccountReviewWorkflow
from workflows.memory_sync import MemorySyncWorkflow
from workflows.review_cycle import ReviewCycleWorkflow
from workflows.upkeep import UpkeepWorkflow

WORKFLOWS = [AccountReviewWorkflow, ReviewCycleWorkflow, UpkeepWorkflow, MemorySyncWorkflow]


def build_worker(
    client: Client,
    owners: Sequence[object],
    *,
    task_queue: str = names.TASK_QUEUE,
    tenants: Collection[str] | None = None,
    interceptors: Sequence[Interceptor] = (),
    only: Only | None = None,
    **options: Any,
) -> Workers:
    """Workers for workflows and activities, of `tenants` only; `options` override TUNED."""
    build_models()  # so that no workflow task does it
    # Few threads: more of them only fight the event loop and its heartbeats for the interpreter.
    options.setdefault("workflow_task_executor", ThreadPoolExecutor(2, "workflow"))
    around = [*interceptors, FailingStepsInterceptor(), ReviewInterceptor(tenants)]
    shared = {**TUNED, "workflow_runner": sandboxed_runner(), **options}
    registered = by_queue(task_queue, WORKFLOWS, owners, only)
    return Workers([Worker(client, interceptors=around, **shared, **one) for one in registered])


async def run(settings: Settings, adopt: Sequence[str] = (), only: Only | None = None) -> None:
    """Poll the tenant's queues until SIGTERM or SIGINT, then finish what runs. NoMoreWorkError."""
    queue, tenants = names.task_queue(settings.tenant), {settings.tenant, *adopt}
    stop = told_to_stop()
    async with open_worker_parts(settings, only=only) as opened:
        async with build_worker(
            opened.client,
            opened.activities,
            task_queue=queue,
            tenants=tenants,
            interceptors=opened.interceptors,
            workflow_runner=opened.runner,
            only=only,
            on_fatal_error=ending_in_any_case(),
        ) as workers:
            ready = f"worker ready pid={os.getpid()} {workers.on()}{opened.remarks}"
            pass_over_what_is_there()
            print(ready, file=sys.stderr, flush=True)  # noqa: T201
            await stop.wait()


if __name__ == "__main__":
    from account_reviews.cli import main

    main(["worker", *sys.argv[1:]])
