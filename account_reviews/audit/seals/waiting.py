"""A history is the only proof of its rows until a seal covers them: it goes after that."""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.audit.seals.leaves import BEGINNING
from account_reviews.audit.seals.store import last_seal
from account_reviews.store.database import reachable

PATIENCE: Final = 10.0
"""Seconds. A worker seals every second."""
_PAUSE: Final = 0.2
_UNSEALED: Final = text(
    "select exists (select from audit.audit_events where source = 'history' "
    "and (xid, seq) > (:xid, :seq) and run_id = any(:runs))"
)


async def wait_until_sealed(
    engine: AsyncEngine, runs: Sequence[str], patience: float = PATIENCE
) -> bool:
    """Wait for the seals of all rows of these runs; False when they are not there in time.

    UnreachableError when the database is down.
    """
    deadline = time.monotonic() + patience
    while not await _are_sealed(engine, runs):
        if time.monotonic() >= deadline:
            return False
        await asyncio.sleep(_PAUSE)
    return True


async def _are_sealed(engine: AsyncEngine, runs: Sequence[str]) -> bool:
    async with reachable(), engine.connect() as connection:
        newest = await last_seal(connection)
        until = BEGINNING if newest is None else newest.until
        return not await connection.scalar(_UNSEALED, {**until._asdict(), "runs": list(runs)})
