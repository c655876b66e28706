"""Is the trail as it was written? Every seal, every row under one, and the second place.

Seals are taken from the table and from the second place side by side. Where they differ, rows are
checked against the one that a known key signed: so it comes out which rows were rewritten.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from typing import Any, Final

from sqlalchemy import CursorResult, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from account_reviews.audit.archive.archives import archives, believed_archives
from account_reviews.audit.seals import leaves
from account_reviews.audit.seals.anchors import Anchors
from account_reviews.audit.seals.faults import Fault, Kind
from account_reviews.audit.seals.keys import PublicKeys
from account_reviews.audit.seals.leaves import BEGINNING, Position, position_of, row_of
from account_reviews.audit.seals.seal import Seal
from account_reviews.audit.seals.store import last_seal, seal_covering, seals_between
from account_reviews.audit.verify.guards import TRAIL, guard_faults
from account_reviews.audit.verify.pairing import LATE, Pairing
from account_reviews.audit.verify.row_gaps import Row, gaps_in_entries, gaps_in_histories
from account_reviews.audit.verify.segments import (
    MOST_FAULTS,
    Checked,
    Stretch,
    check,
    check_in_process,
    check_on,
)
from account_reviews.domain.canonical import rfc3339
from account_reviews.domain.errors import NotFoundError
from account_reviews.store.database import create_engine, reachable
from account_reviews.store.sql_files import read_sql

STRETCH_ROWS: Final = 25_000
"""Rows that one process checks in one go."""
WORTH_PROCESSES: Final = 100_000
"""With fewer rows the start of a process costs more than it brings."""
_STRETCH_SEALS: Final = 500
_CLOCKS: Final = timedelta(minutes=10)
"""How far clocks may be apart: times of rows come from Temporal, those of seals from a worker."""
_LONGEST: Final = timedelta(days=366)
"""A review that began so long after the last archived month has no row in an archive."""

_ROWS: Final = text("select coalesce(sum(rows), 0) from audit.seals where number >= :first")
_SINCE: Final = text("select min(number) from audit.seals where sealed_at >= :since")
_OF_REVIEW: Final = text(
    f"{leaves.SELECT} from audit.audit_events where tenant = :tenant and review_id = :review "
    "order by xid, seq"
)
_UNSEALED: Final = text(
    "select count(*) as rows, min(recorded_at) as oldest from audit.audit_events "
    "where (xid, seq) > (:xid, :seq)"
)
_OUTSIDE: Final = text(
    "(select event_id, xid, seq from audit.audit_events where (xid, seq) <= (0, 0) limit :most) "
    "union all (select event_id, xid, seq from audit.audit_events where (xid, seq) > (:xid, :seq) "
    "and xid >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint limit :most)"
)
"""Where no seal ever comes: before the first, and under transactions that have not begun."""
_TWICE: Final = read_sql("account_reviews.audit.verify", "events_twice.sql")
_TWICE_SINCE: Final = text(
    _TWICE.format(which="cast(:since as timestamptz) is null or at >= :since")
)
_TWICE_OF: Final = text(_TWICE.format(which="event_id = any(:ids)"))
_NEXT_XID: Final = text("select pg_snapshot_xmax(pg_current_snapshot())::text::bigint")


@dataclass(kw_only=True)
class Report:
    """What a check found. Integrity and completeness add to the same one."""

    rows: int = 0
    """Rows under a seal that were checked."""
    seals_checked: int = 0
    unsealed: int = 0
    """Rows younger than the last seal: only the history protects them."""
    unanchored: int = 0
    """Seals that are not in the second place yet."""
    sealed_until: Position = BEGINNING
    """The last position under a seal."""
    stretches: list[tuple[Position, Position]] = field(default_factory=list)
    """Rows behind the one position up to the other were compared with their seals."""
    archived_until: datetime | None = None
    """Rows of before may stand in archives that are believed, and not in the table."""
    histories: int | None = None
    """Histories the trail was compared with; None when Temporal was not asked."""
    histories_gone: int = 0
    """Those Temporal no longer has: their rows are proved by seals only."""
    faults: list[Fault] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.faults

    @property
    def first_bad(self) -> Fault | None:
        """The first bad row; when only seals are wrong, the first of them."""
        rows = [one for one in self.faults if one.kind not in (Kind.SEAL, Kind.GUARD)]
        return min(rows or self.faults, key=Fault.order, default=None)

    def compared(self, position: Position) -> bool:
        """True when the row there was compared with its seal."""
        return any(after < position <= until for after, until in self.stretches)

    def of(self, kind: Kind) -> list[Fault]:
        """Faults of one kind, by their place in the trail."""
        return sorted((one for one in self.faults if one.kind is kind), key=Fault.order)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        kinds = {kind: [one.document() for one in self.of(kind)] for kind in Kind}
        return {
            "ok": self.ok,
            "rows": self.rows,
            "first_bad": self.first_bad and self.first_bad.document(),
            "missing": kinds[Kind.MISSING],
            "extra": kinds[Kind.EXTRA],
            "differing": kinds[Kind.DIFFERING],
            "bad_seals": kinds[Kind.SEAL],
            "guards": kinds[Kind.GUARD],
            "seals_checked": self.seals_checked,
            "unsealed": self.unsealed,
            "unanchored": self.unanchored,
            "histories": self.histories,
            "histories_gone": self.histories_gone,
            "warnings": self.warnings,
        }


@dataclass(frozen=True, slots=True)
class _Scope:
    """The first seal that is checked: it and all that follow. What else is looked for."""

    first: int = 1
    since: datetime | None = None
    rows: Sequence[Row] | None = None
    """Of one review, when that is what is asked about."""


class Verifier:
    """Checks the integrity of one trail. UnreachableError when its database is down.

    `cores`: how many processes check rows; as many as there are when it is None.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        keys: PublicKeys,
        anchors: Anchors,
        *,
        cores: int | None = None,
    ) -> None:
        self._engine = engine
        self._keys = keys
        self._anchors = anchors
        self._cores = cores or os.cpu_count() or 1

    async def verify(self, *, since: datetime | None = None) -> Report:
        """Check everything, or what was sealed since a time. What is older is believed then."""
        async with self._patient() as connection:
            if since is None:
                return await self._verify(connection, _Scope())
            first = await connection.scalar(_SINCE, {"since": since - _CLOCKS})
            last = await last_seal(connection)
            first = first or (last.number + 1 if last else 1)
            # The one before too: times in the table are believed where a checked seal says so.
            return await self._verify(connection, _Scope(max(1, first - 1), since))

    async def verify_on(self, connection: AsyncConnection) -> Report:
        """Check everything as the transaction of this connection sees it, in this process."""
        return await self._verify(connection, _Scope(), apart=False)

    async def verify_review(self, tenant: str, review_id: str) -> Report:
        """Check all seals from the first row of a review on, and its rows for gaps. NotFoundError.

        A run that is gone with everything that speaks of it leaves no gap.
        """
        async with self._patient() as connection:
            values = {"tenant": tenant, "review": review_id}
            found = (await connection.execute(_OF_REVIEW, values)).mappings()
            rows = [row_of(dict(row)) for row in found]
            if not rows:
                raise NotFoundError(f"the trail has no row of the review {review_id}")
            begin, newest = position_of(rows[0]), await last_seal(connection)
            first = await seal_covering(connection, begin)
            if first is not None:
                number = first.number
            elif newest is None or begin <= newest.until:
                number = 1  # a row where none can be, or a seal that is gone
            else:
                number = newest.number
            return await self._verify(connection, _Scope(number, rows=rows))

    @asynccontextmanager
    async def _patient(self) -> AsyncIterator[AsyncConnection]:
        """A connection without a limit of time: some questions go through the whole trail."""
        url = self._engine.url.render_as_string(hide_password=False)
        engine = create_engine(url, application_name="reviews-verify", command_timeout=None)
        try:
            async with reachable(), engine.connect() as connection:
                yield connection
        finally:
            await engine.dispose()

    async def _verify(
        self,
        connection: AsyncConnection,
        scope: _Scope,
        *,
        apart: bool = True,
    ) -> Report:
        """`apart`: rows are checked on connections of their own, several at a time."""
        report = Report()
        archived, wrong = await believed_archives(connection, self._keys)
        report.faults += wrong
        ends = [one.to_at for one in await archives(connection) if one.id in archived]
        report.archived_until = max(ends, default=None)
        pairing = Pairing(connection, self._anchors, self._keys, scope.first)
        before = await seals_between(connection, scope.first - 1, scope.first - 1)
        stretches = _stretches(
            pairing.believed(),
            before[0] if before else None,
            tuple(self._keys.all_raw()),
            archived,
        )
        if apart:
            rows = await connection.scalar(_ROWS, {"first": scope.first}) or 0
            await self._check_apart(stretches, rows, report)
        else:
            raw = (await connection.get_raw_connection()).driver_connection
            async for stretch in stretches:
                _add(await check_on(raw, stretch), report)
        paired = pairing.paired
        report.faults += paired.faults
        report.warnings += paired.warnings
        report.unanchored = paired.unanchored
        await self._look_around(connection, paired.newest, scope, report)
        if scope.rows is not None:
            _look_for_gaps(scope.rows, report)
        return report

    async def _check_apart(
        self, stretches: AsyncIterator[Stretch], rows: int, report: Report
    ) -> None:
        url = self._engine.url.render_as_string(hide_password=False)
        cores = self._cores if rows >= WORTH_PROCESSES else 1
        with ExitStack() as stack:
            pool = None
            if cores > 1:
                # Not forked: this process has threads, and a copy of their locks would hang.
                made = ProcessPoolExecutor(cores, mp_context=get_context("spawn"))
                pool = stack.enter_context(made)
            running: set[asyncio.Future[Checked]] = set()
            async for stretch in stretches:
                running.add(asyncio.ensure_future(_start(pool, url, stretch)))
                if len(running) > cores:
                    running = await _collect(running, report)
            while running:
                running = await _collect(running, report)

    async def _look_around(
        self,
        connection: AsyncConnection,
        newest: Seal | None,
        scope: _Scope,
        report: Report,
    ) -> None:
        """What no seal shows: young rows, rows in odd places or twice, guards that are gone."""
        report.sealed_until = BEGINNING if newest is None else newest.until
        until = report.sealed_until._asdict()
        for row in await connection.execute(_OUTSIDE, {**until, "most": MOST_FAULTS}):
            why = "a row lies where none is ever sealed"
            report.faults.append(_extra(row, why))
        young = (await connection.execute(_UNSEALED, until)).one()
        report.unsealed = young.rows
        if young.rows and datetime.now(UTC) - young.oldest > LATE:
            report.warnings.append(
                f"{young.rows} rows are not sealed, the oldest since {rfc3339(young.oldest)}: "
                "no worker seals, or a transaction is open that long"
            )
        seen: set[str] = set()
        for row in await _twice(connection, scope):
            if row.event_id in seen:
                report.faults.append(_extra(row, "the event has a row already"))
            seen.add(row.event_id)
        report.faults += await guard_faults(connection, TRAIL)
        if newest is not None and await connection.scalar(_NEXT_XID) <= newest.until.xid:
            report.warnings.append(
                "the transaction numbers of this server are behind the sealed ones: nothing is "
                "stored or sealed until that is put right; the worker's log says how"
            )


