"""Closes the trail every second: a seal over the rows of finished transactions.

One sealer works at a time: whoever holds the lock, which takes the right to write the trail. Rows
are taken in the order (transaction, number) and only from transactions before the oldest that still
runs: a row that is committed late comes under a later seal and is never passed over.

A seal goes to the table first and then to the second place. While the second place is away, seals
go on in the table and are brought there in order afterwards. When the two disagree, or the table
lost seals, nothing is sealed any more until a person has looked.
"""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from account_reviews.audit.locks import SEALING, alone
from account_reviews.audit.seals.anchors import Anchors
from account_reviews.audit.seals.keys import SigningKey
from account_reviews.audit.seals.leaves import BEGINNING, Position
from account_reviews.audit.seals.members import LAST_OF_TRANSACTION, members_between
from account_reviews.audit.seals.seal import Seal, next_seal
from account_reviews.audit.seals.store import Member, add_seal, last_seal, seals_between
from account_reviews.domain.audit.events import (
    AuditEvent,
    EventType,
    Severity,
    Source,
    audit_entry_id,
)
from account_reviews.domain.errors import BadInputError, ConflictError, UnreachableError
from account_reviews.store.database import reachable
from account_reviews.telemetry import instruments

INTERVAL_SECONDS: Final = 1.0
MOST_ROWS: Final = 50_000
"""In one seal. Proofs in it have at most 16 steps."""

_RETRY_SECONDS: Final = 5.0
_STOPPED_SECONDS: Final = 30.0
"""Between looks while sealing is stopped."""

_OLDER: Final = "audit-seal"
"""The lock of releases before 0003_proven."""
_HELD: Final = text("select 1")
_HORIZON: Final = text(
    "select pg_snapshot_xmin(s)::text::bigint as oldest, pg_snapshot_xmax(s)::text::bigint as next "
    "from pg_current_snapshot() s"
)
_AT: Final = text(
    "select exists (select from audit.audit_events where (xid, seq) = (:xid, :seq)) "
    "or exists (select from audit.archived_rows where (xid, seq) = (:xid, :seq))"
)
_TOGETHER: Final = 500
"""Seals read in one go."""

Record = Callable[[AuditEvent], None]
_log = logging.getLogger(__name__)


class SealingStoppedError(ConflictError):
    """The seals of the database do not fit what was sealed before."""

    code = "sealing_stopped"


