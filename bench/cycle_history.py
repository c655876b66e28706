"""The histories of a cycle over 10,000 accounts: events and bytes of each of its runs.

The cycle is the product's own; its reviews are a workflow that reports its end and does no more,
since only the parent is measured.
"""

import argparse
import time
from datetime import UTC, datetime
from typing import Any

from temporalio import workflow
from temporalio.client import WorkflowHandle
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from account_reviews.crm.in_memory import InMemoryCrm
from account_reviews.domain.cycle.state import CycleScope
from account_reviews.domain.records import Account, AccountSnapshot, Owner, RecordType
from account_reviews.domain.review.messages import ReviewProgress
from account_reviews.domain.review.phases import Outcome, Phase, Status
from account_reviews.domain.review.state import ReviewInput
from account_reviews.services.cycles import cycle_input, start_cycle
from account_reviews.temporal.names import TASK_QUEUE
from account_reviews.temporal.sandbox import activity_methods
from account_reviews.temporal.worker_interceptor import ReviewInterceptor
from bench import common
from bench.common import Bench, Result, Row
from workflows.review_cycle import ReviewCycleWorkflow

MOST_EVENTS = 10_000
MOST_BYTES = 10_000_000
OWNERS = 50


@workflow.defn(name="AccountReview")
class ReportingWorkflow:
    """Reports to its cycle that it is done."""

    @workflow.run
    async def run(self, start: ReviewInput) -> None:
        progress = ReviewProgress(
            review_id=workflow.info().workflow_id,
            account_id=start.account_id,
            phase=Phase.COMPLETED,
            status=Status.COMPLETED,
            outcome=Outcome.NOTHING_TO_DO,
        )
        handle = workflow.get_external_workflow_handle(start.cycle_id or "")
        await handle.signal("review_progress", progress)


async def measure(arguments: argparse.Namespace) -> Result:
    """Run the cycle, then look at each run of its chain."""
    async with common.fresh_stack() as bench:
        crm = InMemoryCrm(_snapshot(number) for number in range(arguments.accounts))
        parts = common.with_crm(bench.parts, crm)
        methods = [method for owner in parts.activities() for method in activity_methods(owner)]
        began = time.monotonic()
        async with Worker(
            bench.client,
            task_queue=TASK_QUEUE,
            workflows=[ReviewCycleWorkflow, ReportingWorkflow],
            activities=methods,
            workflow_runner=UnsandboxedWorkflowRunner(),
            interceptors=[ReviewInterceptor()],
        ):
            start = await cycle_input(
                parts, kind="on_demand", scope=CycleScope(), started_by="bench", window=50
            )
            handle = await start_cycle(bench.client, start)
            result = await handle.result()
        seconds = time.monotonic() - began
        runs = await _runs(bench, handle)
    return _result(arguments.accounts, result.done, seconds, runs)


def _snapshot(number: int) -> AccountSnapshot:
    now = datetime.now(UTC)
    owner = Owner(id=f"o{number % OWNERS}", version="1", name=f"Owner {number % OWNERS}")
    name = f"ac-{number:05}"
    account = Account(id=name, version="1", name=f"Account {number}", owner_id=owner.id)
    return AccountSnapshot(
        account=account,
        owner=owner,
        modules=frozenset(RecordType),
        fetched_at=now,
        as_of=now,
    )


async def _runs(bench: Bench, handle: WorkflowHandle[Any, Any]) -> list[tuple[int, int]]:
    """Events and bytes of every run of the chain."""
    found = []
    run_id: str | None = handle.first_execution_run_id
    while run_id:
        run = bench.client.get_workflow_handle(handle.id, run_id=run_id)
        shown = await run.describe()
        size = shown.raw_description.workflow_execution_info.history_size_bytes
        found.append((shown.history_length, size))
        run_id = None
        async for event in run.fetch_history_events():
            run_id = event.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
    return found


def _result(accounts: int, done: int, seconds: float, runs: list[tuple[int, int]]) -> Result:
    events, size = max(one for one, _ in runs), max(one for _, one in runs)
    result = Result("cycle_history", samples={"runs": runs, "seconds": round(seconds, 1)})
    result.rows = [
        Row(
            f"a cycle over {accounts} accounts: events of its longest run",
            f"{events} in {len(runs)} runs",
            f"< {MOST_EVENTS}",
            events < MOST_EVENTS,
        ),
        Row(
            "bytes of its largest run",
            f"{size / 1e6:.2f} MB",
            f"< {MOST_BYTES / 1e6:.0f} MB",
            size < MOST_BYTES,
        ),
    ]
    if done != accounts:
        result.broken.append(f"{done} of {accounts} accounts were reviewed")
    return result


if __name__ == "__main__":
    flags = common.parser(__doc__.splitlines()[0], limit=1500)
    flags.add_argument("--accounts", type=int, default=10_000)
    common.main(measure, flags.parse_args())
