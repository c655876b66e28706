"""Activities by themselves: what they ask of backends and how their errors leave."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.testing import ActivityEnvironment

from account_reviews.crm.in_memory import InMemoryCrm
from account_reviews.domain.analysis.model import Analysis
from account_reviews.domain.errors import (
    AccountNotFoundError,
    CrmAuthError,
    CrmInvalidError,
    CrmPermissionError,
    CrmRateLimitedError,
    CrmUnavailableError,
    DocumentNotFoundError,
    DocumentUnreadableError,
    MemoryUnavailableError,
    RefusedByDatabaseError,
    ReviewsError,
    RulesFailedError,
)
from account_reviews.domain.memory import MemoryKind
from account_reviews.domain.policy.model import load_policy
from account_reviews.domain.proposals import ItemState, ProposedChange, proposal_hash
from account_reviews.domain.records import (
    Account,
    AccountSnapshot,
    AccountStatus,
    Owner,
    RecordType,
    SnapshotLimits,
)
from account_reviews.domain.review.opening import opening_state
from account_reviews.domain.review.phases import Outcome, Phase
from account_reviews.domain.review.policy_terms import terms_of
from account_reviews.domain.review.state import ReviewInput, ReviewState, WrittenChange
from account_reviews.domain.review.steps import (
    AnalyseAccount,
    ApplyChange,
    ApplyResult,
    FetchSnapshot,
    ReadBack,
    RecallMemory,
)
from account_reviews.memory.in_memory import InMemoryMemory
from account_reviews.memory.protocol import RecallQuery
from account_reviews.store.reviews import ReviewStore
from account_reviews.temporal.worker_interceptor import to_application_error
from activities.analysis import AnalysisActivities, WrongAccountError
from activities.crm import CrmActivities
from activities.crm_writes import ApprovedContentChangedError, CrmWriteActivities
from activities.memory import MemoryActivities
from tests.support.crm_loading import clear
from tests.support.crm_writing import writer_of
from tests.support.review_states import task_change
from tests.support.terms import always

NOW = datetime(2026, 10, 1, tzinfo=UTC)
FIRST_MOMENT = datetime.min.replace(tzinfo=UTC)


@pytest.fixture
def crm() -> InMemoryCrm:
    snapshot = AccountSnapshot(
        account=Account(
            id="acme", version="1", name="Acme", owner_id="o1", status=AccountStatus.ACTIVE
        ),
        owner=Owner(id="o1", version="1", name="Olga"),
        modules=frozenset({RecordType.ACCOUNT, RecordType.OWNER, RecordType.TASK}),
        fetched_at=NOW,
        as_of=NOW,
    )
    return InMemoryCrm([snapshot])


@pytest.fixture
def activities(crm: InMemoryCrm, engine: AsyncEngine) -> CrmActivities:
    return CrmActivities(crm, ReviewStore(engine), SnapshotLimits())


@pytest.fixture
async def writes(crm: InMemoryCrm, engine: AsyncEngine) -> CrmWriteActivities:
    async with engine.begin() as connection:
        await clear(connection)
    return CrmWriteActivities(writer_of(crm, engine))


def opening(account: str = "acme") -> ReviewState:
    start = ReviewInput(account_id=account, as_of=NOW)
    return opening_state(
        start, review_id=f"review/{account}", run_id="run-1", workflow_run_id="run-1", now=NOW
    )


def call(change: ProposedChange, operation: str = "run-1:x") -> ApplyChange:
    return ApplyChange(
        operation_id=operation,
        change=change,
        expected_version=change.record.version,
        approved_hash=change.hash,
        approved_by="ann",
    )


async def test_a_snapshot_is_stored_once_under_its_hash(
    activities: CrmActivities, engine: AsyncEngine
) -> None:
    request = FetchSnapshot(account_id="acme", tenant="default", as_of=NOW, opening=opening())
    reference = await ActivityEnvironment().run(activities.fetch_snapshot, request)
    stored = await ReviewStore(engine).get_document(reference.hash)
    assert AccountSnapshot.model_validate(stored).account.name == "Acme"
    assert (reference.owner_id, reference.owner_name) == ("o1", "Olga")


async def test_an_unknown_account_is_said(activities: CrmActivities) -> None:
    request = FetchSnapshot(account_id="no", tenant="default", as_of=NOW, opening=opening("no"))
    with pytest.raises(AccountNotFoundError):
        await ActivityEnvironment().run(activities.fetch_snapshot, request)


async def test_a_lost_answer_leaves_one_write(writes: CrmWriteActivities, crm: InMemoryCrm) -> None:
    change = task_change("acme")
    crm.lose_answers(1)
    with pytest.raises(CrmUnavailableError):
        await ActivityEnvironment().run(writes.apply_change, call(change))
    again = await ActivityEnvironment().run(writes.apply_change, call(change))
    assert again.status == "already_applied"
    assert len(crm.operations) == 1


async def test_what_was_not_approved_is_not_written(
    writes: CrmWriteActivities, crm: InMemoryCrm
) -> None:
    change = task_change("acme")
    tampered = change.model_copy(update={"after": {"subject": "Something else"}})
    with pytest.raises(ApprovedContentChangedError):
        await ActivityEnvironment().run(writes.apply_change, call(tampered))
    assert not crm.operations


async def test_a_due_date_counts_from_the_write_and_a_repeat_keeps_it(
    writes: CrmWriteActivities, crm: InMemoryCrm
) -> None:
    plain = task_change("acme")
    after = {**plain.after, "due_at": "2026-10-02T00:00:00Z"}
    change = plain.model_copy(
        update={
            "after": after,
            "due_in_seconds": 24 * 3600,
            "hash": proposal_hash(plain.action, plain.record, {}, after),
        }
    )
    asked_at = datetime.now(UTC) + timedelta(days=3)
    first = call(change).model_copy(update={"asked_at": asked_at})
    crm.lose_answers(1)
    with pytest.raises(CrmUnavailableError):
        await ActivityEnvironment().run(writes.apply_change, first)
    later = first.model_copy(update={"asked_at": asked_at + timedelta(days=3)})
    result = await ActivityEnvironment().run(writes.apply_change, later)
    assert result.status == "already_applied"
    due = datetime.fromisoformat(str(result.current["due_at"]))
    assert due - asked_at - timedelta(days=1) < timedelta(seconds=1)


async def test_reading_back_tells_what_does_not_stand(
    activities: CrmActivities, writes: CrmWriteActivities
) -> None:
    change = task_change("acme")
    result = await ActivityEnvironment().run(writes.apply_change, call(change))

    def write(change_id: str, subject: str) -> WrittenChange:
        return WrittenChange(
            change_id=change_id,
            state=ItemState.EXECUTED,
            record=result.record,
            written={"subject": subject},
            at=NOW,
        )

    both = (write("good", "Call them"), write("bad", "Other"))
    found = await ActivityEnvironment().run(activities.read_back, ReadBack(writes=both))
    assert found.verified == {"good": True, "bad": False}


class SlowCrm(InMemoryCrm):
    """Waits in the middle of a write until it is let go."""

    def __init__(self, *snapshots: AccountSnapshot) -> None:
        super().__init__(snapshots)
        self.entered, self.let_go = asyncio.Event(), asyncio.Event()

    async def apply(
        self, change: ProposedChange, *, expected_version: str | None, operation_id: str
    ) -> ApplyResult:
        self.entered.set()
        await self.let_go.wait()
        return await super().apply(
            change, expected_version=expected_version, operation_id=operation_id
        )


@pytest.mark.usefixtures("writes")
async def test_a_cancel_does_not_tear_a_write(crm: InMemoryCrm, engine: AsyncEngine) -> None:
    snapshot = await crm.snapshot("acme", as_of=NOW, limits=SnapshotLimits())
    slow = SlowCrm(snapshot)
    activities = CrmWriteActivities(writer_of(slow, engine))
    environment = ActivityEnvironment()
    running = asyncio.ensure_future(
        environment.run(activities.apply_change, call(task_change("acme")))
    )
    await slow.entered.wait()
    environment.cancel()
    await asyncio.sleep(0)
    slow.let_go.set()
    assert (await running).status == "applied"
    assert len(slow.operations) == 1


async def test_memory_remembers_a_review_once(engine: AsyncEngine) -> None:
    memory = InMemoryMemory()
    activities = MemoryActivities(memory, ReviewStore(engine))
    state = opening()
    state.move(Phase.INVESTIGATING, NOW)
    state.close(Outcome.FAILED, NOW, "no reason")
    for _ in range(2):
        await ActivityEnvironment().run(activities.remember, state)
    hits = await memory.recall(RecallQuery(account_id="acme"))
    assert [hit.kind for hit in hits] == [MemoryKind.REVIEW]
    document = await ActivityEnvironment().run(
        activities.recall, RecallMemory(account_id="acme", as_of=NOW)
    )
    assert document.items == 1
    memory.available = False
    with pytest.raises(MemoryUnavailableError):
        await ActivityEnvironment().run(
            activities.recall, RecallMemory(account_id="acme", as_of=NOW)
        )


def analysing(store: ReviewStore) -> AnalysisActivities:
    return AnalysisActivities(store, load_policy(None), always(lambda: terms_of(load_policy(None))))


async def test_the_analysis_is_stored_and_says_when_memory_was_missing(
    activities: CrmActivities, engine: AsyncEngine
) -> None:
    store = ReviewStore(engine)
    fetch = FetchSnapshot(account_id="acme", tenant="default", as_of=NOW, opening=opening())
    reference = await ActivityEnvironment().run(activities.fetch_snapshot, fetch)
    rules = analysing(store)
    result = await ActivityEnvironment().run(
        rules.analyse,
        AnalyseAccount(
            account_id="acme",
            tenant="default",
            snapshot_hash=reference.hash,
            memory_hash=None,
            as_of=NOW,
        ),
    )
    analysis = Analysis.model_validate(await store.get_document(result.hash))
    assert analysis.degraded
    assert analysis.missing_sources == ("memory",)
    assert result.policy_hash == analysis.policy_hash == load_policy(None).hash
    assert result.terms.timeout_seconds == 72 * 3600


async def test_what_the_rules_can_never_judge_is_not_tried_again(
    activities: CrmActivities, engine: AsyncEngine
) -> None:
    store = ReviewStore(engine)
    fetch = FetchSnapshot(account_id="acme", tenant="default", as_of=NOW, opening=opening())
    whole = await ActivityEnvironment().run(activities.fetch_snapshot, fetch)
    body = await store.get_document(whole.hash)
    broken = await store.put_document("snapshot", {**body, "fetched_at": "yesterday"})
    call = AnalyseAccount(
        account_id="acme",
        tenant="default",
        snapshot_hash=whole.hash,
        memory_hash=None,
        as_of=NOW,
    )
    rules = analysing(store)
    cases: list[tuple[dict[str, object], type[ReviewsError], str]] = [
        ({"snapshot_hash": "0" * 64}, DocumentNotFoundError, "0000"),
        ({"memory_hash": "1" * 64}, DocumentNotFoundError, "1111"),
        ({"snapshot_hash": broken}, DocumentUnreadableError, "fetched_at"),
        ({"account_id": "other"}, WrongAccountError, "'acme'"),
        ({"as_of": FIRST_MOMENT, "stale_seconds": 1}, RulesFailedError, "OverflowError"),
    ]
    for fields, error, said in cases:
        with pytest.raises(error) as raised:
            await ActivityEnvironment().run(rules.analyse, call.model_copy(update=fields))
        assert said in raised.value.message
        assert str(raised.value) == raised.value.message
        assert to_application_error(raised.value).non_retryable


async def test_a_review_whose_analysis_is_gone_can_still_be_closed(
    activities: CrmActivities, engine: AsyncEngine
) -> None:
    store = ReviewStore(engine)
    fetch = FetchSnapshot(account_id="acme", tenant="default", as_of=NOW, opening=opening())
    reference = await ActivityEnvironment().run(activities.fetch_snapshot, fetch)
    call = AnalyseAccount(
        account_id="acme",
        tenant="default",
        snapshot_hash=reference.hash,
        memory_hash=None,
        as_of=NOW,
    )
    analysis = await ActivityEnvironment().run(analysing(store).analyse, call)
    state = opening()
    state.run_id = "run-of-a-lost-analysis"
    state.analysis = analysis.model_copy(update={"hash": "0" * 64})
    state.move(Phase.INVESTIGATING, NOW)
    state.close(Outcome.FAILED, NOW, "no reason")
    assert await store.save(state) == []


@pytest.mark.parametrize(
    ("error", "permanent"),
    [
        (CrmUnavailableError(), False),
        (CrmRateLimitedError(retry_after=7), False),
        (CrmInvalidError(field="stage"), True),
        (AccountNotFoundError(), True),
        (MemoryUnavailableError(), False),
        (DocumentNotFoundError(), True),
        (DocumentUnreadableError(), True),
        (RefusedByDatabaseError(), True),
        (RulesFailedError(), True),
        (CrmAuthError(), True),
        (CrmPermissionError(), True),
    ],
)
def test_the_class_of_an_error_decides_about_retries(error: ReviewsError, permanent: bool) -> None:
    mapped = to_application_error(error)
    assert mapped.type == type(error).__name__
    assert mapped.non_retryable is permanent
    if isinstance(error, CrmRateLimitedError):
        assert mapped.next_retry_delay is not None
        assert mapped.next_retry_delay.total_seconds() == 7
