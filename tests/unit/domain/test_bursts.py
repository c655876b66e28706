"""When what does not answer is asked again, and when it counts as away."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from account_reviews.domain.bursts import (
    LONGEST_SECONDS,
    SPREAD,
    TRIES,
    Burst,
    BurstRules,
    bursts_by,
    pause,
)

WAITS = st.lists(st.one_of(st.none(), st.floats(0, 120)), max_size=40)


@pytest.mark.parametrize(
    ("tries", "seconds"), [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (8, 60), (10**9, 60)]
)
def test_a_pause_doubles_up_to_a_minute(tries: int, seconds: float) -> None:
    assert pause(tries, 0) == seconds


@given(tries=st.integers(-5, 10**6), chance=st.floats(0, 1))
def test_a_pause_is_longer_by_a_quarter_at_most(tries: int, chance: float) -> None:
    plain = pause(tries, 0)
    assert plain <= pause(tries, chance) <= plain * (1 + SPREAD)
    assert pause(tries, chance) <= LONGEST_SECONDS * (1 + SPREAD)


@given(waits=WAITS)
def test_a_burst_ends_with_its_third_try_or_a_long_outage(waits: list[float | None]) -> None:
    burst = Burst()
    for wait in waits:
        burst = burst.after_failure(wait)
    tried = waits.count(None)
    waited = sum(wait for wait in waits if wait is not None)
    assert burst.tries == tried
    assert burst.is_over == (tried >= TRIES or waited > 180)


def test_an_open_breaker_is_no_try() -> None:
    burst = Burst().after_failure(None).after_failure(60).after_failure(60)
    assert (burst.tries, burst.is_over) == (1, False)
    assert burst.after_failure(None).after_failure(None).is_over


def test_an_installation_may_set_the_numbers() -> None:
    with bursts_by(BurstRules(2, first_seconds=0.5, factor=3, longest_seconds=4, spread=0)):
        assert [pause(tries, 1) for tries in (1, 2, 3)] == [0.5, 1.5, 4]
        assert Burst().after_failure(None).after_failure(None).is_over
    assert not Burst(tries=2).is_over
