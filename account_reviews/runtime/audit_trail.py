"""The trail of one worker process: what listens, and what works in the background.

Nothing of it can fail or delay a review. A job that fails is reported, counted and begun again.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final, NoReturn

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.client import Client
from temporalio.worker import Interceptor, WorkflowRunner
from temporalio.workflow import Info

from account_reviews.audit.capture.activity_interceptor import AttemptInterceptor
from account_reviews.audit.capture.log import AuditLog
from account_reviews.audit.capture.outbox_relay import Relay
from account_reviews.audit.capture.recorder import AuditParts
from account_reviews.audit.capture.refused_updates import refusals
from account_reviews.audit.capture.workflow_runner import Moved, Observer, TapRunner
from account_reviews.audit.history.exporter import Exporter
from account_reviews.audit.history.reader import HistoryReader
from account_reviews.audit.history.reconciler import Reconciled, Reconciler, Settle
from account_reviews.audit.seals.anchors import open_anchors
from account_reviews.audit.seals.keys import signing_key
from account_reviews.audit.seals.sealer import Sealer
from account_reviews.config.settings import Settings
from account_reviews.domain.audit.redaction import rules_of
from account_reviews.domain.policy.model import Policy
from account_reviews.runtime.background import Job, kept_up
from account_reviews.store.policy_in_force import see_policy

FLUSH_SECONDS: Final = 2.0
_PASS_SECONDS: Final = 60.0
_FIRST_PASS_SECONDS: Final = 5.0
_LOOK_BACK: Final = timedelta(hours=1)
_OVERLAP: Final = timedelta(minutes=2)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Audited:
    """What a worker is given: an interceptor for its list, and the runner around its own."""

    interceptor: Interceptor
    watcher: "_Watcher"

    def runner(self, inner: WorkflowRunner, observers: Sequence[Observer] = ()) -> TapRunner:
        """Runs workflows by `inner`; records what moved, and notifies `observers`."""
        return TapRunner(inner, self.watcher, observers)


@dataclass(frozen=True)
class _Watcher:
    """Hands on what the tap sees."""

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
    settings: Settings,
    policy: Policy,
    client: Client,
    *,
    main: AsyncEngine,
    audit: AuditParts,
    relay: Relay,
    settle: Settle,
) -> AsyncIterator[Audited]:
    """Record what this worker does, until the end, which takes at most FLUSH_SECONDS more.

    `settle` is called with the reviews that the reconciler found to be closed by the server.
    """
    rules, engine = rules_of(policy), audit.engine
    exporter = Exporter(HistoryReader(client, rules), engine)
    sealer = Sealer(
        engine,
        signing_key(settings.signing_key),
        open_anchors(settings.seals_place),
        tenant=settings.tenant,
        record=audit.log.put,
    )
    reconciler = Reconciler(client, engine, main, rules, settle)
    note = partial(_note_policy, main, settings.tenant, policy.hash, client.identity)
    jobs: Mapping[str, Job] = {
        "export": exporter.run,
        "reconcile": _Passes(reconciler).run,
        "seal": sealer.run,
        "relay": relay.run,
        "policy": note,
    }
    exporter.start()
    tasks = [asyncio.create_task(kept_up(name, job)) for name, job in jobs.items()]
    try:
        attempts = AttemptInterceptor(audit.log, rules, client.identity)
        yield Audited(attempts, _Watcher(exporter, audit.log))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await exporter.flush(FLUSH_SECONDS)


async def _note_policy(main: AsyncEngine, tenant: str, policy_hash: str, identity: str) -> NoReturn:
    """Record once when this worker goes by another policy than the last one did."""
    await see_policy(main, tenant, policy_hash, actor=identity)
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
                _report(found)
            await asyncio.sleep(_PASS_SECONDS)


def _report(found: Reconciled) -> None:
    for sentence in found.warnings:
        _log.warning("audit trail: %s", sentence)
    if found.rows_added:
        _log.info("audit trail: %d rows were behind", found.rows_added)
