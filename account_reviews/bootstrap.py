"""The composition root: the only place where real things are constructed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.crm.protocol import CrmBackend
from account_reviews.crm.sql import OwnSqlCrm, SqlCrm
from account_reviews.domain.base import Timestamp
from account_reviews.domain.policy import Policy
from account_reviews.domain.review import Execution
from account_reviews.memory.postgres import PostgresMemory
from account_reviews.memory.protocol import MemoryBackend
from account_reviews.settings import Settings
from account_reviews.store.cycle_reading import CycleReader
from account_reviews.store.cycle_results import CycleResultStore
from account_reviews.store.cycles import CycleStore
from account_reviews.store.database import create_engine
from account_reviews.store.halts import HaltStore
from account_reviews.store.reading import ReviewReader
from account_reviews.store.reviews import ReviewStore
from account_reviews.store.schedule_runs import ScheduleRunStore
from activities.analysis import AnalysisActivities
from activities.crm import CrmActivities
from activities.cycles import CycleActivities
from activities.halts import HaltActivities
from activities.memory import MemoryActivities
from activities.results import ResultActivities
from activities.schedules import ScheduleActivities
from activities.store import StoreActivities
from activities.upkeep import UpkeepActivities


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

    def activities(self) -> list[object]:
        """One instance of each activity class."""
        return [
            CrmActivities(self.crm, self.store, self.settings.snapshot_limits(), self.halts.gate),
            HaltActivities(self.halts),
            MemoryActivities(self.memory, self.store),
            AnalysisActivities(self.store, self.policy),
            StoreActivities(self.store),
            ScheduleActivities(self.schedule_runs),
            ResultActivities(self.crm, CycleResultStore(self.engine), self.policy),
            UpkeepActivities(self.engine, self.store, self.policy),
            CycleActivities(
                self.crm,
                CycleStore(self.engine),
                self.store,
                HaltStore(self.engine),
                self.policy,
                self.settings.snapshot_limits(),
                self.default_as_of,
            ),
        ]

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
    engine = create_engine(settings.require_database_url(), application_name=application)
    crm_engine = engine
    if settings.crm_url is not None:
        crm_engine = create_engine(settings.crm_url, application_name=application)
    try:
        yield Parts(
            settings=settings,
            policy=policy,
            engine=engine,
            crm=OwnSqlCrm(engine) if crm_engine is engine else SqlCrm(crm_engine),
            memory=PostgresMemory(engine, tenant=settings.tenant),
            store=ReviewStore(engine),
            reader=ReviewReader(engine),
            schedule_runs=ScheduleRunStore(engine),
            cycles=CycleReader(engine),
            halts=HaltStore(engine),
        )
    finally:
        await engine.dispose()
        if crm_engine is not engine:
            await crm_engine.dispose()
