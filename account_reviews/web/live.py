"""What changes is told at once to whoever watches: one connection that listens, for all of them."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import asyncpg

from account_reviews.bootstrap import Parts
from account_reviews.domain.errors import LimitReachedError, UnreachableError
from account_reviews.domain.live import LiveEvent, Place, Watching
from account_reviews.store.live_queries import CHANNEL, Page, place_now, read_page
from account_reviews.store.statements import Row, connect, numbered, reachable_connection
from account_reviews.web.sparing import Sparing

EVERYTHING: Final = Watching()
MOST: Final = 500
"""Who watches, per process."""
_WAITING: Final = 1_000
"""Events that wait for one who is slow; he reads more from the database when he comes."""
_AGAIN_SECONDS: Final = (0.06, 0.25)
"""After a notice, which stands for all of a twentieth of a second, it is looked again."""
_ANYWAY_SECONDS: Final = 2.0
"""And so often without any: a notice can be lost."""
_CONNECT_SECONDS: Final = 10.0
_NEXT_SECONDS: Final = 60.0
_PAUSES: Final = (0.2, 0.5, 1.0, 2.0)

_log = logging.getLogger(__name__)
_log.addFilter(Sparing())


class Subscription:
    """One who watches. `place` is where he is: what was told so far."""

    def __init__(self, live: "Live", where: Watching, place: Place, *, is_behind: bool) -> None:
        self.place = place
        self.where = where
        self._live = live
        self._waiting: list[LiveEvent] = []
        self._told = asyncio.Event()
        self._is_behind = is_behind
        self._times_behind = 0
        self._end_of_stream = place

    async def next(self, seconds: float) -> Sequence[LiveEvent] | None:
        """What came, () when nothing did in that time, None when the process ends.

        UnreachableError while what was missed cannot be read.
        """
        if self._is_behind and not self._live.is_over and (found := await self._catch_up()):
            return found
        if not self._waiting and not self._is_behind and not self._live.is_over:
            self._told.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._told.wait()
        if self._live.is_over:
            return None
        if self._is_behind:
            return ()
        told, self._waiting = tuple(self._waiting), []
        self.place = told[-1].place if told else self._end_of_stream
        return told

    def take(self, events: Sequence[LiveEvent], place: Place) -> None:
        """What the process has heard of; `place` is after it."""
        wanted = [one for one in events if self.where.wants(one)]
        if len(self._waiting) + len(wanted) > _WAITING:
            self._waiting, self._is_behind = [], True
            self._times_behind += 1
            self._told.set()
            return
        self._waiting += wanted
        if place.at >= self._end_of_stream.at:
            self._end_of_stream = place
        if wanted:
            self._told.set()

    def wake(self) -> None:
        """Look whether it is over."""
        self._told.set()

    async def _catch_up(self) -> tuple[LiveEvent, ...]:
        """A page of what was missed. After the last one he hears of the rest like all others."""
        times = self._times_behind
        page = await self._live.read(self.place)
        self.place = page.place
        if page.is_all and times == self._times_behind:
            self._is_behind = False
            # Of what the process has heard of meanwhile this page has told some already.
            seen = page.place.since
            self._waiting = [one for one in self._waiting if not seen.has(one.xid)]
            self._end_of_stream = page.place
        return tuple(one for one in page.events if self.where.wants(one))


class Live:
    """The events of one process. It listens from the first subscription on."""

    def __init__(self, parts: Parts, closing: asyncio.Event) -> None:
        self._parts = parts
        self._closing = closing
        self._subscriptions: set[Subscription] = set()
        self._place: Place | None = None
        self._begun = asyncio.Event()
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._url = parts.settings.require_database_url()
        self._tenant = parts.settings.tenant

    @property
    def is_over(self) -> bool:
        """Whether the process ends."""
        return self._closing.is_set()

    @property
    def count(self) -> int:
        """How many watch."""
        return len(self._subscriptions)

    async def here(self) -> str:
        """The id to begin after, for a page made now that listens later. UnreachableError."""
        return (await place_now(self._parts.statements.rows)).id

    @asynccontextmanager
    async def open(
        self, where: Watching = EVERYTHING, after: str | None = None
    ) -> AsyncIterator[Subscription]:
        """Watch: from now on, or from the event with that id.

        BadInputError for what is no id, LimitReachedError when too many watch, UnreachableError.
        """
        place = None if after is None else Place.parse(after)
        if len(self._subscriptions) >= MOST:
            raise LimitReachedError(
                f"{MOST} pages and programs watch already", hint="close some, or try again later"
            )
        await self._begin()
        assert self._place is not None
        found = Subscription(self, where, place or self._place, is_behind=place is not None)
        self._subscriptions.add(found)
        try:
            yield found
        finally:
            self._subscriptions.discard(found)

    async def subscribe(
        self, where: Watching = EVERYTHING, after: str | None = None
    ) -> AsyncIterator[LiveEvent]:
        """The same as one event after the other, until the process ends."""
        async with self.open(where, after) as watching:
            while (found := await watching.next(_NEXT_SECONDS)) is not None:
                for one in found:
                    yield one

    async def read(self, place: Place) -> Page:
        """What came after a place. UnreachableError."""
        return await read_page(self._parts.statements.rows, self._tenant, place)

    async def close(self) -> None:
        """Listen no longer."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _begin(self) -> None:
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._end())]
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await self._begun.wait()
        except TimeoutError:
            raise UnreachableError("the database cannot be listened to at the moment") from None

    async def _end(self) -> None:
        await self._closing.wait()
        for one in self._subscriptions:
            one.wake()

    async def _listen(self) -> None:
        tries = 0
        while True:
            try:
                connection = await connect(self._url, application_name="reviews-web-live")
                try:
                    tries = 0
                    await self._follow(connection)
                finally:
                    connection.terminate()
            except UnreachableError as error:
                _log.warning("changes are not heard of at the moment: %s", error.message)
                await asyncio.sleep(_PAUSES[min(tries, len(_PAUSES) - 1)])
                tries += 1

    async def _follow(self, connection: "asyncpg.Connection[Any]") -> None:
        """Tell what comes, and first what came while there was no connection."""

        async def rows(statement: str, /, **values: Any) -> list[Row]:
            query, names = numbered(statement)
            with reachable_connection():
                found = await connection.fetch(query, *(values[name] for name in names))
            return [dict(row) for row in found]

        connection.add_termination_listener(lambda _: self._wake.set())
        with reachable_connection():
            await connection.add_listener(CHANNEL, lambda *_: self._wake.set())
        while True:
            self._wake.clear()
            await self._tell(rows)
            was_woken = await self._was_woken(_ANYWAY_SECONDS)
            if was_woken:
                for seconds in _AGAIN_SECONDS:
                    self._wake.clear()
                    await self._tell(rows)
                    if await self._was_woken(seconds):
                        break

    async def _was_woken(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        return self._wake.is_set()

    async def _tell(self, rows: Any) -> None:
        if self._place is None:
            self._place = await place_now(rows)
            self._begun.set()
        while True:
            page = await read_page(rows, self._tenant, self._place)
            self._place = page.place
            for one in list(self._subscriptions):
                one.take(page.events, page.place)
            if page.is_all:
                return
