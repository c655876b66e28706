"""One worker process that calls as often as it may: `python -m bench.budget_worker`.

With `--temporal` nobody shares a budget: the calls are activities, and Temporal lets through so
many a second (`max_task_queue_activities_per_second`).
"""

import argparse
import asyncio
from datetime import timedelta

import httpx2
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from account_reviews.crm.http.breaker import LocalBreaker
from account_reviews.crm.http.client import ApiClient
from account_reviews.crm.http.limits import Limits, Window
from account_reviews.crm.http.shared_budget import SharedBudget
from account_reviews.crm.http.tokens import StaticToken
from account_reviews.domain.errors import CrmRateLimitedError
from account_reviews.store.database import create_engine

QUEUE = "budget-bench"


@workflow.defn
class CallOften:
    """Keeps `at_once` calls waiting or under way until it is cancelled."""

    @workflow.run
    async def run(self, at_once: int, calls: int) -> None:
        for _ in range(calls // at_once):
            await asyncio.gather(
                *(
                    workflow.execute_activity(
                        "bench.call", start_to_close_timeout=timedelta(seconds=30)
                    )
                    for _ in range(at_once)
                )
            )


async def share_budget(arguments: argparse.Namespace) -> None:
    """Call by a budget that stands in the database."""
    engine = create_engine(arguments.database, application_name="bench-worker")
    windows = (Window(arguments.credits, arguments.window),) if arguments.credits else ()
    limits = Limits(arguments.key, arguments.concurrency, windows, patience=600)
    client = ApiClient(
        service="bench",
        tokens=StaticToken("key", arguments.url, scheme="Bearer"),
        budget=SharedBudget(engine, service="bench", limits=limits, timeout=30),
        breaker=LocalBreaker("bench"),
    )

    async def caller() -> None:
        while True:
            try:
                await client.send("GET", "/call")
            except CrmRateLimitedError as error:
                await asyncio.sleep(error.retry_after or 1.0)

    await asyncio.gather(*(caller() for _ in range(arguments.callers)))


async def be_limited_by_temporal(arguments: argparse.Namespace) -> None:
    """Call when Temporal hands out a task."""
    http = httpx2.AsyncClient(timeout=None)

    @activity.defn(name="bench.call")
    async def call() -> None:
        await http.get(f"{arguments.url}/call")

    client = await Client.connect(arguments.temporal, namespace=arguments.namespace)
    worker = Worker(
        client,
        task_queue=QUEUE,
        workflows=[CallOften],
        activities=[call],
        max_concurrent_activities=arguments.callers,
        max_task_queue_activities_per_second=arguments.per_second,
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    await worker.run()


if __name__ == "__main__":
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--url", required=True)
    flags.add_argument("--database")
    flags.add_argument("--key", default="bench")
    flags.add_argument("--concurrency", type=int, default=10)
    flags.add_argument("--credits", type=int)
    flags.add_argument("--window", type=float, default=60.0)
    flags.add_argument("--callers", type=int, default=20)
    flags.add_argument("--temporal")
    flags.add_argument("--namespace", default="default")
    flags.add_argument("--per-second", type=float)
    given = flags.parse_args()
    asyncio.run(be_limited_by_temporal(given) if given.temporal else share_budget(given))
