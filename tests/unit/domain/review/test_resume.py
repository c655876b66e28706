"""Who may go on with a review, and what an agent hears of it."""

import json
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from account_reviews.domain.errors import BadInputError
from account_reviews.domain.review.phases import ALLOWED, Outcome, Phase
from account_reviews.domain.review.resume import (
    MOST_BYTES,
    AgentReason,
    agent_answer,
    agent_id_of,
    decide_resume,
    read_context,
    resume_of,
)
from account_reviews.domain.review.state import ReviewState
from account_reviews.domain.review.views import resumable_view
from tests.support.review_states import NOW, analysis_result, fresh

MINUTE = timedelta(minutes=1)
KEYS = {"should_resume", "reason", "agent_id", "resume_metadata", "original_context"}

phases = st.sampled_from(Phase)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize("phase", Phase)
def test_these_phases_are_resumable(phase: Phase) -> None:
    expected = phase in (Phase.APPROVAL, Phase.INVESTIGATING, Phase.PLANNING)
    assert decide_resume(phase, 0).resumable is expected


@given(phases, st.integers(0, 10), st.integers(1, 10))
def test_from_the_limit_of_errors_on_nobody_goes_on(phase: Phase, errors: int, most: int) -> None:
    decided = decide_resume(phase, errors, max_errors=most)
    assert decided.resumable is (phase.is_resumable and errors < most)
    assert decided.reason
    if not decided.resumable and not phase.is_resumable:
        assert phase in decided.reason


@given(
    st.timedeltas(timedelta(0), timedelta(days=400)), st.none() | st.timedeltas(MINUTE, 60 * MINUTE)
)
def test_age_counts_only_when_the_policy_says_so(age: timedelta, most: timedelta | None) -> None:
    decided = decide_resume(Phase.APPROVAL, 0, age=age, max_age=most)
    assert decided.resumable is (most is None or age <= most)


@given(phases, st.integers(0, 10), st.integers(1, 10), st.timedeltas(timedelta(0), 90 * MINUTE))
def test_a_stricter_policy_never_allows_more(
    phase: Phase, errors: int, most: int, age: timedelta
) -> None:
    strict = decide_resume(phase, errors, max_errors=most, age=age, max_age=30 * MINUTE)
    if strict.resumable:
        assert decide_resume(phase, errors, max_errors=most + 1, age=age).resumable


@pytest.mark.parametrize("outcome", Outcome)
def test_a_closed_review_is_never_taken_up(outcome: Outcome) -> None:
    state = fresh()
    state.move(Phase.INVESTIGATING, NOW)
    final = {Outcome.COMPLETED, Outcome.NOTHING_TO_DO, Outcome.REJECTED, Outcome.DEFERRED}
    assert resume_of(state).resumable
    state.close(outcome if outcome not in final else Outcome.NOTHING_TO_DO, NOW)
    assert not ALLOWED[state.phase]
    assert not resume_of(state).resumable


def test_the_query_decides_as_the_command_does() -> None:
    state = fresh()
    state.move(Phase.INVESTIGATING, NOW)
    for errors in range(5):
        state.error_count = errors
        assert resumable_view(state) == resume_of(state)
    state.analysis = analysis_result("hash", ())
    strict = state.analysis.terms.model_copy(update={"max_errors": 1})
    state.analysis = state.analysis.model_copy(update={"terms": strict})
    state.error_count = 1
    assert not resumable_view(state).resumable
    assert not resume_of(state, max_errors=9).resumable


@given(anything)
def test_whatever_an_agent_sends_comes_back(context: Any) -> None:
    try:
        named = agent_id_of(context)
    except TypeError:
        assert not isinstance(context, dict)
        named = None
    assert named is None or named == context["agent_id"]
    for reason in AgentReason:
        answer = agent_answer(context, reason, agent_id=named, said="why")
        assert set(answer) >= KEYS
        assert answer["should_resume"] is False, "without a state there is nothing to go on with"
        assert json.loads(json.dumps(answer)) == answer


@given(st.dictionaries(st.text(max_size=8), anything, max_size=3))
def test_a_resumable_review_is_handed_over(context: dict[str, Any]) -> None:
    state: ReviewState = fresh()
    state.move(Phase.INVESTIGATING, NOW)
    state.metadata = {"ticket": "T-1"}
    answer = agent_answer(
        context, AgentReason.SESSION_RESUMABLE, agent_id=state.review_id, state=state
    )
    assert answer["should_resume"] is True
    assert answer["agent_id"] == state.review_id
    assert answer["original_context"] == context
    metadata = answer["resume_metadata"]
    assert metadata["previous_phase"] == "investigating"
    assert metadata["created_at"] == "2026-10-01T12:00:00Z"
    assert metadata["last_updated"] == "2026-10-01T12:00:00Z"
    assert metadata["session_metadata"] == {"ticket": "T-1"}
    assert [one["to_phase"] for one in metadata["history"]] == ["investigating"]
    assert json.loads(json.dumps(answer)) == answer


@given(st.binary(max_size=200))
def test_what_is_no_json_is_said_and_nothing_else_is_raised(sent: bytes) -> None:
    with suppress(BadInputError):
        json.dumps(read_context(sent), allow_nan=False)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b"NaN",
        b'{"a": Infinity}',
        b'{"a": -1e999}',
        b"1" * 5000,
        b" " * (MOST_BYTES + 1),
    ],
)
def test_broken_input_is_told_in_one_sentence(sent: bytes) -> None:
    with pytest.raises(BadInputError) as raised:
        read_context(sent)
    assert "\n" not in raised.value.message
    assert len(raised.value.message) < 300
