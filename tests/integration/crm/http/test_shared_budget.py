"""The budget of all workers, over real PostgreSQL."""

import asyncio
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.crm.http.limits import Limits, Window
from account_reviews.crm.http.priorities import Priority
from account_reviews.crm.http.shared_budget import SharedBudget
from account_reviews.domain.errors import CrmRateLimitedError, UnreachableError
from account_reviews.store.database import create_engine
from tests.support.call_budgets import Service, budgets, run, scalar, until

WAITING = "select coalesce(sum({0}), 0) = :count from reviews.api_waiting where key = :key"
PROMISED = "select count(next_credits) > 0 from reviews.api_leases where key = :key"
PAUSED = "select pause_seconds from reviews.api_budgets where key = :key"
USED = "select reviews.api_used('shop', :key, 60, clock_timestamp())"


@pytest.fixture
def key() -> str:
    return uuid4().hex


async def test_no_more_than_the_limit_are_under_way(engine: AsyncEngine, key: str) -> None:
    service = Service()
    async with budgets(engine, 4, Limits(key, 5, patience=60)) as workers:
        async with asyncio.TaskGroup() as group:
            for number in range(200):
                group.create_task(service.call(workers[number % 4]))
    assert (len(service.order), service.most) == (200, 5)
    assert await scalar(engine, "select count(*) from reviews.api_leases where key = :key",
                        key=key) == 0  # fmt: skip


async def test_credits_of_a_window_are_not_exceeded(engine: AsyncEngine, key: str) -> None:
    service = Service()
    limits = Limits(key, 5, (Window(10, 60.0),), patience=5)
    async with budgets(engine, 2, limits) as workers:
        done = await asyncio.gather(
            *(service.call(workers[n % 2], credits=3) for n in range(6)), return_exceptions=True
        )
    refused = [one for one in done if isinstance(one, CrmRateLimitedError)]
    assert (len(service.order), len(refused)) == (3, 3)
    assert all(one.retry_after and 5 < one.retry_after <= 62 for one in refused)


async def test_credits_come_back_after_their_window(engine: AsyncEngine, key: str) -> None:
    service = Service()
    limits = Limits(key, 5, (Window(3, 60.0), Window(100, 3600.0)), patience=5)
    async with budgets(engine, 1, limits) as (budget,):
        await service.call(budget, credits=3)
        with pytest.raises(CrmRateLimitedError):
            await service.call(budget)
        await run(
            engine,
            "update reviews.api_credits set slot = slot - interval '62 seconds' where key = :key",
            key=key,
        )
        await service.call(budget)
    assert await scalar(engine, USED.replace("60", "3600"), key=key) == 4


async def test_people_come_before_schedules(engine: AsyncEngine, key: str) -> None:
    service = Service()
    async with budgets(engine, 2, Limits(key, 1, patience=60)) as (one, other):
        async with asyncio.TaskGroup() as group:
            group.create_task(service.call(one, "first", who=Priority.SCHEDULES, waits=True))
            await service.until_begun(1)
            for _ in range(3):
                group.create_task(service.call(one, "schedules", who=Priority.SCHEDULES))
                group.create_task(service.call(other, "people"))
            await until(engine, WAITING.format("people"), count=3, key=key)
            service.may_end.set()
    assert service.order == ["first", *["people"] * 3, *["schedules"] * 3]


async def test_schedules_do_not_wait_for_ever(engine: AsyncEngine, key: str) -> None:
    service = Service()
    async with budgets(engine, 2, Limits(key, 1, patience=60)) as (one, other):
        async with asyncio.TaskGroup() as group:
            group.create_task(service.call(one, "first", waits=True))
            await service.until_begun(1)
            for _ in range(3):
                group.create_task(service.call(other, "schedules", who=Priority.SCHEDULES))
            await until(engine, WAITING.format("schedules"), count=3, key=key)
            await run(
                engine,
                "update reviews.api_waiting set "
                "schedules_since = schedules_since - interval '11 seconds' where key = :key",
                key=key,
            )
            for _ in range(5):
                group.create_task(service.call(one, "people"))
            await until(engine, WAITING.format("people"), count=5, key=key)
            service.may_end.set()
    assert service.order == ["first", "schedules", *["people"] * 5, *["schedules"] * 2]


async def test_a_worker_that_comes_later_gets_its_share(engine: AsyncEngine, key: str) -> None:
    service = Service()
    async with budgets(engine, 2, Limits(key, 4, patience=60)) as (early, later):
        calls = [asyncio.create_task(service.call(early, "early")) for _ in range(400)]
        await service.until_begun(40)
        await service.call(later, "later")
        waited = service.order.index("later")
        for one in calls:
            one.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
    assert waited < 390


async def test_who_comes_next_takes_over_without_asking(engine: AsyncEngine, key: str) -> None:
    service = Service()
    async with budgets(engine, 1, Limits(key, 1, patience=60)) as (budget,):
        async with asyncio.TaskGroup() as group:
            group.create_task(service.call(budget, waits=True))
            await service.until_begun(1)
            before = set(budget._calls)
            second = asyncio.Event()
            service.may_end, first = second, service.may_end
            group.create_task(service.call(budget, waits=True))
            await until(engine, PROMISED, key=key)
            first.set()
            await service.until_begun(2)
            assert set(budget._calls) == before
            second.set()
    assert service.most == 1


