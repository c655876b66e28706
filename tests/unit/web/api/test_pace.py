"""So much at once, and then so much a second."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from account_reviews.web.api.pace import Pace, TooFastError


def taken(pace: Pace, key: str, bounds: tuple[float, float], now: float) -> bool:
    try:
        pace.check(key, bounds, now)
    except TooFastError:
        return False
    return True


@given(
    most=st.integers(1, 20),
    rate=st.integers(1, 20),
    gaps=st.lists(st.floats(0, 3), min_size=1, max_size=100),
)
def test_no_more_passes_than_was_there_and_came_since(
    most: int, rate: int, gaps: list[float]
) -> None:
    pace, now, passed = Pace(), 0.0, 0
    for gap in gaps:
        now += gap
        passed += taken(pace, "ann", (most, rate), now)
        assert passed <= most + rate * now + 1e-6


@given(most=st.integers(1, 20), rate=st.floats(0.1, 20))
def test_whoever_waits_as_long_as_he_was_told_may_pass(most: int, rate: float) -> None:
    pace = Pace()
    for _ in range(most):
        pace.check("ann", (most, rate), 0.0)
    with pytest.raises(TooFastError) as caught:
        pace.check("ann", (most, rate), 0.0)
    pace.check("ann", (most, rate), float(caught.value.retry_after))


def test_each_is_counted_apart() -> None:
    pace = Pace()
    pace.check("ann", (1, 1), 0.0)
    pace.check("bob", (1, 1), 0.0)
    with pytest.raises(TooFastError, match="Too many requests"):
        pace.check("ann", (1, 1), 0.5)
