"""A worker process for benchmarks: the product's own, with a CRM that counts and can stand still.

What it says on standard output are JSON lines: `{"ready": TIME, "pid": N}` once, then one per
CRM call, `{"call": ..., "account": ...}`, and `{"held": ..., "account": ...}` for each write that
stands still. TIME is the clock of the machine in seconds.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import count
from typing import Any, Self
from unittest.mock import patch

from temporalio.client import Client
from temporalio.worker import WorkflowRunner

from account_reviews.bootstrap import Parts, open_parts
from account_reviews.config.settings import Settings
from account_reviews.crm.gate import WriteGate
from account_reviews.crm.protocol import (
    AccountFilter,
    AccountPage,
    Capabilities,
    CrmBackend,
    Wanted,
)
from account_reviews.crm.sql.backend import OwnSqlCrm
from account_reviews.domain.backends import Health
from account_reviews.domain.base import Scalar, Timestamp
from account_reviews.domain.operations import Operation
from account_reviews.domain.proposals import ProposedChange
from account_reviews.domain.records import AccountSnapshot, Owner, RecordRef, SnapshotLimits
from account_reviews.domain.review.steps import ApplyResult
from account_reviews.runtime.garbage_collection import collect_seldom, pass_over_what_is_there
from account_reviews.runtime.worker import open_worker_parts
from account_reviews.store import review_writes
from account_reviews.temporal.client import connect
from account_reviews.temporal.sandbox import sandboxed_runner
from bench.common import with_crm
from bench.slow_crm import SlowCrm
from bench.stock import stock_options, stock_sandbox
from worker import build_worker


def say(**report: Any) -> None:
    """Report to the driver, in one write, so that lines stay whole."""
    os.write(sys.stdout.fileno(), f"{json.dumps(report)}\n".encode())


class WatchedCrm:
    """`CrmBackend` that reports every call of a review.

    With `hold`, each write stands still for good: every other one before it is made, the rest
    after it is made and before anybody learns of it.
    """

    def __init__(self, crm: CrmBackend, *, hold: bool) -> None:
        self._crm = crm
        self._hold = hold
        self._numbers = count()
        self._account_of: dict[str, str] = {}

    def of(self, tenant: str | None) -> Self:  # noqa: ARG002  benchmarks have one tenant
        return self

    async def snapshot(
        self, account_id: str, *, as_of: Timestamp, limits: SnapshotLimits
    ) -> AccountSnapshot:
        say(call="snapshot", account=account_id)
        return await self._crm.snapshot(account_id, as_of=as_of, limits=limits)

    async def snapshots(
        self, account_ids: Sequence[str], *, as_of: Timestamp, limits: SnapshotLimits
    ) -> dict[str, AccountSnapshot]:
        say(call="snapshots", accounts=len(account_ids))
        return await self._crm.snapshots(account_ids, as_of=as_of, limits=limits)

    async def apply(
        self, change: ProposedChange, *, expected_version: str | None, operation_id: str
    ) -> ApplyResult:
        write = self._crm.apply(
            change, expected_version=expected_version, operation_id=operation_id
        )
        return await self._watch(change, write)

    async def _watch(
        self, change: ProposedChange, write: Coroutine[Any, Any, ApplyResult]
    ) -> ApplyResult:
        say(writing=change.account_id, at=time.time())
        before = self._hold and next(self._numbers) % 2 == 0
        if before:
            await self._stand_still("before", change)
        result = await write
        self._account_of[_key(result.record)] = change.account_id
        say(call="apply", account=change.account_id, status=result.status)
        if self._hold:
            await self._stand_still("after", change)
        return result

    async def find_operations(self, operations: Sequence[Operation]) -> dict[str, ApplyResult]:
        return await self._crm.find_operations(operations)

    async def read_back(self, wanted: tuple[Wanted, ...]) -> tuple[dict[str, Scalar] | None, ...]:
        account = next((self._account_of.get(_key(one.record)) for one in wanted), None)
        say(call="read_back", account=account)
        return await self._crm.read_back(wanted)

    async def list_accounts(
        self, where: AccountFilter, *, cursor: str | None = None, limit: int = 200
    ) -> AccountPage:
        return await self._crm.list_accounts(where, cursor=cursor, limit=limit)

    async def has_owner(self, owner: str, *, by_name: bool = False) -> bool:
        return await self._crm.has_owner(owner, by_name=by_name)

    async def find_owner(self, owner: str) -> Owner | None:
        return await self._crm.find_owner(owner)

    async def capabilities(self) -> Capabilities:
        return await self._crm.capabilities()

    async def health(self) -> Health:
        return await self._crm.health()

    async def _stand_still(self, when: str, change: ProposedChange) -> None:
        say(held=when, account=change.account_id, at=time.time())
        await asyncio.Event().wait()


class WatchedOwnCrm(WatchedCrm):
    """The same of a CRM that asks the gate itself, in the transaction of the write."""

    def __init__(self, crm: OwnSqlCrm, *, hold: bool) -> None:
        super().__init__(crm, hold=hold)
        self._own = crm

    async def apply_gated(
        self,
        change: ProposedChange,
        *,
        expected_version: str | None,
        operation_id: str,
        gate: WriteGate,
    ) -> ApplyResult:
        write = self._own.apply_gated(
            change, expected_version=expected_version, operation_id=operation_id, gate=gate
        )
        return await self._watch(change, write)


def _key(record: RecordRef) -> str:
    return f"{record.type}/{record.id}"


async def serve(arguments: argparse.Namespace) -> None:
    """Poll until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    settings = Settings.load(audit_database_url=arguments.audit_database)
    if arguments.no_entries:
        patch.object(review_writes, "review_entries", lambda *_: []).start()
    sandbox = stock_sandbox() if arguments.stock else sandboxed_runner()
    async with _opened(settings, sandbox, bare=arguments.bare) as (parts, client, around):
        watched = with_crm(parts, _crm(parts.crm, arguments))
        options = around | (stock_options() if arguments.stock else {}) | dict(arguments.option)
        async with build_worker(client, watched.activities(), **options):
            if not arguments.stock:
                collect_seldom()
                pass_over_what_is_there()
            say(ready=time.time(), pid=os.getpid())
            await stop.wait()


