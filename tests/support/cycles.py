"""A small portfolio for cycle tests: accounts of every risk, real rules, real tables."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client, WorkflowHandle
from temporalio.common import RetryPolicy

from account_reviews.crm.in_memory import InMemoryCrm
from account_reviews.crm.protocol import AccountFilter, AccountPage
from account_reviews.domain.base import Timestamp
from account_reviews.domain.cycle.state import CycleInput, CycleResult, CycleScope, CycleState
from account_reviews.domain.errors import CrmAuthError, CrmUnreadableError
from account_reviews.domain.policy.model import Policy, load_policy
from account_reviews.domain.records import (
    Account,
    AccountSnapshot,
    AccountStatus,
    Activity,
    ActivityMark,
    ActivityType,
    Deal,
    DealStage,
    Owner,
    RecordType,
    SnapshotLimits,
)
from account_reviews.domain.review.policy_terms import terms_of
from account_reviews.domain.review.state import Execution
from account_reviews.memory.in_memory import InMemoryMemory
from account_reviews.memory.protocol import RecallQuery
from account_reviews.runtime.workers import Workers
from account_reviews.store.cycle_results import CycleResultStore
from account_reviews.store.cycles import CycleStore
from account_reviews.store.halts import HaltStore
from account_reviews.store.reviews import ReviewStore
from account_reviews.store.schedule_runs import ScheduleRunStore
from account_reviews.temporal.sandbox import sandboxed_runner
from activities.analysis import AnalysisActivities
from activities.crm import CrmActivities
from activities.crm_writes import CrmWriteActivities
from activities.cycles import CycleActivities
from activities.memory import MemoryActivities
from activities.results import ResultActivities
from activities.schedules import ScheduleActivities
from activities.store import StoreActivities
from tests.support.crm_writing import writer_of
from tests.support.terms import always
from worker import build_worker
from workflows.review_cycle import ReviewCycleWorkflow

AS_OF = datetime(2026, 10, 1, tzinfo=UTC)
Cycle = WorkflowHandle[ReviewCycleWorkflow, CycleResult]
MODULES = frozenset(RecordType)


def account(name: str, **fields: Any) -> AccountSnapshot:
    """One account; calm unless told otherwise: nothing changed, nothing is at risk."""
    values = {
        "id": name,
        "version": "1",
        "name": name.title(),
        "owner_id": "owner-1",
        "status": AccountStatus.ACTIVE,
        "modified_at": AS_OF - timedelta(hours=1),
        **fields,
    }
    days = values.pop("quiet_days", 2)
    at = AS_OF - timedelta(days=days)
    call = Activity(id=f"{name}-a", version="1", account_id=name, type=ActivityType.CALL, at=at)
    deal = Deal(
        id=f"{name}-d",
        version="1",
        account_id=name,
        name="Renewal",
        stage=DealStage.PROPOSAL,
        amount=50_000,
        created_at=AS_OF - timedelta(days=20),
        stage_changed_at=AS_OF - timedelta(days=3),
    )
    return AccountSnapshot(
        account=Account(**{**values, "last_activity_at": at}),
        owner=Owner(id="owner-1", version="1", name="Olga Owner"),
        activities=(call,),
        activity_marks=(ActivityMark(id=call.id, type=call.type, at=at),),
        deals=(deal,),
        modules=MODULES,
        fetched_at=AS_OF,
        as_of=AS_OF,
    )


def at_risk(name: str) -> AccountSnapshot:
    """Silent for long, and marked: its review proposes something."""
    return account(name, status=AccountStatus.AT_RISK, quiet_days=80)


@dataclass
class Portfolio:
    """What one test works with."""

    client: Client
    engine: AsyncEngine
    crm: InMemoryCrm
    memory: InMemoryMemory
    policy: Policy
    task_queue: str = field(default_factory=lambda: f"test-{uuid4().hex[:12]}")
    tenant: str = field(default_factory=lambda: f"t{uuid4().hex[:8]}")

    def owners(self) -> list[object]:
        store, limits = ReviewStore(self.engine), SnapshotLimits()

        async def today() -> datetime:
            return AS_OF

        return [
            CrmWriteActivities(writer_of(self.crm, self.engine)),
            CrmActivities(self.crm, store, limits),
            MemoryActivities(self.memory, store),
            AnalysisActivities(store, self.policy, always(lambda: terms_of(self.policy))),
            StoreActivities(store),
            ScheduleActivities(ScheduleRunStore(self.engine)),
            ResultActivities(self.crm, CycleResultStore(self.engine), self.policy),
            CycleActivities(
                self.crm,
                CycleStore(self.engine),
                store,
                HaltStore(self.engine),
                self.policy,
                limits,
                today,
            ),
        ]

    def worker(self, **options: Any) -> Workers:
        options.setdefault("workflow_runner", sandboxed_runner(strict=True))
        return build_worker(self.client, self.owners(), task_queue=self.task_queue, **options)

    async def start(self, *, retry: RetryPolicy | None = None, **fields: Any) -> Cycle:
        values = {
            "tenant": self.tenant,
            "scope": CycleScope(),
            "execution": Execution(crm_reads="local", memory="local", own="local"),
            "started_by": "lead",
            **fields,
        }
        return await self.client.start_workflow(
            ReviewCycleWorkflow.run,
            CycleInput(**values),
            id=f"cycle/{uuid4().hex}",
            task_queue=self.task_queue,
            task_timeout=timedelta(seconds=4),
            retry_policy=retry,
        )

    async def rows(self, query: str, **values: Any) -> list[dict[str, Any]]:
        async with self.engine.connect() as connection:
            found = await connection.execute(text(query), values)
            return [dict(row) for row in found.mappings()]

    async def accounts_of(self, cycle: Cycle) -> dict[str, dict[str, Any]]:
        """account id -> its row of the cycle."""
        rows = await self.rows(
            "select * from reviews.cycle_accounts where run_id = :run_id order by position",
            run_id=cycle.first_execution_run_id,
        )
        return {row["account_id"]: row for row in rows}


class ExpiringCrm(InMemoryCrm):
    """Lists the accounts; then its token is revoked."""

    async def list_accounts(
        self, where: AccountFilter, *, cursor: str | None = None, limit: int = 200
    ) -> AccountPage:
        found = await super().list_accounts(where, cursor=cursor, limit=limit)
        self.refusal = CrmAuthError("the token was revoked")
        return found


class OddCrm(InMemoryCrm):
    """Cannot read the accounts whose ids begin with `odd`."""

    async def snapshot(
        self, account_id: str, *, as_of: Timestamp, limits: SnapshotLimits
    ) -> AccountSnapshot:
        if account_id.startswith("odd"):
            raise CrmUnreadableError(f"the stage of {account_id} is no stage")
        return await super().snapshot(account_id, as_of=as_of, limits=limits)

    async def snapshots(
        self, account_ids: Sequence[str], *, as_of: Timestamp, limits: SnapshotLimits
    ) -> dict[str, AccountSnapshot]:
        usual = [one for one in account_ids if not one.startswith("odd")]
        return await super().snapshots(usual, as_of=as_of, limits=limits)


class GatedMemory(InMemoryMemory):
    """Recall waits at a gate, so that reviews stand still while they work."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.inside = 0
        self.most = 0

    async def recall(self, query: RecallQuery) -> Any:
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            await self.gate.wait()
        finally:
            self.inside -= 1
        return await super().recall(query)


def gated(portfolio: Portfolio) -> GatedMemory:
    """Put the memory of a portfolio behind a gate that is shut."""
    portfolio.memory = GatedMemory()
    return portfolio.memory


async def state_of(cycle: Cycle) -> CycleState:
    return await cycle.query(ReviewCycleWorkflow.snapshot)


def make_portfolio(client: Client, engine: AsyncEngine, *snapshots: AccountSnapshot) -> Portfolio:
    """A portfolio of these accounts, in a tenant of its own."""
    return Portfolio(
        client=client,
        engine=engine,
        crm=InMemoryCrm(snapshots),
        memory=InMemoryMemory(),
        policy=load_policy(),
    )
