"""Recovery after `kill -9` of the only worker with 100 reviews in flight.

Half of them are inside the CRM write activity, the others wait for approval and are decided by
signal while no worker runs. A new worker is started at once. Measured from its being ready to the
first event it writes for each review; the same with the SDK's default settings, on a stack of its
own, and the same start-to-close time-outs.
"""

import argparse
import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text
from temporalio.client import WorkflowHistory

from account_reviews.domain.records import Account
from account_reviews.domain.review.approvals import ApprovalRequest
from bench import common, portfolio
from bench.common import Bench, Result, Row, percentile, spread
from bench.driving import Handle, WorkerProcess, accounts_of, approve, start
from bench.stock import stock_policies

TARGET_SECONDS = 2.5
TARGET_RATIO = 6.0
GROUPS = ("mid-activity", "waiting")
SETTLED_AFTER = 2.0
"""Seconds between the last write that stands still and the kill, so that heartbeats have come."""


@dataclass
class Crash:
    """What one kill led to; times in seconds, by group."""

    first: dict[str, list[float]] = field(default_factory=dict)
    """From the new worker being ready to the first event it wrote."""
    ended: dict[str, list[float]] = field(default_factory=dict)
    """From the kill to the end of the review."""
    restart: float = 0.0
    """From the kill to the new worker being ready."""
    wrong: list[str] = field(default_factory=list)

    @property
    def all_first(self) -> list[float]:
        return [second for group in self.first.values() for second in group]


async def measure(arguments: argparse.Namespace) -> Result:
    """The tuned row, then the row of the SDK's defaults."""
    crashes: dict[str, list[Crash]] = {}
    for name in ("tuned", "stock") if arguments.stock else ("tuned",):
        repeats = arguments.repeats if name == "tuned" else 1
        crashes[name] = []
        for _ in range(repeats):
            async with common.fresh_stack() as bench:
                crashes[name].append(await _crash(bench, arguments, stock=name == "stock"))
            print(f"{name}: {_overall(crashes[name])}", flush=True)
    return _result(crashes)


async def _crash(bench: Bench, arguments: argparse.Namespace, *, stock: bool) -> Crash:
    half = arguments.reviews // 2
    flags = common.worker_flags(arguments, stock=stock)
    accounts = await _accounts(bench, 2 * half)
    doomed = await WorkerProcess.start(bench, "--hold-writes", *flags)
    handles, requests = await _waiting_reviews(bench, accounts, stock=stock)
    groups = dict(zip(GROUPS, (requests[:half], requests[half:]), strict=True))
    await _approve_all(bench, groups["mid-activity"])
    await doomed.until(lambda reports: _held(reports) == half)
    await asyncio.sleep(SETTLED_AFTER)

    killed_at = await doomed.kill()
    starting = asyncio.create_task(WorkerProcess.start(bench, *flags))
    await _approve_all(bench, groups["waiting"])
    decided_at = time.time()
    successor = await starting
    try:
        results = await asyncio.gather(*(handle.result() for handle in handles.values()))
        crash = Crash(restart=successor.ready_at - killed_at)
        if decided_at > successor.ready_at:
            crash.wrong.append("the new worker was ready before all decisions were sent")
        for group, members in groups.items():
            histories = [await handles[one.review_id].fetch_history() for one in members]
            crash.first[group] = [_first_event(one, successor) for one in histories]
            crash.ended[group] = [_end(one) - killed_at for one in histories]
        ends = Counter(result.outcome.value for result in results)
        crash.wrong += _lost(ends, 2 * half)
        crash.wrong += await _done_twice(bench, requests)
        return crash
    finally:
        await successor.stop()


