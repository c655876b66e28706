"""What all benchmarks share: a stack of their own, results, tables, and a bounded run."""

import argparse
import asyncio
import json
import math
import os
import platform
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, NoReturn

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from account_reviews.bootstrap import Parts, open_parts
from account_reviews.cli.parsing import parse_time
from account_reviews.config.settings import Settings
from account_reviews.crm.importing.importer import import_directory
from account_reviews.crm.importing.mapping import load_mapping
from account_reviews.crm.protocol import CrmBackend
from account_reviews.local.stack import LocalStack
from account_reviews.local.temporal_server import TUNED_SERVER, ServerSettings
from bench.stock import StockStarts

ROOT: Final = Path(__file__).resolve().parent.parent
LONGEST_RUN: Final = 240.0
"""Seconds. A benchmark that takes longer is stopped and fails; some are given more."""


@dataclass(frozen=True)
class Row:
    """One line of the table. `met` is None for a figure without a target."""

    what: str
    measured: str
    target: str = ""
    met: bool | None = None


@dataclass
class Result:
    """What one benchmark found. `broken` names each invariant that did not hold."""

    bench: str
    rows: list[Row] = field(default_factory=list)
    samples: dict[str, Any] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Bench:
    """A fresh stack without workers, and what a client of it needs."""

    stack: LocalStack
    parts: Parts
    client: Client
    stock_client: Client
    """Starts workflows with the SDK's own time-outs."""


@asynccontextmanager
async def fresh_stack(
    *, temporal: ServerSettings = TUNED_SERVER, web: bool = False
) -> AsyncIterator[Bench]:
    """PostgreSQL and Temporal as `reviews dev` runs them, in a directory that goes afterwards."""
    directory = _short_directory()
    local = LocalStack(directory / "d", workers=0, ui=False, web=web, temporal_settings=temporal)
    try:
        async with local as stack:
            settings = Settings.load(data_dir=stack.data_dir, database_url=stack.database_url)
            async with open_parts(settings, application="bench") as parts:
                yield Bench(stack, parts, await _client(stack), await _client(stack, stock=True))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _short_directory() -> Path:
    """With room for socket names, and open to nobody, as whom PostgreSQL of a root user runs."""
    directory = Path(tempfile.mkdtemp(prefix="rb-", dir="/tmp"))
    directory.chmod(0o755)
    return directory


async def _client(stack: LocalStack, *, stock: bool = False) -> Client:
    return await Client.connect(
        stack.address,
        namespace=stack.namespace,
        data_converter=pydantic_data_converter,
        interceptors=[StockStarts()] if stock else [],
    )


async def fill_crm(bench: Bench, directory: Path, mapping: Path, as_of: str) -> None:
    """Import CSV files, as `reviews crm import` does."""
    rules = load_mapping(mapping)
    await import_directory(bench.parts.engine, directory, rules, as_of=parse_time(as_of))


def with_crm(parts: Parts, crm: CrmBackend) -> Parts:
    """The same parts on another CRM."""
    other: Parts = copy(parts)
    vars(other).pop("writer", None)  # it was made of the CRM from before
    other.crm = other.writing_crm = other.accounts = crm
    return other


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile: the smallest value that `share` of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def spread(values: Sequence[float], unit: str = "s", digits: int = 2, *, scale: float = 1) -> str:
    """p50, p95 and the largest, each times `scale`, in one short text."""
    if not values:
        return "nothing measured"
    shown = [percentile(values, share) * scale for share in (0.5, 0.95, 1.0)]
    p50, p95, most = (f"{value:.{digits}f}" for value in shown)
    return f"p50 {p50}, p95 {p95}, max {most} {unit}"


def parser(description: str, *, limit: float = LONGEST_RUN) -> argparse.ArgumentParser:
    """An argument parser with the flags that all benchmarks know."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--json", type=Path, metavar="FILE", help="write rows and samples there")
    made.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=NUMBER",
        help="try a setting of our worker, for example max_concurrent_activities=32",
    )
    made.add_argument(
        "--limit", type=float, default=limit, metavar="SECONDS", help="give up after this"
    )
    return made


def worker_flags(arguments: argparse.Namespace, *, stock: bool = False) -> list[str]:
    """The flags of a worker process: ours with what `--option` tries, or the SDK's defaults."""
    return ["--stock"] if stock else [f"--option={one}" for one in arguments.option]


def main(
    measure: Callable[[argparse.Namespace], Awaitable[Result]], arguments: argparse.Namespace
) -> NoReturn:
    """Measure, print, and end: exit code 1 when an invariant broke or the time ran out.

    A missed target is printed and is no failure.
    """
    _forget_settings()
    try:
        result = asyncio.run(_bounded(measure, arguments))
    except TimeoutError:
        print(f"not done within {arguments.limit:.0f} s", file=sys.stderr)
        _leave(1)
    except asyncio.CancelledError:
        print("stopped by a signal; nothing was measured", file=sys.stderr)
        _leave(1)
    report(result, arguments.json)
    _leave(1 if result.broken else 0)


def report(result: Result, file: Path | None) -> None:
    """Print the table and the JSON line; write the JSON to `file` as well."""
    for row in result.rows:
        missed = "   target missed" if row.met is False else ""
        target = f"   (target {row.target})" if row.target else ""
        print(f"{row.what}: {row.measured}{target}{missed}")
    for sentence in result.broken:
        print(f"INVARIANT BROKEN: {sentence}")
    text = json.dumps({**asdict(result), "how": _how(result.bench)})
    print(text)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n", encoding="utf-8")


def _how(bench: str) -> dict[str, str]:
    return {
        "command": f"python -m bench.{bench}",
        "at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{os.cpu_count()} shared cores, {platform.system()}",
        "versions": f"Python {platform.python_version()}, temporalio {version('temporalio')}",
    }


async def _bounded(
    measure: Callable[[argparse.Namespace], Awaitable[Result]], arguments: argparse.Namespace
) -> Result:
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    async with asyncio.timeout(arguments.limit):
        return await measure(arguments)


def _forget_settings() -> None:
    """A benchmark sees no settings of the shell, above all no address of a real server."""
    for name in list(os.environ):
        if name.startswith(("REVIEWS_", "TEMPORAL_")) and name != "TEMPORAL_CLI_PATH":
            del os.environ[name]
    os.environ["TEMPORAL_CONFIG_FILE"] = os.devnull


def _leave(code: int) -> NoReturn:
    """End without the interpreter's shutdown, which can abort right after a client closed."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
