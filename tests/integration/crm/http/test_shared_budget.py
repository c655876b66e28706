"""The budget of all workers, over real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.crm.http.limits import Limits, Window
from account_reviews.crm.http.priorities import Priority, calling_for
from account_reviews.crm.http.shared_budget import SharedBudget
from account_reviews.domain.errors import CrmRateLimitedError

TIMEOUT = 5.0


@pytest.fixture
def key() -> str:
    return uuid4().hex


@asynccontextmanager
async def budgets(
    engine: AsyncEngine, count: int, limits: Limits, seconds: float = TIMEOUT
) -> AsyncIterator[list[SharedBudget]]:
    """As many workers."""
    async with AsyncExitStack() as stack:
        made = [
            SharedBudget(engine, service="shop", limits=limits, timeout=seconds, worker=f"w{n}")
            for n in range(count)
        ]
        for one in made:
            stack.push_async_callback(one.close)
        yield made


class Service:
    """Counts the calls under way."""

    def __init__(self) -> None:
        self.now = 0
        self.most = 0
        self.calls = 0

    async def call(self, budget: SharedBudget, seconds: float = 0.01, credits: int = 1) -> None:
        async with budget.place(credits) as place:
            self.now += 1
            self.calls += 1
            self.most = max(self.most, self.now)
            await asyncio.sleep(seconds)
            self.now -= 1
            place.answered = True


async def test_no_more_than_the_limit_are_under_way(engine: AsyncEngine, key: str) -> None:
    service = Service()
    async with budgets(engine, 4, Limits(key, 5)) as workers:
        async with asyncio.TaskGroup() as group:
            for number in range(200):
                group.create_task(service.call(workers[number % 4]))
    assert (service.calls, service.most) == (200, 5)


async def test_credits_of_a_window_are_not_exceeded(engine: AsyncEngine, key: str) -> None:
    service = Service()
    limits = Limits(key, 5, (Window(10, 1.0),), patience=0.3)
    async with budgets(engine, 2, limits) as workers:
        done = await asyncio.gather(
            *(service.call(workers[n % 2], credits=3) for n in range(6)), return_exceptions=True
        )
    refused = [one for one in done if isinstance(one, CrmRateLimitedError)]
    assert (service.calls, len(refused)) == (3, 3)
    assert all(one.retry_after and 0 < one.retry_after <= 1.1 for one in refused)


async def test_people_come_before_schedules(engine: AsyncEngine, key: str) -> None:
    order: list[str] = []

    async def call(budget: SharedBudget, who: Priority, name: str) -> None:
        with calling_for(who):
            async with budget.place() as place:
                order.append(name)
                await asyncio.sleep(0.05)
                place.answered = True

    async with budgets(engine, 2, Limits(key, 1)) as (one, other):
        async with asyncio.TaskGroup() as group:
            group.create_task(call(one, Priority.SCHEDULES, "first"))
            await asyncio.sleep(0.03)
            for _ in range(3):
                group.create_task(call(one, Priority.SCHEDULES, "schedules"))
            for _ in range(3):
                group.create_task(call(other, Priority.PEOPLE, "people"))
    assert order == ["first", *["people"] * 3, *["schedules"] * 3]


async def test_a_call_that_nobody_answered_keeps_its_place_for_a_while(
    engine: AsyncEngine, key: str
) -> None:
    service = Service()
    async with budgets(engine, 1, Limits(key, 1, patience=0.2), seconds=0.5) as (budget,):
        async with budget.place():
            pass
        with pytest.raises(CrmRateLimitedError):
            await service.call(budget)
        await asyncio.sleep(0.4)
        await service.call(budget)


async def test_the_place_of_a_killed_worker_comes_back(engine: AsyncEngine, key: str) -> None:
    service = Service()
    async with budgets(engine, 2, Limits(key, 1, patience=0.2), seconds=0.5) as (dead, alive):
        place = dead.place()
        await place.__aenter__()  # and never again
        with pytest.raises(CrmRateLimitedError):
            await service.call(alive)
        async with engine.begin() as connection:
            await connection.execute(
                text("update reviews.api_leases set expires_at = now() where key = :key"),
                {"key": key},
            )
        await service.call(alive)


async def test_a_refusal_pauses_all(engine: AsyncEngine, key: str) -> None:
    async with budgets(engine, 2, Limits(key, 5, patience=0.2)) as (one, other):
        async with one.place() as place:
            place.answered = place.refused = True
            place.refused_for = 30.0
        await one.close()
        with pytest.raises(CrmRateLimitedError, match="slow down") as caught:
            await Service().call(other)
    assert caught.value.retry_after == pytest.approx(30, abs=5)


async def test_what_the_service_says_is_left_corrects_the_count(
    engine: AsyncEngine, key: str
) -> None:
    limits = Limits(key, 5, (Window(100, 60.0),), patience=0.2)
    async with budgets(engine, 2, limits) as (one, other):
        async with one.place() as place:
            place.answered, place.remaining = True, 2
        await one.close()
        service = Service()
        await service.call(other)
        await service.call(other)
        with pytest.raises(CrmRateLimitedError, match="used up"):
            await service.call(other)


async def test_a_cancelled_call_gives_its_lease_back_unused(engine: AsyncEngine, key: str) -> None:
    service = Service()
    async with budgets(engine, 1, Limits(key, 1)) as (budget,):
        running = asyncio.create_task(service.call(budget, 0.2))
        await asyncio.sleep(0.05)
        waiting = [asyncio.create_task(service.call(budget)) for _ in range(5)]
        await asyncio.sleep(0.02)
        for one in waiting:
            one.cancel()
        await running
        await service.call(budget)
    assert service.calls == 2
