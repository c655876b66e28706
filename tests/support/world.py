"""Reviews on a real server, with an analysis and a CRM the test chooses."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio import activity
from temporalio.client import Client, WorkflowHandle

from account_reviews.crm.in_memory import InMemoryCrm
from account_reviews.crm.writer import CrmWriter
from account_reviews.domain.analysis.model import Finding, HealthBand, RiskLevel
from account_reviews.domain.errors import ReviewsError
from account_reviews.domain.policy.model import Gather, Policy
from account_reviews.domain.proposals import Action, ProposedChange, change_id, proposal_hash
from account_reviews.domain.records import (
    Account,
    AccountSnapshot,
    AccountStatus,
    Owner,
    RecordRef,
    RecordType,
    SnapshotLimits,
)
from account_reviews.domain.review.approvals import ApprovalRequest, Terms
from account_reviews.domain.review.checks import Checked, CheckSaid
from account_reviews.domain.review.policy_terms import terms_of
from account_reviews.domain.review.state import (
    AnalysisResult,
    Execution,
    ReviewInput,
    ReviewResult,
    ReviewState,
)
from account_reviews.domain.review.steps import AnalyseAccount, AnswerQuestion, TurnAnswer
from account_reviews.memory.in_memory import InMemoryMemory
from account_reviews.runtime.workers import Workers
from account_reviews.store.halt_gate import RETRY_SECONDS
from account_reviews.store.halts import HaltStore
from account_reviews.store.operations import OperationLedger
from account_reviews.store.reviews import ReviewStore
from account_reviews.temporal.sandbox import sandboxed_runner
from activities.access import AccessActivities
from activities.crm import CrmActivities
from activities.crm_writes import CrmWriteActivities
from activities.memory import MemoryActivities
from activities.proposals import ProposalActivities
from activities.store import StoreActivities
from activities.undo import UndoActivities
from starter import start_review
from tests.support.channels import Channels
from tests.support.crm_writing import writer_of
from tests.support.terms import always
from tests.support.waiting import until
from worker import build_worker
from workflows.account_review import AccountReviewWorkflow

AS_OF = datetime(2026, 10, 1, tzinfo=UTC)


Handle = WorkflowHandle[AccountReviewWorkflow, ReviewResult]


class FixedAnalysis:
    """The rules, replaced by a fixed answer: workflow tests are not about the rules."""

    def __init__(self, store: ReviewStore) -> None:
        self._store = store
        self.changes: tuple[ProposedChange, ...] = ()
        self.terms = Terms()
        self.calls = 0
        self.asked: list[AnalyseAccount] = []

    @activity.defn(name="analysis.analyse")
    async def analyse(self, call: AnalyseAccount) -> AnalysisResult:
        self.calls += 1
        self.asked.append(call)
        stored = await self._store.put_document("analysis", {"recommendations": []})
        return AnalysisResult(
            hash=stored,
            risk_level=RiskLevel.HIGH,
            risk_score=60,
            health_score=40,
            health_band=HealthBand.AT_RISK,
            needs_review=True,
            requires_attention=True,
            changes_detected=True,
            changes=self.changes,
            approvers=("owner-1",),
            terms=self.terms,
            policy_hash="policy",
            summary=f"risk high, memory {'read' if call.memory_hash else 'missing'}",
        )


class FixedAnswers:
    """What is known of an account, replaced by a fixed answer."""

    def __init__(self) -> None:
        self.asked: list[AnswerQuestion] = []
        self.findings: tuple[Finding, ...] = ()
        self.open = asyncio.Event()
        """No answer before it is set."""
        self.open.set()
        self.error: ReviewsError | None = None
        """Why nothing can be answered."""

    @activity.defn(name="analysis.answer")
    async def answer(self, call: AnswerQuestion) -> TurnAnswer:
        self.asked.append(call)
        await self.open.wait()
        if self.error is not None:
            raise self.error
        return TurnAnswer(answer=f"So it is: {call.question}", findings=self.findings)


def create_task(account: Account, subject: str = "Call them") -> ProposedChange:
    record = RecordRef(type=RecordType.TASK)
    after = {"subject": subject, "priority": "high", "owner_id": "owner-1"}
    return _change(Action.CREATE_TASK, record, account, {}, dict(after), subject)


def set_status(account: Account, status: str = "At Risk") -> ProposedChange:
    record = RecordRef(
        type=RecordType.ACCOUNT, id=account.id, name=account.name, version=account.version
    )
    before = {"status": str(account.status)}
    return _change(
        Action.UPDATE_ACCOUNT, record, account, dict(before), {"status": status}, "Mark it"
    )


def _change(
    action: Action,
    record: RecordRef,
    account: Account,
    before: dict[str, Any],
    after: dict[str, Any],
    title: str,
) -> ProposedChange:
    return ProposedChange(
        change_id=change_id(action, record, account.id, "rule", after),
        action=action,
        account_id=account.id,
        record=record,
        before=before,
        after=after,
        hash=proposal_hash(action, record, before, after),
        rule="rule",
        title=title,
        rationale="Because the test says so, at some length.",
    )


@dataclass
class World:
    """What one test works with. Each has an account, a task queue and backends of its own."""

    client: Client
    engine: AsyncEngine
    account: Account
    crm: InMemoryCrm
    memory: InMemoryMemory
    store: ReviewStore
    analysis: FixedAnalysis
    channels: Channels = field(default_factory=Channels)
    answers: FixedAnswers = field(default_factory=FixedAnswers)
    checks: list[CheckSaid] = field(default_factory=list)
    checked: Callable[[CheckSaid], Checked] = lambda _: Checked(allowed=True)
    task_queue: str = field(default_factory=lambda: f"test-{uuid4().hex[:12]}")
    halted_retry: float = RETRY_SECONDS
    ages: Gather = field(default_factory=Gather)
    policy: Policy = field(default_factory=Policy)
    """By which an undo is asked for."""
    imported_as_of: datetime | None = None
    """The clock of the last import, which a start without one takes."""
    execution: Execution = field(
        default_factory=lambda: Execution(crm_reads="local", memory="local", own="local")
    )

    def owners(self) -> list[object]:
        return [
            CrmWriteActivities(self.writer()),
            CrmActivities(self.crm, self.store, SnapshotLimits(), self._default_as_of),
            MemoryActivities(self.memory, self.store),
            StoreActivities(self.store, self.ages),
            ProposalActivities(self.crm, SnapshotLimits(), always(lambda: self.analysis.terms)),
            UndoActivities(
                self.crm,
                OperationLedger(self.engine),
                self.store,
                SnapshotLimits(),
                self.policy,
                always(lambda: terms_of(self.policy)),
            ),
            AccessActivities(self.check),
            self.analysis,
            self.answers,
            self.channels,
        ]

    async def check(self, call: CheckSaid) -> Checked:
        """Roles and tokens: everybody may everything, unless a test says otherwise."""
        self.checks.append(call)
        return self.checked(call)

    async def _default_as_of(self) -> datetime | None:
        return self.imported_as_of

    def halts(self) -> HaltStore:
        return HaltStore(self.engine, self.halted_retry)

    def writer(self) -> CrmWriter:
        """What writes to the CRM as it is now."""
        return writer_of(self.crm, self.engine, self.halts().gate)

    def status(self) -> str | None:
        """The account's status in the CRM now."""
        account = self.crm.find(RecordType.ACCOUNT, self.account.id)
        assert isinstance(account, Account)
        return account.status

    def set_status(self, status: str) -> None:
        """Somebody else edits the account."""
        self.crm.edit(RecordType.ACCOUNT, self.account.id, status=status)

    def worker(self, **options: Any) -> Workers:
        options.setdefault("workflow_runner", sandboxed_runner(strict=True))
        return build_worker(self.client, self.owners(), task_queue=self.task_queue, **options)

    async def start(self, client: Client | None = None, **fields: Any) -> Handle:
        start = ReviewInput(
            **{
                "account_id": self.account.id,
                "started_by": "starter",
                "as_of": AS_OF,
                "execution": self.execution,
                "give_up_after_seconds": 5,
                "memory_patience_seconds": 5,
                **fields,
            }
        )
        handle, _ = await start_review(
            client or self.client, start, self.account, task_queue=self.task_queue
        )
        return handle

    async def request(self, handle: Handle, count: int = 1) -> ApprovalRequest:
        """The pending request, once the review has had `count` of them."""
        state = await eventually(
            lambda: handle.query(AccountReviewWorkflow.snapshot),
            lambda state: len(state.requests) >= count and bool(state.pending),
        )
        return state.pending[-1]

    @asynccontextmanager
    async def review(self, **fields: Any) -> AsyncIterator[Handle]:
        async with self.worker():
            yield await self.start(**fields)


