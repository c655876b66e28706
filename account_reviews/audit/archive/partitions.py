"""Months of the trail: made ahead, and at the end of their time archived.

A month is archived only when each of its rows is what was sealed, so that nothing that was tampered
with is tidied away. No worker can drop one: `retention` does, as the owner of the trail.
"""

import asyncio
import hashlib
import os
import shutil
import tempfile
from array import array
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import exc, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from account_reviews.audit.archive.archive_files import ArchiveWriter
from account_reviews.audit.archive.archives import Archive, add_archive, archives
from account_reviews.audit.locks import ARCHIVING, LOCK_TAKEN, alone
from account_reviews.audit.seals import leaves
from account_reviews.audit.seals.keys import SigningKey, signing_key
from account_reviews.audit.seals.leaves import Position, leaves_of, position_of, row_of
from account_reviews.audit.seals.object_store import answering, is_url, open_store
from account_reviews.audit.seals.seal import Seal
from account_reviews.audit.seals.store import last_seal, members_of, seal_covering
from account_reviews.audit.store import insert
from account_reviews.domain.audit.events import (
    AuditEvent,
    EventType,
    Severity,
    Source,
    audit_entry_id,
)
from account_reviews.domain.errors import ConflictError, NegativeAnswerError, UnreachableError
from account_reviews.store.database import reachable
from account_reviews.store.sql_files import read_sql

ACTOR: Final = "upkeep"
_MAINTAIN: Final = text("select audit.maintain_audit_partitions()")
_LEAST: Final = text("select keep from audit.retention")
_MONTHS: Final = text(read_sql("account_reviews.audit.archive", "months.sql"))
_BATCH: Final = 20_000


@dataclass
class CleanedUp:
    """What a clean-up did."""

    archived: list[str] = field(default_factory=list)
    """Files."""
    may_go: list[str] = field(default_factory=list)
    """Partitions that are archived whole: the owner of the trail may drop them."""
    notes: list[str] = field(default_factory=list)
    """What a person should know."""


@dataclass(frozen=True)
class Month:
    """A partition and its time."""

    name: str
    from_at: datetime
    to_at: datetime


async def make_ahead(engine: AsyncEngine) -> list[str]:
    """Make this month and the next three, and those of rows that had none; gives the new ones.

    UnreachableError when the database is down, or when a long query keeps it from being altered.
    """
    async with altering(), engine.begin() as connection:
        return list(await connection.scalars(_MAINTAIN))


async def clean_up(
    engine: AsyncEngine,
    place: str,
    key_file: Path,
    *,
    tenant: str,
    keep: timedelta,
    now: datetime,
) -> CleanedUp:
    """Archive months that are wholly older than `keep`; gives those that may be dropped.

    `place` is a directory or the URL of an object store. ConflictError when another clean-up is at
    work, NegativeAnswerError when rows are not what was sealed, UnreachableError.
    """
    done = CleanedUp()
    async with reachable(), alone(engine, ARCHIVING) as held:
        if held is None:
            raise ConflictError("another clean-up of the trail is at work", hint="try again later")
        months, notes = await old_months(engine, keep, now)
        done.notes += notes
        for month in months:
            archiving = _Archiving(engine, place, signing_key(key_file), tenant, month)
            file = await archiving.run()
            done.archived += [file] if file else []
            done.may_go.append(month.name)
    return done


async def old_months(
    engine: AsyncEngine, keep: timedelta, now: datetime
) -> tuple[list[Month], list[str]]:
    """Months that are wholly older than is kept, and what a person should know of that."""
    async with engine.connect() as connection:
        least = await connection.scalar(_LEAST)
        months = [Month(*row) for row in await connection.execute(_MONTHS)]
    notes = []
    if least is not None and least > keep:
        notes.append(
            f"the database keeps the trail for {least.days} days, although the policy says "
            f"{keep.days}: its owner may change audit.retention"
        )
    kept = max(keep, least or keep)
    return [month for month in months if month.to_at <= now - kept], notes


