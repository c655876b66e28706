"""The budget of all workers: one statement gives places back and takes others.

Who waits stands in two lines of his process, people and schedules. One task of the process asks
the database for all of them, with what came back meanwhile; no connection is held in between. A
place whose call is under way may be promised to the next of people, who begins when that call has
ended without asking anybody: at short latencies the way to the database would cost a tenth of it.
Schedules are promised nothing, since people may come meanwhile.
"""

import asyncio
import logging
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from contextvars import Context
from dataclasses import dataclass, field
from itertools import islice
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.crm.http.budget import Place
from account_reviews.crm.http.limits import Limits
from account_reviews.crm.http.priorities import Priority, priority_now
from account_reviews.crm.http.service_names import service_name
from account_reviews.domain.errors import CrmRateLimitedError, UnreachableError
from account_reviews.store.database import autocommit, reachable
from account_reviews.store.sql_files import read_sql

_log = logging.getLogger(__name__)

START_SECONDS: Final = 5.0
"""In which a call has to begin after its place was asked for."""
_POLL_SECONDS: Final = 0.05
_POLL_WITH_CALLS_SECONDS: Final = 0.1
"""Whose own calls will end asks less often for what others give back."""
_MOST_POLL_SECONDS: Final = 1.0
_BUSY_SECONDS: Final = 1.0
"""After which a try makes sense again when all places were taken for too long."""
_OUTAGE_SECONDS: Final = 1.0
_CLOSE_SECONDS: Final = 2.0
_ASKED_AT_ONCE: Final = 100
_EXCHANGE: Final = text(read_sql("account_reviews.crm.http", "exchange_calls.sql"))


@dataclass(eq=False)
class _Waiter:
    """A call without a place yet. `granted`: the lease it got."""

    credits: int
    people: bool
    until: float
    granted: "asyncio.Future[UUID]"


_Line = dict[_Waiter, None]
"""Who came first stands first."""


@dataclass(frozen=True)
class _Promise:
    """One more call on a lease: what it may cost, and when it was asked for."""

    credits: int
    begun: float


@dataclass
class _Returns:
    """What came back and was not told yet."""

    ended: list[UUID] = field(default_factory=list)
    unspent: list[UUID] = field(default_factory=list)
    """Of those: what was granted or promised last was not used."""
    unanswered: list[UUID] = field(default_factory=list)
    reported: int | None = None
    refused: float | None = None
    """Seconds; 0: the service did not say how long."""

    def __bool__(self) -> bool:
        return bool(self.ended or self.unanswered or self.refused is not None)

    def add(self, lease: UUID, place: Place, *, unspent: bool) -> None:
        (self.ended if place.answered else self.unanswered).append(lease)
        if unspent:
            self.unspent.append(lease)
        if place.refused:
            self.refused = max(place.refused_for or 0.0, self.refused or 0.0)

    def add_unused(self, lease: UUID) -> None:
        self.ended.append(lease)
        self.unspent.append(lease)

    def report(self, remaining: int | None) -> None:
        if remaining is not None:
            self.reported = min(x for x in (remaining, self.reported) if x is not None)

    def put_back(self, untold: "_Returns") -> None:
        """What could not be told stands here again."""
        self.ended += untold.ended
        self.unspent += untold.unspent
        self.unanswered += untold.unanswered
        if self.refused is None:
            self.refused = untold.refused


@dataclass(frozen=True)
class _Outcome:
    """`promised`: lease -> who asked. `wait`: seconds until more can be had, None when nobody
    knows. `reason`: paused, credits."""

    granted: frozenset[UUID]
    promised: Mapping[UUID, UUID]
    wait: float | None
    reason: str | None

    @property
    def served(self) -> frozenset[UUID]:
        """Who got something."""
        return self.granted | frozenset(self.promised.values())


