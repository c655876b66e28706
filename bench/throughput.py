"""Reviews per second through the whole pipeline, against the same pipeline the plain way.

Tuned: our workers on the server of `reviews dev`. Default: one regular activity per step, the SDK's
default worker, start and retry settings, and the dev server as it comes. Plain: the same on our
server. All have the audit trail and telemetry, the worker processes of `docker-compose.yml`, the
same accounts and the same driver, which approves every request at once by signal. The kinds take
turns, in turning order, on fresh stacks.
"""

import argparse
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any, Final, NamedTuple

from account_reviews.domain.records import Account
from account_reviews.local.temporal_server import TUNED_SERVER, ServerSettings
from bench import common, cpu, portfolio
from bench.common import Bench, Result, Row
from bench.cpu import Used
from bench.driving import Approver, accounts_of, review_all, worker_process
from bench.stock import ONE_ACTIVITY_PER_STEP, STOCK_SERVER

TARGET: Final = 1.7
TARGET_IN_FLIGHT: Final = 8
WARM: Final = 16


class Kind(NamedTuple):
    stock: bool
    """One regular activity per step, and the SDK's defaults."""
    server: ServerSettings


KINDS: Final = {
    "tuned": Kind(stock=False, server=TUNED_SERVER),
    "default": Kind(stock=True, server=STOCK_SERVER),
    "plain": Kind(stock=True, server=TUNED_SERVER),
}
AGAINST: Final = {
    "default": "default settings of SDK and dev server",
    "plain": "default settings of the SDK, on our server",
}


class Level(NamedTuple):
    """One copy of the accounts or more, reviewed with so many in flight."""

    in_flight: int
    per_second: float
    outcomes: dict[str, int]
    events: float
    writes: int
    seconds: list[float]
    used: Used
    """CPU per review."""


Round = dict[int, Level]
Rounds = dict[str, list[Round]]


async def measure(arguments: argparse.Namespace) -> Result:
    """Alternate the kinds, each on a fresh stack; in each round every level once."""
    names = arguments.kinds or list(KINDS)
    rounds: Rounds = {name: [] for name in names}
    for number in range(arguments.rounds):
        for name in names if number % 2 == 0 else reversed(names):
            async with common.fresh_stack(temporal=KINDS[name].server) as bench:
                rounds[name].append(await _round(bench, arguments, KINDS[name]))
            rates = (
                f"{one.per_second:.1f}/s at {one.in_flight}" for one in rounds[name][-1].values()
            )
            print(f"{name}: {', '.join(rates)}; {_cpu(rounds[name][-1:])}", flush=True)
    return _result(rounds)


async def _round(bench: Bench, arguments: argparse.Namespace, kind: Kind) -> Round:
    levels: list[int] = arguments.in_flight
    each = arguments.copies
    await portfolio.fill_with_copies(bench, each * len(levels) + 1)
    of_copy: dict[str, list[Account]] = {}
    for account in await accounts_of(bench):
        of_copy.setdefault(account.id.partition("-")[0], []).append(account)
    *copies, last = of_copy.values()
    flags = common.worker_flags(arguments, stock=kind.stock)
    async with AsyncExitStack() as opened:
        workers = [
            (await opened.enter_async_context(worker_process(bench, *flags))).pid
            for _ in range(arguments.workers)
        ]
        await opened.enter_async_context(Approver(bench.parts, bench.client).working())
        await _level(bench, last, WARM, workers, stock=kind.stock)
        return {
            in_flight: await _level(
                bench,
                [one for copy in copies[n * each : (n + 1) * each] for one in copy],
                in_flight,
                workers,
                stock=kind.stock,
            )
            for n, in_flight in enumerate(levels)
        }


