"""The first row of a review: over a plain connection as through an engine."""

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.domain.audit.redaction import DEFAULT, Rules
from account_reviews.domain.errors import UnreachableError
from account_reviews.domain.review.phases import Phase
from account_reviews.domain.review.state import ReviewState
from account_reviews.store.review_queries import ReviewReader
from account_reviews.store.review_writes import FirstRows
from account_reviews.store.reviews import ReviewStore
from account_reviews.store.statements import Statements
from tests.support.connections import statements_on
from tests.support.review_states import NOW, fresh

ROWS = "select * from reviews.review_runs where run_id = :run_id"
FACTS = (
    "select event_id, body from reviews.audit_outbox where body->>'run_id' = :run_id "
    "order by event_id"
)


def opening() -> ReviewState:
    """A review that was just started."""
    state = fresh()
    state.record(NOW, "opened", "by a@b.example", "ann")
    return state


async def stored(engine: AsyncEngine, state: ReviewState) -> list[list[dict[str, Any]]]:
    """The row and its facts."""
    statements = statements_on(engine)
    return [await statements.rows(query, run_id=state.run_id) for query in (ROWS, FACTS)]


@pytest.mark.parametrize("rules", [DEFAULT, Rules(mask_personal=False)])
async def test_the_same_row_and_facts_are_written_both_ways(
    engine: AsyncEngine, rules: Rules
) -> None:
    state = opening()
    await FirstRows(statements_on(engine), rules).open_run(state)
    plain = await stored(engine, state)
    statements = statements_on(engine)
    await statements.execute("delete from reviews.review_runs")
    await statements.execute("delete from reviews.audit_outbox")
    await ReviewStore(engine, rules).open_run(state)
    through_engine = await stored(engine, state)
    for rows in (plain[1], through_engine[1]):
        assert rows
        assert ("a@b.example" in json.dumps(rows[0])) is not rules.mask_personal
    assert plain == through_engine


async def test_it_never_takes_back_what_the_review_has_written_since(engine: AsyncEngine) -> None:
    first, reader = opening(), ReviewReader(statements_on(engine))
    later = first.model_copy(deep=True)
    later.move(Phase.INVESTIGATING, NOW + timedelta(seconds=1))
    await ReviewStore(engine).save(later)
    before = await stored(engine, later)
    await FirstRows(statements_on(engine), DEFAULT).open_run(first)
    assert await stored(engine, later) == before
    found = await reader.find_run(tenant=first.tenant, review_id=first.review_id)
    assert found.state.phase is Phase.INVESTIGATING


async def test_without_a_database_it_says_so() -> None:
    nowhere = Statements("postgresql://u:secret@127.0.0.1:1/db", application_name="t")
    with pytest.raises(UnreachableError, match="Connection refused"):
        await FirstRows(nowhere, DEFAULT).open_run(opening())
