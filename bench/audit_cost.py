"""CPU seconds per review with audit trail and telemetry, against the same worker without both.

Three stacks stand side by side: bare (no trail, no entries in the outbox, no metrics, no traces),
sampled (everything on, one trace in ten kept) and full (every trace kept). They take turns: each
reviews a copy of the same accounts while the others rest, then the next, with the order turning, so
that a machine that is slow for a while is slow for all. Spans go to a collector on this machine,
and the metrics page is read every 15 seconds. The time is that of the worker process, user and
system, from the first review of a turn until two seconds after its last; Temporal and PostgreSQL
are reported apart.
"""

import argparse
import asyncio
import http.server
import os
import statistics
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from sqlalchemy import text

from account_reviews.config import ports
from account_reviews.domain.records import Account
from account_reviews.domain.review.state import Execution
from bench import common, cpu, portfolio
from bench.common import Bench, Result, Row
from bench.cpu import Used
from bench.driving import Approver, Done, accounts_of, review_all, worker_process

TARGET: Final = 1.20
KINDS: Final = ("bare", "sampled", "full")
SHARES: Final = {"sampled": "0.1", "full": "1.0"}
SETTLE_SECONDS: Final = 2.0
SCRAPE_SECONDS: Final = 15.0

_HISTORY_ROWS: Final = text("select count(*) from audit.audit_events where source = 'history'")
_WARM: Final = 16


class Round(NamedTuple):
    used: Used
    """Per review."""
    per_second: float
    outcomes: dict[str, int]
    spans: int
    scrapes: int
    missing: int
    """History events without a row, or the other way round."""


class Sink(http.server.ThreadingHTTPServer):
    """A collector that counts spans."""

    daemon_threads = True
    spans = 0


