"""Archives: months of the trail in files, which may be dropped from the table afterwards.

The leaves of archived rows stay, so that seals over them can be checked without the file. A signed
record says which rows they are: nobody can pass a deleted row off as an archived one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from account_reviews.audit.seals.faults import Fault, Kind
from account_reviews.audit.seals.keys import PublicKeys, SigningKey
from account_reviews.audit.seals.merkle import RootBuilder
from account_reviews.domain.canonical import canonical_json, rfc3339

_PURPOSE: Final = b"account-reviews audit archive 1\n"
_COLUMNS: Final = (
    "id, partition, from_at, to_at, rows, root, file, sha256, archived_at, key_id, signature"
)
_ALL: Final = text(f"select {_COLUMNS} from audit.archives order by id")  # noqa: S608  constants
_INSERT: Final = text(
    f"insert into audit.archives ({_COLUMNS}) values (:id, :partition, :from_at, :to_at, :rows, "  # noqa: S608  constants
    ":root, :file, :sha256, :archived_at, :key_id, :signature)"
)
_LEAVES: Final = text(
    "select leaf from audit.archived_rows where archive = :archive order by xid, seq"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """What one file holds."""

    id: int
    partition: str
    from_at: datetime
    to_at: datetime
    """Not included."""
    rows: int
    root: bytes
    """Merkle root over the leaves of its rows, in the order of their positions."""
    file: str
    """Its name in the archive's place."""
    sha256: str
    archived_at: datetime
    key_id: str
    signature: bytes = b""

    def signed(self, key: SigningKey) -> "Archive":
        """The same record with the key's signature."""
        mine = replace(self, key_id=key.id)
        return replace(mine, signature=key.sign(mine.statement()))

    def is_signed(self, keys: PublicKeys) -> bool:
        """True when a key that we know made the signature."""
        return keys.verify(self.key_id, self.signature, self.statement())

    def statement(self) -> bytes:
        """What is signed."""
        fields = {
            "id": self.id,
            "partition": self.partition,
            "from_at": rfc3339(self.from_at),
            "to_at": rfc3339(self.to_at),
            "rows": self.rows,
            "root": self.root.hex(),
            "file": self.file,
            "sha256": self.sha256,
            "archived_at": rfc3339(self.archived_at),
            "key_id": self.key_id,
        }
        return _PURPOSE + canonical_json(fields)


async def add_archive(connection: AsyncConnection, archive: Archive) -> None:
    """Record an archive."""
    values = {name: getattr(archive, name) for name in _COLUMNS.split(", ")}
    await connection.execute(_INSERT, values)


async def archives(connection: AsyncConnection) -> list[Archive]:
    """All of them, oldest first."""
    return [_archive(row) for row in (await connection.execute(_ALL)).mappings()]


async def believed_archives(
    connection: AsyncConnection, keys: PublicKeys
) -> tuple[tuple[int, ...], list[Fault]]:
    """The ids of archives whose record is signed and fits its leaves; what is wrong with others."""
    good, faults = [], []
    for archive in await archives(connection):
        why = await _fault(connection, archive, keys)
        if why is None:
            good.append(archive.id)
        else:
            faults.append(Fault(kind=Kind.SEAL, why=f"archive {archive.file}: {why}"))
    return tuple(good), faults


async def _fault(connection: AsyncConnection, archive: Archive, keys: PublicKeys) -> str | None:
    if not archive.is_signed(keys):
        return "its signature is wrong, or of a key that is not known here"
    built = RootBuilder()
    async with connection.stream(_LEAVES, {"archive": archive.id}) as leaves:
        async for (leaf,) in leaves:
            built.add(leaf)
    if built.count != archive.rows or built.root != archive.root:
        return "the list of its rows was changed"
    return None


def _archive(row: Mapping[Any, Any]) -> Archive:
    return Archive(**{name: row[name] for name in _COLUMNS.split(", ")})
