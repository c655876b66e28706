"""Snapshots with what the ones before them say, for a CRM that knows no histories."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.domain.records import AccountSnapshot, SnapshotLimits
from account_reviews.domain.snapshot_history import LastSeen, with_history
from account_reviews.store.database import autocommit, reachable
from account_reviews.store.sql_files import read_sql

_LAST_SEEN = text(read_sql("account_reviews.store", "last_seen.sql"))


class SnapshotHistory:
    """Looks at what is stored. UnreachableError when the database is down."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = autocommit(engine)

    async def complete(
        self, tenant: str, snapshots: Sequence[AccountSnapshot], limits: SnapshotLimits
    ) -> list[AccountSnapshot]:
        """The snapshots, in order, each with the stages and the owner that the newest stored one of
        its account tells. One query for all."""
        if not snapshots:
            return []
        ids = [one.account.id for one in snapshots]
        async with reachable(), self._engine.connect() as connection:
            rows = await connection.execute(_LAST_SEEN, {"tenant": tenant, "ids": ids})
            found = {name: LastSeen.model_validate(seen) for name, seen in rows}
        return [with_history(one, found.get(one.account.id), limits) for one in snapshots]
