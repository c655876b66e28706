"""Everything a worker process has around its worker: telemetry, parts, Temporal, trail, hooks."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial

from temporalio.client import Client
from temporalio.worker import Interceptor, WorkflowRunner

from account_reviews.bootstrap import Parts, open_parts
from account_reviews.config.settings import Settings
from account_reviews.crm.registry import scheme_of
from account_reviews.crm.sql.backend import SqlCrm
from account_reviews.domain.bursts import SPREAD, BurstRules
from account_reviews.hooks.registry import load
from account_reviews.hooks.worker import hooked
from account_reviews.runtime.audit_trail import audited
from account_reviews.runtime.queues import Only
from account_reviews.runtime.telemetry import telemetry
from account_reviews.services.schedule_rows import kept_up_to_date
from account_reviews.store.memory_outbox import MemoryOutbox
from account_reviews.store.poll_cursors import PollCursors
from account_reviews.telemetry import gauges, instruments
from account_reviews.temporal.burst_interceptor import BurstInterceptor
from account_reviews.temporal.client import connect
from account_reviews.temporal.sandbox import sandboxed_runner
from account_reviews.upkeep.changes import EventTools
from account_reviews.upkeep.event_work import EventWork
from account_reviews.upkeep.jobs import AuditTools, UpkeepJobs
from account_reviews.upkeep.outside_watch import OutsideWatch
from account_reviews.upkeep.remembering import Remembering
from account_reviews.upkeep.server_closed_reviews import EndedOutside
from activities.upkeep import UpkeepActivities


@dataclass(frozen=True)
class WorkerParts:
    """What a worker is built from."""

    activities: Sequence[object]
    """One instance of each activity class."""
    parts: Parts
    client: Client
    interceptors: Sequence[Interceptor]
    runner: WorkflowRunner
    remarks: str
    """What the process says when it is ready, beyond that; may be empty."""


@asynccontextmanager
async def open_worker_parts(
    settings: Settings, sandbox: WorkflowRunner | None = None, *, only: Only | None = None
) -> AsyncIterator[WorkerParts]:
    """Open all of it and close it in order; at the end the trail is given two seconds.

    Workflows run in `sandbox`, or in ours. One that may only read is built without the credential
    of writes, and leaves to the others what needs it: to record writes that were lost, and to end
    reviews that the server has ended. BadInputError for settings that cannot be used,
    UnreachableError.
    """
    reads = only is Only.READ
    if reads:
        settings = replace(settings, crm_write_url=None)
    hooks = load(settings.hooks)
    async with (
        telemetry(settings) as measured,
        open_parts(settings, application="reviews-worker") as parts,
    ):
        parts.guard.ensure_keys()
        can = await parts.accounts.capabilities()
        parts.version_check = "atomic" if can.optimistic_lock else "compared"
        client = await connect(
            settings,
            runtime=measured.runtime,
            interceptors=[measured.tracing, parts.audit.asking],
        )
        async with (
            measured.watching(watched_sources(parts, client)),
            hooked(hooks, client, parts.policy, tenant=settings.tenant) as called,
        ):
            notify = partial(called.observer.moved, started=False, ended=True)
            ended = EndedOutside(client, parts.engine, parts.store, notify, parts.writer)
            remembering = Remembering(
                MemoryOutbox(parts.engine), parts.memory, tenant=settings.tenant
            )
            settle = _left_to_others if reads else ended.settle
            watch = OutsideWatch(
                client, parts.engine, parts.audit.engine, settle, tenant=settings.tenant
            )
            async with (
                nullcontext() if only is Only.WRITE else EventWork(parts, client).running(),
                remembering.running(),
                watch.running(),
                kept_up_to_date(
                    client,
                    parts.databases.more_statements(settings.require_database_url()),
                    settings.tenant,
                ),
                audited(
                    settings,
                    parts.policy,
                    client,
                    main=parts.engine,
                    audit=parts.audit,
                    relay=parts.relay(adopts=not reads),
                    settle=settle,
                ) as trail,
            ):
                yield WorkerParts(
                    activities=parts.writing_activities()
                    if only is Only.WRITE
                    else [
                        *parts.activities(remembering.wake, writes=not reads),
                        UpkeepActivities(_upkeep_jobs(parts).run),
                    ],
                    parts=parts,
                    client=client,
                    interceptors=[
                        *measured.interceptors,
                        trail.interceptor,
                        called.interceptor,
                        BurstInterceptor(burst_rules(settings)),
                    ],
                    runner=trail.runner(sandbox or sandboxed_runner(), [called.observer]),
                    remarks=measured.ready(),
                )


def burst_rules(settings: Settings) -> BurstRules:
    """How often what does not answer is asked again, as it is set."""
    return BurstRules(
        tries=settings.retry_tries,
        first_seconds=settings.retry_first_seconds,
        factor=settings.retry_factor,
        longest_seconds=settings.retry_longest_seconds,
        spread=SPREAD if settings.retry_jitter else 0.0,
    )


async def _left_to_others(ended: Sequence[tuple[str, str]]) -> None:
    """To workers that may write: what such a review has written is looked up by them."""


def watched_sources(parts: Parts, client: Client) -> list[gauges.Source]:
    """What the metrics page reads when somebody looks: our databases and Temporal."""
    if isinstance(parts.crm, SqlCrm):
        instruments.crm_limit_remaining("sql", 1.0)  # a database of ours has no limit
    tenant = parts.settings.tenant
    return [
        gauges.reviews_source(parts.figures),
        gauges.audit_source(parts.audit.engine, tenant),
        gauges.events_source(parts.slow_statements, tenant),
        gauges.calls_source(parts.slow_statements),
        gauges.running_source(client),
        gauges.schedules_source(client, tenant),
    ]


def _upkeep_jobs(parts: Parts) -> UpkeepJobs:
    settings = parts.settings
    audit = AuditTools(parts.audit.engine, settings.signing_key, settings.archive_place)
    return UpkeepJobs(
        parts.engine,
        parts.store,
        parts.policy,
        audit,
        parts.digests,
        parts.memory,
        parts.writing_crm,
        parts.posting,
        _event_tools(parts),
        parts.writer,
    )


def _event_tools(parts: Parts) -> EventTools:
    settings = parts.settings
    scheme = scheme_of(settings.crm_url or "")
    return EventTools(
        parts.intake,
        PollCursors(parts.transactions, settings.tenant),
        None if settings.web_url is None else f"{settings.web_url.rstrip('/')}/webhooks/{scheme}",
        settings.secret("zoho_webhook_token"),
    )
