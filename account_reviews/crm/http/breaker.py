"""A circuit breaker: who failed often is left alone for a while, then tried with few calls."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Protocol

from account_reviews.crm.http.service_names import service_name
from account_reviews.domain.errors import CrmUnavailableError

BUSY_SECONDS: Final = 5.0
"""After which it is worth asking again while all trial calls are under way."""


@dataclass(frozen=True)
class BreakerRules:
    """`failures` in a row open it for `open_seconds`; then `trials` calls are let through, of
    which `successes` close it. One that fails opens it again."""

    failures: int = 5
    open_seconds: float = 60.0
    trials: int = 3
    successes: int = 2


class Standing(StrEnum):
    """What a breaker lets through."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True)
class BreakerState:
    """`since`: seconds of some clock when the standing began."""

    standing: Standing = Standing.CLOSED
    since: float = 0.0
    failures: int = 0
    trials: int = 0
    """Calls let through since it is half open."""
    successes: int = 0

    def admit(self, now: float, rules: BreakerRules) -> "tuple[BreakerState, float | None]":
        """The state after one more call asked, and None, or the seconds it has to wait."""
        if self.standing is Standing.CLOSED:
            return self, None
        left = self.since + rules.open_seconds - now
        if self.standing is Standing.OPEN and left > 0:
            return self, left
        if self.standing is Standing.OPEN or left <= 0:  # trials that never ended count no more
            return BreakerState(Standing.HALF_OPEN, now, trials=1), None
        if self.trials < rules.trials:
            return replace(self, trials=self.trials + 1), None
        return self, min(left, BUSY_SECONDS)

    def succeeded(self, now: float, rules: BreakerRules) -> "BreakerState":
        """After an answer."""
        if self.standing is Standing.CLOSED:
            return replace(self, failures=0)
        if self.standing is Standing.OPEN:  # an answer to a call from before it opened
            return self
        if self.successes + 1 >= rules.successes:
            return BreakerState(Standing.CLOSED, now)
        return replace(self, successes=self.successes + 1)

    def failed(self, now: float, rules: BreakerRules) -> "BreakerState":
        """After a call without an answer."""
        if self.standing is Standing.OPEN:
            return self
        failures = self.failures + 1
        if self.standing is Standing.HALF_OPEN or failures >= rules.failures:
            return BreakerState(Standing.OPEN, now, failures=failures)
        return replace(self, failures=failures)

    def given_up(self) -> "BreakerState":
        """After a trial that came to nothing: it was not made, or nobody waited for it."""
        if self.standing is Standing.HALF_OPEN:
            return replace(self, trials=max(self.trials - 1, 0))
        return self


class Breaker(Protocol):
    """Shared by all who call a service with one credential."""

    async def check(self) -> None:
        """CrmUnavailableError while it is open, with `retry_after`: no call is to be begun."""
        ...

    def call(self) -> AbstractAsyncContextManager[None]:
        """Around one call. CrmUnavailableError when it may not be made, with `retry_after`.

        Leaving it with CrmUnavailableError is a failure, with another Exception or none an
        answer, with anything else neither.
        """
        ...


def refusal(service: str, wait: float) -> CrmUnavailableError:
    """What is said of a call that is not made."""
    return CrmUnavailableError(
        f"{service_name(service)} failed too often and is left alone for {max(wait, 0):.0f} s",
        retry_after=max(wait, 0.1),
        sent=False,
    )


class LocalBreaker:
    """Of one process: for tests, and where there is no database."""

    def __init__(
        self,
        service: str,
        rules: BreakerRules | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._service = service
        self._rules = rules or BreakerRules()
        self._clock = clock
        self.state = BreakerState()

    async def check(self) -> None:
        """CrmUnavailableError while it is open."""
        _, wait = self.state.admit(self._clock(), self._rules)
        if wait is not None:
            raise refusal(self._service, wait)

    @asynccontextmanager
    async def call(self) -> AsyncIterator[None]:
        """Around one call. CrmUnavailableError."""
        self.state, wait = self.state.admit(self._clock(), self._rules)
        if wait is not None:
            raise refusal(self._service, wait)
        try:
            yield
        except CrmUnavailableError:
            self.state = self.state.failed(self._clock(), self._rules)
            raise
        except Exception:
            self.state = self.state.succeeded(self._clock(), self._rules)
            raise
        except BaseException:
            self.state = self.state.given_up()
            raise
        self.state = self.state.succeeded(self._clock(), self._rules)