async def _level(
    bench: Bench, accounts: Sequence[Account], in_flight: int, workers: list[int], *, stock: bool
) -> Level:
    execution = ONE_ACTIVITY_PER_STEP if stock else await bench.parts.execution()
    before, began = cpu.used_so_far(bench, *workers), time.monotonic()
    done = await review_all(bench, accounts, execution, in_flight=in_flight, stock=stock)
    took, after = time.monotonic() - began, cpu.used_so_far(bench, *workers)
    lengths = [(await one.handle.describe()).history_length for one in done]
    return Level(
        in_flight=in_flight,
        per_second=len(done) / took,
        outcomes=dict(Counter(one.outcome for one in done)),
        events=statistics.mean(lengths),
        writes=sum(one.writes for one in done),
        seconds=[round(one.seconds, 4) for one in done],
        used=cpu.each(cpu.between(before, after), len(done)),
    )


def _result(rounds: Rounds) -> Result:
    result = Result("throughput")
    for other, what in AGAINST.items():
        if {"tuned", other} <= rounds.keys():
            result.rows += _ratios(rounds["tuned"], rounds[other], what)
    result.rows.sort(key=lambda row: row.met is None)
    result.rows += [
        Row(f"reviews per second, {in_flight} in flight, {name}", _shown(done, in_flight))
        for name, done in rounds.items()
        for in_flight in done[0]
    ]
    result.samples = {
        name: [[level._asdict() for level in one.values()] for one in done]
        for name, done in rounds.items()
    }
    every = [level for done in rounds.values() for one in done for level in one.values()]
    work = {str((sorted(one.outcomes.items()), one.writes)) for one in every}
    if len(work) != 1:
        result.broken.append(f"the rounds did different work: {'; '.join(sorted(work))}")
    if any("failed" in outcome for one in every for outcome in one.outcomes):
        result.broken.append("a review failed")
    return result


def _ratios(tuned: list[Round], other: list[Round], what: str) -> list[Row]:
    rows: list[Row] = []
    for in_flight in tuned[0]:
        ratios = [
            ours[in_flight].per_second / theirs[in_flight].per_second
            for ours, theirs in zip(tuned, other, strict=True)
        ]
        median = statistics.median(ratios)
        title = (
            f"reviews per second, {in_flight} in flight, against one regular activity per step and "
            f"{what} (median of rounds)"
        )
        shown = f"{median:.2f} times ({', '.join(f'{one:.2f}' for one in ratios)})"
        if in_flight == TARGET_IN_FLIGHT:
            rows.append(Row(title, shown, f">= {TARGET} times", median >= TARGET))
        else:
            rows.append(Row(title, shown))
    return rows


def _shown(rounds: list[Round], in_flight: int) -> str:
    levels = [one[in_flight] for one in rounds]
    rates = ", ".join(f"{one.per_second:.1f}" for one in levels)
    events = statistics.mean(one.events for one in levels)
    p50 = statistics.median(second for one in levels for second in one.seconds)
    only = [{in_flight: one} for one in levels]
    return (
        f"{rates}; {events:.1f} events per review; start to end p50 {p50 * 1000:.0f} ms; "
        f"CPU per review: {_cpu(only)}"
    )


def _cpu(rounds: list[Round]) -> str:
    levels = [level for one in rounds for level in one.values()]
    return ", ".join(
        f"{name} {statistics.median(getattr(one.used, name) for one in levels) * 1000:.0f} ms"
        for name in Used._fields
    )


def _flags() -> Any:
    flags = common.parser((__doc__ or "").splitlines()[0], limit=3600)
    flags.add_argument("--rounds", type=int, default=4, help="of each kind (default 4)")
    flags.add_argument("--copies", type=int, default=1, help="of the 64 accounts, per level")
    flags.add_argument(
        "--in-flight", type=int, nargs="+", default=[1, 8, 32], help="levels (default 1 8 32)"
    )
    flags.add_argument("--workers", type=int, default=2, help="processes (default 2)")
    flags.add_argument("--kinds", nargs="+", choices=KINDS, help="not all kinds")
    return flags.parse_args()


if __name__ == "__main__":
    common.main(measure, _flags())
