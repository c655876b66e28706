"""Rows that are recorded by whoever knows them. Recording never blocks and never fails.

They go in batches to the audit database; while that is away, to the outbox of the main database,
from where the relay brings them; while both are away they wait here, up to a bound.
"""

import asyncio
import logging
import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from types import TracebackType
from typing import Any, Final, Self

from account_reviews.audit.event_rows import INSERT, in_order, store_each
from account_reviews.domain.audit.events import AuditEvent
from account_reviews.store.outbox_rows import PUT, in_place
from account_reviews.store.statements import Statements

BATCH_SECONDS: Final = 0.4
BATCH_ROWS: Final = 500
MOST_ROWS: Final = 100_000
"""Kept while no database takes them; the oldest make room."""

_LAZY_ROWS: Final = 4 * BATCH_ROWS
"""With more than these waiting, rows are made when they are put: what makes them may be large."""

_PATIENCE: Final = 5.0
"""Seconds for one attempt while nobody waits for its end."""
_AVOID_SECONDS: Final = 5.0
"""So long an audit database that failed is not asked again: the outbox takes the rows."""
_BACK_OFF: Final = (0.25, 5.0)
"""Seconds between attempts while both are away: first and longest."""

Entry = AuditEvent | Callable[[], AuditEvent]
"""A row, or what makes it: called later, in the background, once."""

_SOURCE: Final = attrgetter("source")

_log = logging.getLogger(__name__)


class AuditLog:
    """Takes rows for the trail. Used as `async with`; its end stores what is left, in bounded time.

    `trail` is the audit database, `main` that with the outbox; they may be the same. `dropped`
    counts the rows that were lost.
    """

    def __init__(
        self,
        trail: Statements,
        main: Statements,
        *,
        closing_seconds: float = 1.0,
        most: int = MOST_ROWS,
    ) -> None:
        self._trail = trail
        self._main = main
        self._closing_seconds = closing_seconds
        self._most = most
        self._waiting: deque[Entry] = deque()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._awake = False
        self._full = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._avoid_until = 0.0
        self.dropped = 0

    def put(self, *entries: Entry) -> None:
        """Record, from any thread."""
        if len(self._waiting) > _LAZY_ROWS:
            entries = tuple(event for one in entries if (event := _made(one)) is not None)
        with self._lock:
            self._waiting.extend(entries)
            lost = self._make_room()
            loop = self._loop
            wake = not self._awake or len(self._waiting) >= BATCH_ROWS
            self._awake = self._awake or loop is not None
        _count_dropped(lost)
        if wake and loop is not None:
            try:
                loop.call_soon_threadsafe(self._wake)
            except RuntimeError:  # the loop has ended, and nobody is left to store it
                self._awake = False

    def __len__(self) -> int:
        """How many rows wait here."""
        return len(self._waiting)

    async def __aenter__(self) -> Self:
        with self._lock:
            self._loop = asyncio.get_running_loop()
            self._awake = bool(self._waiting)
        if self._awake:
            self._wake()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.flush(self._closing_seconds)
        await self._rest()
        with self._lock:
            self._loop = None
            left = len(self._waiting)
            self._waiting.clear()
            self.dropped += left
        _count_dropped(left)
        _count_waiting(0)

    async def flush(self, seconds: float) -> bool:
        """Store all that waits, within so many seconds; True when nothing is left.

        Half of the time is for the audit database, the rest for the outbox. Never raises.
        """
        await self._rest()
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while self._waiting and (left := end - loop.time()) > 0:
            try:
                await self._store(left / 2)
            except Exception as error:  # noqa: BLE001  whoever waits must not fail with it
                _complain("the audit rows wait", error)
                break
        left_over = self._rows_wait()
        if left_over:
            self._wake()
        return not left_over

    async def _rest(self) -> None:
        """End what runs in the background; what it had taken is in its place again then."""
        task, self._task = self._task, None
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait({task})

    def _wake(self) -> None:
        if len(self._waiting) >= BATCH_ROWS:
            self._full.set()
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._drain())

    async def _drain(self) -> None:
        """Store batch after batch until nothing waits."""
        pause, longest = _BACK_OFF
        while self._rows_wait():
            await self._until_due()
            try:
                await self._store(_PATIENCE)
                pause = _BACK_OFF[0]
            except Exception as error:  # noqa: BLE001  whatever it is, it is tried again
                _complain("no database takes the audit rows, which wait", error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, longest)

    def _rows_wait(self) -> bool:
        with self._lock:
            self._awake = bool(self._waiting)
            return self._awake

    async def _until_due(self) -> None:
        self._full.clear()
        if len(self._waiting) >= BATCH_ROWS:
            return
        try:
            await asyncio.wait_for(self._full.wait(), BATCH_SECONDS)
        except TimeoutError:
            return

    async def _store(self, patience: float) -> None:
        """Store one batch. When it fails its rows are in their place again."""
        with self._lock:
            taken = [self._waiting.popleft() for _ in range(min(BATCH_ROWS, len(self._waiting)))]
        events = [event for entry in taken if (event := _made(entry)) is not None]
        try:
            await self._write(events, patience)
        except BaseException:
            with self._lock:
                self._waiting.extendleft(reversed(events))
                lost = self._make_room()
            _count_dropped(lost)
            raise
        finally:
            _count_waiting(len(self._waiting))

    async def _write(self, events: Sequence[AuditEvent], patience: float) -> None:
        clock = asyncio.get_running_loop().time
        if clock() >= self._avoid_until:
            try:
                async with asyncio.timeout(patience):
                    added = await store_each(self._insert, events)
                _measure(events, added)
                return
            except Exception as error:  # noqa: BLE001  the outbox is there for all of them
                self._avoid_until = clock() + _AVOID_SECONDS
                _complain("the audit database takes no rows, the outbox does", error)
        async with asyncio.timeout(patience):
            await store_each(self._put, events)

    async def _insert(self, events: Sequence[AuditEvent]) -> int:
        return await self._trail.execute(INSERT, rows=in_order(events)) if events else 0

    async def _put(self, events: Sequence[AuditEvent]) -> int:
        return await self._main.execute(PUT, rows=in_place(events)) if events else 0

    def _make_room(self) -> int:
        """Drop what is too much, the oldest first; gives how much. Under the lock."""
        extra = max(0, len(self._waiting) - self._most)
        for _ in range(extra):
            self._waiting.popleft()
        self.dropped += extra
        return extra