async def test_a_promise_that_nobody_takes_costs_nothing(engine: AsyncEngine, key: str) -> None:
    service = Service()
    limits = Limits(key, 1, (Window(100, 60.0),), patience=60)
    async with budgets(engine, 1, limits) as (budget,):
        running = asyncio.create_task(service.call(budget, credits=2, waits=True))
        await service.until_begun(1)
        gone = asyncio.create_task(service.call(budget, credits=50))
        await until(engine, "select next_credits = 50 from reviews.api_leases where key = :key",
                    key=key)  # fmt: skip
        assert await scalar(engine, USED, key=key) == 52
        gone.cancel()
        service.may_end.set()
        await asyncio.gather(running, gone, return_exceptions=True)
    assert await scalar(engine, USED, key=key) == 2


async def test_a_call_that_nobody_answered_keeps_its_place_for_a_while(
    engine: AsyncEngine, key: str
) -> None:
    service = Service()
    async with budgets(engine, 1, Limits(key, 1, patience=0.2)) as (budget,):
        async with budget.place():
            pass
        with pytest.raises(CrmRateLimitedError):
            await service.call(budget)
        await run(
            engine,
            "update reviews.api_leases set expires_at = expires_at - interval '5 seconds' "
            "where key = :key",
            key=key,
        )
    async with budgets(engine, 1, Limits(key, 1, patience=60)) as (budget,):
        await service.call(budget)


async def test_the_place_of_a_killed_worker_comes_back(engine: AsyncEngine, key: str) -> None:
    service = Service()
    async with budgets(engine, 2, Limits(key, 1, patience=0.2)) as (dead, alive):
        held = dead.place()
        await held.__aenter__()  # and never again
        with pytest.raises(CrmRateLimitedError):
            await service.call(alive)
        left = await scalar(
            engine,
            "select extract(epoch from expires_at - taken_at)::float from reviews.api_leases "
            "where key = :key",
            key=key,
        )
        assert left == pytest.approx(15)
        await run(
            engine, "update reviews.api_leases set expires_at = now() where key = :key", key=key
        )
    async with budgets(engine, 1, Limits(key, 1, patience=60)) as (alive,):
        await service.call(alive)


async def test_a_refusal_pauses_all_and_longer_each_time(engine: AsyncEngine, key: str) -> None:
    async with budgets(engine, 2, Limits(key, 5, patience=0.2)) as (one, other):
        async with one.place() as place:
            place.answered = place.refused = True
            place.refused_for = 30.0
        await one.close()
        with pytest.raises(CrmRateLimitedError, match="slow down") as caught:
            await Service().call(other)
        assert caught.value.retry_after == pytest.approx(30, abs=5)
        soon = [await refused_again(engine, one, key, seconds) for seconds in (0, 0, 0, 0.5)]
        late = [await refused_again(engine, one, key, seconds) for seconds in (1.5, 1.5, 1.5, 90)]
    assert soon == pytest.approx([2, 4, 8, 8], rel=0.2)
    assert late == pytest.approx([2, 1, 1, 1], rel=0.2)


async def refused_again(
    engine: AsyncEngine, budget: SharedBudget, key: str, seconds: float
) -> float:
    """The pause after a refusal so long after the end of the pause before."""
    ended = (
        "update reviews.api_budgets set paused_until = now() - :s * interval '1 s' where key = :key"
    )
    await run(engine, ended, key=key, s=seconds)
    async with budget.place() as place:
        place.answered = place.refused = True
    await budget.close()
    return float(await scalar(engine, PAUSED, key=key))


async def test_what_the_service_says_is_left_corrects_the_count(
    engine: AsyncEngine, key: str
) -> None:
    limits = Limits(key, 5, (Window(100, 60.0),), patience=5)
    async with budgets(engine, 2, limits) as (one, other):
        async with one.place() as place:
            place.answered, place.remaining = True, 2
        await one.close()
        service = Service()
        await service.call(other)
        await service.call(other)
        with pytest.raises(CrmRateLimitedError, match="used up"):
            await service.call(other)


async def test_schedules_leave_the_last_credits_to_people(engine: AsyncEngine, key: str) -> None:
    limits = Limits(key, 5, (Window(100, 60.0),), patience=5)
    service = Service()
    async with budgets(engine, 1, limits) as (budget,):
        await service.call(budget, credits=95, who=Priority.SCHEDULES)
        with pytest.raises(CrmRateLimitedError):
            await service.call(budget, who=Priority.SCHEDULES)
        await service.call(budget, credits=5)


async def test_who_is_gone_takes_no_place(engine: AsyncEngine, key: str) -> None:
    service = Service()
    async with budgets(engine, 1, Limits(key, 1, patience=60)) as (budget,):
        running = asyncio.create_task(service.call(budget, waits=True))
        await service.until_begun(1)
        waiting = [asyncio.create_task(service.call(budget)) for _ in range(5)]
        await until(engine, WAITING.format("people"), count=4, key=key)
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        service.may_end.set()
        await running
        await service.call(budget, "last")
    assert service.order == ["call", "last"]


async def test_without_a_database_who_waits_is_told(key: str) -> None:
    engine = create_engine("postgresql://u@127.0.0.1:1/d", application_name="tests")
    async with budgets(engine, 1, Limits(key, 1, patience=60)) as (budget,):
        with pytest.raises(UnreachableError):
            await Service().call(budget)
    await engine.dispose()
