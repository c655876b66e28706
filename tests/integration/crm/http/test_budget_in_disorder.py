"""Limits hold whatever becomes of calls: answered, lost, refused, cancelled, killed workers."""

import asyncio
import time
from random import Random
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.crm.http.limits import Limits, Window
from account_reviews.crm.http.priorities import Priority, calling_for
from account_reviews.crm.http.shared_budget import SharedBudget
from account_reviews.domain.errors import CrmRateLimitedError
from tests.support.call_budgets import budgets, run, scalar

TIMEOUT = 0.2
LIMIT = 4
CREDITS = 120
WINDOW = 2.0


class Strict:
    """A service that goes on with a call nobody waits for any more, up to the time-out."""

    def __init__(self) -> None:
        self.now = 0
        self.most = 0
        self.spent: list[tuple[float, int]] = []
        self.most_credits = 0
        self._left: set[asyncio.Task[None]] = set()

    def begin(self, credits: int) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        now = time.monotonic()
        self.spent.append((now, credits))
        held = sum(cost for at, cost in self.spent if at > now - WINDOW)
        self.most_credits = max(self.most_credits, held)

    def end(self, *, after: float = 0.0) -> None:
        async def later() -> None:
            await asyncio.sleep(after)
            self.now -= 1

        if not after:
            self.now -= 1
            return
        task = asyncio.create_task(later())
        self._left.add(task)
        task.add_done_callback(self._left.discard)

    async def done(self) -> None:
        await asyncio.gather(*self._left)


async def call(budget: SharedBudget, service: Strict, chance: Random) -> None:
    credits, fate = chance.choice([1, 1, 2, 5]), chance.random()
    who = Priority.SCHEDULES if chance.random() < 0.3 else Priority.PEOPLE
    with calling_for(who):
        async with budget.place(credits) as place:
            service.begin(credits)
            try:
                await asyncio.sleep(chance.random() * 0.03)
            except asyncio.CancelledError:
                service.end(after=TIMEOUT * 0.8)
                raise
            if fate < 0.1:
                service.end(after=chance.random() * TIMEOUT * 0.8)
                return
            place.answered = True
            service.end()
            if fate < 0.13:
                place.refused, place.refused_for = True, 0.05


@pytest.mark.parametrize("seed", range(2))
async def test_limits_hold(engine: AsyncEngine, seed: int) -> None:
    chance, service = Random(seed), Strict()
    limits = Limits(uuid4().hex, LIMIT, (Window(CREDITS, WINDOW),), patience=3)
    async with budgets(engine, 4, limits, seconds=TIMEOUT) as workers:
        tasks = []
        for _ in range(100):
            tasks.append(asyncio.create_task(call(chance.choice(workers), service, chance)))
            if chance.random() < 0.2:
                await asyncio.sleep(chance.random() * 0.02)
            if chance.random() < 0.1:
                chance.choice(tasks).cancel()  # one that runs is cut off like any other
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        await service.done()
    errors = [one for one in ended if isinstance(one, Exception)]
    assert all(isinstance(one, CrmRateLimitedError) for one in errors), errors
    assert service.most <= LIMIT
    assert service.most_credits <= CREDITS
    assert len(service.spent) > 50
    await run(
        engine,
        "delete from reviews.api_leases where key = :key and expires_at < now() + interval '1 s'",
        key=limits.key,
    )
    left = "select count(*) from reviews.api_leases where key = :key"
    assert await scalar(engine, left, key=limits.key) == 0
