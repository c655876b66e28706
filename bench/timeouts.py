"""Time-outs of the tuned settings with twice the normal load: 64 reviews at work.

Every review of the run is counted: workflow tasks that timed out, and activities that needed
more than one attempt, of which those by a missed heartbeat.
"""

import argparse
import time
from collections import Counter
from collections.abc import Iterator

from temporalio.api.enums.v1 import EventType, TimeoutType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory

from bench import common, portfolio
from bench.common import Result, Row, spread
from bench.driving import Approver, Done, accounts_of, review_all, worker_process


async def measure(arguments: argparse.Namespace) -> Result:
    """Keep `--in-flight` reviews at work until each account has had one."""
    async with common.fresh_stack() as bench:
        await portfolio.fill_with_copies(bench, arguments.copies)
        accounts = await accounts_of(bench)
        execution = await bench.parts.execution()
        async with (
            worker_process(bench, *common.worker_flags(arguments)),
            Approver(bench.parts, bench.client).working(),
        ):
            began = time.monotonic()
            done = await review_all(bench, accounts, execution, in_flight=arguments.in_flight)
            took = time.monotonic() - began
        counts: Counter[str] = Counter()
        for one in done:
            counts.update(_timeouts(await one.handle.fetch_history()))
        return _result(done, counts, arguments.in_flight, took)


def _timeouts(history: WorkflowHistory) -> Iterator[str]:
    for event in history.events:
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT:
            kind = event.workflow_task_timed_out_event_attributes.timeout_type
            yield f"workflow task: {TimeoutType.Name(kind)}"
        elif event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
            yield "workflow task: failed"
        else:
            yield from _retries(event)


def _retries(event: HistoryEvent) -> Iterator[str]:
    """Activities that failed for good, and those that were tried again: the event says why."""
    if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
        yield f"activity: {_cause(event.activity_task_timed_out_event_attributes.failure)}"
    elif event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
        started = event.activity_task_started_event_attributes
        if started.attempt > 1:
            yield f"activity: {_cause(started.last_failure)}"


def _cause(failure: Failure) -> str:
    if failure.HasField("timeout_failure_info"):
        return TimeoutType.Name(failure.timeout_failure_info.timeout_type)
    return failure.message


def _result(done: list[Done], counts: Counter[str], in_flight: int, took: float) -> Result:
    tasks = {what: count for what, count in counts.items() if what.startswith("workflow task")}
    retries = {what: count for what, count in counts.items() if what.startswith("activity")}
    failed = [one for one in done if one.outcome.startswith("failed")]
    result = Result("timeouts")
    result.rows = [
        Row(
            f"workflow task time-outs with {in_flight} reviews at work, {len(done)} reviews",
            str(tasks or 0),
            "0",
            not tasks,
        ),
        Row("activities tried again or timed out in that run", str(retries or 0)),
        Row("start to end of a review in that run", spread([one.seconds for one in done])),
        Row("reviews per second in that run", f"{len(done) / took:.1f}"),
    ]
    result.samples = {
        "counts": dict(counts),
        "seconds": [round(one.seconds, 3) for one in done],
        "outcomes": dict(Counter(one.outcome for one in done)),
    }
    if failed:
        result.broken.append(f"{len(failed)} reviews failed, the first: {failed[0].outcome}")
    return result


if __name__ == "__main__":
    flags = common.parser(__doc__.splitlines()[0])
    flags.add_argument("--in-flight", type=int, default=64, help="reviews at a time (default 64)")
    flags.add_argument("--copies", type=int, default=6, help="of the 64 accounts (default 6)")
    common.main(measure, flags.parse_args())