@asynccontextmanager
async def altering() -> AsyncIterator[None]:
    """Tables are altered inside: UnreachableError when somebody uses them for too long."""
    try:
        async with reachable():
            yield
    except exc.DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != LOCK_TAKEN:
            raise
        raise UnreachableError(
            "a month of the trail cannot be altered now: it is in use",
            hint="it is tried again; end queries that read the trail for long",
        ) from error


class _Archiving:
    """One month into one file."""

    def __init__(
        self, engine: AsyncEngine, place: str, key: SigningKey, tenant: str, month: Month
    ) -> None:
        self._engine = engine
        self._place = place
        self._key = key
        self._tenant = tenant
        self._month = month
        self._xids, self._seqs, self._leaves = array("q"), array("q"), bytearray()

    async def run(self) -> str | None:
        """Write, read back, record; gives the file. None when everything is archived already."""
        async with self._engine.connect() as connection:
            known = await archives(connection)
            waiting = await connection.scalar(self._query("select count(*)"))
        again = any(one.partition == self._month.name for one in known)
        if again and not waiting:
            return None
        number = max((one.id for one in known), default=0) + 1
        file = f"{self._month.name}-{number}.jsonl.gz"
        folder = Path(tempfile.mkdtemp(prefix="audit-archive-", dir=_near(self._place)))
        try:
            rows, root = await self._write(folder / file, number)
            sha256 = await asyncio.to_thread(hash_of_file, folder / file)
            await _put(self._place, folder / file, sha256)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        archive = Archive(
            id=number,
            partition=self._month.name,
            from_at=self._month.from_at,
            to_at=self._month.to_at,
            rows=rows,
            root=root,
            file=file,
            sha256=sha256,
            archived_at=datetime.now(UTC),
            key_id=self._key.id,
        ).signed(self._key)
        await self._record(archive)
        return file

    def _query(self, what: str, more: str = "") -> Any:
        """Rows of the month that no archive has: by way of the table that its readers may read."""
        query = text(
            f"{what} from audit.audit_events p where at >= :from_at and at < :to_at and not exists "
            f"(select from audit.archived_rows a where (a.xid, a.seq) = (p.xid, p.seq)) {more}"
        )
        return query.bindparams(from_at=self._month.from_at, to_at=self._month.to_at)

    async def _write(self, file: Path, number: int) -> tuple[int, bytes]:
        head = {
            "archive": number,
            "partition": self._month.name,
            "from_at": self._month.from_at,
            "to_at": self._month.to_at,
        }
        writer = ArchiveWriter(file, head)
        try:
            async with self._engine.connect() as reading, self._engine.connect() as sealing:
                last = await last_seal(sealing)
                part: list[dict[str, Any]] = []
                seal: Seal | None = None
                async with reading.stream(self._query(leaves.SELECT, "order by xid, seq")) as rows:
                    async for record in rows.mappings():
                        row = row_of(dict(record))
                        if seal is None or position_of(row) > seal.until:
                            await self._close(writer, sealing, seal, part)
                            seal, part = await self._seal_of(sealing, row, last), []
                        part.append(row)
                await self._close(writer, sealing, seal, part)
            return writer.finish(self._key)
        finally:
            writer.close()

    async def _seal_of(
        self, connection: AsyncConnection, row: dict[str, Any], last: Seal | None
    ) -> Seal:
        position = position_of(row)
        if last is None or position > last.until:
            raise NegativeAnswerError(
                f"{self._month.name} is not archived: {row['event_id']} is not sealed yet",
                hint="a running worker seals it",
            )
        seal = await seal_covering(connection, position)
        if seal is None:
            raise self._tampered(f"no seal closes {row['event_id']}")
        return seal

    async def _close(
        self,
        writer: ArchiveWriter,
        connection: AsyncConnection,
        seal: Seal | None,
        part: Sequence[dict[str, Any]],
    ) -> None:
        """Write a seal and its leaves: rows of this month as they are, of others the hash."""
        if seal is None:
            return
        writer.seal(seal)
        rows = {position_of(row): row for row in part}
        for member in await members_of(connection, seal.number):
            row = rows.pop(member.position, None)
            if row is None:
                writer.leaf(member.leaf)
                continue
            if member.leaf not in leaves_of(row):
                raise self._tampered(f"{row['event_id']} is not what was sealed")
            writer.row(row, member.leaf)
            self._remember(member.position, member.leaf)
        if rows:
            first = rows[min(rows)]
            raise self._tampered(f"{first['event_id']} was never sealed")

    def _remember(self, position: Position, leaf: bytes) -> None:
        self._xids.append(position.xid)
        self._seqs.append(position.seq)
        self._leaves += leaf

    def _tampered(self, why: str) -> NegativeAnswerError:
        return NegativeAnswerError(
            f"{self._month.name} is not archived: {why}", hint="run `reviews audit verify`"
        )

    async def _record(self, archive: Archive) -> None:
        details = {"file": archive.file, "rows": archive.rows, "sha256": archive.sha256}
        entry = month_entry(
            EventType.AUDIT_PARTITION_ARCHIVED,
            self._tenant,
            archive.partition,
            archive.archived_at,
            details,
        )
        async with self._engine.begin() as connection:
            await add_archive(connection, archive)
            raw: Any = (await connection.get_raw_connection()).driver_connection
            for start in range(0, archive.rows, _BATCH):
                await raw.copy_records_to_table(
                    "archived_rows",
                    schema_name="audit",
                    columns=("xid", "seq", "leaf", "archive"),
                    records=self._records(start, archive),
                )
            await insert(connection, [entry])

    def _records(self, start: int, archive: Archive) -> list[tuple[int, int, bytes, int]]:
        return [
            (self._xids[n], self._seqs[n], bytes(self._leaves[32 * n : 32 * n + 32]), archive.id)
            for n in range(start, min(start + _BATCH, archive.rows))
        ]


