"""The worker: what is registered, on which task queues, with which settings.

A tenant has two queues: one of its reviews and all that they read, and one of CRM writes, which
alone need the credential that may write. One process serves both, or one of them.
`python worker.py` and `reviews worker` are the same. SIGTERM lets running activities finish.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

from temporalio.client import Client
from temporalio.worker import Interceptor, Worker

from account_reviews.config.settings import Settings
from account_reviews.domain.base import build_models
from account_reviews.runtime.garbage_collection import pass_over_what_is_there
from account_reviews.runtime.worker import Only, open_worker_parts
from account_reviews.temporal import names
from account_reviews.temporal.failing_steps_interceptor import FailingStepsInterceptor
from account_reviews.temporal.sandbox import activity_methods, sandboxed_runner
from account_reviews.temporal.tuning import TUNED
from account_reviews.temporal.worker_interceptor import ReviewInterceptor
from activities.crm_writes import CrmWriteActivities
from workflows.account_review import AccountReviewWorkflow
from workflows.review_cycle import ReviewCycleWorkflow
from workflows.upkeep import UpkeepWorkflow

WORKFLOWS = [AccountReviewWorkflow, ReviewCycleWorkflow, UpkeepWorkflow]


class Workers:
    """Workers of one process, which begin and end together."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        self._workers = workers

    async def __aenter__(self) -> Self:
        for worker in self._workers:
            await worker.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await asyncio.gather(*(worker.__aexit__(*error) for worker in self._workers))

    @property
    def task_queues(self) -> list[str]:
        return [worker.task_queue for worker in self._workers]


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
    """Workers for workflows and activities, of `tenants` only; `options` override TUNED.

    The one for reviews takes writes too, as long as it may: those of reviews from before logic 3
    wait on its queue.
    """
    build_models()  # so that no workflow task does it
    writers = [owner for owner in owners if isinstance(owner, CrmWriteActivities)]
    readers = [owner for owner in owners if only is not Only.READ or owner not in writers]
    # Few threads: more of them only fight the event loop and its heartbeats for the interpreter.
    options.setdefault("workflow_task_executor", ThreadPoolExecutor(2, "workflow"))
    shared: dict[str, Any] = {
        "client": client,
        "interceptors": [*interceptors, FailingStepsInterceptor(), ReviewInterceptor(tenants)],
        **TUNED,
        "workflow_runner": sandboxed_runner(),
        **options,
    }
    reviews = {"task_queue": task_queue, "workflows": WORKFLOWS, "activities": _methods(readers)}
    writes = {"task_queue": names.write_queue_of(task_queue), "activities": _methods(writers)}
    wanted = [reviews] * (only is not Only.WRITE) + [writes] * (only is not Only.READ)
    return Workers([Worker(**{**shared, **one}) for one in wanted if one["activities"]])


def _methods(owners: Sequence[object]) -> list[Any]:
    return [method for owner in owners for method in activity_methods(owner)]


async def run(settings: Settings, adopt: Sequence[str] = (), only: Only | None = None) -> None:
    """Poll the tenant's queues until SIGTERM or SIGINT, then finish what runs."""
    queue, tenants = names.task_queue(settings.tenant), {settings.tenant, *adopt}
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with open_worker_parts(settings, only=only) as opened:
        async with build_worker(
            opened.client,
            opened.activities,
            task_queue=queue,
            tenants=tenants,
            interceptors=opened.interceptors,
            workflow_runner=opened.runner,
            only=only,
        ) as workers:
            queues = " ".join(f"task_queue={one}" for one in workers.task_queues)
            ready = f"worker ready pid={os.getpid()} {queues}{opened.remarks}"
            pass_over_what_is_there()
            print(ready, file=sys.stderr, flush=True)  # noqa: T201
            await stop.wait()


if __name__ == "__main__":
    from account_reviews.cli import main

    main(["worker", *sys.argv[1:]])
