"""A cycle over 12,000 companies of a HubSpot portal, of which 10,500 share one modified time.

The portal is the fake, on a port of its own; the cycle is the product's, and lists and reads it
within HubSpot's limits. Its reviews are a workflow that reports its end and does no more.
"""

import argparse
import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import yaml
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from account_reviews.crm.field_mapping import load_field_mapping
from account_reviews.crm.hubspot.backend import BULK, HubSpotCrm, open_hubspot
from account_reviews.crm.hubspot.client import chunks
from account_reviews.crm.protocol import AccountFilter
from account_reviews.crm.registry import CrmContext
from account_reviews.domain.cycle.state import CycleScope
from account_reviews.domain.errors import CrmRateLimitedError
from account_reviews.domain.records import SnapshotLimits
from account_reviews.fakes.framework import FakeApp, FakeOptions
from account_reviews.fakes.hubspot import create_hubspot
from account_reviews.fakes.hubspot_access import PRIVATE_TOKEN
from account_reviews.fakes.hubspot_records import Records
from account_reviews.fakes.server import serving
from account_reviews.services.cycles import cycle_input, start_cycle
from account_reviews.temporal.names import TASK_QUEUE
from account_reviews.temporal.sandbox import activity_methods
from account_reviews.temporal.worker_interceptor import ReviewInterceptor
from bench import common
from bench.common import Bench, Result, Row
from bench.cycle_history import ReportingWorkflow
from workflows.review_cycle import ReviewCycleWorkflow

_T = TypeVar("_T")
OF_EACH = {"contacts": 1, "deals": 1, "activities": 1, "notes": 1, "tasks": 0}
PAID = {"calls_per_10_seconds": 170, "calls_per_day": 650_000}
"""What a paid edition allows, less a little."""


async def measure(arguments: argparse.Namespace) -> Result:
    """List what changed, then run a cycle over all, or only list and read them all."""
    extra = {**OF_EACH, "same_time": arguments.same_time}
    app = create_hubspot(FakeOptions(accounts=arguments.accounts, extra=extra))
    since = datetime.now(UTC) - timedelta(days=4)
    async with common.fresh_stack() as bench, serving(app) as url, _crm(bench, url) as crm:
        began = time.monotonic()
        changed = Counter(await _listed(crm, AccountFilter(changed_since=since)))
        listing, calls = time.monotonic() - began, len(app.log.lines)
        began = time.monotonic()
        look = _read if arguments.read_only else _cycle
        seen = await look(bench, crm)
        took = time.monotonic() - began
    result = Result("hubspot_cycle", samples=_samples(app))
    what = (
        "listed and read in bulk"
        if arguments.read_only
        else "a cycle over all, whose reviews only report their end: accounts"
    )
    one_time = f"{arguments.same_time} of one modified time"
    wanted = _changed_by(app, since)
    _add(
        result, f"{arguments.accounts} companies, {one_time}: listed as changed", changed, wanted,
        f"{calls} calls, {listing:.0f} s",
    )  # fmt: skip
    every = set(app.state.objects["companies"])
    _add(result, what, seen, every, f"{len(app.log.lines) - calls} calls, {took:.0f} s")
    refused = sum(line.status == 429 for line in app.log.lines)
    result.rows.append(
        Row("calls that HubSpot refused for its limits", str(refused), "0", refused == 0)
    )
    return result


@asynccontextmanager
async def _crm(bench: Bench, url: str) -> AsyncIterator[HubSpotCrm]:
    """The portal as a worker has it, with the limits of a paid edition."""
    async with AsyncExitStack() as closing:
        mapping = load_field_mapping(None, shipped="hubspot")
        document = mapping.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
        file = Path(closing.enter_context(TemporaryDirectory())) / "mapping.yaml"
        file.write_text(yaml.safe_dump({**document, "options": PAID}), encoding="utf-8")
        settings = replace(
            bench.parts.settings, crm_url="hubspot://", crm_mapping=file,
            hubspot_token=PRIVATE_TOKEN, hubspot_api_url=url,
        )  # fmt: skip
        engine = bench.parts.engine
        yield open_hubspot(
            CrmContext(
                url="hubspot://", settings=settings, engine=engine,
                engine_of=lambda _: engine, closing=closing,
            )
        )  # fmt: skip