async def _stretches(
    seals: AsyncIterator[Seal],
    before: Seal | None,
    keys: tuple[bytes, ...],
    archives: tuple[int, ...],
) -> AsyncIterator[Stretch]:
    """Cut seals into pieces that are checked in one go. A hole between two ends a piece.

    `before` is the seal before the first, None when there is none.
    """
    some: list[Seal] = []
    begin, previous, rows = before, before, 0
    async for seal in seals:
        joined = previous is not None and previous.until == seal.after
        if some and (not joined or rows >= STRETCH_ROWS or len(some) >= _STRETCH_SEALS):
            yield Stretch(tuple(some), begin, keys, archives)
            some, rows = [], 0
        if not some:
            next_to = previous is not None and previous.number == seal.number - 1
            begin = previous if next_to else None
        some.append(seal)
        rows += seal.rows
        previous = seal
    if some:
        yield Stretch(tuple(some), begin, keys, archives)


async def _start(pool: ProcessPoolExecutor | None, url: str, stretch: Stretch) -> Checked:
    if pool is None:
        return await check(url, stretch)
    return await asyncio.get_running_loop().run_in_executor(pool, check_in_process, url, stretch)


async def _collect(running: set[asyncio.Future[Checked]], report: Report) -> set[Any]:
    """Wait for one that is done; gives those that still run."""
    done, left = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    for one in done:
        _add(one.result(), report)
    return left