@asynccontextmanager
async def _opened(
    settings: Settings, sandbox: WorkflowRunner, *, bare: bool
) -> AsyncIterator[tuple[Parts, Client, dict[str, Any]]]:
    """As the product's own worker has them; a bare one has neither trail nor telemetry."""
    if bare:
        async with open_parts(settings, application="bench-worker") as parts:
            yield parts, await connect(settings), {"workflow_runner": sandbox}
        return
    async with open_worker_parts(settings, sandbox) as opened:
        around = {"interceptors": opened.interceptors, "workflow_runner": opened.runner}
        yield opened.parts, opened.client, around


def _crm(crm: CrmBackend, arguments: argparse.Namespace) -> CrmBackend:
    if arguments.crm_seconds is None:
        if isinstance(crm, OwnSqlCrm):
            return WatchedOwnCrm(crm, hold=arguments.hold_writes)
        return WatchedCrm(crm, hold=arguments.hold_writes)
    return SlowCrm(
        crm,
        seconds=arguments.crm_seconds,
        at_once=arguments.crm_at_once,
        report=lambda calls: say(calls=calls),
    )


def worker_option(text: str) -> tuple[str, Any]:
    """`NAME=NUMBER`, a worker setting; those that are a time are in seconds."""
    name, _, value = text.partition("=")
    number = json.loads(value)
    return name, timedelta(seconds=number) if name.endswith(("timeout", "interval")) else number


if __name__ == "__main__":
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--stock", action="store_true", help="the SDK's default worker settings")
    flags.add_argument("--bare", action="store_true", help="without audit trail and telemetry")
    flags.add_argument("--no-entries", action="store_true", help="and without entries of reviews")
    flags.add_argument("--audit-database", metavar="URL", help="the trail has its own")
    flags.add_argument("--hold-writes", action="store_true", help="each CRM write stands still")
    flags.add_argument("--crm-seconds", type=float, help="how long each CRM call takes")
    flags.add_argument("--crm-at-once", type=int, default=10, help="CRM calls at a time")
    flags.add_argument("--option", action="append", default=[], type=worker_option)
    asyncio.run(serve(flags.parse_args()))
    os._exit(0)
