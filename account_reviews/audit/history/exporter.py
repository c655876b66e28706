"""Stores the histories of the runs that move in this process, soon and in batches.

Memory holds only which runs have moved. A database or a Temporal that is away is waited for, and
nothing of a review waits with it: what is forgotten when the process ends, the reconciler finds.
"""

import asyncio
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.audit.capture.workflow_runner import Moved
from account_reviews.audit.history.cursors import Cursor, cursor_of, cursors, store
from account_reviews.audit.history.reader import Export, HistoryGoneError, HistoryReader
from account_reviews.audit.outages import is_away
from account_reviews.telemetry import instruments

QUIET_SECONDS: Final = 0.4
"""A run that has moved is read when it has been still for so long,"""
LATEST_SECONDS: Final = 0.6
"""but no later than this after it moved first."""
_TICK: Final = 0.2
"""Between looks at what is due: what is read together is stored together."""
_REST: Final = 2
"""Times as long as it works."""
_AT_ONCE: Final = 8
"""Histories read at a time."""
_BATCH_RUNS: Final = 32
_BATCH_ROWS: Final = 500
_STORE_SECONDS: Final = 10.0
_AGAIN: Final = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Pauses before a history is read again whose newest events are not there yet. After the last the
reconciler has it: a task that takes so long is lost, or was one that leaves no event."""
_BACK_OFF: Final = (0.25, 2.0)
"""Pauses while the database or Temporal is away: first and longest."""
MOST_RUNS: Final = 100_000
_CACHED: Final = 5_000

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Moved:
    """A run that is to be read."""

    workflow_id: str
    first: float
    last: float
    events: int
    """The history is complete for now when it has so many."""
    held: bool
    """Nothing is added before it moves again."""
    tries: int = 0

    def due(self, now: float) -> bool:
        if self.tries:
            return now >= self.last + _AGAIN[self.tries - 1]
        latest = self.first + LATEST_SECONDS
        return now >= (latest if self.held else min(self.last + QUIET_SECONDS, latest))


@dataclass
class Exporter:
    """Use it as a watcher of `TapRunner`, with `run()` in the background and `flush()` at the end.

    `dropped` counts runs that were forgotten because too many waited.
    """

    reader: HistoryReader
    engine: AsyncEngine
    dropped: int = 0
    _moved: dict[str, _Moved] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _known: OrderedDict[str, Cursor] = field(default_factory=OrderedDict)
    _loop: asyncio.AbstractEventLoop | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _probe: bool = False
    """The database was away: ask it something small before histories are read for it."""

    def moved(self, workflow_id: str, run_id: str, moved: Moved) -> None:
        """Note it; from any thread."""
        loop = self._loop
        if loop is None:
            return
        now = loop.time()
        with self._lock:
            wake = not self._moved
            found = self._moved.get(run_id)
            if found is None:
                self._moved[run_id] = _Moved(workflow_id, now, now, moved.events, moved.held)
            else:
                found.last, found.tries, found.held = now, 0, moved.held
                found.events = max(found.events, moved.events)
            if moved.fresh:
                self._known.setdefault(run_id, Cursor())
            if len(self._moved) > MOST_RUNS:
                self._moved.pop(next(iter(self._moved)))
                self.dropped += 1
        if wake:
            loop.call_soon_threadsafe(self._news.set)

    def start(self) -> None:
        """From now on runs are noted."""
        self._loop = asyncio.get_running_loop()

    async def run(self) -> None:
        """Store what moves, for ever. Raises when it cannot; nothing is forgotten then.

        It rests longer than it works, so that reviews have their turn while much is made up for.
        """
        while True:
            await self._news.wait()
            self._news.clear()
            took = 0.0
            while self._moved:
                await asyncio.sleep(max(_TICK, _REST * took))
                began = time.monotonic()
                if due := self._take():
                    await self._export(due)
                took = time.monotonic() - began

    async def flush(self, seconds: float) -> bool:
        """Store all that has moved, within so many seconds; True when nothing is left."""
        try:
            async with asyncio.timeout(seconds):
                while self._moved:
                    while due := self._take(everything=True):
                        await self._export(due)
                    await asyncio.sleep(_TICK)
        except Exception as error:  # noqa: BLE001  the end of a worker must not fail
            _log.warning(
                "%d runs are left to the reconciler: %s", len(self._moved), _sentence(error)
            )
        self._loop = None
        return not self._moved

    def __len__(self) -> int:
        """Runs that wait to be read."""
        return len(self._moved)

    def _take(self, *, everything: bool = False) -> dict[str, _Moved]:
        """The next batch of runs that are due. They are noted anew when they move meanwhile."""
        assert self._loop is not None
        now, taken = self._loop.time(), dict[str, _Moved]()
        with self._lock:
            for run_id, one in self._moved.items():
                if one.due(now) or (everything and not one.tries):
                    taken[run_id] = one
                    if len(taken) == _BATCH_RUNS:
                        break
            for run_id in taken:
                del self._moved[run_id]
        return taken

    async def _export(self, due: dict[str, _Moved]) -> None:
        left = dict(due)
        try:
            known = await self._cursors(list(due))
            gate = asyncio.Semaphore(_AT_ONCE)
            reads = (self._read(gate, run_id, one, known) for run_id, one in due.items())
            answers = await asyncio.gather(*reads, return_exceptions=True)
            for run_id, answer in zip(due, answers, strict=True):
                if answer is None:
                    del left[run_id]
            for batch in _batches([one for one in answers if isinstance(one, Export)]):
                for export in await self._store(batch):
                    self._again_unless_complete(export, left[export.run.run_id])
                for export in batch:
                    del left[export.run.run_id]
            for answer in answers:
                if isinstance(answer, BaseException):
                    raise answer
        finally:
            self._give_back(left)

    async def _cursors(self, run_ids: Sequence[str]) -> dict[str, Cursor]:
        """Where to go on: from memory, and for the others from the database."""
        strange = [run_id for run_id in run_ids if run_id not in self._known]
        async with asyncio.timeout(_STORE_SECONDS):
            if self._probe and not strange:
                async with self.engine.connect() as connection:
                    await connection.execute(text("select 1"))
            found = await cursors(self.engine, strange)
        self._probe = False
        here = {run_id: self._known[run_id] for run_id in run_ids if run_id in self._known}
        return found | here

    async def _read(
        self, gate: asyncio.Semaphore, run_id: str, moved: _Moved, known: dict[str, Cursor]
    ) -> Export | None:
        """What is new. None for a history that is complete, that is gone or cannot be recorded."""
        cursor = known.get(run_id, Cursor())
        if cursor.closed or cursor.last_event >= moved.events:
            return None
        async with gate:
            try:
                return await self.reader.export(
                    moved.workflow_id, run_id, cursor.last_event, cursor.context
                )
            except HistoryGoneError:
                _log.warning("the history of %s, run %s, is gone", moved.workflow_id, run_id)
            except Exception as error:
                if is_away(error):
                    raise
                _left_to_the_reconciler(moved.workflow_id, run_id, error)
        return None

    async def _store(self, batch: Sequence[Export]) -> Sequence[Export]:
        """Gives what is stored: a run whose rows nobody can store holds up no other."""
        try:
            await self._together(batch)
        except Exception as error:
            if is_away(error):
                self._probe = True
                raise
            if len(batch) > 1:
                return [one for export in batch for one in await self._store([export])]
            run = batch[0].run
            _left_to_the_reconciler(run.workflow_id, run.run_id, error)
            return []
        return batch

    async def _together(self, batch: Sequence[Export]) -> None:
        async with asyncio.timeout(_STORE_SECONDS):
            added = await store(self.engine, batch)
        _measure(batch, added)
        for export in batch:
            self._known[export.run.run_id] = cursor_of(export)
            self._known.move_to_end(export.run.run_id)
        while len(self._known) > _CACHED:
            self._known.popitem(last=False)

    def _again_unless_complete(self, export: Export, moved: _Moved) -> None:
        if export.closed or export.last_event >= moved.events or moved.tries == len(_AGAIN):
            return
        assert self._loop is not None
        moved.first = moved.last = self._loop.time()
        moved.tries += 1
        self._give_back({export.run.run_id: moved})

    def _give_back(self, left: dict[str, _Moved]) -> None:
        """Note them again, unless they have moved meanwhile."""
        if not left:
            return
        with self._lock:
            for run_id, one in left.items():
                newer = self._moved.get(run_id)
                if newer is None:
                    self._moved[run_id] = one
                else:
                    newer.first = min(newer.first, one.first)
                    newer.events = max(newer.events, one.events)
        self._news.set()


def _batches(exports: Iterable[Export]) -> list[list[Export]]:
    """Together at most so many rows, but at least one run; a run may have no new rows."""
    batches: list[list[Export]] = []
    room = 0
    for export in exports:
        if not batches or len(export.rows) > room:
            batches.append([])
            room = _BATCH_ROWS
        batches[-1].append(export)
        room -= len(export.rows)
    return batches


def _left_to_the_reconciler(workflow_id: str, run_id: str, error: Exception) -> None:
    instruments.audit_failed("telling", type(error).__name__)
    _log.error("%s, run %s, cannot be recorded", workflow_id, run_id, exc_info=error)


def _measure(batch: Sequence[Export], added: int) -> None:
    instruments.audit_rows_written(added, "history")
    now = datetime.now(UTC)
    for export in batch:
        for oldest in export.rows[:1]:
            instruments.audit_lag((now - oldest.at).total_seconds(), "history")


def _sentence(error: Exception) -> str:
    return str(error) or type(error).__name__
