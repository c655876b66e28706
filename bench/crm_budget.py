"""The limits of a service with four workers: a shared budget beside Temporal's own pattern.

A service of 200 ms allows ten calls at a time, and so many credits in a window. What is under way
is counted by the service itself.
"""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx2

from bench import common
from bench.budget_worker import QUEUE, CallOften
from bench.common import Bench, Result, Row

_WARM_UP = 5.0


async def measure(arguments: argparse.Namespace) -> Result:
    """Concurrency, then credits, then Temporal's pattern on the same load."""
    result = Result("crm_budget")
    async with common.fresh_stack() as bench:
        shared = await _shared(bench, arguments, [])
        wanted = arguments.credits_per_second * arguments.window
        spent = await _shared(
            bench, arguments, [f"--credits={wanted:.0f}", f"--window={arguments.window}"]
        )
        patterns = {
            rate: await _temporal(bench, arguments, rate)
            for rate in (arguments.rate, arguments.rate * 0.8)
        }
    _judge(result, arguments, shared, spent, wanted)
    for rate, found in patterns.items():
        result.rows.append(
            Row(
                f"Temporal's max_task_queue_activities_per_second = {rate:.0f}",
                f"mean {found['mean']:.2f} under way, most {found['most']}",
            )
        )
    result.samples = {"shared": shared, "credits": spent, "temporal": patterns}
    return result


def _judge(
    result: Result,
    arguments: argparse.Namespace,
    shared: dict[str, Any],
    spent: dict[str, Any],
    wanted: float,
) -> None:
    most, mean = arguments.concurrency, shared["mean"]
    over = max(shared["most"], spent["most"])
    result.rows += [
        Row(
            f"mean under way of {most}, 4 workers, {arguments.latency * 1000:.0f} ms",
            f"{mean:.2f}",
            f">= {0.9 * most:g}",
            mean >= 0.9 * most,
        ),
        Row("most under way", str(over), f"<= {most}", over <= most),
        Row(
            f"most credits in {arguments.window:.0f} s, of {wanted:.0f}",
            str(spent["most_credits"]),
            f"<= {wanted:.0f}",
            spent["most_credits"] <= wanted,
        ),
    ]
    if over > most:
        result.broken.append(f"{over} calls were under way, {most} are allowed")
    if spent["most_credits"] > wanted:
        result.broken.append(f"a window held {spent['most_credits']} credits")


async def _shared(bench: Bench, arguments: argparse.Namespace, flags: list[str]) -> dict[str, Any]:
    async with _service(arguments) as url:
        database = bench.stack.database_url
        limits = [f"--database={database}", f"--concurrency={arguments.concurrency}", *flags]
        limits.append(f"--key={uuid4().hex}")
        seconds = 2.2 * arguments.window if flags else arguments.seconds
        async with _workers(arguments, url, limits):
            return await _observed(url, seconds)


async def _temporal(bench: Bench, arguments: argparse.Namespace, rate: float) -> dict[str, Any]:
    async with _service(arguments) as url:
        flags = [
            f"--temporal={bench.stack.address}",
            f"--namespace={bench.stack.namespace}",
            f"--per-second={rate}",
        ]
        async with _workers(arguments, url, flags):
            handles = [
                await bench.client.start_workflow(
                    CallOften.run, args=[20, 2000], id=f"often-{uuid4().hex}", task_queue=QUEUE
                )
                for _ in range(4)
            ]
            found = await _observed(url, arguments.seconds)
            for handle in handles:
                await handle.terminate()
            return found


async def _observed(url: str, seconds: float) -> dict[str, Any]:
    async with httpx2.AsyncClient() as http:
        await asyncio.sleep(_WARM_UP)
        await http.get(f"{url}/mark")
        await asyncio.sleep(seconds)
        found: dict[str, Any] = (await http.get(f"{url}/mark")).json()
        return found


@asynccontextmanager
async def _service(arguments: argparse.Namespace) -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "bench.counting_service"),
        f"--latency={arguments.latency}",
        f"--window={arguments.window}",
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def _workers(
    arguments: argparse.Namespace, url: str, flags: list[str]
) -> AsyncIterator[None]:
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.budget_worker", f"--url={url}", *flags
        )
        for _ in range(arguments.workers)
    ]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            await process.wait()


if __name__ == "__main__":
    made = common.parser(__doc__ or "", limit=600)
    made.add_argument("--workers", type=int, default=4)
    made.add_argument("--concurrency", type=int, default=10)
    made.add_argument("--latency", type=float, default=0.2, metavar="SECONDS")
    made.add_argument("--seconds", type=float, default=30.0, help="of each measurement")
    made.add_argument("--window", type=float, default=60.0, metavar="SECONDS")
    made.add_argument("--credits-per-second", type=float, default=20.0)
    made.add_argument("--rate", type=float, default=50.0, help="of Temporal's pattern")
    common.main(measure, made.parse_args())
