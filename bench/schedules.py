"""How late schedules fire: 1,000 spread over a minute, and 100 due at one instant.

The schedules are the product's own, of kind `one_time`; what they start is an empty workflow.
Lateness is the start that the server recorded against the time it was scheduled for.
"""

import argparse
import asyncio
from datetime import UTC, datetime, timedelta

from temporalio import workflow
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    SchedulePolicy,
    ScheduleState,
)
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from account_reviews.domain.schedule.entry import ScheduleEntry, ScheduleKind
from account_reviews.temporal import search_attributes
from account_reviews.temporal.schedules.entries import spec_for
from bench import common
from bench.common import Result, Row

QUEUE = "bench-schedules"
CREATED_AT_ONCE = 20
SETTLE = timedelta(seconds=5)


@workflow.defn(name="Empty")
class EmptyWorkflow:
    """Does nothing."""

    @workflow.run
    async def run(self) -> None:
        return


async def measure(arguments: argparse.Namespace) -> Result:
    """Both cases on one stack, one after the other."""
    async with (
        common.fresh_stack() as bench,
        Worker(
            bench.client,
            task_queue=QUEUE,
            workflows=[EmptyWorkflow],
            workflow_runner=UnsandboxedWorkflowRunner(),
        ),
    ):
        begin = _soon(timedelta(seconds=arguments.spread / 2))
        spread = [
            begin + timedelta(seconds=number * arguments.spread // arguments.schedules)
            for number in range(arguments.schedules)
        ]
        spread_late = await _fire(bench.client, "spread", spread)
        burst = [_soon(timedelta(seconds=10))] * arguments.burst
        burst_late = await _fire(bench.client, "burst", burst)
    return _result(arguments, spread_late, burst_late)


def _soon(later: timedelta) -> datetime:
    return (datetime.now(UTC) + later).replace(microsecond=0)


async def _fire(client: Client, name: str, moments: list[datetime]) -> list[float]:
    """Create one schedule per moment, wait until all were due, and give each lateness."""
    gate = asyncio.Semaphore(CREATED_AT_ONCE)

    async def create(number: int, at: datetime) -> None:
        entry = ScheduleEntry(id=f"{name}-{number}", kind=ScheduleKind.ONE_TIME, run_at=at)
        action = ScheduleActionStartWorkflow(
            EmptyWorkflow.run, id=f"{name}/{number}", task_queue=QUEUE
        )
        async with gate:
            await client.create_schedule(
                f"{name}-{number}",
                Schedule(
                    action=action,
                    spec=spec_for(entry, datetime.now(UTC)),
                    policy=SchedulePolicy(catchup_window=timedelta(seconds=300)),
                    state=ScheduleState(limited_actions=True, remaining_actions=1),
                ),
            )

    await asyncio.gather(*(create(number, at) for number, at in enumerate(moments)))
    left = max(moments) + SETTLE - datetime.now(UTC)
    await asyncio.sleep(max(0.0, left.total_seconds()))
    late = []
    async for run in client.list_workflows(f"WorkflowType = 'Empty' and WorkflowId >= '{name}/'"):
        due = run.typed_search_attributes.get(search_attributes.SCHEDULED_AT)
        if due is not None and run.id.startswith(f"{name}/"):
            late.append((run.start_time - due).total_seconds())
    return late


def _result(arguments: argparse.Namespace, spread: list[float], burst: list[float]) -> Result:
    result = Result("schedules", samples={"spread": spread, "burst": burst})
    p99, longest = common.percentile(spread, 0.99), max(burst)
    missed = arguments.schedules + arguments.burst - len(spread) - len(burst)
    result.rows = [
        Row(
            f"lateness of {arguments.schedules} schedules over {arguments.spread} s",
            f"p50 {common.percentile(spread, 0.5):.3f}, p99 {p99:.3f}, max {max(spread):.3f} s",
            "p99 <= 1 s",
            p99 <= 1,
        ),
        Row(
            f"{arguments.burst} schedules due at one instant: the last has started after",
            f"{longest:.3f} s",
            "<= 3 s",
            longest <= 3,
        ),
        Row("missed", str(missed), "0", missed == 0),
    ]
    return result


if __name__ == "__main__":
    flags = common.parser(__doc__.splitlines()[0])
    flags.add_argument("--schedules", type=int, default=1000)
    flags.add_argument("--spread", type=int, default=60, help="seconds they are spread over")
    flags.add_argument("--burst", type=int, default=100, help="due at one instant")
    common.main(measure, flags.parse_args())
