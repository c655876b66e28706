"""Reviews per second through the whole pipeline, against the same pipeline the plain way.

Plain: one regular activity per step, the SDK's default worker, start and retry settings. Both
rows use the same servers with the settings of `reviews dev`, the same accounts and the same
driver, which approves every request at once by signal.
"""

import argparse
import statistics
import time
from collections import Counter
from typing import Any, NamedTuple

from bench import common, portfolio
from bench.common import Bench, Result, Row
from bench.driving import Approver, accounts_of, review_all, worker_process
from bench.stock import ONE_ACTIVITY_PER_STEP

TARGET = 1.7


class Round(NamedTuple):
    per_second: float
    outcomes: dict[str, int]
    events: float
    writes: int
    seconds: list[float]


async def measure(arguments: argparse.Namespace) -> Result:
    """Alternate tuned and plain rounds, each on a fresh stack."""
    rounds: dict[str, list[Round]] = {"tuned": [], "plain": []}
    for _ in range(arguments.pairs):
        for name, done in rounds.items():
            async with common.fresh_stack() as bench:
                done.append(await _round(bench, arguments, plain=name == "plain"))
            print(f"{name}: {done[-1].per_second:.1f}/s", flush=True)
    return _result(rounds, arguments)


async def _round(bench: Bench, arguments: argparse.Namespace, *, plain: bool) -> Round:
    await portfolio.fill_with_copies(bench, arguments.copies + 1)
    accounts = await accounts_of(bench)
    last = f"{arguments.copies + 1}-"
    warm_up = [account for account in accounts if account.id.startswith(last)][:16]
    measured = [account for account in accounts if not account.id.startswith(last)]
    execution = ONE_ACTIVITY_PER_STEP if plain else await bench.parts.execution()
    flags = common.worker_flags(arguments, stock=plain)
    async with (
        worker_process(bench, *flags),
        Approver(bench.parts, bench.client).working(),
    ):
        settings: dict[str, Any] = {"in_flight": arguments.in_flight, "stock": plain}
        await review_all(bench, warm_up, execution, **settings)
        began = time.monotonic()
        done = await review_all(bench, measured, execution, **settings)
        took = time.monotonic() - began
    lengths = [(await one.handle.describe()).history_length for one in done]
    return Round(
        per_second=len(done) / took,
        outcomes=dict(Counter(one.outcome for one in done)),
        events=statistics.mean(lengths),
        writes=sum(one.writes for one in done),
        seconds=[round(one.seconds, 4) for one in done],
    )


def _result(rounds: dict[str, list[Round]], arguments: argparse.Namespace) -> Result:
    tuned, plain = rounds["tuned"], rounds["plain"]
    pairs = zip(tuned, plain, strict=True)
    ratios = [ours.per_second / theirs.per_second for ours, theirs in pairs]
    ratio = statistics.median(ratios)
    result = Result("throughput")
    result.rows = [
        Row(
            f"reviews per second, {arguments.in_flight} in flight, against one regular activity"
            " per step and default settings (median of pairs)",
            f"{ratio:.2f} times ({', '.join(f'{one:.2f}' for one in ratios)})",
            f">= {TARGET} times",
            ratio >= TARGET,
        ),
        *(Row(f"reviews per second, {name}", _shown(done)) for name, done in rounds.items()),
    ]
    result.samples = {name: [one._asdict() for one in done] for name, done in rounds.items()}
    work = {str((sorted(one.outcomes.items()), one.writes)) for one in (*tuned, *plain)}
    if len(work) != 1:
        result.broken.append(f"the rounds did different work: {'; '.join(sorted(work))}")
    if any("failed" in outcome for one in (*tuned, *plain) for outcome in one.outcomes):
        result.broken.append("a review failed")
    return result


def _shown(rounds: list[Round]) -> str:
    rates = ", ".join(f"{one.per_second:.1f}" for one in rounds)
    events = statistics.mean(one.events for one in rounds)
    p50 = statistics.median(second for one in rounds for second in one.seconds)
    return f"{rates}; {events:.1f} events per review; start to end p50 {p50 * 1000:.0f} ms"


if __name__ == "__main__":
    flags = common.parser(__doc__.splitlines()[0])
    flags.add_argument("--pairs", type=int, default=2, help="tuned and plain rounds (default 2)")
    flags.add_argument("--copies", type=int, default=3, help="of the 64 accounts, per round")
    flags.add_argument("--in-flight", type=int, default=8, help="reviews at a time (default 8)")
    common.main(measure, flags.parse_args())
