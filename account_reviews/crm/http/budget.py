"""Places for calls: how many are under way at a time, and what they cost over a window."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from account_reviews.crm.http.limits import Limits
from account_reviews.domain.errors import CrmRateLimitedError


@dataclass
class Place:
    """The right to make one call. What the call taught stands here when it is given back.

    `answered`: whether the answer was read to its end; without, the service may still be at it,
    and the place stays taken for a while. `remaining`: credits that are left, by the service.
    `refused_for`: the service answered 429, and asks to wait for so many seconds (None: it did
    not say how long).
    """

    answered: bool = False
    remaining: int | None = None
    refused: bool = False
    refused_for: float | None = None


class Budget(Protocol):
    """Shared by all who call a service with one credential."""

    @property
    def limits(self) -> Limits:
        """What the service allows."""
        ...

    def place(self, credits: int = 1) -> AbstractAsyncContextManager[Place]:
        """Wait for a place, as `priority_now` says for whom. CrmRateLimitedError with
        `retry_after` when there is none within the patience of the limits, UnreachableError."""
        ...

    async def close(self) -> None:
        """Give back what is free."""
        ...


class LocalBudget:
    """Of one process, which shares with none: for tests, and where there is no database."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._free = asyncio.Semaphore(limits.concurrency)
        self._clock = clock
        self._spent: deque[tuple[float, int]] = deque()
        self._paused_until = float("-inf")

    @property
    def limits(self) -> Limits:
        return self._limits

    @asynccontextmanager
    async def place(self, credits: int = 1) -> AsyncIterator[Place]:
        """Wait for a place. CrmRateLimitedError."""
        try:
            async with asyncio.timeout(self._limits.patience):
                await self._free.acquire()
        except TimeoutError:
            raise CrmRateLimitedError("all places for calls are taken", retry_after=1.0) from None
        try:
            self._refuse_when_spent(credits)
            place = Place()
            try:
                yield place
            finally:
                self._spent.append((self._clock(), credits))
                if place.refused:
                    self._paused_until = self._clock() + (place.refused_for or 1.0)
        finally:
            self._free.release()

    def _refuse_when_spent(self, credits: int) -> None:
        now = self._clock()
        wait = self._paused_until - now
        for window in self._limits.windows:
            young = [(at, cost) for at, cost in self._spent if at > now - window.seconds]
            if sum(cost for _, cost in young) + credits > window.credits:
                wait = max(wait, young[0][0] + window.seconds - now if young else window.seconds)
        if wait > 0:
            raise CrmRateLimitedError("the credits for calls are used up", retry_after=wait)

    async def close(self) -> None:
        """Nothing to give back."""


class BothBudgets:
    """A call that is counted twice: it needs a place of each, of the narrower one first."""

    def __init__(self, narrow: Budget, wide: Budget) -> None:
        """`wide` is closed by whoever opened it."""
        self._narrow = narrow
        self._wide = wide

    @property
    def limits(self) -> Limits:
        return self._narrow.limits

    @asynccontextmanager
    async def place(self, credits: int = 1) -> AsyncIterator[Place]:
        """Wait for both. CrmRateLimitedError."""
        async with self._narrow.place(credits) as place, self._wide.place(credits) as other:
            try:
                yield place
            finally:
                other.answered = place.answered
                other.remaining = place.remaining
                other.refused = place.refused
                other.refused_for = place.refused_for

    async def close(self) -> None:
        """Give back what is free of the narrower one."""
        await self._narrow.close()
