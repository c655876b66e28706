"""Which policy the workers of a tenant go by: a change of it is an entry of the audit trail."""

from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.domain.audit.entries import policy_entry
from account_reviews.store.database import reachable
from account_reviews.store.outbox import put_into_outbox
from account_reviews.store.sql_files import read_sql

_SEE: Final = text(read_sql("account_reviews.store", "see_policy.sql"))


async def see_policy(engine: AsyncEngine, tenant: str, policy_hash: str, *, actor: str) -> bool:
    """Note what a worker goes by from now on; True when that is a change. UnreachableError."""
    async with reachable(), engine.begin() as connection:
        found = await connection.execute(_SEE, {"tenant": tenant, "hash": policy_hash})
        changed = found.one_or_none()
        if changed is None:
            return False
        entry = policy_entry(
            tenant=tenant,
            actor=actor,
            before=changed.before,
            after=policy_hash,
            at=changed.since,
        )
        await put_into_outbox(connection, [entry])
    return True