async def _accounts(bench: Bench, count: int) -> list[Account]:
    """Accounts whose review proposes exactly one change: a contract that ends soon."""
    renewing = portfolio.account_ids("renewing")
    copies = -(-count // len(renewing))
    await portfolio.fill_with_copies(bench, copies)
    ids = [portfolio.copy_of(number, one) for number in range(1, copies + 1) for one in renewing]
    return await accounts_of(bench, ids[:count])


async def _waiting_reviews(
    bench: Bench, accounts: Sequence[Account], *, stock: bool
) -> tuple[dict[str, Handle], list[ApprovalRequest]]:
    execution = await bench.parts.execution()
    if stock:
        execution = stock_policies(execution)
    handles = await asyncio.gather(
        *(start(bench, account, execution, stock=stock) for account in accounts)
    )
    while True:
        page = await bench.parts.reader.list_requests(tenant="default", limit=200)
        if len(page.items) == len(accounts):
            return {handle.id: handle for handle in handles}, [row.request for row in page.items]
        await asyncio.sleep(0.1)


async def _approve_all(bench: Bench, requests: Sequence[ApprovalRequest]) -> None:
    await asyncio.gather(*(approve(bench.client, request) for request in requests))


def _held(reports: Sequence[dict[str, Any]]) -> int:
    return sum("held" in line for line in reports)


def _first_event(history: WorkflowHistory, worker: WorkerProcess) -> float:
    """Seconds from ready to the first event that names the new worker."""
    times = [
        event.event_time.ToDatetime().timestamp()
        for event in history.events
        if _identity(event).startswith(f"{worker.pid}@")
    ]
    return min(times) - worker.ready_at


def _identity(event: Any) -> str:
    kind = event.WhichOneof("attributes")
    return str(getattr(getattr(event, kind), "identity", ""))


def _end(history: WorkflowHistory) -> float:
    return float(history.events[-1].event_time.ToDatetime().timestamp())


def _lost(ends: Counter[str], expected: int) -> list[str]:
    return [] if ends == {"completed": expected} else [f"not all reviews completed: {dict(ends)}"]


async def _done_twice(bench: Bench, requests: Sequence[ApprovalRequest]) -> list[str]:
    """Exactly one CRM operation, and one record, per approved change."""
    approved = Counter(item.item_id for request in requests for item in request.items)
    async with bench.parts.engine.connect() as connection:
        rows = await connection.execute(
            text("select change_id, action from reviews.crm_operations")
        )
        operations = list(rows.mappings())
        made = await connection.scalar(
            text("select count(*) from crm.tasks where created_at > now() - interval '1 hour'")
        )
    wrong = []
    if Counter(row["change_id"] for row in operations) != approved:
        wrong.append(f"{len(operations)} CRM operations for {approved.total()} approved changes")
    created = sum(row["action"] == "create_task" for row in operations)
    if made != created:
        wrong.append(f"{made} tasks were made by {created} approved ones")
    return wrong


def _result(crashes: dict[str, list[Crash]]) -> Result:
    tuned = crashes["tuned"]
    p95 = percentile([second for crash in tuned for second in crash.all_first], 0.95)
    count = len(tuned[0].all_first)
    result = Result("recovery")
    result.rows.append(
        Row(
            f"new worker ready to first event of each of {count} reviews after kill -9"
            f" ({len(tuned)} kills)",
            _overall(tuned),
            f"p95 <= {TARGET_SECONDS} s",
            p95 <= TARGET_SECONDS,
        )
    )
    if "stock" in crashes:
        ratio = percentile(crashes["stock"][0].all_first, 0.95) / p95
        result.rows.append(
            Row(
                "the same with the SDK's default settings, p95 against p95",
                f"{ratio:.1f} times slower: {_overall(crashes['stock'])}",
                f">= {TARGET_RATIO:g} times",
                ratio >= TARGET_RATIO,
            )
        )
    for name, repeated in crashes.items():
        result.rows += _details(name, repeated)
        result.broken += [f"{name}: {wrong}" for crash in repeated for wrong in crash.wrong]
    result.samples = {
        name: [vars(crash) for crash in repeated] for name, repeated in crashes.items()
    }
    lost = "none" if not result.broken else "see the broken invariants"
    result.rows.append(Row("reviews lost, changes written twice", lost, "none", not result.broken))
    return result


def _overall(crashes: Sequence[Crash]) -> str:
    return spread([second for crash in crashes for second in crash.all_first])


def _details(name: str, crashes: Sequence[Crash]) -> list[Row]:
    rows = []
    for group in GROUPS:
        first = [second for crash in crashes for second in crash.first[group]]
        ended = [second for crash in crashes for second in crash.ended[group]]
        rows.append(Row(f"{name}, {group}: ready to first event", spread(first)))
        rows.append(Row(f"{name}, {group}: kill to end of review", spread(ended)))
    restarts = ", ".join(f"{crash.restart:.1f} s" for crash in crashes)
    rows.append(Row(f"{name}: kill to new worker ready", restarts))
    return rows


if __name__ == "__main__":
    flags = common.parser(__doc__.splitlines()[0])
    flags.add_argument("--reviews", type=int, default=100, help="in flight (default 100)")
    flags.add_argument("--repeats", type=int, default=2, help="kills of the tuned row (default 2)")
    flags.add_argument("--stock", action=argparse.BooleanOptionalAction, default=True)
    common.main(measure, flags.parse_args())
