"""The composition root: the only place where real things are constructed."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from account_reviews.audit.capture.outbox_relay import Relay
from account_reviews.audit.capture.recorder import AuditParts, open_audit
from account_reviews.config.settings import Settings
from account_reviews.crm.protocol import CrmBackend
from account_reviews.crm.sql.backend import OwnSqlCrm, SqlCrm
from account_reviews.domain.audit.redaction import rules_of
from account_reviews.domain.base import Timestamp
from account_reviews.domain.policy.model import Policy
from account_reviews.domain.review.state import Execution
from account_reviews.memory.postgres import PostgresMemory
from account_reviews.memory.protocol import MemoryBackend
from account_reviews.store.cycle_queries import CycleReader
from account_reviews.store.cycle_results import CycleResultStore
from account_reviews.store.cycles import CycleStore
from account_reviews.store.database import create_engine, normalise_url
from account_reviews.store.halts import HaltStore
from account_reviews.store.review_queries import ReviewReader
from account_reviews.store.reviews import ReviewStore
from account_reviews.store.schedule_runs import ScheduleRunStore
from account_reviews.telemetry.client_tracing import client_tracing
from account_reviews.temporal.client import connect
from activities.analysis import AnalysisActivities
from activities.crm import CrmActivities
from activities.cycles import CycleActivities
from activities.halts import HaltActivities
from activities.memory import MemoryActivities
from activities.results import ResultActivities
from activities.schedules import ScheduleActivities
from activities.store import StoreActivities


@dataclass(frozen=True)
class Parts:
    """Everything real that a process works with."""

    settings: Settings
    policy: Policy
    engine: AsyncEngine
    crm: CrmBackend
    memory: MemoryBackend
    store: ReviewStore
    reader: ReviewReader
    schedule_runs: ScheduleRunStore
    cycles: CycleReader
    halts: HaltStore
    audit: AuditParts
    relay: Relay

    def activities(self) -> list[object]:
        """One instance of each activity class, but for the upkeep jobs of a worker."""
        return [
            CrmActivities(self.crm, self.store, self.settings.snapshot_limits(), self.halts.gate),
            HaltActivities(self.halts),
            MemoryActivities(self.memory, self.store),
            AnalysisActivities(self.store, self.policy),
            StoreActivities(self.store),
            ScheduleActivities(self.schedule_runs),
            ResultActivities(self.crm, CycleResultStore(self.engine), self.policy),
            CycleActivities(
                self.crm,
                CycleStore(self.engine),
                self.store,
                self.halts,
                self.policy,
                self.settings.snapshot_limits(),
                self.default_as_of,
            ),
        ]

    async def connect(self) -> Client:
        """Temporal, as a command asks it: traced and recorded. Errors of `temporal.client`."""
        return await connect(self.settings, interceptors=[client_tracing(), self.audit.asking])

    async def default_as_of(self) -> Timestamp | None:
        """The `--as-of` of the last CRM import; None when the CRM is of today."""
        return await self.crm.last_as_of() if isinstance(self.crm, SqlCrm) else None

    async def execution(self) -> Execution:
        """Which steps run locally, from what the backends say of themselves."""
        crm, memory = await self.crm.capabilities(), await self.memory.capabilities()
        return Execution(
            crm_reads="local" if crm.local else "regular",
            memory="local" if memory.local else "regular",
        )


@asynccontextmanager
async def open_parts(settings: Settings, *, application: str) -> AsyncIterator[Parts]:
    """Build all parts and dispose of them. PolicyError, BadInputError or UnreachableError."""
    policy = settings.policy()
    async with AsyncExitStack() as stack:
        engines: dict[str, AsyncEngine] = {}

        def engine_of(url: str) -> AsyncEngine:
            """One engine per database."""
            place = normalise_url(url)
            if place not in engines:
                engines[place] = create_engine(url, application_name=application)
                stack.push_async_callback(engines[place].dispose)
            return engines[place]

        engine = engine_of(settings.require_database_url())
        crm: SqlCrm = OwnSqlCrm(engine)
        crm_engine = engine
        if settings.crm_url is not None:
            crm_engine = engine_of(settings.crm_url)
            crm = SqlCrm(crm_engine)
        trail, rules = engine_of(settings.require_audit_database_url()), rules_of(policy)
        audit = await stack.enter_async_context(
            open_audit(trail, engine, rules=rules, tenant=settings.tenant)
        )
        yield Parts(
            settings=settings,
            policy=policy,
            engine=engine,
            crm=crm,
            memory=PostgresMemory(engine, tenant=settings.tenant),
            store=ReviewStore(engine, rules),
            reader=ReviewReader(engine),
            schedule_runs=ScheduleRunStore(engine),
            cycles=CycleReader(engine),
            halts=HaltStore(engine, rules=rules),
            audit=audit,
            relay=Relay(engine, trail, crm_engine, rules),
        )
