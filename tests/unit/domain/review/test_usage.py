"""What the steps of a review took, summed."""

from hypothesis import given
from hypothesis import strategies as st

from account_reviews.domain.review.state import ReviewState, Usage
from account_reviews.domain.review.usage import (
    STEPS,
    WORDS,
    add_usage,
    in_words,
    plus,
    step_of,
    usage_of,
    usage_of_failure,
)
from tests.support.review_states import fresh

COUNTS = st.integers(min_value=0, max_value=10**6)
USAGES = st.builds(
    Usage,
    calls=COUNTS,
    cache_hits=COUNTS,
    cache_misses=COUNTS,
    tokens=COUNTS,
    errors=COUNTS,
    milliseconds=st.integers(min_value=0, max_value=10**9).map(lambda n: n / 1000),
)


@given(st.lists(st.tuples(st.sampled_from(["gather", "recall", "write"]), USAGES), max_size=20))
def test_the_sum_of_all_steps_is_the_sum_of_their_sums(used: list[tuple[str, Usage]]) -> None:
    state = fresh()
    before = state.version
    for step, usage in used:
        add_usage(state, step, usage)
    total = Usage()
    for usage in state.counters.steps.values():
        total = plus(total, usage)
    assert state.counters.usage == total
    assert total.calls == sum(usage.calls for _, usage in used)
    assert round(total.milliseconds * 1000) == sum(round(u.milliseconds * 1000) for _, u in used)
    assert set(state.counters.steps) == {step for step, _ in used}
    assert state.version == before, "nothing is saved because of it"


def test_a_result_that_says_nothing_changes_nothing() -> None:
    state = fresh()
    before = state.model_dump()
    add_usage(state, "gather", None)
    assert state.model_dump() == before
    assert usage_of(None) is None
    assert usage_of({"usage": {"calls": 1}}) is None


def test_a_failure_is_as_many_errors_as_it_says_and_else_one() -> None:
    said = Usage(errors=3, calls=2).model_dump()
    assert usage_of_failure(said) == Usage(errors=3, calls=2)
    for nothing in (None, "text", 7, {"errors": "many"}):
        assert usage_of_failure(nothing) == Usage(errors=1)


def test_every_step_has_words_and_an_unknown_activity_is_its_own_step() -> None:
    assert set(STEPS.values()) <= set(WORDS)
    assert step_of("crm.apply_change") == "write"
    assert step_of("notify.send") == "notify.send" == in_words("notify.send")


def test_the_state_of_an_older_release_is_read() -> None:
    old = fresh().model_dump(mode="json")
    del old["counters"]["usage"], old["counters"]["steps"]
    assert ReviewState.model_validate(old).counters.usage == Usage()