async def eventually(
    ask: Callable[[], Awaitable[ReviewState]], holds: Callable[[ReviewState], bool]
) -> ReviewState:
    """Ask until it holds. A review that closes meanwhile will never get there."""
    answer = await until(ask, lambda state: holds(state) or state.closed_at is not None)
    assert holds(answer), answer.summary
    return answer


def decision(request: ApprovalRequest, verdict: str = "approve", **fields: Any) -> dict[str, Any]:
    return {
        "request_id": request.request_id,
        "decision": verdict,
        "approver": "ann",
        **fields,
    }


def make_world(client: Client, engine: AsyncEngine) -> World:
    """An active account with an owner, and nothing proposed."""
    account = Account(
        id=f"acc-{uuid4().hex[:8]}",
        version="1",
        name="Acme",
        owner_id="owner-1",
        status=AccountStatus.ACTIVE,
    )
    owner = Owner(id="owner-1", version="1", name="Olga Owner")
    snapshot = AccountSnapshot(
        account=account,
        owner=owner,
        modules=frozenset({RecordType.ACCOUNT, RecordType.OWNER, RecordType.TASK}),
        fetched_at=AS_OF,
        as_of=AS_OF,
    )
    store = ReviewStore(engine)
    return World(
        client=client,
        engine=engine,
        account=account,
        crm=InMemoryCrm([snapshot]),
        memory=InMemoryMemory(),
        store=store,
        analysis=FixedAnalysis(store),
    )
