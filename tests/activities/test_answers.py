"""Answering from stored documents and a real memory."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.testing import ActivityEnvironment

from account_reviews.domain.errors import DocumentNotFoundError, DocumentUnreadableError
from account_reviews.domain.memory import MemoryItem, MemoryKind, MemorySource
from account_reviews.domain.review.approvals import open_request
from account_reviews.domain.review.state import Turn
from account_reviews.domain.review.steps import AnswerQuestion, TurnAnswer
from account_reviews.memory.in_memory import InMemoryMemory
from account_reviews.memory.postgres import PostgresMemory
from account_reviews.memory.protocol import MemoryBackend
from account_reviews.store.reviews import ReviewStore
from activities.answers import AnswerActivities
from tests.support.build import AS_OF, POLICY, again, ago, deal, snapshot
from tests.support.review_states import analysis_result, fresh, task_change


class Asking:
    """One account with its documents, as a review that is asked."""

    def __init__(self, engine: AsyncEngine, memory: MemoryBackend) -> None:
        self.store = ReviewStore(engine)
        self.memory = memory
        self.account = f"acc-{uuid4().hex[:8]}"
        self.turns: tuple[Turn, ...] = ()
        self.run_id: str | None = None
        self.hashes: dict[str, str] = {}

    async def stored(self) -> "Asking":
        now = snapshot(deals=(deal(days=50, name="Globex expansion"),))
        for kind, body in (
            ("snapshot", now.model_dump()),
            ("analysis", again(now).model_dump()),
            ("memory", []),
        ):
            self.hashes[f"{kind}_hash"] = await self.store.put_document(kind, body)
        return self

    async def remember(self, text: str, days: float = 400) -> None:
        item = MemoryItem(
            account_id=self.account,
            kind=MemoryKind.NOTE,
            text=text,
            occurred_at=ago(days),
            source=MemorySource(system="crm"),
        )
        await self.memory.remember((item,), idempotency_key=uuid4().hex)

    async def ask(self, question: str) -> TurnAnswer:
        call = AnswerQuestion(
            account_id=self.account,
            tenant="default",
            question=question,
            as_of=AS_OF,
            run_id=self.run_id,
            conversation=self.turns,
            **self.hashes,
        )
        activities = AnswerActivities(self.store, self.memory, POLICY)
        said = await ActivityEnvironment().run(activities.answer, call)
        turn = Turn(
            number=len(self.turns) + 1,
            by="ann",
            question=question,
            asked_at=datetime.now(UTC),
            answer=said.answer,
        )
        self.turns = (*self.turns, turn)
        return said


@pytest.fixture
async def asking(engine: AsyncEngine) -> Asking:
    return await Asking(engine, PostgresMemory(engine)).stored()


async def test_turns_go_on_from_the_turn_before(asking: Asking) -> None:
    first = await asking.ask("Is the Globex deal stalled?")
    assert "does not move" in first.answer
    assert first.usage.milliseconds > 0
    second = await asking.ask("who owns it?")
    assert second.answer.startswith("The owner is Anna Lee.")


async def test_what_the_memory_adds_is_stored_and_found_once(asking: Asking) -> None:
    await asking.remember("They want a data centre in Europe")
    await asking.remember("Nothing to do with it")
    said = await asking.ask("anything on European data centres?")
    assert 'Remembered on 2024-05-26 (note): "They want a data centre in Europe"' in said.answer
    assert [finding.kind for finding in said.findings] == ["remembered"]
    assert said.memory_hash is not None
    assert said.memory_items == 1
    assert said.usage.calls >= 1
    stored = await asking.store.get_document(said.memory_hash)
    assert [hit["text"] for hit in stored] == ["They want a data centre in Europe"]
    asking.hashes["memory_hash"] = said.memory_hash
    again = await asking.ask("the data centre?")
    assert again.findings == ()
    assert again.memory_hash is None


async def test_nothing_of_another_account_is_told(asking: Asking, engine: AsyncEngine) -> None:
    other = Asking(engine, asking.memory)
    await other.remember("The secret of the other account")
    said = await asking.ask("secret?")
    assert said.answer.startswith('Nothing is known of "secret"')
    assert said.findings == ()


async def test_decisions_of_this_review_are_told(asking: Asking) -> None:
    state = fresh(asking.account)
    change = task_change(asking.account, "Call the sponsor")
    state.analysis = analysis_result(asking.hashes["analysis_hash"], (change,))
    state.requests = (
        open_request(
            uuid4().hex,
            state.review_id,
            (change,),
            state.analysis.terms,
            AS_OF,
            approvers=("owner-1",),
            started_by="ann",
        ),
    )
    state.touch(AS_OF)
    await asking.store.save(state)
    asking.run_id = state.run_id
    assert "Call the sponsor waits for a decision." in (await asking.ask("decisions?")).answer


async def test_a_memory_that_is_away_is_said_and_counted(engine: AsyncEngine) -> None:
    memory = InMemoryMemory()
    memory.available = False
    asking = await Asking(engine, memory).stored()
    said = await asking.ask("deals and pricing?")
    assert "Globex expansion" in said.answer
    assert "The memory could not be reached" in said.answer
    assert said.usage.errors == 1
    assert said.memory_hash is None


async def test_a_document_that_is_gone_or_broken_is_an_error(asking: Asking) -> None:
    hashes = dict(asking.hashes)
    asking.hashes = {**hashes, "snapshot_hash": "0" * 64}
    with pytest.raises(DocumentNotFoundError):
        await asking.ask("deals?")
    broken = await asking.store.put_document("analysis", {"risk": uuid4().hex})
    asking.hashes = {**hashes, "analysis_hash": broken}
    with pytest.raises(DocumentUnreadableError):
        await asking.ask("deals?")


async def test_before_anything_was_read_the_answer_says_so(engine: AsyncEngine) -> None:
    said = await Asking(engine, PostgresMemory(engine)).ask("deals?")
    assert said.answer == "The account has not been read from the CRM yet."
