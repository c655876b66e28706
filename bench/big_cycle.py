"""One cycle over 5,000 accounts of 50 owners on an instant CRM: reviews per hour, and memory.

Nobody approves anything, so the cycle ends when all its reviews are done or wait.
"""

import argparse
import asyncio
import time
from datetime import timedelta
from pathlib import Path

from sqlalchemy import text

from account_reviews.domain.cycle.state import CycleScope
from account_reviews.services.cycles import ask, cycle_input, start_cycle
from bench import common, portfolio
from bench.common import Bench, Result, Row
from bench.driving import worker_process

SAMPLE = 64
OWNERS = 50
LOOK_EVERY = timedelta(seconds=2)

_MAKE_OWNERS = text(
    "insert into crm.owners (id, name) select 'owner-' || n, 'Owner ' || n "
    "from generate_series(1, :owners) n"
)
_HAND_OUT = text("update crm.accounts set owner_id = 'owner-' || (1 + abs(hashtext(id)) % :owners)")


async def measure(arguments: argparse.Namespace) -> Result:
    """Run the cycle and look at its worker every two seconds."""
    seen: list[tuple[float, int, float]] = []
    async with common.fresh_stack() as bench:
        await portfolio.fill_with_copies(bench, -(-arguments.accounts // SAMPLE))
        await _owners(bench)
        async with worker_process(bench) as worker:
            start = await cycle_input(
                bench.parts,
                kind="on_demand",
                scope=CycleScope(),
                started_by="bench",
                as_of=await bench.parts.default_as_of(),
            )
            began = time.monotonic()
            handle = await start_cycle(bench.client, start)
            ended = asyncio.ensure_future(handle.result())
            while not ended.done():
                view = await ask(handle)
                if view is not None and view.finished:
                    seen.append((time.monotonic() - began, view.finished, _memory(worker.pid)))
                await asyncio.wait([ended], timeout=LOOK_EVERY.total_seconds())
            took, result = time.monotonic() - began, ended.result()
    return _result(result.accounts, result.done + result.waiting, took, seen)


async def _owners(bench: Bench) -> None:
    async with bench.parts.engine.begin() as connection:
        await connection.execute(_MAKE_OWNERS, {"owners": OWNERS})
        await connection.execute(_HAND_OUT, {"owners": OWNERS})


def _memory(pid: int) -> float:
    """Resident memory in MB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def _result(
    accounts: int, finished: int, took: float, seen: list[tuple[float, int, float]]
) -> Result:
    result = Result("big_cycle", samples={"seconds, finished, MB": seen})
    quarter = next((memory for _, done, memory in seen if done >= accounts / 4), 0.0)
    last = seen[-1][2] if seen else 0.0
    result.rows = [
        Row(
            f"{accounts} accounts of {OWNERS} owners, reviews per hour (report; once 500)",
            f"{finished / took * 3600:.0f} ({took:.0f} s in all)",
        ),
        Row(
            "memory of the worker after a quarter and at the end (report; flat)",
            f"{quarter:.0f} MB, {last:.0f} MB",
        ),
    ]
    if finished != accounts:
        result.broken.append(f"{finished} of {accounts} accounts were reviewed")
    return result


if __name__ == "__main__":
    flags = common.parser(__doc__.splitlines()[0], limit=1500)
    flags.add_argument("--accounts", type=int, default=5000)
    common.main(measure, flags.parse_args())
