"""A real CRM export from nothing: import, review every account, count the CRM calls.

The data set is "CRM sales opportunities" (85 accounts). Every proposed change is approved at once
by the driver, so that writes and read-backs are counted too.
"""

import argparse
import time
from collections import Counter
from pathlib import Path
from typing import Any

from bench import common
from bench.common import ROOT, Result, Row
from bench.driving import Approver, Done, accounts_of, review_all, worker_process

DATA = ROOT.parent / "shared" / "data" / "crm_sales_opportunities"
MAPPING = ROOT / "examples" / "mappings" / "crm_sales_opportunities.yaml"
AS_OF = "2017-12-31"
MOST_READS = 3


async def measure(arguments: argparse.Namespace) -> Result:
    """Import and review; the worker process reports each call it makes to the CRM."""
    began = time.monotonic()
    async with common.fresh_stack() as bench:
        up = time.monotonic()
        await common.fill_crm(bench, arguments.data, MAPPING, AS_OF)
        imported = time.monotonic()
        accounts = await accounts_of(bench)
        async with (
            worker_process(bench, *common.worker_flags(arguments)) as worker,
            Approver(bench.parts, bench.client).working(),
        ):
            ready = time.monotonic()
            done = await review_all(
                bench, accounts, await bench.parts.execution(), in_flight=arguments.in_flight
            )
            reviewed = time.monotonic()
            calls = list(worker.reports)
    times = {
        "stack": up - began,
        "import": imported - up,
        "worker": ready - imported,
        "reviews": reviewed - ready,
        "all": reviewed - began,
    }
    return _result(done, calls, times)


def _result(done: list[Done], calls: list[dict[str, Any]], times: dict[str, float]) -> Result:
    reads = Counter(call["account"] for call in calls if call["call"] in ("snapshot", "read_back"))
    kinds = Counter(call["call"] for call in calls)
    outcomes = Counter(one.outcome for one in done)
    most, mean = max(reads.values(), default=0), reads.total() / max(1, len(done))
    result = Result("real_data")
    result.rows = [
        Row(
            f"{len(done)} accounts of a real export from nothing: stack, import, worker, reviews",
            f"{times['all']:.1f} s ({times['stack']:.1f} + {times['import']:.1f}"
            f" + {times['worker']:.1f} + {times['reviews']:.1f})",
        ),
        Row("reviews per second of them", f"{len(done) / times['reviews']:.1f}"),
        Row(
            "CRM reads per review, counted at the CRM (snapshot and read-back calls)",
            f"mean {mean:.2f}, max {most}",
            f"<= {MOST_READS}",
            most <= MOST_READS,
        ),
        Row("CRM calls in all", _shown(kinds)),
        Row("outcomes", _shown(outcomes)),
    ]
    result.samples = {
        "times": times,
        "calls": dict(kinds),
        "reads_per_account": dict(reads),
        "outcomes": dict(outcomes),
        "seconds": [round(one.seconds, 3) for one in done],
    }
    if set(reads) != {one.handle.id.removeprefix("review/") for one in done}:
        result.broken.append("not every review read its account from the CRM")
    if any(outcome.startswith("failed") for outcome in outcomes):
        result.broken.append("a review failed")
    return result


def _shown(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


if __name__ == "__main__":
    flags = common.parser(__doc__.splitlines()[0])
    flags.add_argument("data", type=Path, nargs="?", default=DATA, help="directory with the CSV")
    flags.add_argument("--in-flight", type=int, default=8, help="reviews at a time (default 8)")
    common.main(measure, flags.parse_args())
