"""What documents show beside their own content, read from real tables."""

from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.domain.analysis.model import HealthBand, RiskLevel
from account_reviews.domain.review.decisions import propose
from account_reviews.domain.review.phases import Outcome, Phase, Status
from account_reviews.domain.review.state import ReviewState
from account_reviews.store.document_queries import DocumentReader
from account_reviews.store.reviews import ReviewStore
from tests.support.connections import statements_on
from tests.support.review_states import NOW, analysis_result, fresh, task_change

ACCOUNT = "doc-acc"


@pytest.fixture
def reader(engine: AsyncEngine) -> DocumentReader:
    return DocumentReader(statements_on(engine))


async def reviewed(
    engine: AsyncEngine, run_id: str, days: float, risk: int | None, **fields: object
) -> ReviewState:
    """A stored review of that many days ago that came as far as its analysis."""
    at = NOW - timedelta(days=days)
    state = fresh(ACCOUNT).model_copy(
        update={"run_id": run_id, "as_of": at, "started_at": at, **fields}
    )
    await ReviewStore(engine).open_run(state)
    state.move(Phase.INVESTIGATING, NOW)
    state.analysis = analysis_result("a" * 64, (task_change(ACCOUNT),)).model_copy(
        update={
            "risk_score": risk,
            "risk_level": RiskLevel.UNKNOWN if risk is None else RiskLevel.LOW,
            "health_score": 55,
            "health_band": HealthBand.MODERATE,
        }
    )
    await ReviewStore(engine).save(state)
    return state


async def test_scores_are_those_before_a_moment_oldest_first(
    engine: AsyncEngine, reader: DocumentReader
) -> None:
    await reviewed(engine, "doc-run-1", 30, 10)
    await reviewed(engine, "doc-run-2", 20, None)
    await reviewed(engine, "doc-run-3", 10, 40)
    await reviewed(engine, "doc-run-4", 5, 99, kind="undo")
    await reviewed(engine, "doc-run-5", 0, 70)
    found = await reader.scores("default", ACCOUNT, before=NOW, most=10)
    assert [(one.risk_score, one.health_score, one.health_band) for one in found] == [
        (10, 55, "moderate"),
        (None, 55, "moderate"),
        (40, 55, "moderate"),
    ]
    assert [one.at for one in found] == sorted(one.at for one in found)
    newest = await reader.scores("default", ACCOUNT, before=NOW, most=1)
    assert [one.risk_score for one in newest] == [40]
    assert await reader.scores("other", ACCOUNT, before=NOW, most=10) == []


async def test_of_one_clock_the_review_that_began_first_comes_first(
    engine: AsyncEngine, reader: DocumentReader
) -> None:
    """Of an import without a later one all reviews go by the same clock."""
    account = "doc-one-clock"
    for number, risk in enumerate((70, 100, 30)):
        began = NOW - timedelta(hours=3 - number)
        await reviewed(
            engine, f"doc-one-clock-{number}", 0, risk, account_id=account, started_at=began
        )
    found = await reader.scores("default", account, before=NOW, most=10)
    assert [one.risk_score for one in found] == [70, 100, 30]
    before_the_last = await reader.scores("default", account, before=began, most=10)
    assert [one.risk_score for one in before_the_last] == [70, 100]


async def test_requests_are_found_by_account_and_by_id(
    engine: AsyncEngine, reader: DocumentReader
) -> None:
    state = await reviewed(engine, "doc-run-6", 1, 20)
    assert state.analysis is not None
    state.move(Phase.PLANNING, NOW)
    propose(state, state.analysis.changes, "doc-req-1", NOW)
    state.move(Phase.APPROVAL, NOW, status=Status.WAITING)
    await ReviewStore(engine).save(state)
    (request,) = state.requests
    (found,) = await reader.asked("default", accounts=[ACCOUNT])
    assert (found.request_id, found.account_id, found.open_items) == ("doc-req-1", ACCOUNT, 1)
    assert found.short_id == f"{ACCOUNT}-1"
    assert found.deadline == request.deadline
    assert found.approvers == request.approvers
    assert await reader.asked("default", requests=["doc-req-1"]) == [found]
    assert await reader.asked("other", accounts=[ACCOUNT], requests=["doc-req-1"]) == []
    assert await reader.asked("default") == []


async def test_revenue_is_read_from_what_the_cycle_has_read(
    engine: AsyncEngine, reader: DocumentReader
) -> None:
    assert await reader.revenue("no-such-cycle", [ACCOUNT]) == {}


async def test_what_was_taken_back_since_is_of_undos_that_wrote(
    engine: AsyncEngine, reader: DocumentReader
) -> None:
    for run_id, outcome in (("doc-undo-1", Outcome.COMPLETED), ("doc-undo-2", Outcome.REJECTED)):
        state = await reviewed(engine, run_id, 0, None, kind="undo")
        state.close(outcome, NOW)
        await ReviewStore(engine).save(state)
    since = NOW - timedelta(days=1)
    ((at, undo),) = await reader.taken_back("default", ACCOUNT, since)
    assert (at, undo.run_id) == (NOW, "doc-undo-1")
    assert await reader.taken_back("default", ACCOUNT, NOW) == []
    assert await reader.taken_back("default", "another", since) == []
