"""From an approval to the start of its write: one review, eight at once, and 1,000 that wait.

The same with DBOS on the same PostgreSQL, in turn with ours. A venv for it is made from
requirements/bench.txt; `--without-dbos` leaves that out.
"""

import argparse
import asyncio
import json
import random
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from sqlalchemy import text

from account_reviews.domain.review.approvals import ApprovalRequest
from bench import common, portfolio
from bench.common import ROOT, Bench, Result, Row, percentile
from bench.driving import WorkerProcess, accounts_of, approve, start, worker_process

ROUNDS: Final = 100
ROUNDS_OF_EIGHT: Final = 15
AT_ONCE: Final = 8
WAITING: Final = 1000
CACHE: Final = 200
DECIDED: Final = 300
ASKING: Final = ("inactive", "stalled", "renewing")
"""Classes of the sample whose accounts all have something proposed."""
LOOK_EVERY: Final = 0.02
SETTLE: Final = 0.3
"""Seconds that a review may use to come to rest after its request was seen."""


async def measure(arguments: argparse.Namespace) -> Result:
    result = Result("decisions")
    async with common.fresh_stack() as bench:
        await portfolio.fill_with_copies(bench, arguments.copies)
        askers = await _askers(bench, arguments.copies)
        dbos = None if arguments.without_dbos else await _dbos(bench)
        async with worker_process(bench, *common.worker_flags(arguments)) as worker:
            one, eight, theirs_one, theirs_eight = [], [], [], []
            for part in range(4):  # in turn, since the machine is noisy
                one += await _rounds(bench, worker, askers, arguments.rounds // 4, 1)
                if dbos:
                    theirs_one += await _their_rounds(bench, dbos, arguments.rounds // 4, 1)
                if part < 3:
                    eight += await _rounds(bench, worker, askers, ROUNDS_OF_EIGHT // 3, AT_ONCE)
                    if dbos:
                        theirs_eight += await _their_rounds(
                            bench, dbos, ROUNDS_OF_EIGHT // 3, AT_ONCE
                        )
        result.rows += [
            _row("one waiting review", one, p50=0.025, p99=0.1),
            _row(f"{AT_ONCE} decided at once", eight, p50=0.1),
        ]
        if dbos:
            result.rows += [
                _row("DBOS, one waiting workflow", theirs_one),
                _row(f"DBOS, {AT_ONCE} decided at once", theirs_eight),
            ]
        result.samples = {"one": one, "eight": eight, "dbos": theirs_one + theirs_eight}
        await _many(bench, askers, arguments, result)
    return result


async def _askers(bench: Bench, copies: int) -> list[str]:
    """The accounts whose reviews propose something, in all copies."""
    asking = portfolio.account_ids(*ASKING)
    known = {account.id for account in await accounts_of(bench)}
    named = [portfolio.copy_of(number, one) for number in range(1, copies + 1) for one in asking]
    return [one for one in named if one in known]


async def _start_all(bench: Bench, ids: Sequence[str]) -> list[ApprovalRequest]:
    """Start their reviews; gives the requests once all of those that ask wait."""
    execution = await bench.parts.execution()
    for account in await accounts_of(bench, ids):
        await start(bench, account, execution)
    while True:
        async with bench.parts.engine.connect() as connection:
            query = text(
                "select count(*) from reviews.review_runs where account_id = any(:ids) "
                "and (status = 'waiting' or outcome is not null)"
            )
            there = await connection.scalar(query, {"ids": list(ids)})
        if there == len(ids):
            break
        await asyncio.sleep(LOOK_EVERY)
    found: dict[str, ApprovalRequest] = {}
    cursor = None
    while True:
        page = await bench.parts.reader.list_requests(tenant="default", limit=200, cursor=cursor)
        found |= {row.request.account_id: row.request for row in page.items}
        cursor = page.next_cursor
        if cursor is None:
            break
    return [found[one] for one in ids if one in found]


async def _rounds(
    bench: Bench, worker: WorkerProcess, askers: list[str], rounds: int, at_once: int
) -> list[float]:
    """Seconds from the signal to the start of the write, of every decision."""
    seconds: list[float] = []
    while len(seconds) < rounds * at_once:
        ids = [askers.pop() for _ in range(at_once)]
        requests = await _start_all(bench, ids)
        await asyncio.sleep(SETTLE)
        seconds += await _decide(bench, worker, requests)
    return seconds


async def _decide(
    bench: Bench, worker: WorkerProcess, requests: Iterable[ApprovalRequest]
) -> list[float]:
    worker.reports.clear()
    sent: dict[str, float] = {}

    async def one(request: ApprovalRequest) -> None:
        sent[request.account_id] = time.time()
        await approve(bench.client, request)

    await asyncio.gather(*(one(request) for request in requests))
    await worker.until(lambda reports: set(sent) <= set(_begun(reports)))
    begun = _begun(worker.reports)
    return [begun[account] - at for account, at in sent.items()]


def _begun(reports: list[dict[str, object]]) -> dict[str, float]:
    """When the first write of each account began."""
    found: dict[str, float] = {}
    for report in reports:
        if "writing" in report:
            found.setdefault(str(report["writing"]), float(str(report["at"])))
    return found


async def _many(
    bench: Bench, askers: list[str], arguments: argparse.Namespace, result: Result
) -> None:
    """Decide random ones of many that wait, most of them not in the worker's cache."""
    flags = [*common.worker_flags(arguments), f"--option=max_cached_workflows={CACHE}"]
    async with worker_process(bench, *flags) as worker:
        ids = [askers.pop() for _ in range(min(len(askers), arguments.waiting))]
        requests = await _start_all(bench, ids)
        chosen = random.Random(1).sample(requests, min(DECIDED, len(requests)))
        await asyncio.sleep(5)
        before, seconds = _memory(worker.pid), list[float]()
        middle = before
        for number, request in enumerate(chosen):
            seconds += await _decide(bench, worker, [request])
            if number == len(chosen) // 2:
                middle = _memory(worker.pid)
        after = _memory(worker.pid)
        lost = [one.account_id for one in chosen if not await _completed(bench, one)]
    result.rows += [
        _row(
            f"{len(requests)} waiting, worker cache of {CACHE}, {len(chosen)} random ones",
            seconds,
            p99=0.25,
        ),
        Row(
            "memory of the worker meanwhile",
            f"{before:.0f}, {middle:.0f}, {after:.0f} MB (begin, middle, end)",
            "flat",
            after <= before * 1.1,
        ),
        Row("lost", str(len(lost)), "0", not lost),
    ]
    result.samples["many"] = seconds
    result.broken += [f"lost: {', '.join(lost)}"] if lost else []


async def _completed(bench: Bench, request: ApprovalRequest) -> bool:
    handle = bench.client.get_workflow_handle(request.review_id)
    result = await asyncio.wait_for(handle.result(), 30)
    return bool(result["outcome"] == "completed")


def _memory(pid: int) -> float:
    """Resident memory in MB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    line = next(one for one in status.splitlines() if one.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def _row(
    what: str, seconds: list[float], *, p50: float | None = None, p99: float | None = None
) -> Row:
    half, most = percentile(seconds, 0.5), percentile(seconds, 0.99)
    targets = [
        f"{name} <= {limit * 1000:.0f} ms"
        for name, limit in (("p50", p50), ("p99", p99))
        if limit is not None
    ]
    met = (p50 is None or half <= p50) and (p99 is None or most <= p99)
    measured = f"p50 {half * 1000:.0f}, p99 {most * 1000:.0f}, max {max(seconds) * 1000:.0f} ms"
    return Row(
        f"approval signal to start of the CRM write: {what} ({len(seconds)} decisions)",
        measured,
        ", ".join(targets),
        met if targets else None,
    )


async def _dbos(bench: Bench) -> Path:
    """A Python with DBOS, and a database for it on the same PostgreSQL."""
    place = bench.stack.data_dir / "dbos-venv"
    await _run(sys.executable, "-m", "venv", str(place))
    python = place / "bin" / "python"
    pins = ROOT / "requirements" / "bench.txt"
    await _run(str(python), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(pins))
    async with bench.parts.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("create database dbos"))
    return python


async def _their_rounds(bench: Bench, python: Path, rounds: int, at_once: int) -> list[float]:
    ours = bench.parts.engine.url
    query = {name: ours.query[name] for name in ("host", "port") if name in ours.query}
    url = ours.set(drivername="postgresql", database="dbos", query=query)
    script = str(ROOT / "bench" / "dbos_approvals.py")
    shown = url.render_as_string(hide_password=False)
    out = await _run(str(python), script, shown, "measure", str(rounds), str(at_once))
    lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    return [float(one["seconds"]) for one in lines]


async def _run(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=PIPE)
    out, _ = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command[:3])} ... ended with {process.returncode}")
    return out.decode()


if __name__ == "__main__":
    flags = common.parser(__doc__.splitlines()[0], limit=1800)
    flags.add_argument("--rounds", type=int, default=ROUNDS)
    flags.add_argument("--copies", type=int, default=55, help="of the sample portfolio")
    flags.add_argument("--waiting", type=int, default=WAITING)
    flags.add_argument("--without-dbos", action="store_true")
    common.main(measure, flags.parse_args())
