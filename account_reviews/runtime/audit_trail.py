"""The trail of one worker process: what listens, and what works in the background.

Nothing of it can fail or delay a review. A job that fails is told, counted and begun again.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, NoReturn

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.client import Client
from temporalio.worker import Interceptor, WorkflowRunner
from temporalio.workflow import Info

from account_reviews.audit.capture.activity_interceptor import AttemptInterceptor
from account_reviews.audit.capture.log import AuditLog
from account_reviews.audit.capture.refused_updates import refusals
from account_reviews.audit.capture.workflow_runner import Moved, Observer, TapRunner
from account_reviews.audit.history.exporter import Exporter
from account_reviews.audit.history.reader import HistoryReader
from account_reviews.audit.history.reconciler import Reconciled, Reconciler
from account_reviews.audit.seals.anchors import open_anchors
from account_reviews.audit.seals.keys import signing_key
from account_reviews.audit.seals.sealer import Sealer
from account_reviews.domain.audit.redaction import rules_of
from account_reviews.hooks.loading import Hook
from account_reviews.hooks.worker import hooked
from account_reviews.store.policy_in_force import see_policy
from account_reviews.telemetry import instruments
from account_reviews.upkeep.server_closed_reviews import EndedOutside

if TYPE_CHECKING:
    from account_reviews.bootstrap import Parts

FLUSH_SECONDS: Final = 2.0
_BACK_OFF: Final = (0.25, 2.0)
_TELL_EVERY: Final = 30.0
_PASS_SECONDS: Final = 60.0
_FIRST_PASS_SECONDS: Final = 5.0
_LOOK_BACK: Final = timedelta(hours=1)
_OVERLAP: Final = timedelta(minutes=2)

_log = logging.getLogger(__name__)

Job = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Audited:
    """What a worker is given: interceptors for its list, and the runner around its own."""

    interceptors: Sequence[Interceptor]
    observers: Sequence[Observer]
    watcher: "_Watcher"

    def runner(self, inner: WorkflowRunner) -> TapRunner:
        """Runs workflows by `inner` and tells what moved."""
        return TapRunner(inner, self.watcher, self.observers)


@dataclass(frozen=True)
class _Watcher:
    """Hands on what the tap tells."""

    exporter: Exporter
    log: AuditLog

    def moved(self, workflow_id: str, run_id: str, moved: Moved) -> None:
        self.exporter.moved(workflow_id, run_id, moved)

    def refused(
        self, info: Info, act: WorkflowActivation, completion: WorkflowActivationCompletion
    ) -> None:
        self.log.put(*refusals(info, act, completion, self.exporter.reader.rules))


@asynccontextmanager
async def audited(
    parts: "Parts", client: Client, hooks: Sequence[Hook] = ()
) -> AsyncIterator[Audited]:
    """Record what this worker does, until the end, which takes at most FLUSH_SECONDS more."""
    rules, engine, settings = rules_of(parts.policy), parts.audit.engine, parts.settings
    exporter = Exporter(HistoryReader(client, rules), engine)
    sealer = Sealer(
        engine,
        signing_key(settings.signing_key),
        open_anchors(settings.seals_place),
        tenant=settings.tenant,
        tell=parts.audit.log.put,
    )
    async with hooked(hooks, client, parts.policy, tenant=settings.tenant) as called:
        interceptors = [
            AttemptInterceptor(parts.audit.log, rules, client.identity),
            called.interceptor,
        ]
        told = partial(called.observer.moved, started=False, ended=True)
        ended = EndedOutside(client, parts.engine, parts.store, told)
        reconciler = Reconciler(client, engine, parts.engine, rules, ended.settle)
        jobs: Mapping[str, Job] = {
            "export": exporter.run,
            "reconcile": _Passes(reconciler).run,
            "seal": sealer.run,
            "relay": parts.relay.run,
            "policy": partial(_note_policy, parts, client.identity),
        }
        exporter.start()
        tasks = [asyncio.create_task(kept_up(name, job)) for name, job in jobs.items()]
        try:
            yield Audited(interceptors, [called.observer], _Watcher(exporter, parts.audit.log))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await exporter.flush(FLUSH_SECONDS)


async def _note_policy(parts: "Parts", identity: str) -> NoReturn:
    """Tell once when this worker goes by another policy than the last one did."""
    await see_policy(parts.engine, parts.settings.tenant, parts.policy.hash, actor=identity)
    await asyncio.Event().wait()
    raise AssertionError


class _Passes:
    """Small passes of the reconciler: one soon, which looks back further, then one a minute."""

    def __init__(self, reconciler: Reconciler) -> None:
        self._reconciler = reconciler
        self._since = datetime.now(UTC) - _LOOK_BACK

    async def run(self) -> NoReturn:
        await asyncio.sleep(_FIRST_PASS_SECONDS)
        while True:
            began = datetime.now(UTC)
            found = await self._reconciler.recent(since=self._since)
            if found is not None:
                self._since = began - _OVERLAP
                _tell(found)
            await asyncio.sleep(_PASS_SECONDS)


def _tell(found: Reconciled) -> None:
    for sentence in found.warnings:
        _log.warning("audit trail: %s", sentence)
    if found.rows_added:
        _log.info("audit trail: %d rows were behind", found.rows_added)


async def kept_up(name: str, job: Job) -> NoReturn:
    """Run a background job for ever. Its errors are told now and then, and waited out."""
    pause, told_at = _BACK_OFF[0], 0.0
    clock = asyncio.get_running_loop().time
    while True:
        began = clock()
        try:
            await job()
        except Exception as error:  # noqa: BLE001  whatever it is, the trail goes on later
            instruments.audit_failed(name, type(error).__name__)
            if not told_at or clock() - told_at > _TELL_EVERY:
                told_at = clock()
                reason = str(error) or type(error).__name__
                _log.warning("the audit trail (%s) waits: %s", name, reason)
        pause = _BACK_OFF[0] if clock() - began > _TELL_EVERY else min(2 * pause, _BACK_OFF[1])
        await asyncio.sleep(pause)