def _made(entry: Entry) -> AuditEvent | None:
    if isinstance(entry, AuditEvent):
        return entry
    try:
        return entry()
    except Exception:  # noqa: BLE001  one row that cannot be made must not hold up the others
        _log.exception("an audit row could not be made")
        _count_dropped(1)
        return None


def _measure(events: Sequence[AuditEvent], added: int) -> None:
    """Count a batch that is in the trail now, and how long the oldest of each source took."""
    counted = _instruments()
    if counted is None:
        return
    now, again = datetime.now(UTC), len(events) - added
    for source, rows in Counter(map(_SOURCE, events)).most_common():
        known = min(again, rows)
        again -= known
        if rows == known:
            continue
        counted.audit_rows_written(rows - known, source.value)
        oldest = next(event.at for event in events if event.source is source)
        counted.audit_lag((now - oldest).total_seconds(), source.value)


def _complain(what: str, error: Exception) -> None:
    if counted := _instruments():
        counted.audit_failed("log", type(error).__name__)
    _log.warning("%s: %s: %s", what, type(error).__name__, error)


def _count_waiting(rows: int) -> None:
    if counted := _instruments():
        counted.audit_waiting(rows)


def _count_dropped(rows: int) -> None:
    if rows and (counted := _instruments()):
        counted.audit_rows_dropped(rows)


def _instruments() -> Any:
    """Who counts, in a process that has loaded it; a command that only looks does not."""
    return sys.modules.get("account_reviews.telemetry.instruments")
