"""A cycle of 1,000 accounts on a slow CRM, with bulk reads and without.

A call takes 200 ms and 10 run at once. A snapshot is eight calls, as it is with CRMs over REST;
a bulk read is the same eight calls for 50 accounts. The bound is what the CRM alone allows:
calls x 0.2 s / 10. Nobody approves anything, so a cycle ends when all its reviews are done or
wait.
"""

import argparse
import time
from typing import NamedTuple

from account_reviews.domain.cycle.state import CycleResult, CycleScope
from account_reviews.services.cycles import cycle_input, start_cycle
from bench import common, portfolio
from bench.common import Bench, Result, Row
from bench.driving import WorkerProcess, worker_process

SECONDS = 0.2
AT_ONCE = 10
SAMPLE = 64
"""Accounts in one copy of the sample portfolio."""


class Run(NamedTuple):
    seconds: float
    calls: int
    result: CycleResult

    @property
    def bound(self) -> float:
        return self.calls * SECONDS / AT_ONCE


async def measure(arguments: argparse.Namespace) -> Result:
    """One cycle with bulk reads and one without, each on a fresh stack."""
    runs = {}
    for name, bulk in (("on", True), ("off", False)):
        async with common.fresh_stack() as bench:
            await portfolio.fill_with_copies(bench, arguments.copies)
            flags = [f"--crm-seconds={SECONDS}", f"--crm-at-once={AT_ONCE}"]
            async with worker_process(bench, *flags) as worker:
                runs[name] = await _cycle(bench, worker, bulk=bulk)
        print(f"bulk reads {name}: {runs[name].seconds:.1f} s", flush=True)
    return _result(runs["off"], runs["on"])


async def _cycle(bench: Bench, worker: WorkerProcess, *, bulk: bool) -> Run:
    start = await cycle_input(
        bench.parts,
        kind="on_demand",
        scope=CycleScope(),
        started_by="bench",
        as_of=await bench.parts.default_as_of(),
        bulk_reads=bulk,
    )
    start = start.model_copy(
        update={"execution": start.execution.model_copy(update={"crm_reads": "regular"})}
    )
    began = time.monotonic()
    handle = await start_cycle(bench.client, start)
    result = await handle.result()
    seconds = time.monotonic() - began
    return Run(seconds, sum(one["calls"] for one in worker.reports if "calls" in one), result)


def _result(off: Run, on: Run) -> Result:
    result = Result("cycles")
    accounts = off.result.accounts
    slower, per_review = off.seconds / off.bound, on.calls / on.result.accounts
    faster = off.seconds / on.seconds
    result.rows = [
        Row(
            f"{accounts} accounts, bulk reads off: against the bound of the CRM",
            f"{slower:.2f} times ({off.seconds:.1f} s, {off.calls} calls, bound {off.bound:.1f} s)",
            "<= 1.25 times",
            slower <= 1.25,
        ),
        Row(
            "the same, bulk reads on: CRM calls per review",
            f"{per_review:.3f} ({on.calls} calls)",
            "<= 0.2",
            per_review <= 0.2,
        ),
        Row(
            "bulk reads on against off",
            f"{faster:.2f} times faster ({on.seconds:.1f} s)",
            ">= 2 times",
            faster >= 2,
        ),
    ]
    for name, run in (("off", off), ("on", on)):
        cycle = run.result
        if cycle.failed or cycle.done + cycle.waiting != cycle.accounts:
            result.broken.append(f"bulk reads {name}: {cycle.model_dump(mode='json')}")
    return result


if __name__ == "__main__":
    flags = common.parser(__doc__.splitlines()[0], limit=600)
    flags.add_argument("--copies", type=int, default=16, help=f"of the {SAMPLE} accounts")
    common.main(measure, flags.parse_args())