def _add(checked: Checked, report: Report) -> None:
    report.rows += checked.rows
    report.seals_checked += checked.seals
    report.faults += checked.faults
    report.stretches.append((checked.after, checked.until))


async def _twice(connection: AsyncConnection, scope: _Scope) -> CursorResult[Any]:
    """Rows of events that have more than one: of the review, or of the time."""
    if scope.rows is not None:
        ids = [row["event_id"] for row in scope.rows]
        return await connection.execute(_TWICE_OF, {"ids": ids, "most": MOST_FAULTS})
    since = scope.since and scope.since - _CLOCKS
    return await connection.execute(_TWICE_SINCE, {"since": since, "most": MOST_FAULTS})


def _look_for_gaps(rows: Sequence[Row], report: Report) -> None:
    """Events and lines that lack among the rows of a review, as far as older rows show it."""
    until = report.archived_until
    if until is not None and min(row["at"] for row in rows) < until + _LONGEST:
        report.warnings.append(
            "rows of the review may lie in archives: gaps among those that are left were not "
            "looked for"
        )
        return
    old = [row for row in rows if datetime.now(UTC) - row["recorded_at"] > LATE]
    by_old = {(one.why, one.event_id) for one in _gaps(old)}
    report.faults += [one for one in _gaps(rows) if (one.why, one.event_id) in by_old]


def _gaps(rows: Sequence[Row]) -> list[Fault]:
    return [*gaps_in_histories(rows), *gaps_in_entries(rows)]


def _extra(row: Any, why: str) -> Fault:
    position = Position(row.xid, row.seq)
    return Fault(kind=Kind.EXTRA, why=why, position=position, event_id=row.event_id)
