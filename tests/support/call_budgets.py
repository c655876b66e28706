"""Workers that share a budget of calls, and a service that counts what is under way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.crm.http.limits import Limits
from account_reviews.crm.http.priorities import Priority, calling_for
from account_reviews.crm.http.shared_budget import SharedBudget

TIMEOUT = 5.0


@asynccontextmanager
async def budgets(
    engine: AsyncEngine, count: int, limits: Limits, seconds: float = TIMEOUT
) -> AsyncIterator[list[SharedBudget]]:
    """As many workers; `seconds` is the time-out of a call."""
    async with AsyncExitStack() as stack:
        made = [
            SharedBudget(engine, service="shop", limits=limits, timeout=seconds, worker=f"w{n}")
            for n in range(count)
        ]
        for one in made:
            stack.push_async_callback(one.close)
        yield made


class Service:
    """Counts the calls under way. A call ends when the test says so, or by itself."""

    def __init__(self) -> None:
        self.now = 0
        self.most = 0
        self.order: list[str] = []
        self.may_end = asyncio.Event()
        self._began = asyncio.Condition()

    async def call(
        self,
        budget: SharedBudget,
        name: str = "call",
        *,
        who: Priority = Priority.PEOPLE,
        credits: int = 1,
        waits: bool = False,
    ) -> None:
        """One call; with `waits` it ends once `may_end` is set."""
        with calling_for(who):
            async with budget.place(credits) as place:
                async with self._began:
                    self.now += 1
                    self.most = max(self.most, self.now)
                    self.order.append(name)
                    self._began.notify_all()
                await (self.may_end.wait() if waits else asyncio.sleep(0.01))
                self.now -= 1
                place.answered = True

    async def until_begun(self, calls: int) -> None:
        """Return once so many calls have begun."""
        async with self._began:
            await self._began.wait_for(lambda: len(self.order) >= calls)


async def scalar(engine: AsyncEngine, statement: str, **values: Any) -> Any:
    """The one value of a query."""
    async with engine.connect() as connection:
        return await connection.scalar(text(statement), values)


async def run(engine: AsyncEngine, statement: str, **values: Any) -> None:
    """Change something behind the budget's back."""
    async with engine.begin() as connection:
        await connection.execute(text(statement), values)


async def until(engine: AsyncEngine, statement: str, **values: Any) -> None:
    """Return once the query gives true."""
    for _ in range(2000):
        if await scalar(engine, statement, **values):
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"it never came: {statement}")
