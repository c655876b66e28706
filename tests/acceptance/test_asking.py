"""A conversation with a review: answers from what is known, each with its source."""

from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.domain.memory import MemoryItem, MemoryKind, MemorySource
from account_reviews.memory.postgres import PostgresMemory
from tests.support.commands import Reviews
from tests.support.review_states import NOW

ACCOUNT = "ac-034"


@pytest.fixture(scope="module")
async def asked(reviews: Reviews, stack_engine: AsyncEngine) -> list[Any]:
    """What was answered, in turn, by a review that waits for a decision."""
    item = MemoryItem(
        account_id=ACCOUNT,
        kind=MemoryKind.COMMITMENT,
        title="Promise of May",
        text="We promised them a trainer in Rotterdam",
        occurred_at=NOW.replace(year=2024),
        source=MemorySource(system="test"),
    )
    await PostgresMemory(stack_engine).remember((item,), idempotency_key="promise")
    reviews.request(ACCOUNT)
    return [
        reviews.json("ask", ACCOUNT, question, "--as", "ann")
        for question in (
            "What is the risk?",
            "why?",
            "and the deals?",
            "Was there anything on Rotterdam?",
            "What was proposed?",
            "What did we decide before?",
            "quantum bananas",
        )
    ]


def test_each_turn_goes_on_from_the_one_before(asked: list[Any]) -> None:
    risk, why, deals, memory, proposed, decided, nothing = (one["turn"]["answer"] for one in asked)
    assert risk.startswith("The risk is high")
    assert "[account " in risk
    assert why.startswith(risk)
    assert "points:" in why
    assert "[deal " in deals or "no deal" in deals
    assert "We promised them a trainer in Rotterdam" in memory
    assert "2024-10-01" in memory
    assert "It is proposed." in proposed
    assert "waits for a decision" in decided
    assert nothing.startswith('Nothing is known of "quantum", "bananas"')
    assert "You can ask about risk" in nothing


def test_what_a_turn_found_stands_in_the_state(reviews: Reviews, asked: list[Any]) -> None:
    saved = reviews.json("snapshot", ACCOUNT)
    assert len(saved["conversation"]) == len(asked) == 7
    assert [turn["number"] for turn in saved["conversation"]] == list(range(1, 8))
    (found,) = [one for one in saved["findings"] if one["kind"] == "remembered"]
    assert found["title"] == "From 2024-10-01: Promise of May"
    assert saved["counters"]["turns"] == 7
    assert saved["phase"] == "approval"
    (turn,) = [one for one in saved["conversation"] if one["findings"]]
    assert "Rotterdam" in turn["question"]
    shown = reviews.json("show", ACCOUNT)["findings"]
    assert [one["kind"] for one in shown].count("remembered") == 1
    assert len(shown) > 1
