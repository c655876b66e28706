"""What a person waits for: commands beside `python -c pass` and `temporal workflow list`.

One sample portfolio, one worker. All commands run once for warmth, then in rounds one after
another, so that a busy machine is busy for all of them alike. The multiple is a command's median
over that of an empty Python in the same run; below it the same of processor time alone, which
says more on a machine that does other things.
"""

import argparse
import asyncio
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from account_reviews.local.temporal_server import find_cli
from account_reviews.store.review_queries import RunFilter
from bench import common, portfolio
from bench.common import ROOT, Bench, Result, Row
from bench.driving import APPROVER, worker_process

ROUNDS: Final = 10
EMPTY: Final = "python -c pass"
_CLI: Final = (sys.executable, "-m", "account_reviews.cli")
_HELP, _READS, _ASKS = 6, 10, 20
"""Targets, in empty Pythons: a help text, reading alone, and what needs Temporal's SDK."""


@dataclass(frozen=True)
class Timed:
    """A command; `words` gives those of its next run."""

    what: str
    words: Callable[[], Sequence[str]]
    most: float | None = None


@dataclass(frozen=True)
class Seconds:
    """How long a run took, and how much of it a processor."""

    wall: float
    cpu: float


async def measure(arguments: argparse.Namespace) -> Result:
    """All commands against a stack of their own."""
    async with common.fresh_stack() as bench:
        await portfolio.fill_with_copies(bench, 1)
        async with worker_process(bench, *common.worker_flags(arguments)):
            timed, env = await _prepared(bench), bench.stack.environment()
            samples = await asyncio.to_thread(_rounds, timed, env, arguments.rounds)
    return _result(timed, samples)


async def _prepared(bench: Bench) -> list[Timed]:
    """The commands of the table, with reviews and requests for them to show."""
    env = bench.stack.environment()
    _reviews(env, "start", "--all", "--wait")
    _reviews(env, "schedules", "apply")
    tenant = bench.parts.settings.tenant
    page = await bench.parts.reader.list_requests(tenant=tenant, limit=200)
    waiting = [row.request for row in page.items]
    shown, to_approve = waiting[-1], iter(waiting[:-1])
    ended = RunFilter(tenant=tenant, where={"outcome": "nothing_to_do"})
    runs = await bench.parts.reader.list_runs(ended, cursor=None, limit=100)
    closed, *others = (row.account_id for row in runs.items)
    to_start = iter(others)
    temporal = [str(find_cli()), "workflow", "list", "--address", bench.stack.address]

    def approve() -> Sequence[str]:
        request = next(to_approve)
        who = request.approvers[0] if request.approvers else APPROVER
        return _words("approvals", "approve", request.request_id, "--as", who)

    reads = (
        ("list",), ("list", "-o", "json"), ("show", closed), ("approvals", "list"),
        ("approvals", "show", shown.request_id), ("audit", "tail"), ("schedules", "list"),
    )  # fmt: skip
    return [
        Timed(EMPTY, lambda: (sys.executable, "-c", "pass")),
        Timed("reviews --help", lambda: _words("--help"), _HELP),
        *(_reading(words) for words in reads),
        Timed("reviews show, an open one", lambda: _words("show", shown.account_id), _ASKS),
        Timed("reviews approvals approve", approve, _ASKS),
        Timed("reviews start", lambda: _words("start", next(to_start)), _ASKS),
        Timed("temporal workflow list", lambda: temporal),
    ]


def _reading(words: Sequence[str]) -> Timed:
    shown = words if words[0] not in ("show", "approvals") else words[:2]
    what = "show, a closed one" if words[0] == "show" else " ".join(shown)
    return Timed(f"reviews {what}", lambda: _words(*words), _READS)


def _words(*words: str) -> Sequence[str]:
    return (*_CLI, *words)


def _reviews(env: Mapping[str, str], *words: str) -> None:
    subprocess.run(_words(*words), env=env, check=True, stdout=subprocess.DEVNULL)


def _rounds(
    timed: Sequence[Timed], env: Mapping[str, str], rounds: int
) -> dict[str, list[Seconds]]:
    samples: dict[str, list[Seconds]] = {one.what: [] for one in timed}
    for number in range(rounds + 1):
        for one in timed:
            found = _run(one.words(), env)
            if number:  # the first round warms the caches
                samples[one.what].append(found)
    return samples


def _run(words: Sequence[str], env: Mapping[str, str]) -> Seconds:
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        words, env=env, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False
    )
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.decode(errors='replace')}")
    used = (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)
    return Seconds(wall, used)


def _result(timed: Sequence[Timed], samples: Mapping[str, Sequence[Seconds]]) -> Result:
    result = Result("cli")
    result.samples = {
        what: [[round(one.wall, 4), round(one.cpu, 4)] for one in found]
        for what, found in samples.items()
    }
    result.rows = list(_rows(timed, samples))
    return result


def _rows(timed: Sequence[Timed], samples: Mapping[str, Sequence[Seconds]]) -> Iterator[Row]:
    empty = samples[EMPTY]
    wall_of_empty = median(one.wall for one in empty)
    cpu_of_empty = median(one.cpu for one in empty)
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    yield Row("load of the machine at the end, per core", f"{load:.1f}")
    for one in timed:
        wall = median(found.wall for found in samples[one.what])
        cpu = median(found.cpu for found in samples[one.what])
        times = wall / wall_of_empty
        measured = (
            f"{times:.1f} times an empty Python ({wall:.3f} s; "
            f"processor {cpu / cpu_of_empty:.1f} times, {cpu:.3f} s)"
        )
        target = f"<= {one.most:g} times" if one.most else ""
        yield Row(one.what, measured, target, times <= one.most if one.most else None)


if __name__ == "__main__":
    parser = common.parser(__doc__ or "", limit=600)
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help="runs of each")
    common.main(measure, parser.parse_args())
