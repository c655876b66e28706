"""Waiting for reviews to come as far as somebody wants them."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

from account_reviews.bootstrap import Parts
from account_reviews.services.reviews import Connect

POLL_SECONDS: Final = 0.2
LOOK_SECONDS: Final = 5.0
LOOKED_AT: Final = 10
"""Reviews that Temporal is asked for in one look, the others in the next ones."""

_SHOWN: Final = {"phase", "status", "outcome"}

Row = dict[str, Any]
"""A started review as `start` shows it: `review_id run_id status outcome`, or `error`."""


async def wait_for(
    parts: Parts,
    connect: Connect,
    rows: list[Row],
    *,
    closed: bool,
    say: Callable[[str], None],
    look_seconds: float = LOOK_SECONDS,
) -> None:
    """Until each review is closed, or without `closed` waits for a person. Keeps `rows` current.

    One that Temporal does not know any more never gets there: its row says so under `error`.
    """
    looked, begun = time.monotonic(), [row for row in rows if "run_id" in row]
    while True:
        found = await parts.reader.progress_of([row["run_id"] for row in begun])
        for row in begun:
            known = found.get(row["run_id"], {})
            row.update({name: known[name] for name in _SHOWN & known.keys()})
        left = [row for row in begun if "error" not in row and not _is_there(row, found, closed)]
        if not left:
            return
        if time.monotonic() - looked >= look_seconds:
            looked = time.monotonic()
            say(f"waiting for {len(left)} of {len(begun)} reviews")
            await _note_gone(connect, left[:LOOKED_AT])
            # Whoever was looked at comes last at the next look.
            first = [row for row in begun if all(row is not one for one in left[:LOOKED_AT])]
            begun = first + left[:LOOKED_AT]
        await asyncio.sleep(POLL_SECONDS)


def _is_there(row: Row, found: dict[str, Row], closed: bool) -> bool:
    known = found.get(row["run_id"])
    if known is None:
        return False
    return known["outcome"] is not None or (not closed and bool(known["waits"]))


async def _note_gone(connect: Connect, rows: list[Row]) -> None:
    """Write into the rows of those that were deleted in Temporal that nothing comes any more."""
    client = await connect()
    if client is None:
        return
    from account_reviews.services.review_workflows import gone, is_gone

    for row in rows:
        if await is_gone(client, row["review_id"], row["run_id"]):
            error = gone(row["review_id"], row["run_id"])
            row["error"] = f"{error.message}; {error.hint}"
