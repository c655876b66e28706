"""The breaker that all workers share, over real PostgreSQL."""

from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.crm.http.shared_breaker import SharedBreaker
from account_reviews.domain.errors import CrmUnavailableError


class Clock:
    """Of one process, for how old its copy is; the breaker itself goes by the database."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Workers:
    def __init__(self, engine: AsyncEngine, count: int) -> None:
        self.engine = engine
        self.key = uuid4().hex
        self.clock = Clock()
        self.all = [
            SharedBreaker(engine, service="shop", key=self.key, clock=self.clock)
            for _ in range(count)
        ]

    async def fail(self, worker: int) -> None:
        with pytest.raises(CrmUnavailableError):
            async with self.all[worker].call():
                raise CrmUnavailableError

    async def answer(self, worker: int) -> None:
        async with self.all[worker].call():
            pass

    async def a_minute_later(self) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(
                text(
                    "update reviews.api_breakers set since = since - interval '60 seconds' "
                    "where key = :key"
                ),
                {"key": self.key},
            )
        self.clock.now += 60

    async def standing(self) -> str | None:
        async with self.engine.connect() as connection:
            found: str | None = await connection.scalar(
                text("select standing from reviews.api_breakers where key = :key"),
                {"key": self.key},
            )
        return found


async def test_failures_of_all_workers_open_it_for_all(engine: AsyncEngine) -> None:
    workers = Workers(engine, 3)
    await workers.all[2].check()
    for worker in (0, 1, 0, 1, 0):
        await workers.fail(worker)
    workers.clock.now += 2
    with pytest.raises(CrmUnavailableError, match="left alone") as caught:
        await workers.all[2].check()
    assert caught.value.retry_after is not None
    assert 50 < caught.value.retry_after <= 60


async def test_an_answer_in_another_worker_begins_the_count_anew(engine: AsyncEngine) -> None:
    workers = Workers(engine, 2)
    for _ in range(3):
        for _ in range(3):
            await workers.fail(0)
        workers.clock.now += 2
        await workers.answer(1)
    assert await workers.standing() == "closed"


async def test_two_answers_close_it(engine: AsyncEngine) -> None:
    workers = Workers(engine, 2)
    for _ in range(5):
        await workers.fail(0)
    await workers.a_minute_later()
    await workers.answer(0)
    assert await workers.standing() == "half_open"
    await workers.answer(1)
    assert await workers.standing() == "closed"


async def test_a_failed_trial_opens_it_again(engine: AsyncEngine) -> None:
    workers = Workers(engine, 2)
    for _ in range(5):
        await workers.fail(0)
    await workers.a_minute_later()
    await workers.fail(1)
    assert await workers.standing() == "open"


async def test_closed_it_writes_nothing(engine: AsyncEngine) -> None:
    workers = Workers(engine, 1)
    await workers.answer(0)
    assert await workers.standing() is None
