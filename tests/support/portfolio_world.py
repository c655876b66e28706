"""Cycles over the sample portfolio, written by the real stores with real analyses."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.testing import ActivityEnvironment

from account_reviews.crm.importing.importer import import_directory
from account_reviews.crm.importing.mapping import load_mapping
from account_reviews.crm.protocol import AccountFilter
from account_reviews.crm.sql.backend import SqlCrm
from account_reviews.domain.analysis.analysis import starting_risk
from account_reviews.domain.cycle.state import (
    AccountMark,
    AccountState,
    CycleAccount,
    CycleState,
    CycleStatus,
)
from account_reviews.domain.policy.model import Policy, load_policy
from account_reviews.domain.proposals import ItemState
from account_reviews.domain.records import AccountSnapshot, SnapshotLimits, SnapshotRef
from account_reviews.domain.reports.portfolio import MakeResults, ResultsMade
from account_reviews.domain.review.decisions import approved_items, decide, propose
from account_reviews.domain.review.messages import DecisionAnswer, SubmitDecision
from account_reviews.domain.review.opening import opening_state
from account_reviews.domain.review.phases import Outcome, Phase, Status
from account_reviews.domain.review.policy_terms import terms_of
from account_reviews.domain.review.state import ReviewInput, ReviewState, WrittenChange
from account_reviews.domain.review.steps import AnalyseAccount
from account_reviews.store.cycle_results import CycleResultStore
from account_reviews.store.cycles import CycleStore
from account_reviews.store.reviews import ReviewStore
from activities.analysis import AnalysisActivities
from activities.results import ResultActivities
from tests.support.paths import ROOT
from tests.support.terms import always

EXAMPLES = ROOT / "examples"
WEEKS = {
    datetime(2026, 10, 1, tzinfo=UTC): "portfolio",
    datetime(2026, 10, 8, tzinfo=UTC): "portfolio-next-week",
}
FIRST, SECOND = WEEKS
HOUR = timedelta(hours=1)


@dataclass
class World:
    """A tenant of its own. All of it shares the one CRM of the module's database."""

    engine: AsyncEngine
    tenant: str = field(default_factory=lambda: f"t-{uuid4().hex[:8]}")
    policy: Policy = field(default_factory=load_policy)

    def __post_init__(self) -> None:
        self.crm = SqlCrm(self.engine)
        self.reviews = ReviewStore(self.engine)
        self.cycles = CycleStore(self.engine)
        self.results = CycleResultStore(self.engine)

    async def load(self, as_of: datetime) -> None:
        """Import the sample portfolio of that week."""
        mapping = load_mapping(EXAMPLES / "portfolio" / "mapping.yaml")
        report = await import_directory(self.engine, EXAMPLES / WEEKS[as_of], mapping, as_of=as_of)
        assert not report.problems

    async def snapshots(self, as_of: datetime, ids: Sequence[str] | None = None) -> dict[str, Any]:
        if ids is None:
            page = await self.crm.list_accounts(AccountFilter(), limit=200)
            ids = [account.id for account in page.items]
        return dict(await self.crm.snapshots(ids, as_of=as_of, limits=SnapshotLimits()))

    async def cycle(
        self, as_of: datetime, *, ids: Sequence[str] | None = None, **fields: Any
    ) -> CycleState:
        """A cycle whose reviews of these accounts, of all without ids, work no more."""
        state = self.state(as_of, **fields)
        await self.cycles.save(state)
        snapshots = await self.snapshots(as_of, ids)
        await self.queue(state, snapshots)
        for snapshot in snapshots.values():
            review = await self.review(snapshot, as_of, cycle_id=state.cycle_id)
            self.mark(state, review)
        await self.end(state)
        return state

    def state(self, as_of: datetime, **fields: Any) -> CycleState:
        """A cycle that has just begun."""
        run_id = uuid4().hex
        values = {
            "cycle_id": f"cycle/{run_id}",
            "run_id": run_id,
            "workflow_run_id": run_id,
            "kind": "on_demand",
            "tenant": self.tenant,
            "as_of": as_of,
            "started_at": as_of,
            "updated_at": as_of,
            **fields,
        }
        return CycleState.model_validate(values)

    async def queue(self, state: CycleState, snapshots: dict[str, AccountSnapshot]) -> None:
        accounts = [one.account for one in snapshots.values()]
        state.accounts = await self.cycles.queue(state.run_id, self.tenant, accounts)
        placed = [self._placed(one) for one in snapshots.values()]
        await self.cycles.place(state.run_id, placed)

    def _placed(self, snapshot: AccountSnapshot) -> CycleAccount:
        risk = starting_risk(snapshot, self.policy)
        return CycleAccount(
            position=0,
            account_id=snapshot.account.id,
            account_name=snapshot.account.name,
            owner_id=snapshot.account.owner_id,
            risk_level=risk.level,
            risk_score=risk.score,
        )

    def mark(self, state: CycleState, review: ReviewState) -> None:
        """Tell the cycle what became of a review."""
        waits = review.status is Status.WAITING
        failed = review.outcome is Outcome.FAILED
        done = AccountState.FAILED if failed else AccountState.DONE
        mark = AccountMark(
            account_id=review.account_id,
            state=AccountState.WAITING if waits else done,
            review_run_id=review.run_id,
        )
        state.marks = (*state.marks, mark)
        state.touch(state.updated_at)

    async def end(self, state: CycleState) -> None:
        state.status, state.closed_at = CycleStatus.COMPLETED, state.updated_at
        state.touch(state.updated_at)
        await self.cycles.save(state)
        state.marks = ()

    async def review(
        self, snapshot: AccountSnapshot, now: datetime, *, cycle_id: str | None = None
    ) -> ReviewState:
        """A review that waits for a decision, or is closed since nothing is proposed."""
        run_id, account = uuid4().hex, snapshot.account
        start = ReviewInput(account_id=account.id, tenant=self.tenant, as_of=now, cycle_id=cycle_id)
        review_id = f"review/{self.tenant}/{account.id}"
        state = opening_state(
            start, review_id=review_id, run_id=run_id, workflow_run_id=run_id, now=now
        )
        stored = await self.reviews.open_run(state, snapshot)
        state.snapshot = SnapshotRef(
            hash=stored,
            account_name=account.name,
            owner_id=account.owner_id,
            owner_name=snapshot.owner.name if snapshot.owner else None,
            fetched_at=now,
        )
        call = AnalyseAccount(
            account_id=account.id,
            tenant=self.tenant,
            snapshot_hash=stored,
            memory_hash=await self.reviews.put_document("memory", []),
            as_of=now,
        )
        rules = AnalysisActivities(self.reviews, self.policy, always(lambda: terms_of(self.policy)))
        state.analysis = await rules.analyse(call)
        state.move(Phase.INVESTIGATING, now)
        state.move(Phase.PLANNING, now)
        if state.analysis.changes:
            propose(state, state.analysis.changes, uuid4().hex, now)
            state.move(Phase.APPROVAL, now, status=Status.WAITING)
        else:
            state.close(Outcome.NOTHING_TO_DO, now)
        await self.reviews.save(state)
        return state

    async def decide(self, state: ReviewState, verdict: str, now: datetime) -> None:
        """The owner decides on all items and the review ends."""
        (request,) = state.pending
        said = SubmitDecision.model_validate(
            {
                "request_id": request.request_id,
                "decision": verdict,
                "approver": "anna",
                "reason": "the test says so",
            }
        )
        assert isinstance(decide(state, said, now), DecisionAnswer)
        for request, item in approved_items(state):
            known = state.request(request.request_id) or request
            state.replace_request(known.mark(item.item_id, ItemState.EXECUTED))
            state.written[item.item_id] = WrittenChange(
                change_id=item.item_id,
                state=ItemState.EXECUTED,
                record=item.change.record,
                written=item.change.after,
                verified=True,
                at=now,
            )
        if verdict == "approve":
            state.move(Phase.EXECUTING, now)
            state.move(Phase.VALIDATING, now)
        outcome = {"approve": Outcome.COMPLETED, "reject": Outcome.REJECTED}.get(verdict)
        state.close(outcome or Outcome.DEFERRED, now)
        await self.reviews.save(state)

    async def open_reviews(self) -> list[ReviewState]:
        """Reviews that wait, by account."""
        rows = await self.rows(
            "select state from reviews.review_runs where tenant = :tenant and status = 'waiting' "
            "order by account_id"
        )
        return [ReviewState.model_validate(row["state"]) for row in rows]

    async def make(
        self, state: CycleState, *, now: datetime | None = None, **fields: Any
    ) -> ResultsMade:
        """Run the activity as Temporal does."""
        call = MakeResults(
            **{
                "run_id": state.run_id,
                "tenant": self.tenant,
                "as_of": state.as_of,
                "missing_sources": state.missing_sources,
                **fields,
            }
        )
        environment = ActivityEnvironment()
        return await self.make_in(environment, call, now or state.as_of + HOUR)

    async def make_in(
        self, environment: ActivityEnvironment, call: MakeResults, now: datetime
    ) -> ResultsMade:
        made = ResultActivities(self.crm, self.results, self.policy)
        environment.info = replace(environment.info, scheduled_time=now)
        return await environment.run(made.make_results, call)

    async def briefs(self, state: CycleState) -> dict[str, dict[str, Any]]:
        rows = await self.rows(
            "select owner_id, body from reviews.cycle_briefs where run_id = :run_id",
            run_id=state.run_id,
        )
        return {row["owner_id"]: row["body"] for row in rows}

    async def portfolio(self, state: CycleState) -> dict[str, Any]:
        (row,) = await self.rows(
            "select portfolio from reviews.cycles where run_id = :run_id", run_id=state.run_id
        )
        found: dict[str, Any] = row["portfolio"]
        return found

    async def write(self, statement: str, **values: Any) -> None:
        """Change rows as nothing of ours does."""
        async with self.engine.begin() as connection:
            await connection.execute(text(statement), values)

    async def rows(self, query: str, **values: Any) -> list[dict[str, Any]]:
        async with self.engine.connect() as connection:
            found = await connection.execute(text(query), {"tenant": self.tenant, **values})
            return [dict(row) for row in found.mappings()]
