"""One at a time, in the whole system: who seals, archives or compares with the histories.

A lock is an empty table that only writers of the trail may lock, so that a login without rights
cannot keep it from them. It goes with its transaction, which sees and holds back nothing else.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy import exc, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from account_reviews.store.sql_files import read_sql

SEALING: Final = "sealing"
ARCHIVING: Final = "archiving"
RECONCILING: Final = "reconciling"

LOCK_TAKEN: Final = "55P03"
"""SQLSTATE of a lock that is not to be had at once, or in time."""
_OLDER: Final = text("select pg_try_advisory_xact_lock(hashtextextended(:key, 0))")
_HOLDERS: Final = text(read_sql("account_reviews.audit", "lock_holders.sql"))

_log = logging.getLogger(__name__)


@asynccontextmanager
async def alone(
    engine: AsyncEngine, what: str, *, older: str | None = None
) -> AsyncIterator[AsyncConnection | None]:
    """A connection that holds the lock for as long as it lives; None when somebody else has it.

    `older`: the key by which releases before 0003_proven excluded one another, which anybody may
    hold. It is respected where its holder may write seals. Errors of the driver pass.
    """
    read_committed = engine.execution_options(isolation_level="READ COMMITTED")
    async with read_committed.connect() as connection:
        held = await _taken(connection, what) and await _proven(connection, older)
        yield connection if held else None


async def _taken(connection: AsyncConnection, what: str) -> bool:
    try:
        async with connection.begin_nested():
            await connection.execute(
                text(f"lock table audit.{what} in share update exclusive mode nowait")
            )
    except exc.DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != LOCK_TAKEN:
            raise
        return False
    return True


async def _proven(connection: AsyncConnection, older: str | None) -> bool:
    """False when a worker of an older release is at it."""
    if older is None or await connection.scalar(_OLDER, {"key": older}):
        return True
    holders = (await connection.execute(_HOLDERS, {"key": older})).all()
    for holder in holders:
        if holder.proven:
            return False
        _log.critical(
            "%s (process %d of the database) holds the lock %r without the right to write the "
            "trail: it is passed over",
            holder.login,
            holder.pid,
            older,
        )
    return bool(holders)