def month_entry(
    kind: EventType,
    tenant: str,
    partition: str,
    at: datetime,
    details: dict[str, Any],
    actor: str = ACTOR,
) -> AuditEvent:
    """A month was archived, or dropped."""
    return AuditEvent(
        event_id=audit_entry_id(kind.value, partition, at.isoformat()),
        at=at,
        source=Source.FACT,
        event_type=kind,
        tenant=tenant,
        actor=actor,
        action=kind.value.rpartition("_")[2],
        resource=f"audit.{partition}",
        severity=Severity.INFO,
        details=details,
    )


def _near(place: str) -> Path | None:
    """Where the file is made: beside its place, so that it can be moved there in one step."""
    if is_url(place):
        return None
    folder = Path(place)
    with answering(place):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


async def _put(place: str, file: Path, sha256: str) -> None:
    """Bring the file to its place and read it back. UnreachableError, NegativeAnswerError."""
    if not is_url(place):
        with answering(place):
            there = await asyncio.to_thread(_move, file, Path(place) / file.name)
            found = await asyncio.to_thread(hash_of_file, there)
    else:
        import obstore

        store = open_store(place)
        with answering(place):
            # Over what a run left behind that ended before it was recorded.
            await obstore.put_async(store, file.name, file)
            digest = hashlib.sha256()
            async for chunk in (await obstore.get_async(store, file.name)).stream():
                digest.update(chunk)
        found = digest.hexdigest()
    if found != sha256:
        raise NegativeAnswerError(f"{file.name} does not read back from {place} as it was written")


def _move(file: Path, there: Path) -> Path:
    with file.open("rb") as stream:
        os.fsync(stream.fileno())
    file.replace(there)
    descriptor = os.open(there.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return there


def hash_of_file(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
