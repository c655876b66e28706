"""Reviews per second through the whole pipeline, against the same pipeline the plain way.

Default: one regular activity per step, the SDK's default worker, start and retry settings, and
the dev server's own configuration. Plain: the same on a server with the settings of
`reviews dev`, so that it differs from ours in shape and worker alone. All rows use the same
accounts and the same driver, which approves every request at once by signal.
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
    """Alternate tuned, default and plain rounds, each on a fresh stack."""
    rounds: dict[str, list[Round]] = {"tuned": [], "default": [], "plain": []}
    for _ in range(arguments.rounds):
        for name, done in rounds.items():
            async with common.fresh_stack(stock_server=name == "default") as bench:
                done.append(await _round(bench, arguments, plain=name != "tuned"))
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
    ratio, shown = _against(rounds, "default")
    what = f"reviews per second, {arguments.in_flight} in flight, against one regular activity per"
    result = Result("throughput")
    result.rows = [
        Row(
            f"{what} step and default settings of SDK and dev server (median of rounds)",
            shown,
            f">= {TARGET} times",
            ratio >= TARGET,
        ),
        Row(f"{what} step and default SDK settings on our server", _against(rounds, "plain")[1]),
        *(Row(f"reviews per second, {name}", _shown(done)) for name, done in rounds.items()),
    ]
    result.samples = {name: [one._asdict() for one in done] for name, done in rounds.items()}
    every = [one for done in rounds.values() for one in done]
    work = {str((sorted(one.outcomes.items()), one.writes)) for one in every}
    if len(work) != 1:
        result.broken.append(f"the rounds did different work: {'; '.join(sorted(work))}")
    if any("failed" in outcome for one in every for outcome in one.outcomes):
        result.broken.append("a review failed")
    return result


def _against(rounds: dict[str, list[Round]], name: str) -> tuple[float, str]:
    pairs = zip(rounds["tuned"], rounds[name], strict=True)
    ratios = [ours.per_second / theirs.per_second for ours, theirs in pairs]
    median = statistics.median(ratios)
    return median, f"{median:.2f} times ({', '.join(f'{one:.2f}' for one in ratios)})"


def _shown(rounds: list[Round]) -> str:
    rates = ", ".join(f"{one.per_second:.1f}" for one in rounds)
    events = statistics.mean(one.events for one in rounds)
    p50 = statistics.median(second for one in rounds for second in one.seconds)
    return f"{rates}; {events:.1f} events per review; start to end p50 {p50 * 1000:.0f} ms"


if __name__ == "__main__":
    flags = common.parser(__doc__.splitlines()[0])
    flags.add_argument("--rounds", type=int, default=2, help="of each kind (default 2)")
    flags.add_argument("--copies", type=int, default=3, help="of the 64 accounts, per round")
    flags.add_argument("--in-flight", type=int, default=8, help="reviews at a time (default 8)")
    common.main(measure, flags.parse_args())
