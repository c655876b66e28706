"""A person is taken out of our tables: what names him or her reads `(erased)`, the rest stays.

The database finds what may name the person by a part of each name; whether it does, and what is
left of it, `domain.erasure` says.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from account_reviews.domain.audit.entries import archive_entry
from account_reviews.domain.canonical import canonical_json, hash_of, rfc3339
from account_reviews.domain.erasure import PHONE_DIGITS, Subject, is_contact, without_person
from account_reviews.store.database import reachable
from account_reviews.store.outbox import put_into_outbox
from account_reviews.store.retention import collect_unreferred
from account_reviews.store.sql_files import read_sql

_BATCH: Final = 50
_NOBODY: Final = "(?!)"
_CONTACTS: Final = text(read_sql("account_reviews.store", "contacts_named.sql"))
_AFFECTED: Final = text(read_sql("account_reviews.store", "reviews_naming.sql"))
_MINE: Final = read_sql("account_reviews.store", "documents_of_tenant.sql")

_OLDER: Final = text(
    "select hash, body from reviews.documents "
    "where created_at < now() - interval '10 minutes' and body::text ~* :pattern"
)
_REMOVE: Final = text("delete from reviews.documents where hash = any(:hashes)")
_ARCHIVE: Final = "archives"


class Place(NamedTuple):
    """Where a person may be named: the rows as (k1, k2, body), and how a body is written back."""

    rows: str
    write: str


PLACES: Final = {
    "reviews": Place(
        read_sql("account_reviews.store", "texts_of_reviews.sql"),
        read_sql("account_reviews.store", "erase_from_review.sql"),
    ),
    "approval_requests": Place(
        "select request_id as k1, null as k2, body from reviews.approval_requests "
        "where tenant = :tenant",
        "update reviews.approval_requests set body = cast(:body as jsonb) where request_id = :k1",
    ),
    "outcomes": Place(
        "select run_id as k1, change_id as k2, jsonb_build_object('by', by, 'reason', reason) "
        "as body from reviews.proposal_outcomes where tenant = :tenant",
        "update reviews.proposal_outcomes set by = b->>'by', reason = b->>'reason' "
        "from (select cast(:body as jsonb) as b) as new where run_id = :k1 and change_id = :k2",
    ),
    _ARCHIVE: Place(
        "select run_id as k1, null as k2, body from reviews.archives where tenant = :tenant",
        "update reviews.archives set body = cast(:body as jsonb), hash = :hash, "
        "archived_at = now() where run_id = :k1",
    ),
    "memory_outbox": Place(
        "select run_id as k1, null as k2, items as body from reviews.memory_outbox "
        "where tenant = :tenant",
        "update reviews.memory_outbox set items = cast(:body as jsonb) where run_id = :k1",
    ),
    "notifications": Place(
        "select key as k1, null as k2, jsonb_build_object('recipient', recipient, 'name', name, "
        "'error', error) as body from reviews.notification_deliveries where tenant = :tenant",
        "update reviews.notification_deliveries set recipient = b->>'recipient', "
        "name = b->>'name', error = b->>'error' "
        "from (select cast(:body as jsonb) as b) as new where key = :k1",
    ),
    "writes": Place(
        read_sql("account_reviews.store", "texts_of_operations.sql"),
        read_sql("account_reviews.store", "erase_from_operation.sql"),
    ),
    "cycle_accounts": Place(
        read_sql("account_reviews.store", "texts_of_cycle_accounts.sql"),
        "update reviews.cycle_accounts set account_name = b->>'account_name', "
        "reason = b->>'reason', snapshot = nullif(b->'snapshot', 'null') "
        "from (select cast(:body as jsonb) as b) as new where run_id = :k1 and account_id = :k2",
    ),
    "cycle_briefs": Place(
        "select b.run_id as k1, b.owner_id as k2, b.body from reviews.cycle_briefs b "
        "join reviews.cycles c using (run_id) where c.tenant = :tenant",
        "update reviews.cycle_briefs set body = cast(:body as jsonb) "
        "where run_id = :k1 and owner_id = :k2",
    ),
    "portfolios": Place(
        "select run_id as k1, null as k2, portfolio as body from reviews.cycles "
        "where tenant = :tenant and portfolio is not null",
        "update reviews.cycles set portfolio = cast(:body as jsonb) where run_id = :k1",
    ),
    "digests": Place(
        "select owner_id as k1, day::text as k2, body from reviews.digests where tenant = :tenant",
        "update reviews.digests set body = cast(:body as jsonb) where tenant = :tenant "
        "and owner_id = :k1 and day = cast(cast(:k2 as text) as date)",
    ),
    # The last: it is by the rows that a document is known to be the tenant's.
    "documents": Place(
        f"select hash as k1, null as k2, body from ({_MINE}) as mine",  # noqa: S608  a constant
        "update reviews.documents set body = cast(:body as jsonb), erased_at = now() "
        "where hash = :k1",
    ),
}
"""Every place, by its name for people."""


class Affected(NamedTuple):
    """A review that names the person, or read a document that does."""

    run_id: str
    review_id: str
    account_id: str
    is_open: bool
    in_history: bool
    """Its own state names the person, and so does its history in Temporal."""


class PersonErasure:
    """Where one person is named. UnreachableError when the database is down."""

    def __init__(self, engine: AsyncEngine, tenant: str, subject: Subject) -> None:
        self._engine = engine
        self._tenant = tenant
        self._subject = subject
        self._may_name = {"tenant": tenant, "pattern": _pattern(subject.names)}

    async def affected(self) -> list[Affected]:
        """Reviews, open ones first."""
        found = []
        async with reachable(), self._engine.connect() as connection:
            rows = await connection.stream(_AFFECTED, self._may_name)
            async for row in rows:
                own = self._names(row.state)
                if own or any(self._names(body) for body in row.documents or ()):
                    found.append(
                        Affected(row.run_id, row.review_id, row.account_id, row.is_open, own)
                    )
        return sorted(found, key=lambda one: (not one.is_open, one.review_id, one.run_id))

    async def count(self) -> Counter[str]:
        """How many rows `erase` would change, by place."""
        found: Counter[str] = Counter()
        for name, place in PLACES.items():
            async with reachable(), self._engine.connect() as connection:
                rows = await connection.stream(text(_filtered(place)), self._may_name)
                found[name] = len([1 async for row in rows if self._names(row.body)])
        return found

    async def erase(self, actor: str, at: datetime) -> Counter[str]:
        """Place after place, few rows at a time; whoever is killed is finished by a repeat."""
        changed: Counter[str] = Counter()
        for name, place in PLACES.items():
            async with reachable(), self._engine.connect() as connection:
                keys = [
                    (row.k1, row.k2)
                    for row in await connection.execute(
                        text(f"select k1, k2 from ({_filtered(place)}) as found"),  # noqa: S608
                        self._may_name,
                    )
                ]
            for start in range(0, len(keys), _BATCH):
                batch = keys[start : start + _BATCH]
                async with reachable(), self._engine.begin() as connection:
                    changed[name] += await self._rewrite(connection, name, batch, actor, at)
        changed["replaced_documents"] = await self._remove_replaced()
        return changed

    async def _remove_replaced(self) -> int:
        """Documents that name the person and that no row names: readings that were replaced.

        Young ones may be of a step under way, whose review is not one that names the person.
        """
        async with reachable(), self._engine.begin() as connection:
            rows = await connection.stream(_OLDER, self._may_name)
            hashes = [row.hash async for row in rows if self._names(row.body)]
            free = list(await collect_unreferred(connection, hashes)) if hashes else []
            return (await connection.execute(_REMOVE, {"hashes": free})).rowcount

    async def _rewrite(
        self,
        connection: AsyncConnection,
        name: str,
        keys: Sequence[tuple[str, str | None]],
        actor: str,
        at: datetime,
    ) -> int:
        place, changed = PLACES[name], 0
        wanted = {"tenant": self._tenant, "keys": [key for key, _ in keys]}
        rows = await connection.execute(
            text(f"select * from ({place.rows}) as found where k1 = any(:keys)"),  # noqa: S608
            wanted,
        )
        for row in rows.all():
            body = without_person(row.body, self._subject)
            if (row.k1, row.k2) not in keys or body == row.body:
                continue
            spelled = canonical_json(body)
            values: dict[str, Any] = {"k1": row.k1, "body": spelled.decode()}
            if row.k2 is not None:
                values["k2"] = row.k2
            if name == "digests":
                values["tenant"] = self._tenant
            if name == _ARCHIVE:
                values["hash"] = hash_of(spelled)
                await self._record_archive(connection, body, values["hash"], actor, at)
            await connection.execute(text(place.write), values)
            changed += 1
        return changed

    async def _record_archive(
        self, connection: AsyncConnection, body: Any, hash_: str, actor: str, at: datetime
    ) -> None:
        """The trail names the hash that the archive has from now on."""
        archive = {
            "run_id": body["run_id"],
            "review_id": body["review_id"],
            "account_id": body["account_id"],
            "tenant": self._tenant,
            "hash": hash_,
            "closed_at": body["state"].get("closed_at") or rfc3339(at),
        }
        await put_into_outbox(connection, [archive_entry(archive, actor=actor, at=at)])

    def _names(self, body: Any) -> bool:
        return body is not None and without_person(body, self._subject) != body


async def contacts_named(engine: AsyncEngine, tenant: str, wanted: str) -> list[dict[str, Any]]:
    """Contacts, owners and managers in stored snapshots that have this id, name, address or
    number: as `id name email phone account_id`, each spelling once."""
    values = {"tenant": tenant, "wanted": wanted, "pattern": _pattern((wanted,))}
    async with reachable(), engine.connect() as connection:
        rows = (await connection.execute(_CONTACTS, values)).mappings().all()
    return [found for found in map(dict, rows) if is_contact(found, wanted)]


def _filtered(place: Place) -> str:
    return f"select * from ({place.rows}) as every where body::text ~* :pattern"  # noqa: S608


def _pattern(names: Sequence[str]) -> str:
    """A regular expression of PostgreSQL that matches whatever may name somebody so."""
    parts = [part for name in names for part in _parts(name)]
    return "|".join(dict.fromkeys(parts)) or _NOBODY


def _parts(name: str) -> list[str]:
    digits = re.sub(r"\D", "", name)
    if not re.search(r"[^+()\d\s./-]", name) and len(digits) >= PHONE_DIGITS:
        return ["[^0-9]{0,9}".join(digits)]
    longest = max(name.split(), key=len)
    spelled = {unicodedata.normalize(form, longest) for form in ("NFC", "NFD")}
    return [re.escape(one).replace('"', r'\\"') for one in sorted(spelled)]