class Sealer:
    """Seals the trail of one audit database.

    `record` takes the row about an alarm; it must not block.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        key: SigningKey,
        anchors: Anchors,
        *,
        tenant: str = "default",
        record: Record | None = None,
        interval: float = INTERVAL_SECONDS,
        most: int = MOST_ROWS,
    ) -> None:
        self._engine = engine.execution_options(isolation_level="READ COMMITTED")
        self._key = key
        self._anchors = anchors
        self._tenant = tenant
        self._record = record
        self._interval = interval
        self._most = most
        self._last: Seal | None = None
        self._anchored: int | None = None
        """The last seal that is in the second place too; None before it was compared."""
        self._lock: AsyncConnection | None = None
        self._trouble: str | None = None
        """What was reported last, so that it is reported once."""

    async def run(self) -> None:
        """Seal until cancelled. Nothing ends it: what fails is logged, counted and tried again."""
        while True:
            pause = self._interval
            try:
                async with self._alone() as connection:
                    if connection is not None:
                        await self._keep_sealing(connection)
            except SealingStoppedError as error:
                self._alarm(error)
                pause = _STOPPED_SECONDS
            except Exception as error:  # noqa: BLE001  whatever it is, it is tried again
                self._complain("seal", error)
                self._anchored = None
                pause = _RETRY_SECONDS
            await asyncio.sleep(pause)

    async def seal_all(self) -> int:
        """Seal everything that can be sealed now, and bring it to the second place.

        Gives how many seals were made; 0 also when another sealer is at work.
        SealingStoppedError, UnreachableError.
        """
        made = 0
        async with self._alone() as connection:
            if connection is not None:
                while True:
                    seal, away = await self._round(connection)
                    if away is not None:
                        raise away
                    if seal is None:
                        break
                    made += 1
        return made

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[AsyncConnection | None]:
        """A connection to seal with, or None when somebody else seals."""
        async with reachable(), alone(self._engine, SEALING, older=_OLDER) as lock:
            if lock is None:
                yield None
                return
            self._lock = lock
            async with self._engine.connect() as connection:
                yield connection

    async def _keep_sealing(self, connection: AsyncConnection) -> None:
        while True:
            seal, away = await self._round(connection)
            if away is None:
                self._trouble = None
            else:
                self._complain("anchor", away)
            if seal is None or seal.rows < self._most:
                await asyncio.sleep(self._interval)

    async def _round(
        self, connection: AsyncConnection
    ) -> tuple[Seal | None, UnreachableError | None]:
        """One seal, if there is anything to close, and what the second place lacks.

        A second place that is away keeps nothing from being sealed; its error is handed back.
        """
        away: UnreachableError | None = None
        assert self._lock is not None
        await self._lock.execute(_HELD)  # it may have gone with its connection
        try:
            await self._compare(connection)
        except UnreachableError as error:
            away = error
        seal = await self._seal(connection)
        if away is None:
            try:
                await self._anchor(connection)
            except UnreachableError as error:
                away = error
        return seal, away

    async def _seal(self, connection: AsyncConnection) -> Seal | None:
        """Make the next seal; None when there is nothing to close."""
        async with connection.begin():
            last = await last_seal(connection)
            self._check_table(last)
            horizon = (await connection.execute(_HORIZON)).one()
            if last is not None and horizon.next <= last.until.xid:
                there = await connection.scalar(_AT, last.until._asdict())
                raise _restored(last) if there else _ahead(last)
            after = BEGINNING if last is None else last.until
            members = await self._members(connection, after, horizon.oldest)
            if not members:
                self._last = last
                return None
            now = datetime.now(UTC)
            at = now if last is None else max(now, last.sealed_at)
            hashes = [member.leaf for member in members]
            seal = next_seal(last, members[-1].position, hashes, at, self._key)
            await add_seal(connection, seal, members)
        self._last = seal
        return seal

    async def _members(
        self, connection: AsyncConnection, after: Position, oldest: int
    ) -> list[Member]:
        """Rows of transactions before `oldest`: all of them have ended, none can come any more."""
        raw = (await connection.get_raw_connection()).driver_connection
        until = Position(oldest - 1, LAST_OF_TRANSACTION)
        chunks = members_between(raw, after, until, self._most)
        return [member async for chunk in chunks for member in chunk]

    def _check_table(self, last: Seal | None) -> None:
        """What we have seen ourselves must still be there."""
        known = self._last
        if known is None:
            return
        if last is None or last.number < known.number:
            raise SealingStoppedError(
                f"seal {known.number} is gone from the database: its newest is "
                f"{0 if last is None else last.number}",
                hint="run `reviews audit verify`; restore the trail from a backup",
            )
        if last.number == known.number and last.hash != known.hash:
            raise SealingStoppedError(
                f"seal {known.number} was changed in the database",
                hint="run `reviews audit verify`; restore the trail from a backup",
            )

    async def _anchor(self, connection: AsyncConnection) -> None:
        """Bring seals to the second place that are not there yet, in order."""
        last, anchored = self._last, self._anchored
        assert anchored is not None
        while last is not None and anchored < last.number:
            first = anchored + 1
            if first == last.number:
                seals = [last]
            else:
                until = min(last.number, first + _TOGETHER - 1)
                async with connection.begin():
                    seals = await seals_between(connection, first, until)
            if not seals:
                return
            for seal in seals:
                self._anchored = None  # when it fails, who knows what is there
                with _stopping():
                    await self._anchors.put(seal)
                self._anchored = anchored = seal.number

    async def _compare(self, connection: AsyncConnection) -> None:
        """At first and after any trouble: its newest seal has to be one of the table."""
        if self._anchored is not None:
            return
        async with connection.begin():
            last = await last_seal(connection)
        upto = 0 if last is None else last.number
        with _stopping():
            newest = await self._anchors.newest(upto)
        if newest is None:
            self._anchored = 0
            return
        if newest.number > upto:
            raise _more_there(self._anchors.where, newest.number, upto)
        async with connection.begin():
            same = await seals_between(connection, newest.number, newest.number)
        if not same or same[0].hash != newest.hash:
            raise SealingStoppedError(
                f"seal {newest.number} of the database differs from that in {self._anchors.where}",
                hint="run `reviews audit verify`; when the second place is of another trail, name "
                "another one in REVIEWS_AUDIT_SEALS",
            )
        self._anchored = newest.number

    def _complain(self, what: str, error: Exception) -> None:
        instruments.audit_failed(what, type(error).__name__)
        trouble = f"{what}: {error}"
        if trouble != self._trouble:
            _log.warning("the trail is not sealed now, it is tried again: %s", trouble)
            self._trouble = trouble

    def _alarm(self, error: SealingStoppedError) -> None:
        instruments.audit_failed("seal", type(error).__name__)
        if error.message == self._trouble:
            return
        self._trouble = error.message
        _log.critical("sealing is stopped: %s (%s)", error.message, error.hint)
        if self._record is not None:
            self._record(self._alarm_row(error))

    def _alarm_row(self, error: SealingStoppedError) -> AuditEvent:
        now = datetime.now(UTC)
        digest = hashlib.sha256(error.message.encode()).hexdigest()[:16]
        return AuditEvent(
            event_id=audit_entry_id("sealing_stopped", digest, now.isoformat()),
            at=now,
            source=Source.FACT,
            event_type=EventType.ERROR_OCCURRED,
            tenant=self._tenant,
            actor="sealer",
            action="sealing_stopped",
            resource="audit.seals",
            severity=Severity.CRITICAL,
            details={"message": error.message, "hint": error.hint},
        )


@contextmanager
def _stopping() -> Iterator[None]:
    """What the second place holds wrongly stops the sealing."""
    try:
        yield
    except (BadInputError, ConflictError) as error:
        raise SealingStoppedError(error.message, hint=error.hint) from error


def _more_there(where: str, there: int, here: int) -> SealingStoppedError:
    return SealingStoppedError(
        f"{where} holds seal {there}, but the newest of the database is {here}: "
        "seals are gone from the database, or it is another one",
        hint="restore the trail from a newer backup; for a new trail name another second place "
        "in REVIEWS_AUDIT_SEALS",
    )


def _restored(last: Seal) -> SealingStoppedError:
    epoch = (last.until.xid >> 32) + 1
    return SealingStoppedError(
        f"the trail was restored to a server whose transaction numbers are behind the sealed ones "
        f"({last.until.xid})",
        hint=f"stop the server and run `pg_resetwal --epoch={epoch}` on its data directory",
    )


def _ahead(last: Seal) -> SealingStoppedError:
    return SealingStoppedError(
        f"seal {last.number} ends at a transaction that has not begun ({last.until.xid}), and no "
        "row stands there: it is false",
        hint="find out who inserted it; the owner of the trail has to remove it",
    )