async def _listed(crm: HubSpotCrm, where: AccountFilter) -> list[str]:
    """Ids, page by page."""
    found: list[str] = []
    cursor = None
    while True:
        page = await _patiently(partial(crm.list_accounts, where, cursor=cursor))
        found += [one.id for one in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return found


async def _patiently(ask: Callable[[], Awaitable[_T]]) -> _T:
    """A limit is waited for, as Temporal would."""
    while True:
        try:
            return await ask()
        except CrmRateLimitedError as error:
            await asyncio.sleep(error.retry_after or 1)


async def _read(bench: Bench, crm: HubSpotCrm) -> Counter[str]:
    """How often each account was read."""
    del bench
    found: Counter[str] = Counter()
    ids = await _listed(crm, AccountFilter())
    for some in chunks(ids, BULK):
        ask = partial(crm.snapshots, some, as_of=datetime.now(UTC), limits=SnapshotLimits())
        found.update((await _patiently(ask)).keys())
    return found


async def _cycle(bench: Bench, crm: HubSpotCrm) -> Counter[str]:
    """How often each account was reviewed by a cycle over all."""
    parts = common.with_crm(bench.parts, crm)
    methods = [method for owner in parts.activities() for method in activity_methods(owner)]
    async with Worker(
        bench.client,
        task_queue=TASK_QUEUE,
        workflows=[ReviewCycleWorkflow, ReportingWorkflow],
        activities=methods,
        workflow_runner=UnsandboxedWorkflowRunner(),
        interceptors=[ReviewInterceptor()],
    ):
        start = await cycle_input(
            parts, kind="on_demand", scope=CycleScope(), started_by="bench", window=50
        )
        handle = await start_cycle(bench.client, start)
        await handle.result()
    return await _reviews(bench)


async def _reviews(bench: Bench) -> Counter[str]:
    """Reviews by account, once the list has them all."""
    for _ in range(30):
        found: Counter[str] = Counter()
        async for one in bench.client.list_workflows("WorkflowType = 'AccountReview'"):
            found[one.id.rpartition("/")[2]] += 1
        if found and sum(found.values()) == (await _count(bench)):
            return found
        await asyncio.sleep(1)
    return found


async def _count(bench: Bench) -> int:
    return (await bench.client.count_workflows("WorkflowType = 'AccountReview'")).count


def _add(result: Result, what: str, seen: Counter[str], wanted: set[str], cost: str) -> None:
    twice = sum(count > 1 for count in seen.values())
    is_right = seen.keys() == wanted and not twice
    result.rows.append(
        Row(
            what,
            f"{len(seen)} of {len(wanted)}, {twice} twice ({cost})",
            "all, each once",
            is_right,
        )
    )
    if not is_right:
        result.broken.append(f"{what}: {len(wanted - seen.keys())} left out, {twice} twice")


def _changed_by(app: FakeApp, since: datetime) -> set[str]:
    """By the portal itself: companies that changed, and those of records that did."""
    records: Records = app.state
    found: set[str] = set()
    for kind, objects in records.objects.items():
        for one in objects.values():
            if one.updated >= since and kind == "companies":
                found.add(one.id)
            elif one.updated >= since:
                found |= records.associated(kind, one.id, "companies").keys()
    return found


def _samples(app: FakeApp) -> dict[str, Any]:
    kinds = Counter(line.path.rpartition("2026-09/")[2] for line in app.log.lines)
    refused = Counter(line.path.rpartition("/")[2] for line in app.log.lines if line.status == 429)
    return {"calls": dict(kinds.most_common(12)), "refused": dict(refused)}


if __name__ == "__main__":
    flags = common.parser(__doc__.splitlines()[0], limit=2400)
    flags.add_argument("--accounts", type=int, default=12_000)
    flags.add_argument("--same-time", type=int, default=10_500)
    flags.add_argument("--read-only", action="store_true", help="list and read, without a cycle")
    common.main(measure, flags.parse_args())
