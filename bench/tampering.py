"""A small sealed trail, and seven ways to tamper with one, each as the owner of the database could.

Triggers are off while it happens. Every way is one transaction that the caller rolls back.
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from account_reviews.audit.seals import leaves
from account_reviews.audit.seals.keys import SigningKey
from account_reviews.audit.seals.leaves import COLUMNS, Position, leaf_of, position_of, row_of
from account_reviews.audit.seals.seal import Seal, next_seal
from account_reviews.audit.seals.sealer import Sealer
from account_reviews.audit.seals.store import Member, add_seal, members_of, pack, seals_between
from account_reviews.audit.store import insert
from account_reviews.domain.audit.events import AuditEvent, EventType, Source, history_event_id

BEGAN: Final = datetime(datetime.now(UTC).year - 1, 11, 2, 8, tzinfo=UTC)
"""Always over, and always younger than a trail is kept."""
_UNGUARDED: Final = text("set local session_replication_role = replica")
_ROW: Final = text(f"{leaves.SELECT} from audit.audit_events where (xid, seq) = (:xid, :seq)")
_DELETE: Final = text("delete from audit.audit_events where (xid, seq) = (:xid, :seq)")


@dataclass(frozen=True)
class Done:
    """What was tampered with."""

    what: str
    seal: int | None
    """None where no seal ever comes."""
    event_ids: tuple[str, ...] = ()
    """Rows that a check should name; empty when it cannot."""
    place: Position | None = None
    """Where a row was taken away or put in."""


def event(number: int, review: int = 0) -> AuditEvent:
    """The row of a made-up history event."""
    workflow_id, run_id = f"review/ac-{review:03}", f"0190a1b2-c3d4-7e5f-8a9b-{review:012}"
    return AuditEvent(
        event_id=history_event_id("default", workflow_id, run_id, number),
        at=BEGAN + timedelta(seconds=review, milliseconds=number),
        source=Source.HISTORY,
        event_type=EventType.ACTIVITY_COMPLETED,
        tenant="default",
        actor="worker@host",
        action="crm.fetch_snapshot",
        resource=workflow_id,
        review_id=workflow_id,
        account_id=f"ac-{review:03}",
        workflow_id=workflow_id,
        run_id=run_id,
        trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
        details={"event": number, "input": {"keys": ["account_id", "as_of"], "sha256": "ab" * 32}},
    )


async def fill(engine: AsyncEngine, sealer: Sealer, reviews: int, events: int, seals: int) -> None:
    """Write `reviews` runs of `events` rows, under about so many seals."""
    each = max(1, reviews // seals)
    for first in range(0, reviews, each):
        for review in range(first, min(first + each, reviews)):
            await insert(engine, [event(number + 1, review) for number in range(events)])
        await sealer.seal_all()


class Tamperer:
    """Tampers within the transaction of one connection; all choices come from `chance`."""

    def __init__(self, connection: AsyncConnection, key: SigningKey, chance: random.Random) -> None:
        self._connection = connection
        self._key = key
        self._chance = chance

    def ways(self) -> dict[str, Callable[[], Awaitable[Done]]]:
        """The seven kinds."""
        return {
            "edit": self.edit,
            "deletion": self.deletion,
            "insertion": self.insertion,
            "swap": self.swap,
            "truncated tail": self.truncated_tail,
            "fork": self.fork,
            "full rewrite": self.full_rewrite,
        }

    async def edit(self) -> Done:
        """One column of one row; half of the time the leaf in its seal is put right as well."""
        seal, members = await self._seal()
        member = self._chance.choice(members)
        row = await self._row(member.position)
        name = self._chance.choice([name for name in COLUMNS if name not in ("seq", "xid")])
        value, cast = self._other(name, row[name])
        await self._execute(
            f"update audit.audit_events set {name} = cast(:value as {cast}) "
            "where (xid, seq) = (:xid, :seq)",
            value=value,
            **member.position._asdict(),
        )
        names: tuple[str, ...] = (value if name == "event_id" else row["event_id"],)
        if self._chance.random() < 0.5:
            await self._recompute_leaves(seal)
            names = ()
        return Done(f"{name} edited", seal.number, names, member.position)

    async def deletion(self) -> Done:
        """Up to three rows; half of the time the list of leaves is shortened as well."""
        seal, members = await self._seal()
        gone = self._chance.sample(members, min(len(members), self._chance.randint(1, 3)))
        for member in gone:
            await self._connection.execute(_DELETE, member.position._asdict())
        if self._chance.random() < 0.5:
            await self._recompute_leaves(seal)
            return Done("deleted", seal.number)
        return Done("deleted", seal.number, (), min(one.position for one in gone))

    async def insertion(self) -> Done:
        """A row among sealed ones, at a place of its own or of another; or where no seal comes."""
        seal, members = await self._seal()
        beside = self._chance.choice(members).position
        seq = beside.seq if self._chance.random() < 0.5 else 10**9 + self._chance.randrange(10**6)
        outside = self._chance.random() < 0.4
        far = self._chance.choice((-1, 0, -(2**62), 2**40, 2**62))
        place = Position(far, -seq if far == 0 else seq) if outside else Position(beside.xid, seq)
        if not outside and place > seal.until:
            place = beside
        made = event(self._chance.randrange(10**6, 10**7))
        await insert(self._connection, [made])
        await self._execute(
            "update audit.audit_events set xid = :xid, seq = :seq, "
            "recorded_at = :at where event_id = :event_id",
            **place._asdict(),
            at=BEGAN,
            event_id=made.event_id,
        )
        return Done("inserted", None if outside else seal.number, (made.event_id,), place)

    async def swap(self) -> Done:
        """Two rows change their places, or what they say."""
        seal, members = await self._seal(at_least=2)
        one, other = (m.position for m in self._chance.sample(members, 2))
        rows = [await self._row(one), await self._row(other)]
        if self._chance.random() < 0.5 and rows[0]["details"] != rows[1]["details"]:
            name = "details"
            statement = "update audit.audit_events set details = cast(:v as jsonb) "
            values = [orjson.dumps(row["details"]).decode() for row in rows]
            for place, value in ((one, values[1]), (other, values[0])):
                await self._execute(
                    statement + "where (xid, seq) = (:xid, :seq)", v=value, **place._asdict()
                )
        else:
            name = "place"
            for row, place in zip(rows, (other, one), strict=True):
                await self._execute(
                    "update audit.audit_events set xid = :xid, seq = :seq where event_id = :id",
                    id=row["event_id"],
                    **place._asdict(),
                )
        return Done(f"{name} swapped", seal.number, tuple(row["event_id"] for row in rows))

    async def truncated_tail(self) -> Done:
        """The newest seals and all their rows."""
        last = await self._last()
        first = self._chance.randint(max(1, last - 3), last)
        seal = (await seals_between(self._connection, first, first))[0]
        await self._cut(seal)
        return Done("tail cut", first)

    async def fork(self) -> Done:
        """Other rows from a seal on, sealed with the real key, as a copy of the trail would be."""
        first = self._chance.randint(1, await self._last())
        await self._reseal(first, self._key)
        return Done("forked", first)

    async def full_rewrite(self) -> Done:
        """One row edited, and every seal made anew: with a new key, or with the stolen real one."""
        seal, members = await self._seal()
        position = self._chance.choice(members).position
        await self._execute(
            "update audit.audit_events set actor = 'somebody else' where (xid, seq) = (:xid, :seq)",
            **position._asdict(),
        )
        key = self._key if self._chance.random() < 0.5 else _new_key(self._chance, self._key)
        await self._reseal(1, key, change=False)
        return Done("rewritten", seal.number)

    async def _reseal(self, first: int, key: SigningKey, *, change: bool = True) -> None:
        """Seals from a number on are made anew over what the rows say now."""
        old = await seals_between(self._connection, first, 2**31)
        if change:
            place = self._chance.choice(await members_of(self._connection, first)).position
            await self._execute(
                "update audit.audit_events set action = 'crm.nothing' "
                "where (xid, seq) = (:xid, :seq)",
                **place._asdict(),
            )
        before = await seals_between(self._connection, first - 1, first - 1)
        previous = before[0] if before else None
        await self._execute("delete from audit.seals where number >= :first", first=first)
        for seal in old:
            members = await self._members(seal)
            hashes = [member.leaf for member in members]
            previous = next_seal(previous, seal.until, hashes, seal.sealed_at, key)
            await add_seal(self._connection, previous, members)

    async def _cut(self, seal: Seal) -> None:
        await self._execute("delete from audit.seals where number >= :first", first=seal.number)
        await self._execute(
            "delete from audit.audit_events where (xid, seq) > (:xid, :seq)", **seal.after._asdict()
        )

    async def _seal(self, at_least: int = 1) -> tuple[Seal, list[Member]]:
        await self._connection.execute(_UNGUARDED)
        while True:
            number = self._chance.randint(1, await self._last())
            members = await members_of(self._connection, number)
            if len(members) >= at_least:
                return (await seals_between(self._connection, number, number))[0], members

    async def _last(self) -> int:
        await self._connection.execute(_UNGUARDED)
        return int(await self._connection.scalar(text("select max(number) from audit.seals")) or 0)

    async def _row(self, position: Position) -> dict[str, Any]:
        found = await self._connection.execute(_ROW, position._asdict())
        return row_of(dict(found.mappings().one()))

    async def _members(self, seal: Seal) -> list[Member]:
        """Members as an owner would compute them from the rows as they are."""
        found = await self._connection.execute(
            text(
                f"{leaves.SELECT} from audit.audit_events where (xid, seq) > (:ax, :as_) "
                "and (xid, seq) <= (:ux, :us) order by xid, seq"
            ),
            {
                "ax": seal.after.xid,
                "as_": seal.after.seq,
                "ux": seal.until.xid,
                "us": seal.until.seq,
            },
        )
        rows = [row_of(dict(row)) for row in found.mappings()]
        return [Member(position_of(row), leaf_of(row)) for row in rows]

    async def _recompute_leaves(self, seal: Seal) -> None:
        packed = pack(await self._members(seal))
        await self._execute(
            "update audit.seals set leaves = :packed where number = :number",
            packed=packed,
            number=seal.number,
        )

    def _other(self, name: str, value: Any) -> tuple[Any, str]:
        """Another value that the column takes, and its type."""
        if isinstance(value, datetime):
            return value + timedelta(microseconds=self._chance.randint(1, 5)), "timestamptz"
        if name == "details":
            changed = {**value, "event": value["event"] + 1}
            return orjson.dumps(changed).decode(), "jsonb"
        if name == "severity":
            return "warning", "text"
        if name == "source":
            return "fact", "text"
        return f"{value}{self._chance.choice('abc')}", "text"

    async def _execute(self, statement: str, **values: Any) -> None:
        await self._connection.execute(text(statement), values)


def _new_key(chance: random.Random, known: SigningKey) -> SigningKey:
    """A key of the tamperer's own; half of the time it goes by the name of the real one."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from account_reviews.audit.seals.keys import key_id

    private = Ed25519PrivateKey.generate()
    own = SigningKey(key_id(private.public_key().public_bytes_raw()), private)
    return replace(own, id=known.id) if chance.random() < 0.5 else own
