"""The breaker of all workers, in a row of our database.

Closed, it costs each process one read a second. A failure is written, so is the answer that
follows one, and each step of a breaker that is not closed.
"""

import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from account_reviews.crm.http.breaker import BreakerRules, BreakerState, Standing, refusal
from account_reviews.domain.errors import CrmUnavailableError, UnreachableError
from account_reviews.store.database import autocommit, reachable
from account_reviews.store.sql_files import read_sql

_log = logging.getLogger(__name__)

FRESH_SECONDS: Final = 1.0
_NOW: Final = text("select extract(epoch from clock_timestamp())::double precision as now")
_LOCK: Final = text("select pg_advisory_xact_lock(hashtextextended(:name, 0))")
_READ: Final = text(read_sql("account_reviews.crm.http", "breaker_state.sql"))
_SAVE: Final = text(read_sql("account_reviews.crm.http", "save_breaker.sql"))

Step = Callable[[BreakerState, float], BreakerState]


class SharedBreaker:
    """A Breaker whose state all workers share. Its clock is that of the database."""

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        service: str,
        key: str,
        rules: BreakerRules | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._values = {"service": service, "key": key}
        self._service = service
        self._rules = rules or BreakerRules()
        self._clock = clock
        self._state = BreakerState()
        self._read_at = float("-inf")
        self._ahead = 0.0
        """Seconds by which the database's clock is before ours."""

    async def check(self) -> None:
        """CrmUnavailableError while it is open. UnreachableError."""
        await self._refresh()
        _, wait = self._state.admit(self._clock() + self._ahead, self._rules)
        if wait is not None:
            raise refusal(self._service, wait)

    @asynccontextmanager
    async def call(self) -> AsyncIterator[None]:
        """Around one call. CrmUnavailableError, UnreachableError before it is made."""
        await self._enter()
        try:
            yield
        except CrmUnavailableError:
            await self._note(lambda state, now: state.failed(now, self._rules))
            raise
        except Exception:
            await self._answered()
            raise
        except BaseException:
            if self._state.standing is Standing.HALF_OPEN:
                await self._note(lambda state, _: state.given_up())
            raise
        await self._answered()

    async def _enter(self) -> None:
        await self._refresh()
        if self._state.standing is Standing.CLOSED:
            return
        waits: list[float | None] = []

        def admit(state: BreakerState, now: float) -> BreakerState:
            after, wait = state.admit(now, self._rules)
            waits.append(wait)
            return after

        await self._change(admit)
        if waits[-1] is not None:
            raise refusal(self._service, waits[-1])

    async def _answered(self) -> None:
        if self._state != BreakerState(since=self._state.since):
            await self._note(lambda state, now: state.succeeded(now, self._rules))

    async def _note(self, step: Step) -> None:
        """What came of a call that was made is told whatever becomes of this."""
        try:
            await self._change(step)
        except UnreachableError as error:
            _log.warning("the breaker of %s cannot be told: %s", self._service, error)

    async def _refresh(self) -> None:
        if self._clock() - self._read_at < FRESH_SECONDS:
            return
        async with reachable(), autocommit(self._engine).connect() as connection:
            self._keep(*await self._read(connection))

    async def _change(self, step: Step) -> None:
        name = f"breaker {self._values['service']} {self._values['key']}"
        async with reachable(), self._engine.begin() as connection:
            await connection.execute(_LOCK, {"name": name})
            before, now = await self._read(connection)
            after = step(before, now)
            if after != before:
                await connection.execute(_SAVE, {**self._values, **_row_of(after)})
        self._keep(after, now)
        if after.standing is not before.standing:
            _log.warning("the breaker of %s is %s now", self._service, after.standing.value)

    async def _read(self, connection: AsyncConnection) -> tuple[BreakerState, float]:
        row = (await connection.execute(_READ, self._values)).one_or_none()
        if row is None:
            now = await connection.scalar(_NOW)
            return BreakerState(), float(now or 0.0)
        standing = Standing(row.standing)
        state = BreakerState(standing, row.since, row.failures, row.trials, row.successes)
        return state, row.now

    def _keep(self, state: BreakerState, now: float) -> None:
        self._state = state
        self._read_at = self._clock()
        self._ahead = now - self._read_at


def _row_of(state: BreakerState) -> dict[str, object]:
    return {
        "standing": state.standing.value,
        "since": state.since,
        "failures": state.failures,
        "trials": state.trials,
        "successes": state.successes,
    }
