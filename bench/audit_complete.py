"""Is the trail whole after crashes? Reviews run while worker and database are killed at random.

`kill -9` of the worker or of PostgreSQL at seeded moments; both are started again at once. After
the last review the trail is reconciled, and every history is compared with its rows, by code that
shares nothing with the exporter.
"""

import argparse
import asyncio
import os
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field

from account_reviews.local import processes
from account_reviews.local.postgres import EmbeddedPostgres
from bench import common, portfolio, trail
from bench.common import Bench, Result, Row
from bench.driving import WorkerProcess, accounts_of
from bench.trail import Check, PatientApprover

LONGEST = 1800.0
ACCOUNTS_PER_COPY = 64
DATABASE_SHARE = 0.3
"""Of the kills that hit PostgreSQL; the others hit the worker."""


@dataclass
class Killer:
    """Kills and restarts. `worker` is the one that runs now."""

    bench: Bench
    dice: random.Random
    worker: WorkerProcess
    pause: tuple[float, float]
    kills: Counter[str] = field(default_factory=Counter)

    async def work(self) -> None:
        """Kill something, again and again."""
        while True:
            await asyncio.sleep(self.dice.uniform(*self.pause))
            if self.dice.random() < DATABASE_SHARE:
                await asyncio.to_thread(self._kill_database)
                self.kills["database"] += 1
            else:
                await self.worker.kill()
                self.kills["worker"] += 1
                self.worker = await WorkerProcess.start(self.bench)

    def _kill_database(self) -> None:
        postgres = EmbeddedPostgres(self.bench.stack.data_dir)
        pid = postgres.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        while processes.is_alive(pid):
            time.sleep(0.02)
        postgres.start()


async def measure(arguments: argparse.Namespace) -> Result:
    """All of it on one stack."""
    async with common.fresh_stack() as bench:
        copies = -(-arguments.reviews // ACCOUNTS_PER_COPY)
        await portfolio.fill_with_copies(bench, copies)
        accounts = (await accounts_of(bench))[: arguments.reviews]
        execution = await bench.parts.execution()
        killer = Killer(
            bench,
            random.Random(arguments.seed),
            await WorkerProcess.start(bench),
            (arguments.shortest, arguments.longest),
        )
        began = time.monotonic()
        async with PatientApprover(bench.parts, bench.client).working():
            async with trail.beside(asyncio.create_task(killer.work())):
                done = await trail.one_after_another(
                    bench, accounts, execution, in_flight=arguments.in_flight
                )
        took = time.monotonic() - began
        await killer.worker.kill()
        engine = bench.parts.audit.engine
        before = await trail.check(bench.client, engine)
        began = time.monotonic()
        repaired = await trail.reconcile(bench, engine)
        repair = time.monotonic() - began
        after = await trail.check(bench.client, engine)
    failed = [one.outcome for one in done if one.failed]
    result = _result(arguments, before, after, failed)
    result.rows += [
        Row("killed", f"worker {killer.kills['worker']}, database {killer.kills['database']}"),
        Row("reviews", f"{len(done)} in {took:.0f} s, {len(failed)} failed"),
        Row("class 1 before reconciling", f"{before.share:.3f} % of {before.events} events"),
        Row(
            f"reconciling {repaired.runs} histories",
            f"{repair:.1f} s, {repaired.rows_added} rows added, "
            f"{repaired.closed_as_lost} attempts closed as lost",
        ),
    ]
    result.samples = {"kills": dict(killer.kills), "reconciled": repaired.model_dump()}
    return result


def _result(
    arguments: argparse.Namespace, before: Check, after: Check, failed: list[str]
) -> Result:
    result = Result("audit_complete")
    what = f"{arguments.reviews} reviews with kill -9 of worker and database"
    result.rows = [
        Row(
            f"class 1 rows of history events, {what}",
            f"{after.share:.3f} % of {after.events}",
            "100.000 %",
            not after.missing,
        ),
        Row("stored twice", str(len(after.twice)), "0", not after.twice),
        Row("rows without an event", str(len(after.extra)), "0", not after.extra),
        Row(
            "attempts without an end, before and after",
            f"{before.open_starts}, {after.open_starts}",
            "0 after",
            after.open_starts == 0,
        ),
    ]
    for name, ids in (
        ("missing", after.missing),
        ("twice", after.twice + before.twice),
        ("extra", after.extra + before.extra),
    ):
        if ids:
            result.broken.append(f"{len(ids)} {name}, first {ids[0]}")
    if after.open_starts:
        result.broken.append(f"{after.open_starts} attempts have no end")
    if failed:
        result.broken.append(f"{len(failed)} reviews failed, first: {failed[0]}")
    return result


if __name__ == "__main__":
    flags = common.parser(__doc__.splitlines()[0], limit=LONGEST)
    flags.add_argument("--reviews", type=int, default=2000)
    flags.add_argument("--in-flight", type=int, default=16, help="reviews at a time")
    flags.add_argument("--seed", type=int, default=7, help="of the moments of the kills")
    flags.add_argument("--shortest", type=float, default=8.0, help="seconds between two kills")
    flags.add_argument("--longest", type=float, default=30.0, help="seconds between two kills")
    common.main(measure, flags.parse_args())
