"""Rows of the trail in the order of sealing, as positions and leaf hashes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, Final

from account_reviews.audit.seals import leaves
from account_reviews.audit.seals.leaves import NEWEST, Position, leaf_of_record
from account_reviews.audit.seals.store import Member

if TYPE_CHECKING:
    import asyncpg

CHUNK: Final = 500
"""Rows read and hashed in one go: some milliseconds in which the process does nothing else."""
LAST_OF_TRANSACTION: Final = 2**63 - 1

# Binary columns and a parse of `details` cost 6 and 13 microseconds per row; rows that the server
# spells as JSON cost less here and twice that there, and leave the form of times to the server.
_ROWS: Final = (
    f"{leaves.SELECT} from audit.audit_events where (xid, seq) > ($1, $2) "
    "and (xid, seq) <= ($3, $4) order by xid, seq limit $5"
)


async def members_between(
    connection: asyncpg.Connection[Any],
    after: Position,
    until: Position,
    most: int,
    version: Callable[[], int] = lambda: NEWEST,
) -> AsyncIterator[list[Member]]:
    """Chunks of the rows behind `after` up to `until`, at most `most` rows in all.

    `version` is asked before each chunk which leaves it is to have.

    The connection must be in a transaction. It is one query, not pages of it: between pages a row
    could hide that was given the place of another. Others may work between chunks.
    """
    cursor = await connection.cursor(_ROWS, *after, *until, most)
    while found := await cursor.fetch(CHUNK):
        one = version()
        yield [Member(Position(row["xid"], row["seq"]), leaf_of_record(row, one)) for row in found]
        await asyncio.sleep(0)
