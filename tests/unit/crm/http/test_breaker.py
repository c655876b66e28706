"""The breaker's steps, and what it makes of calls."""

import asyncio
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from account_reviews.crm.http.breaker import (
    BreakerRules,
    BreakerState,
    LocalBreaker,
    Standing,
)
from account_reviews.domain.errors import CrmInvalidError, CrmRateLimitedError, CrmUnavailableError

RULES = BreakerRules()


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def call(breaker: LocalBreaker, error: BaseException | None = None) -> None:
    async with breaker.call():
        if error is not None:
            raise error


def standing(breaker: LocalBreaker) -> Standing:
    return breaker.state.standing


async def fail(breaker: LocalBreaker, times: int) -> None:
    for _ in range(times):
        with pytest.raises(CrmUnavailableError):
            await call(breaker, CrmUnavailableError())


async def test_five_failures_open_it_for_a_minute() -> None:
    clock = Clock()
    breaker = LocalBreaker("shop", clock=clock)
    await fail(breaker, 5)
    with pytest.raises(CrmUnavailableError, match="left alone") as caught:
        await breaker.check()
    assert (caught.value.retry_after, caught.value.sent) == (60.0, False)
    clock.now += 59
    with pytest.raises(CrmUnavailableError):
        await call(breaker)
    clock.now += 1
    await breaker.check()
    await call(breaker)


async def test_an_answer_between_them_begins_the_count_anew() -> None:
    breaker = LocalBreaker("shop", clock=Clock())
    for error in (None, CrmRateLimitedError(), CrmInvalidError(field="name")):
        await fail(breaker, 4)
        with contextlib.suppress(CrmRateLimitedError, CrmInvalidError):
            await call(breaker, error)
    assert breaker.state.standing is Standing.CLOSED


async def test_half_open_lets_three_through_and_two_answers_close_it() -> None:
    clock = Clock()
    breaker = LocalBreaker("shop", clock=clock)
    await fail(breaker, 5)
    clock.now += 60
    calls = [breaker.call() for _ in range(4)]
    for one in calls[:3]:
        await one.__aenter__()
    with pytest.raises(CrmUnavailableError) as caught:
        await calls[3].__aenter__()
    assert caught.value.retry_after == 5.0
    await calls[0].__aexit__(None, None, None)
    assert standing(breaker) is Standing.HALF_OPEN
    await calls[1].__aexit__(None, None, None)
    assert standing(breaker) is Standing.CLOSED
    await calls[2].__aexit__(None, None, None)


async def test_a_failed_trial_opens_it_again() -> None:
    clock = Clock()
    breaker = LocalBreaker("shop", clock=clock)
    await fail(breaker, 5)
    clock.now += 60
    await call(breaker)
    await fail(breaker, 1)
    with pytest.raises(CrmUnavailableError, match="60 s"):
        await call(breaker)


async def test_trials_of_a_killed_worker_do_not_keep_it_half_open() -> None:
    clock = Clock()
    breaker = LocalBreaker("shop", clock=clock)
    await fail(breaker, 5)
    clock.now += 60
    for _ in range(3):
        await breaker.call().__aenter__()
    with pytest.raises(CrmUnavailableError):
        await call(breaker)
    clock.now += 60
    await call(breaker)


async def test_a_cancelled_trial_makes_room_for_another() -> None:
    clock = Clock()
    breaker = LocalBreaker("shop", clock=clock)
    await fail(breaker, 5)
    clock.now += 60
    for _ in range(5):
        with pytest.raises(asyncio.CancelledError):
            await call(breaker, asyncio.CancelledError())
    assert breaker.state.standing is Standing.HALF_OPEN
    assert breaker.state.trials == 0


Steps = st.lists(st.tuples(st.sampled_from(["admit", "ok", "bad", "gone"]), st.floats(0, 70)))


@given(Steps)
def test_it_never_lets_more_trials_through_than_it_may(steps: list[tuple[str, float]]) -> None:
    state, now = BreakerState(), 0.0
    for step, pause in steps:
        now += pause
        before = state
        match step:
            case "admit":
                state, wait = state.admit(now, RULES)
                assert wait is None or 0 < wait <= RULES.open_seconds
            case "ok":
                state = state.succeeded(now, RULES)
            case "bad":
                state = state.failed(now, RULES)
            case _:
                state = state.given_up()
        assert 0 <= state.trials <= RULES.trials
        assert state.successes < RULES.successes
        if state.standing is Standing.CLOSED:
            assert state.failures < RULES.failures
        if before.standing is Standing.OPEN and state.standing is not Standing.OPEN:
            assert now >= before.since + RULES.open_seconds