class _Taker(http.server.BaseHTTPRequestHandler):
    server: Sink

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.server.spans += sum(len(scope.spans) for scope in resource.scope_spans)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def collector() -> Iterator[Sink]:
    """A collector on this machine."""
    with Sink((ports.LOOPBACK, 0), _Taker) as sink:
        thread = threading.Thread(target=sink.serve_forever, daemon=True)
        thread.start()
        yield sink
        sink.shutdown()
        thread.join()


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """The environment of the worker processes started inside."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@dataclass
class Side:
    """One kind with its stack and worker. `turns` holds what each turn used, in CPU seconds."""

    kind: str
    bench: Bench
    worker: int
    """Its process id."""
    copies: list[list[Account]]
    execution: Execution
    approver: Approver
    sink: Sink
    scraped: list[int]
    turns: list[Used] = field(default_factory=list)
    done: list[Done] = field(default_factory=list)
    seconds: float = 0.0

    async def turn(self, number: int, in_flight: int) -> None:
        """Review one copy of the accounts to the end."""
        async with self.approver.working():
            before, began = cpu.used_so_far(self.bench, self.worker), time.monotonic()
            accounts = self.copies[number]
            self.done += await review_all(self.bench, accounts, self.execution, in_flight=in_flight)
            self.seconds += time.monotonic() - began
            await asyncio.sleep(SETTLE_SECONDS)
            after = cpu.used_so_far(self.bench, self.worker)
        self.turns.append(cpu.between(before, after))

    async def summary(self) -> Round:
        """What was measured, per review."""
        used = Used(*(sum(parts) for parts in zip(*self.turns, strict=True)))
        return Round(
            used=cpu.each(used, len(self.done)),
            per_second=len(self.done) / self.seconds,
            outcomes=dict(Counter(one.outcome for one in self.done)),
            spans=self.sink.spans,
            scrapes=len(self.scraped),
            missing=0 if self.kind == "bare" else await _missing(self.bench, self.done),
        )


async def measure(arguments: argparse.Namespace) -> Result:
    """Rounds on fresh stacks; in each, the kinds take turns."""
    rounds: dict[str, list[Round]] = {kind: [] for kind in KINDS}
    for _ in range(arguments.rounds):
        async with AsyncExitStack() as stack:
            sides = [
                await stack.enter_async_context(side(kind, arguments.copies)) for kind in KINDS
            ]
            for number in range(arguments.copies):
                turn = number % len(KINDS)
                for one in (*sides[turn:], *sides[:turn]):
                    await one.turn(number, arguments.in_flight)
            for one in sides:
                done = await one.summary()
                rounds[one.kind].append(done)
                print(f"{one.kind}: {done.used.worker * 1000:.1f} ms of worker per review")
    return _result(rounds)


@asynccontextmanager
async def side(kind: str, copies: int) -> AsyncIterator[Side]:
    """A stack with a warm worker of this kind."""
    flags = ["--bare", "--no-entries"] if kind == "bare" else []
    page = f"http://{ports.LOOPBACK}:{(port := ports.any_free())}/metrics"
    async with common.fresh_stack() as bench:
        await portfolio.fill_with_copies(bench, copies + 1)
        of_copy: dict[str, list[Account]] = {}
        for account in await accounts_of(bench):
            of_copy.setdefault(account.id.partition("-")[0], []).append(account)
        *measured, last = of_copy.values()
        execution, approver = await bench.parts.execution(), Approver(bench.parts, bench.client)
        with collector() as sink, environment(_variables(kind, sink, port)):
            async with (
                worker_process(bench, *flags) as worker,
                scraping(None if kind == "bare" else page) as scraped,
            ):
                async with approver.working():
                    await review_all(bench, last[:_WARM], execution, in_flight=_WARM)
                yield Side(kind, bench, worker.pid, measured, execution, approver, sink, scraped)


def _variables(kind: str, sink: Sink, port: int) -> dict[str, str]:
    if kind == "bare":
        return {}
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{ports.LOOPBACK}:{sink.server_port}",
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": SHARES[kind],
        "OTEL_EXPORTER_PROMETHEUS_HOST": ports.LOOPBACK,
        "OTEL_EXPORTER_PROMETHEUS_PORT": str(port),
    }


@asynccontextmanager
async def scraping(page: str | None) -> AsyncIterator[list[int]]:
    """Read the page as often as Prometheus does by default; gives the sizes."""
    sizes: list[int] = []

    def read() -> int:
        with urllib.request.urlopen(str(page), timeout=10) as answer:
            return len(answer.read())

    async def work() -> None:
        while True:
            with suppress(OSError):
                sizes.append(await asyncio.to_thread(read))
            await asyncio.sleep(SCRAPE_SECONDS)

    task = asyncio.create_task(work()) if page else None
    try:
        yield sizes
    finally:
        if task is not None:
            task.cancel()


async def _missing(bench: Bench, done: list[Done]) -> int:
    """How far the trail is from the histories of the measured reviews and those before them."""
    lengths = [(await one.handle.describe()).history_length for one in done]
    ids = [one.handle.first_execution_run_id for one in done]
    query = text(f"{_HISTORY_ROWS.text} and run_id = any(:ids)")
    async with bench.parts.audit.engine.connect() as connection:
        rows = await connection.scalar(query, {"ids": ids})
    return abs(sum(lengths) - int(rows or 0))


def _result(rounds: dict[str, list[Round]]) -> Result:
    result = Result("audit_cost")
    ratio, shown = _against_bare(rounds, "sampled", "worker")
    what = "CPU of the worker per review, with audit and telemetry against without,"
    result.rows = [
        Row(f"{what} 10 % of traces", shown, f"<= {TARGET:.2f} times", ratio <= TARGET),
        Row(f"{what} 100 % of traces", _against_bare(rounds, "full", "worker")[1]),
        Row(
            "CPU of worker, Temporal and PostgreSQL together per review, 10 % of traces",
            _against_bare(rounds, "sampled", "stack")[1],
        ),
        Row(
            "CPU of PostgreSQL per review, 10 % of traces",
            _against_bare(rounds, "sampled", "postgres")[1],
        ),
        Row(
            "CPU of Temporal per review, 10 % of traces",
            _against_bare(rounds, "sampled", "temporal")[1],
        ),
        *(Row(f"per review, {kind}", _shown(done)) for kind, done in rounds.items()),
    ]
    result.samples = {kind: [one._asdict() for one in done] for kind, done in rounds.items()}
    every = [one for done in rounds.values() for one in done]
    if len({str(sorted(one.outcomes.items())) for one in every}) != 1:
        result.broken.append("the rounds did different work")
    if any("failed" in outcome for one in every for outcome in one.outcomes):
        result.broken.append("a review failed")
    for kind in SHARES:
        if any(one.missing for one in rounds[kind]):
            result.broken.append(f"{kind}: the trail differs from the histories")
        if not all(one.spans and one.scrapes for one in rounds[kind]):
            result.broken.append(f"{kind}: no spans or no page")
    return result


def _against_bare(rounds: dict[str, list[Round]], kind: str, process: str) -> tuple[float, str]:
    pairs = zip(rounds[kind], rounds["bare"], strict=True)
    ratios = [getattr(ours.used, process) / getattr(bare.used, process) for ours, bare in pairs]
    median = statistics.median(ratios)
    return median, f"{median:.2f} times ({', '.join(f'{one:.2f}' for one in ratios)})"


def _shown(rounds: list[Round]) -> str:
    spent = (
        f"{name} {statistics.median(getattr(one.used, name) for one in rounds) * 1000:.1f} ms"
        for name in Used._fields[:3]
    )
    spans = statistics.mean(one.spans for one in rounds)
    rate = statistics.median(one.per_second for one in rounds)
    return f"{', '.join(spent)}; {rate:.1f} reviews/s; {spans:.0f} spans per round"


def _flags() -> Any:
    flags = common.parser((__doc__ or "").splitlines()[0], limit=1800)
    flags.add_argument("--rounds", type=int, default=3, help="on fresh stacks (default 3)")
    flags.add_argument("--copies", type=int, default=4, help="of the 64 accounts, one per turn")
    flags.add_argument("--in-flight", type=int, default=8, help="reviews at a time (default 8)")
    return flags.parse_args()


if __name__ == "__main__":
    common.main(measure, _flags())
