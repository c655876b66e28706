"""Drives a stack: worker processes that are started and killed, reviews started and approved."""

import asyncio
import json
import os
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle

from account_reviews.bootstrap import Parts
from account_reviews.domain.records import Account
from account_reviews.domain.review.approvals import ApprovalRequest
from account_reviews.domain.review.state import Execution, ReviewInput, ReviewResult, ReviewState
from account_reviews.local import processes, tether
from account_reviews.services.accounts import find_accounts
from account_reviews.store.database import autocommit
from bench.common import ROOT, Bench
from starter import start_review
from workflows.account_review import AccountReviewWorkflow

Handle = WorkflowHandle[AccountReviewWorkflow, ReviewResult]

APPROVER = "bench"
_LOOK_EVERY = 0.03
_PENDING = text("select request_id from reviews.approval_requests where state = 'pending'")


class WorkerProcess:
    """A real worker process, `bench.bench_worker`; `reports` holds what it has said so far."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.reports: list[dict[str, Any]] = []
        self.ready_at = 0.0
        self._news = asyncio.Event()
        self._listener = asyncio.create_task(self._listen())

    @property
    def pid(self) -> int:
        return self._process.pid

    @classmethod
    async def start(cls, bench: Bench, *flags: str) -> "WorkerProcess":
        """Start one and wait until it polls."""
        with (bench.stack.data_dir / "bench-worker.log").open("ab") as log:
            # It ends when this process does, however that ends.
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", tether.__file__, str(os.getpid())),
                *(sys.executable, "-m", "bench.bench_worker", *flags),
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=log,
                env=bench.stack.environment(),
                cwd=ROOT,
            )
        started = cls(process)
        await started.until(bool)
        if not started.reports:
            raise RuntimeError(f"the worker does not start: {_end_of_log(bench)}")
        started.ready_at = float(started.reports.pop(0)["ready"])
        return started

    async def until(self, holds: Callable[[list[dict[str, Any]]], bool]) -> None:
        """Wait until what it has reported is enough, or it has ended."""
        while not holds(self.reports) and not self._listener.done():
            self._news.clear()
            await self._news.wait()

    async def kill(self) -> float:
        """`kill -9`; gives the time of it."""
        at = time.time()
        self._process.kill()
        await self._process.wait()
        await self._listener
        return at

    async def stop(self) -> None:
        """Let it finish what it does."""
        await processes.end(self._process, patience=30)
        await self._listener

    async def _listen(self) -> None:
        assert self._process.stdout is not None
        try:
            async for line in self._process.stdout:
                if line.startswith(b"{"):
                    self.reports.append(json.loads(line))
                    self._news.set()
        finally:
            self._news.set()


def _end_of_log(bench: Bench) -> str:
    return (bench.stack.data_dir / "bench-worker.log").read_text(encoding="utf-8")[-2000:]


@asynccontextmanager
async def worker_process(bench: Bench, *flags: str) -> AsyncIterator[WorkerProcess]:
    """A worker process that is stopped afterwards."""
    process = await WorkerProcess.start(bench, *flags)
    try:
        yield process
    finally:
        await process.stop()


@dataclass
class Approver:
    """Approves every request as soon as it stands in the read model, by signal."""

    parts: Parts
    client: Client
    approved: set[str] = field(default_factory=set)

    @asynccontextmanager
    async def working(self) -> AsyncIterator["Approver"]:
        """Approve in the background; an error there ends the work in the foreground too."""
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self._work())
            yield self
            task.cancel()

    async def _work(self) -> None:
        while True:
            fresh = await self._fresh()
            await asyncio.gather(*(approve(self.client, request) for request in fresh))
            await asyncio.sleep(_LOOK_EVERY)

    async def _fresh(self) -> list[ApprovalRequest]:
        async with autocommit(self.parts.engine).connect() as connection:
            pending = set(await connection.scalars(_PENDING))
        if pending <= self.approved:  # the driver must not take the time of what it measures
            return []
        page = await self.parts.reader.list_requests(tenant="default", limit=200)
        requests = [row.request for row in page.items]
        fresh = [one for one in requests if one.request_id not in self.approved]
        self.approved.update(one.request_id for one in fresh)
        return fresh


async def approve(client: Client, request: ApprovalRequest) -> None:
    """Approve all of a request by signal."""
    message = {
        "request_id": request.request_id,
        "decision": "approve",
        "approver": request.approvers[0] if request.approvers else APPROVER,
    }
    handle = client.get_workflow_handle(request.review_id)
    await handle.signal("submit_decision", message)


async def accounts_of(bench: Bench, ids: Iterable[str] = ()) -> list[Account]:
    """The named accounts, or all."""
    named = tuple(ids)
    return await find_accounts(bench.parts, ids=named, every=not named)


async def start(
    bench: Bench, account: Account, execution: Execution, *, stock: bool = False
) -> Handle:
    """Start one review."""
    handle, _ = await start_with_state(bench, account, execution, stock=stock)
    return handle


async def start_with_state(
    bench: Bench, account: Account, execution: Execution, *, stock: bool = False
) -> tuple[Handle, ReviewState]:
    """Start one review; gives its first state as well."""
    review = ReviewInput(
        account_id=account.id,
        started_by="driver",
        as_of=await bench.parts.default_as_of(),
        execution=execution,
    )
    client = bench.stock_client if stock else bench.client
    return await start_review(client, review, account)


@dataclass(frozen=True)
class Done:
    """One review that has ended."""

    handle: Handle
    outcome: str
    seconds: float
    writes: int


async def review_all(
    bench: Bench,
    accounts: Iterable[Account],
    execution: Execution,
    *,
    in_flight: int,
    stock: bool = False,
) -> list[Done]:
    """Review each account to its end, `in_flight` at a time. An Approver must be at work."""
    waiting, done = iter(accounts), list[Done]()

    async def one_after_another() -> None:
        for account in waiting:
            done.append(await _review(bench, account, execution, stock=stock))

    await asyncio.gather(*(one_after_another() for _ in range(in_flight)))
    return done


async def _review(bench: Bench, account: Account, execution: Execution, *, stock: bool) -> Done:
    began = time.monotonic()
    handle = await start(bench, account, execution, stock=stock)
    try:
        result = await handle.result()
    except WorkflowFailureError as error:
        return Done(handle, f"failed: {error.cause}", time.monotonic() - began, 0)
    seconds = time.monotonic() - began
    return Done(handle, result.outcome.value, seconds, result.counters.crm_writes)
