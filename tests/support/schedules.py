"""Schedules of a tenant of their own."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from account_reviews.domain.policy.model import Policy
from account_reviews.domain.schedule.entry import ScheduleFile
from account_reviews.domain.schedule.file import Known, parse_schedules
from account_reviews.domain.schedule.runs import UpkeepJob
from account_reviews.store.schedule_run_queries import ScheduleRunReader
from account_reviews.store.schedule_runs import ScheduleRunStore
from account_reviews.temporal.schedules.control import ScheduleControl
from account_reviews.temporal.schedules.entries import Builder, utc_now
from account_reviews.temporal.schedules.plan import Planned, Planner
from tests.support.connections import statements_on

KNOWN = Known(jobs=tuple(UpkeepJob), cycles=("daily", "weekly", "on_demand"))


def read(text: str, name: str = "test") -> ScheduleFile:
    return parse_schedules(f'name = "{name}"\n{text}', source=f"{name}.toml", known=KNOWN)


def entry(lines: str, entry_id: str = "a") -> str:
    return f'[[schedule]]\nid = "{entry_id}"\n{lines}\n'


@dataclass
class Place:
    """A tenant with its planner. `now` may be moved; the server's clock stays."""

    client: Client
    runs: ScheduleRunStore
    engine: AsyncEngine
    policy: Policy = field(default_factory=Policy)
    tenant: str = field(default_factory=lambda: f"t-{uuid4().hex[:8]}")
    task_queue: str = field(default_factory=lambda: f"test-{uuid4().hex[:12]}")
    now: datetime | None = None

    @property
    def history(self) -> ScheduleRunReader:
        return ScheduleRunReader(statements_on(self.engine))

    @property
    def builder(self) -> Builder:
        return Builder(policy=self.policy, tenant=self.tenant, task_queue=self.task_queue)

    @property
    def planner(self) -> Planner:
        return Planner(self.client, self.builder, self.runs, lambda: self.now or utc_now())

    @property
    def control(self) -> ScheduleControl:
        return ScheduleControl(self.client, self.tenant)

    async def plan(self, text: str, name: str = "test") -> list[Planned]:
        return await self.planner.plan(read(text, name))

    async def apply(self, text: str, name: str = "test") -> list[Planned]:
        return await self.planner.apply(read(text, name))

    async def steps(self, text: str, name: str = "test") -> dict[str, str]:
        """What a plan says, by id."""
        return {one.id: str(one.step) for one in await self.plan(text, name)}
