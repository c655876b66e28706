"""Checks a stretch of the trail against its seals. It runs in a process of its own, or here."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from account_reviews.audit.seals import leaves, merkle
from account_reviews.audit.seals.faults import Fault, Kind
from account_reviews.audit.seals.keys import PublicKeys
from account_reviews.audit.seals.leaves import NEWEST, VERSIONS, Position, leaf_of_record
from account_reviews.audit.seals.members import members_between
from account_reviews.audit.seals.seal import Seal, fault_of, signature_fault
from account_reviews.audit.seals.store import Member, unpack
from account_reviews.store.sql_files import read_sql
from account_reviews.store.statements import connect

if TYPE_CHECKING:
    import asyncpg

MOST_FAULTS: Final = 1000
"""Per stretch: whoever removed a million rows is found by the first."""

FULL: Final = 50_000
"""A seal of so many rows was followed at once by another, over rows that had waited."""
_CLOCKS: Final = timedelta(minutes=10)
"""How far the clocks of the database and of a sealer may be apart."""
_LONGEST_TRANSACTION: Final = timedelta(hours=1)
"""What records something is over long before."""
_RECORDED_AT: Final = read_sql("account_reviews.audit.verify", "recorded_at.sql")
_LEAVES: Final = "select leaves from audit.seals where number = $1"
_THERE: Final = f"{leaves.SELECT} from audit.audit_events where (xid, seq) = ($1, $2)"
"""More than one row when somebody put another one there."""
_ARCHIVED: Final = (
    "select xid, seq, leaf from audit.archived_rows where (xid, seq) > ($1, $2) "
    "and (xid, seq) <= ($3, $4) and archive = any($5::bigint[]) order by xid, seq"
)


@dataclass(frozen=True)
class Stretch:
    """Seals that follow one another, and what they are checked with. It travels by pickle."""

    seals: tuple[Seal, ...]
    before: Seal | None
    """The seal before the first, None at the beginning of the trail."""
    keys: tuple[bytes, ...]
    """Public keys that are believed, 32 bytes each."""
    archives: tuple[int, ...] = ()
    """Archives that are believed: rows in them may be gone."""


@dataclass
class Checked:
    """What was found in a stretch."""

    after: Position
    until: Position
    """Rows behind `after` up to `until` were compared with their seals."""
    rows: int = 0
    seals: int = 0
    faults: list[Fault] = field(default_factory=list)
    version: int = NEWEST
    """Of the leaves that the last seal was made of."""


def check_in_process(url: str, stretch: Stretch) -> Checked:
    """Check a stretch on a connection of its own: the entry point of a worker process."""
    return asyncio.run(check(url, stretch))


async def check(url: str, stretch: Stretch) -> Checked:
    """Check a stretch. UnreachableError and errors of the driver pass."""
    connection = await connect(url, application_name="reviews-verify", command_timeout=None)
    try:
        async with connection.transaction():
            return await check_on(connection, stretch)
    finally:
        await connection.close()


async def check_on(connection: asyncpg.Connection[Any], stretch: Stretch) -> Checked:
    """Check a stretch on this connection, which is in a transaction."""
    seals = iter(stretch.seals)
    seal = next(seals)
    after, until = seal.after, stretch.seals[-1].until
    faults = list(_seal_faults(stretch))
    checked = Checked(after, until, seals=len(stretch.seals), faults=faults)
    present: list[Member] = []
    async for chunk in members_between(connection, after, until, 2**62, lambda: checked.version):
        checked.rows += len(chunk)
        for member in chunk:
            while member.position > seal.until:
                await _close(connection, stretch, seal, present, checked)
                present, seal = [], next(seals)
            present.append(member)
    await _close(connection, stretch, seal, present, checked)
    for seal in seals:
        await _close(connection, stretch, seal, [], checked)
    checked.faults += await _time_faults(connection, stretch)
    del checked.faults[MOST_FAULTS:]
    return checked


async def _time_faults(connection: asyncpg.Connection[Any], stretch: Stretch) -> list[Fault]:
    """Rows that say they were recorded after their seal was made, or long before the one before.

    A row can be recorded before that one was made, as long as its transaction was open. Behind a
    seal that was full, and where the clock of the sealer stood still, nothing is said.
    """
    before, bounds = stretch.before, []
    earliest = datetime.min.replace(tzinfo=UTC) + timedelta(days=2)
    for seal in stretch.seals:
        if before is not None and before.rows < FULL and before.sealed_at < seal.sealed_at:
            earliest = before.sealed_at - _LONGEST_TRANSACTION
        bounds.append((seal.number, *seal.after, *seal.until, earliest, seal.sealed_at + _CLOCKS))
        before = seal
    rows = await connection.fetch(
        _RECORDED_AT, *(list(column) for column in zip(*bounds, strict=True))
    )
    return [
        _fault(
            Kind.DIFFERING,
            "its time of recording does not fit its seal",
            next(one for one in stretch.seals if one.number == row["number"]),
            Position(row["xid"], row["seq"]),
            row["event_id"],
        )
        for row in rows
    ]


def _seal_faults(stretch: Stretch) -> Iterator[Fault]:
    keys, before = PublicKeys(stretch.keys), stretch.before
    for seal in stretch.seals:
        # A hole in the numbers is reported by whoever cut the stretch; the links go on behind it.
        follows = before is not None or seal.number == 1
        why = fault_of(seal, before, keys) if follows else signature_fault(seal, keys)
        if why is not None:
            yield Fault(kind=Kind.SEAL, seal=seal.number, why=why)
        before = seal


async def _close(
    connection: asyncpg.Connection[Any],
    stretch: Stretch,
    seal: Seal,
    present: list[Member],
    checked: Checked,
) -> None:
    if _fits(seal, present) or len(checked.faults) >= MOST_FAULTS:
        return
    archived = await _archived(connection, stretch, seal)
    found: list[list[Member]] = []
    for version in VERSIONS:
        members = await _members(connection, seal, archived, version)
        if _fits(seal, members):
            checked.version = version
            return
        found.append(members)
    sealed = _sealed(await connection.fetchval(_LEAVES, seal.number), seal)
    if sealed is None:
        checked.faults.append(await _unknown(connection, seal, found[0]))
        return
    known = {one.leaf for one in sealed}
    nearest = max(found, key=lambda members: sum(one.leaf in known for one in members))
    checked.faults += await _pinpoint(connection, seal, sealed, nearest)


async def _members(
    connection: asyncpg.Connection[Any], seal: Seal, archived: Sequence[Member], version: int
) -> list[Member]:
    """The rows under a seal, with leaves of this version, and those that lie in archives."""
    chunks = members_between(connection, seal.after, seal.until, 2**62, lambda: version)
    present = [member async for chunk in chunks for member in chunk]
    known = {member.position for member in present}
    gone = [member for member in archived if member.position not in known]
    return sorted([*present, *gone], key=lambda member: member.position)


def _fits(seal: Seal, members: Sequence[Member]) -> bool:
    return len(members) == seal.rows and seal.root == merkle.root([one.leaf for one in members])


async def _archived(
    connection: asyncpg.Connection[Any], stretch: Stretch, seal: Seal
) -> list[Member]:
    if not stretch.archives:
        return []
    bounds = (*seal.after, *seal.until, list(stretch.archives))
    rows = await connection.fetch(_ARCHIVED, *bounds)
    return [Member(Position(row["xid"], row["seq"]), row["leaf"]) for row in rows]


async def _pinpoint(
    connection: asyncpg.Connection[Any],
    seal: Seal,
    sealed: Sequence[Member],
    present: Sequence[Member],
) -> list[Fault]:
    """Which rows are wrong, by the leaves that the seal remembers."""
    known, there = {one.leaf for one in sealed}, {one.position for one in present}
    places, found = {one.position for one in sealed}, {one.leaf for one in present}
    faults = []
    for member in present:
        if member.leaf not in known:
            event_id = await _event_of(connection, member)
            same = member.position in places
            kind = Kind.DIFFERING if same else Kind.EXTRA
            why = "the row is not what was sealed" if same else "no such row was sealed"
            faults.append(_fault(kind, why, seal, member.position, event_id))
    faults += [
        _fault(Kind.MISSING, "the row is gone", seal, member.position)
        for member in sealed
        if member.leaf not in found and member.position not in there
    ]
    return faults or [await _unknown(connection, seal, present)]


def _sealed(packed: bytes | None, seal: Seal) -> list[Member] | None:
    try:
        members = unpack(packed or b"")
    except ValueError:
        return None
    return members if _fits(seal, members) else None


async def _unknown(
    connection: asyncpg.Connection[Any], seal: Seal, present: Sequence[Member]
) -> Fault:
    """The seal does not fit its rows, and the database no longer says which of them is wrong."""
    lacking = seal.rows - len(present)
    if lacking > 0:
        kind, rows, why = Kind.MISSING, lacking, f"{lacking} of {seal.rows} rows are gone"
    elif lacking < 0:
        kind, rows, why = Kind.EXTRA, -lacking, f"{-lacking} rows more than were sealed"
    else:
        kind, rows, why = Kind.DIFFERING, 1, f"at least one of {seal.rows} rows was changed"
    first = min(present, key=lambda one: one.position, default=None)
    return Fault(
        kind=kind,
        why=f"{why}, of which this may be the first" if first else why,
        seal=seal.number,
        position=first.position if first else None,
        event_id=await _event_of(connection, first) if first else None,
        rows=rows,
    )


async def _event_of(connection: asyncpg.Connection[Any], member: Member) -> str | None:
    for row in await connection.fetch(_THERE, *member.position):
        if any(leaf_of_record(row, version) == member.leaf for version in VERSIONS):
            return str(row["event_id"])
    return None


def _fault(
    kind: Kind, why: str, seal: Seal, position: Position, event_id: str | None = None
) -> Fault:
    return Fault(kind=kind, why=why, seal=seal.number, position=position, event_id=event_id)