class SharedBudget:
    """A Budget whose places stand in our database.

    A lease outlives the call by as long as the call may take again, so that the place of a killed
    worker, or of a call nobody answered, comes back when the service cannot be at it any more. A
    place is given back after the answer was read.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        service: str,
        limits: Limits,
        timeout: float,
        worker: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`timeout`: the most seconds of a call. `worker`: what leases are shown with."""
        self._engine = engine
        self._service = service
        self._limits = limits
        self._timeout = timeout
        self._worker = worker or f"{os.getpid()}@{socket.gethostname()}/{uuid4().hex[:6]}"
        self._clock = clock
        self._people: _Line = {}
        self._schedules: _Line = {}
        self._returns = _Returns()
        self._calls: dict[UUID, _Promise | None] = {}
        """Leases whose call is under way."""
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def limits(self) -> Limits:
        """What the service allows."""
        return self._limits

    @asynccontextmanager
    async def place(self, credits: int = 1) -> AsyncIterator[Place]:
        """Wait for a place. CrmRateLimitedError with `retry_after`, UnreachableError."""
        lease = await self._wait(credits)
        place = Place()
        self._calls[lease] = None
        if self._people or self._schedules:  # one of whom may be promised what comes after
            self._stir()
        try:
            yield place
        finally:
            self._give_back(lease, place, self._calls.pop(lease))

    async def close(self) -> None:
        """Return once what came back is told, or after two seconds."""
        if self._task is not None and not self._task.done():
            await asyncio.wait([self._task], timeout=_CLOSE_SECONDS)
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _wait(self, credits: int) -> UUID:
        people = priority_now() is Priority.PEOPLE
        line = self._people if people else self._schedules
        until = self._clock() + self._limits.patience
        waiter = _Waiter(credits, people, until, asyncio.get_running_loop().create_future())
        line[waiter] = None
        if len(line) == 1:  # else those before were just told that there is nothing
            self._stir()
        try:
            async with asyncio.timeout(self._limits.patience):
                return await waiter.granted
        except BaseException as error:
            self._leave(waiter)
            if isinstance(error, TimeoutError):
                raise CrmRateLimitedError(
                    f"all places for calls to {service_name(self._service)} are taken",
                    retry_after=_BUSY_SECONDS,
                ) from None
            raise
        finally:
            line.pop(waiter, None)

    def _leave(self, waiter: _Waiter) -> None:
        """What was granted to one who is gone comes back unused."""
        granted = waiter.granted
        if granted.done() and not granted.cancelled() and granted.exception() is None:
            self._returns.add_unused(granted.result())
            self._stir()

    def _give_back(self, lease: UUID, place: Place, promise: _Promise | None) -> None:
        """To the next in line, if that was promised, else to all."""
        self._returns.report(place.remaining)
        over = place.answered and not place.refused and promise is not None
        if not (over and promise is not None and self._hand_over(lease, promise)):
            self._returns.add(lease, place, unspent=promise is not None)
        self._stir()

    def _hand_over(self, lease: UUID, promise: _Promise) -> bool:
        """False when nobody wants it, or it was promised too long ago."""
        if self._clock() > promise.begun + START_SECONDS / 2:
            return False
        for waiter in self._people:
            if not waiter.granted.done() and waiter.credits <= promise.credits:
                waiter.granted.set_result(lease)
                self._people.pop(waiter)
                return True
        return False

    def _stir(self) -> None:
        self._wake.set()
        if self._task is None or self._task.done():
            loop = asyncio.get_running_loop()
            self._task = loop.create_task(self._serve(), context=Context())

    async def _serve(self) -> None:
        """Until nobody waits and nothing is left to tell."""
        while self._people or self._schedules or self._returns:
            self._wake.clear()
            asked = {uuid4(): waiter for waiter in self._not_served()}
            if asked or self._returns:
                await self._rest(await self._ask(asked))
            else:
                await self._rest(_MOST_POLL_SECONDS)

    def _not_served(self) -> list[_Waiter]:
        """The first of each line, but for those who were promised a place."""
        promised = sum(promise is not None for promise in self._calls.values())
        people = islice(self._people, promised, promised + _ASKED_AT_ONCE)
        first = [*people, *islice(self._schedules, _ASKED_AT_ONCE)]
        return [waiter for waiter in first if not waiter.granted.done()]

    async def _ask(self, asked: Mapping[UUID, _Waiter]) -> float:
        """One exchange. The seconds after which the next makes sense."""
        returns, self._returns = self._returns, _Returns()
        begun = self._clock()
        try:
            outcome = await self._exchange(returns, asked)
        except Exception as error:  # noqa: BLE001  whoever waits is told it
            self._fail(returns, asked, error)
            return _OUTAGE_SECONDS
        self._hand_out(asked, outcome, begun)
        return self._pause(asked, outcome)

    async def _exchange(self, returns: _Returns, asked: Mapping[UUID, _Waiter]) -> _Outcome:
        values = {
            "service": self._service,
            "key": self._limits.key,
            "worker": self._worker,
            "concurrency": self._limits.concurrency,
            "credits": [window.credits for window in self._limits.windows],
            "seconds": [window.seconds for window in self._limits.windows],
            "ended": returns.ended,
            "unspent": returns.unspent,
            "unanswered": returns.unanswered,
            "unanswered_seconds": self._timeout,
            "reported": returns.reported,
            "refused": returns.refused,
            "wanted": list(asked),
            "costs": [waiter.credits for waiter in asked.values()],
            "people": [waiter.people for waiter in asked.values()],
            "offered": [lease for lease, promise in self._calls.items() if promise is None],
            "lease_seconds": START_SECONDS + 2 * self._timeout,
        }
        async with reachable(), autocommit(self._engine).connect() as connection:
            row = (await connection.execute(_EXCHANGE, values)).one()
        promised = dict(zip(row.promised, row.promised_to, strict=True))
        return _Outcome(frozenset(row.granted), promised, row.wait, row.reason)

    def _hand_out(self, asked: Mapping[UUID, _Waiter], outcome: _Outcome, begun: float) -> None:
        """Leases that were long on their way are given back: the call might outlive them."""
        late = self._clock() > begun + START_SECONDS / 2
        for lease, waiter in asked.items():
            if lease not in outcome.granted:
                continue
            if late or waiter.granted.done():
                self._returns.add_unused(lease)
            else:
                waiter.granted.set_result(lease)
                (self._people if waiter.people else self._schedules).pop(waiter, None)
        for lease, wanted in outcome.promised.items():
            self._keep_promise(lease, _Promise(asked[wanted].credits, begun))

    def _keep_promise(self, lease: UUID, promise: _Promise) -> None:
        """The call may have ended while the promise was on its way."""
        if lease in self._calls:
            self._calls[lease] = promise
        elif lease in self._returns.ended:
            if self._hand_over(lease, promise):
                self._returns.ended.remove(lease)
            else:
                self._returns.unspent.append(lease)

    def _pause(self, asked: Mapping[UUID, _Waiter], outcome: _Outcome) -> float:
        """Seconds until it makes sense to ask again; who will not wait so long is told."""
        poll = _POLL_WITH_CALLS_SECONDS if self._calls else _POLL_SECONDS
        if outcome.wait is None:
            return poll
        now = self._clock()
        for wanted, waiter in asked.items():
            if wanted in outcome.served or waiter.granted.done():
                continue
            if waiter.until < now + outcome.wait:
                waiter.granted.set_exception(self._refusal(outcome))
        return min(max(outcome.wait, poll), _MOST_POLL_SECONDS)

    def _refusal(self, outcome: _Outcome) -> CrmRateLimitedError:
        why = (
            f"{service_name(self._service)} asked us to slow down"
            if outcome.reason == "paused"
            else f"the credits for calls to {service_name(self._service)} are used up"
        )
        return CrmRateLimitedError(
            why, retry_after=outcome.wait, hint="`reviews crm limits` shows what is left"
        )

    def _fail(self, returns: _Returns, asked: Mapping[UUID, _Waiter], error: Exception) -> None:
        """Leases may have been granted all the same: they are given back with the next."""
        self._returns.put_back(returns)
        self._returns.ended += asked
        self._returns.unspent += asked
        _log.warning("places for calls to %s cannot be asked for: %s", self._service, error)
        for waiter in asked.values():
            if not waiter.granted.done():
                waiter.granted.set_exception(_copy(error))

    async def _rest(self, seconds: float) -> None:
        if not (self._people or self._schedules or self._returns):
            return
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass


def _copy(error: Exception) -> Exception:
    """Each who waits is told by an exception of his own."""
    if isinstance(error, UnreachableError):
        return UnreachableError(error.message, hint=error.hint)
    return error
