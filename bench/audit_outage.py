"""What a dead audit database costs: it is a server of its own, and it is down for a minute.

Reviews start at a steady rate before, during and after the outage; `kill -9` begins it. Delay is
the duration of whole reviews, approval at once, against those with the audit database up.
"""

import argparse
import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.local.postgres import EmbeddedPostgres
from account_reviews.store.database import create_engine
from account_reviews.store.migration import AUDIT, upgrade
from bench import common, portfolio, trail
from bench.common import Bench, Result, Row, percentile, spread
from bench.driving import accounts_of, worker_process
from bench.trail import Check, PatientApprover, Reviewed

ACCOUNTS_PER_COPY = 64
CAUGHT_UP_WITHIN = 60.0
TARGET_SECONDS = 0.25
WARM_UP = 20


@dataclass
class Outage:
    """When the audit database was away, by the machine's clock."""

    began: float = 0.0
    ended: float = 0.0

    def phase(self, review: Reviewed) -> str:
        """`before`, `during` or `after`, or `edge` for one that saw both."""
        if review.began + review.seconds < self.began:
            return "before"
        if review.began > self.ended:
            return "after"
        whole = self.began <= review.began and review.began + review.seconds <= self.ended
        return "during" if whole else "edge"


async def measure(arguments: argparse.Namespace) -> Result:
    """One run on one stack, with a second PostgreSQL."""
    seconds = arguments.before + arguments.outage + arguments.after
    needed = round(seconds * arguments.rate) + WARM_UP
    outage = Outage()
    async with common.fresh_stack() as bench, _own_server(bench) as (server, engine):
        await portfolio.fill_with_copies(bench, -(-needed // ACCOUNTS_PER_COPY))
        accounts = await accounts_of(bench)
        execution = await bench.parts.execution()
        flags = [*common.worker_flags(arguments), f"--audit-database={server.url('audit')}"]
        async with (
            worker_process(bench, *flags),
            PatientApprover(bench.parts, bench.client).working(),
        ):
            await trail.steady(bench, accounts[:WARM_UP], execution, arguments.rate)
            breaking = asyncio.create_task(_break(server, outage, arguments))
            done = await trail.steady(bench, accounts[WARM_UP:needed], execution, arguments.rate)
            await breaking
            caught_up = await _caught_up(bench, engine)
        found = await trail.check(bench.client, engine)
        lost = await trail.reconcile(bench, engine)
    return _result(arguments, outage, done, found, caught_up, lost.rows_added)


@asynccontextmanager
async def _own_server(bench: Bench) -> AsyncIterator[tuple[EmbeddedPostgres, AsyncEngine]]:
    server = EmbeddedPostgres(bench.stack.data_dir.parent / "a")
    await asyncio.to_thread(server.start)
    server.create_database("audit")
    engine = create_engine(server.url("audit"), application_name="bench")
    try:
        await upgrade(engine, AUDIT)
        yield server, engine
    finally:
        await engine.dispose()
        await asyncio.to_thread(server.stop)


async def _break(server: EmbeddedPostgres, outage: Outage, arguments: argparse.Namespace) -> None:
    await asyncio.sleep(arguments.before)
    pid = server.pid
    assert pid is not None
    outage.began = time.time()
    os.kill(pid, signal.SIGKILL)
    await asyncio.sleep(arguments.outage)
    await asyncio.to_thread(server.start)
    outage.ended = time.time()


async def _caught_up(bench: Bench, engine: AsyncEngine) -> float | None:
    """Seconds until the live trail is whole without reconciling; None when it is not."""
    began = time.monotonic()
    while time.monotonic() - began < CAUGHT_UP_WITHIN:
        found = await trail.check(bench.client, engine)
        if not found.missing and not found.open_starts:
            return time.monotonic() - began
        await asyncio.sleep(0.5)
    return None


def _result(
    arguments: argparse.Namespace,
    outage: Outage,
    done: list[Reviewed],
    found: Check,
    caught_up: float | None,
    added: int,
) -> Result:
    by: dict[str, list[float]] = {"before": [], "during": [], "after": [], "edge": []}
    for one in done:
        by[outage.phase(one)].append(one.seconds)
    up = by["before"] + by["after"]
    delay = percentile(by["during"], 0.95) - percentile(up, 0.95)
    failed = [one for one in done if one.failed]
    result = Result("audit_outage", samples={**by})
    result.rows = [
        Row(
            f"reviews that failed while the audit database was down for {arguments.outage:.0f} s",
            f"{len(failed)} of {len(by['during']) + len(by['edge'])}",
            "0",
            not failed,
        ),
        Row(
            "p95 of whole reviews with it down, less p95 with it up",
            f"{delay * 1000:.0f} ms",
            "<= 250 ms",
            delay <= TARGET_SECONDS,
        ),
        Row(
            "rows there afterwards, without reconciling",
            f"{found.share:.3f} % of {found.events} events, {len(found.twice)} twice, "
            f"{found.open_starts} attempts without an end",
            "100.000 %",
            not found.missing and not found.twice and not found.open_starts,
        ),
        Row("whole again after the last review", _seconds(caught_up)),
        Row("rows that reconciling still had to add", str(added)),
        *(Row(f"whole reviews, {name}", spread(values)) for name, values in by.items()),
    ]
    if failed:
        result.broken.append(f"{len(failed)} reviews failed, first: {failed[0].outcome}")
    for name, ids in (("twice", found.twice), ("extra", found.extra)):
        if ids:
            result.broken.append(f"{len(ids)} rows {name}, first {ids[0]}")
    return result


def _seconds(value: float | None) -> str:
    return f"{value:.1f} s" if value is not None else f"not within {CAUGHT_UP_WITHIN:.0f} s"


if __name__ == "__main__":
    flags = common.parser(__doc__.splitlines()[0], limit=600)
    flags.add_argument("--outage", type=float, default=60.0, help="seconds")
    flags.add_argument("--before", type=float, default=30.0, help="seconds")
    flags.add_argument("--after", type=float, default=30.0, help="seconds")
    flags.add_argument("--rate", type=float, default=3.0, help="reviews started per second")
    common.main(measure, flags.parse_args())
