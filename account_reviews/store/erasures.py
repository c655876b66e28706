"""Who was forgotten at whose wish: what stays of an erasure is no name, and no way back to one."""

import secrets
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple
from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.domain.audit.entries import erasure_entry
from account_reviews.domain.canonical import canonical_json, content_hash
from account_reviews.domain.erasure import ErasureKind
from account_reviews.store.database import reachable
from account_reviews.store.outbox import put_into_outbox

_UNFINISHED: Final = text(
    "select erasure_id, salt, key_hash, counts from reviews.erasures "
    "where tenant = :tenant and kind = :kind and ended_at is null"
)
_BEGIN: Final = text(
    "insert into reviews.erasures (erasure_id, tenant, kind, salt, key_hash, by, reason) "
    "values (:erasure_id, :tenant, :kind, :salt, :key_hash, :by, :reason)"
)
_NOTE: Final = text(
    "update reviews.erasures set counts = cast(:counts as jsonb) where erasure_id = :erasure_id"
)
_END: Final = text("update reviews.erasures set ended_at = :at where erasure_id = :erasure_id")


class Erasure(NamedTuple):
    """One that has begun."""

    erasure_id: str
    tenant: str
    kind: ErasureKind
    counts: Counter[str]
    """What went so far, by where it was; a repeat of one that was killed goes on counting."""


class ErasureStore:
    """The rows of `reviews.erasures`. UnreachableError when the database is down."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def begin(
        self, tenant: str, kind: ErasureKind, key: str, *, by: str, reason: str
    ) -> Erasure:
        """A new one, or the same that did not come to its end."""
        values = {"tenant": tenant, "kind": kind.value}
        async with reachable(), self._engine.begin() as connection:
            for row in await connection.execute(_UNFINISHED, values):
                if row.key_hash == _key_hash(row.salt, tenant, kind, key):
                    return Erasure(row.erasure_id, tenant, kind, Counter(row.counts))
            erasure_id, salt = uuid4().hex, secrets.token_hex(16)
            more = {"erasure_id": erasure_id, "salt": salt, "by": by, "reason": reason}
            key_hash = _key_hash(salt, tenant, kind, key)
            await connection.execute(_BEGIN, {**values, **more, "key_hash": key_hash})
        return Erasure(erasure_id, tenant, kind, Counter())

    async def note(self, erasure: Erasure, more: Mapping[str, int]) -> None:
        """So much went just now."""
        erasure.counts.update(more)
        values = {"erasure_id": erasure.erasure_id, "counts": _json(erasure.counts)}
        async with reachable(), self._engine.begin() as connection:
            await connection.execute(_NOTE, values)

    async def end(
        self, erasure: Erasure, *, account_id: str | None, by: str, reason: str, at: datetime
    ) -> None:
        """It is done, and the trail says so: how much, and no name."""
        entry = erasure_entry(
            erasure_id=erasure.erasure_id,
            tenant=erasure.tenant,
            kind=erasure.kind.value,
            account_id=account_id,
            actor=by,
            reason=reason,
            counts=erasure.counts,
            at=at,
        )
        async with reachable(), self._engine.begin() as connection:
            await connection.execute(_END, {"erasure_id": erasure.erasure_id, "at": at})
            await put_into_outbox(connection, [entry])


def _key_hash(salt: str, tenant: str, kind: ErasureKind, key: str) -> str:
    return content_hash([salt, tenant, kind.value, key])


def _json(counts: Mapping[str, int]) -> str:
    return canonical_json({name: count for name, count in counts.items() if count}).decode()
