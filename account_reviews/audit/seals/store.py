"""Seals in their table. Nothing here judges them."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from account_reviews.audit.seals.leaves import Position
from account_reviews.audit.seals.seal import Seal

_COLUMNS: Final = (
    "number, sealed_at, after_xid, after_seq, until_xid, until_seq, rows, root, previous, key_id, "
    "signature"
)
_LAST: Final = text(f"select {_COLUMNS} from audit.seals order by number desc limit 1")  # noqa: S608  constants
_BETWEEN: Final = text(
    f"select {_COLUMNS} from audit.seals where number between :first and :last order by number"  # noqa: S608  constants
)
_COVERING: Final = text(
    f"select {_COLUMNS} from audit.seals where (until_xid, until_seq) >= (:xid, :seq) "  # noqa: S608  constants
    "order by until_xid, until_seq limit 1"
)
_LEAVES: Final = text("select leaves from audit.seals where number = :number")
_INSERT: Final = text(
    f"insert into audit.seals ({_COLUMNS}, leaves) values (:number, :sealed_at, :after_xid, "  # noqa: S608  constants
    ":after_seq, :until_xid, :until_seq, :rows, :root, :previous, :key_id, :signature, :leaves)"
)
_MEMBER: Final = struct.Struct(">qq32s")


@dataclass(frozen=True, slots=True)
class Member:
    """A row as its seal remembers it."""

    position: Position
    leaf: bytes


async def last_seal(connection: AsyncConnection) -> Seal | None:
    """The newest seal, None before the first."""
    row = (await connection.execute(_LAST)).mappings().one_or_none()
    return None if row is None else _seal(row)


async def seals_between(connection: AsyncConnection, first: int, last: int) -> list[Seal]:
    """The seals with these numbers, both included, in their order."""
    rows = (await connection.execute(_BETWEEN, {"first": first, "last": last})).mappings()
    return [_seal(row) for row in rows]


async def seal_covering(connection: AsyncConnection, position: Position) -> Seal | None:
    """The seal that closes the row at this position; None when the row is younger than all."""
    row = (await connection.execute(_COVERING, position._asdict())).mappings().one_or_none()
    found = None if row is None else _seal(row)
    return found if found is not None and found.after < position else None


async def members_of(connection: AsyncConnection, number: int) -> list[Member]:
    """The rows that a seal says it closes, in their order. ValueError when they cannot be read."""
    packed = await connection.scalar(_LEAVES, {"number": number})
    return unpack(packed or b"")


async def add_seal(connection: AsyncConnection, seal: Seal, members: Sequence[Member]) -> None:
    """Store a seal. An integrity error when one of its number is there already."""
    values = {
        "number": seal.number,
        "sealed_at": seal.sealed_at,
        "after_xid": seal.after.xid,
        "after_seq": seal.after.seq,
        "until_xid": seal.until.xid,
        "until_seq": seal.until.seq,
        "rows": seal.rows,
        "root": seal.root,
        "previous": seal.previous,
        "key_id": seal.key_id,
        "signature": seal.signature,
        "leaves": pack(members),
    }
    await connection.execute(_INSERT, values)


def pack(members: Sequence[Member]) -> bytes:
    """48 bytes each: transaction, number, leaf hash."""
    return b"".join(_MEMBER.pack(*member.position, member.leaf) for member in members)


def unpack(packed: bytes) -> list[Member]:
    """What `pack` made. ValueError when the length does not fit."""
    if len(packed) % _MEMBER.size:
        raise ValueError(f"{len(packed)} bytes are no whole number of members")
    return [Member(Position(xid, seq), leaf) for xid, seq, leaf in _MEMBER.iter_unpack(packed)]


def _seal(row: Mapping[Any, Any]) -> Seal:
    return Seal(
        number=row["number"],
        sealed_at=row["sealed_at"],
        after=Position(row["after_xid"], row["after_seq"]),
        until=Position(row["until_xid"], row["until_seq"]),
        rows=row["rows"],
        root=row["root"],
        previous=row["previous"],
        key_id=row["key_id"],
        signature=row["signature"],
    )
