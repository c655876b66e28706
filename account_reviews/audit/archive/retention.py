"""Months that are archived go, by whoever owns the trail: no worker has the right to.

Before the database is asked to, each file is read back and checked like an export, and the record
of it in the database as `reviews audit verify` does. The database proves each row against its seal.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import exc, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from account_reviews.audit.archive.archive_files import check_archive
from account_reviews.audit.archive.archives import Archive, archives, believed_archives
from account_reviews.audit.archive.partitions import (
    altering,
    hash_of_file,
    month_entry,
    old_months,
)
from account_reviews.audit.locks import ARCHIVING, alone
from account_reviews.audit.seals.keys import PublicKeys
from account_reviews.audit.seals.object_store import answering, is_url, open_store
from account_reviews.audit.store import insert
from account_reviews.domain.audit.events import EventType
from account_reviews.domain.errors import (
    BadInputError,
    ConflictError,
    NegativeAnswerError,
)

_CLEAN: Final = text("select audit.cleanup_audit_partitions(:keep)")
_LEAST: Final = text("select keep from audit.retention")
_OWNED: Final = text(
    "select pg_has_role(c.relowner, 'usage') from pg_class c "
    "where c.oid = 'audit.audit_events'::regclass"
)
_LOGIN: Final = text("select current_user")


@dataclass
class Retained:
    """What went, and what a person should know."""

    dropped: list[str] = field(default_factory=list)
    """Partitions."""
    kept: list[str] = field(default_factory=list)
    """Partitions that are old enough and not proven to be archived whole."""
    notes: list[str] = field(default_factory=list)


async def retain(
    engine: AsyncEngine,
    keys: PublicKeys,
    place: str,
    *,
    tenant: str,
    actor: str,
    keep: timedelta,
    now: datetime,
) -> Retained:
    """Drop the months that are older than `keep` and archived. `engine` is the owner's.

    BadInputError for a login that does not own the trail, ConflictError when the upkeep job is at
    work, NegativeAnswerError when an archive is not as it was made, UnreachableError.
    """
    done = Retained()
    async with altering(), alone(engine, ARCHIVING) as held:
        if held is None:
            raise ConflictError("the trail is being archived now", hint="try again later")
        async with engine.connect() as connection:
            if not await connection.scalar(_OWNED):
                login = await connection.scalar(_LOGIN)
                raise BadInputError(
                    f"{login} does not own the trail, and only its owner may drop months of it",
                    hint="name the owner's login in REVIEWS_AUDIT_OWNER_URL",
                )
            least = await connection.scalar(_LEAST)
        months, done.notes = await old_months(engine, keep, now)
        names = [month.name for month in months]
        await _check_archives(engine, keys, place, names)
        if names:
            kept = max(keep, least or keep)
            done.dropped = await _drop(engine, keys, names, kept, tenant, actor)
        done.kept = [name for name in names if name not in done.dropped]
    return done


async def _drop(
    engine: AsyncEngine,
    keys: PublicKeys,
    checked: Sequence[str],
    keep: timedelta,
    tenant: str,
    actor: str,
) -> list[str]:
    """`checked`: the months whose files were read back. No other goes."""
    try:
        async with engine.begin() as connection:
            names = list(await connection.scalars(_CLEAN, {"keep": keep}))
            # Once more: a record may have been put in while files were read.
            await _believe_all(connection, keys)
            if not set(names) <= set(checked):
                raise ConflictError(
                    "nothing was dropped: another month has become old enough meanwhile",
                    hint="try again; when it comes again, the clock of the database goes wrong",
                )
            now = datetime.now(UTC)
            rows = [
                month_entry(EventType.AUDIT_PARTITION_DROPPED, tenant, name, now, {}, actor)
                for name in names
            ]
            await insert(connection, rows)
    except exc.ProgrammingError as error:
        raise BadInputError(f"the database refused: {str(error.orig).splitlines()[0]}") from error
    return names


async def _check_archives(
    engine: AsyncEngine, keys: PublicKeys, place: str, months: Sequence[str]
) -> None:
    """NegativeAnswerError when a file or its record is not as it was made and signed."""
    async with engine.connect() as connection:
        wanted = [one for one in await archives(connection) if one.partition in months]
        await _believe_all(connection, keys)
    for archive in wanted:
        folder = Path(tempfile.mkdtemp(prefix="audit-archive-"))
        try:
            await _check_file(await _fetched(place, archive.file, folder), archive, keys)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


async def _believe_all(connection: AsyncConnection, keys: PublicKeys) -> None:
    """NegativeAnswerError when any record is false: also one of a month that went long ago, since
    rows of another that stand under it count as archived, and no file has them."""
    _, faults = await believed_archives(connection, keys)
    if faults:
        raise NegativeAnswerError(
            f"nothing was dropped: {'; '.join(fault.why for fault in faults)}",
            hint="run `reviews audit verify`",
        )


async def _check_file(file: Path, archive: Archive, keys: PublicKeys) -> None:
    checked = None
    if await asyncio.to_thread(hash_of_file, file) == archive.sha256:
        checked = await asyncio.to_thread(check_archive, file, keys)
    if checked is None or not checked.ok or checked.rows != archive.rows:
        raise NegativeAnswerError(
            f"nothing was dropped: {archive.file} is not as it was written",
            hint="put it back from a copy; the month still stands in the database",
        )


async def _fetched(place: str, name: str, folder: Path) -> Path:
    """The file on this machine. NegativeAnswerError when it is gone, UnreachableError."""
    gone = NegativeAnswerError(
        f"nothing was dropped: {name} is not in {place}",
        hint="put it back from a copy, or name its place in REVIEWS_AUDIT_ARCHIVE",
    )
    if not is_url(place):
        file = Path(place) / name
        if not file.is_file():
            raise gone
        return file
    import obstore

    store = open_store(place)
    try:
        with answering(place), (folder / name).open("wb") as stream:
            async for chunk in (await obstore.get_async(store, name)).stream():
                stream.write(chunk)
    except FileNotFoundError:
        raise gone from None
    return folder / name
