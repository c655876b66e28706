"""Waiting for reviews to come as far as somebody wants them."""

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from account_reviews.bootstrap import Parts
from account_reviews.presentation.review_documents import BY_TEMPORAL, ENDS_IN_TEMPORAL
from account_reviews.services.reviews import Connect

if TYPE_CHECKING:
    from account_reviews.domain.errors import ReviewsError
    from account_reviews.services.outside_ends import OutsideLook

POLL_SECONDS: Final = 0.2
LOOK_SECONDS: Final = 2.0
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
) -> "dict[str, ReviewsError]":
    """Until each review is closed, or without `closed` waits for a person. Keeps `rows` current.

    One that was terminated, timed out, reset or paused in Temporal, or is not known there any more,
    never gets there: its row says so under `error`, and the answer has the error by its run id.
    """
    look: list[OutsideLook] = []
    refused: dict[str, ReviewsError] = {}
    looked, begun = time.monotonic(), [row for row in rows if "run_id" in row]
    while True:
        found = await parts.reader.progress_of([row["run_id"] for row in begun])
        for row in begun:
            known = found.get(row["run_id"], {})
            row.update({name: known[name] for name in _SHOWN & known.keys()})
            _note_end(row, known, refused)
        left = [row for row in begun if "error" not in row and not _is_there(row, found, closed)]
        if not left:
            return refused
        if time.monotonic() - looked >= look_seconds:
            looked = time.monotonic()
            say(f"waiting for {len(left)} of {len(begun)} reviews")
            await _note_outside(connect, parts, look, left[:LOOKED_AT], refused)
            # Whoever was looked at comes last at the next look.
            first = [row for row in begun if all(row is not one for one in left[:LOOKED_AT])]
            begun = first + left[:LOOKED_AT]
        await asyncio.sleep(POLL_SECONDS)


def _is_there(row: Row, found: dict[str, Row], closed: bool) -> bool:
    known = found.get(row["run_id"])
    if known is None:
        return False
    return known["outcome"] is not None or (not closed and bool(known["waits"]))


def _note_end(row: Row, known: Row, refused: "dict[str, ReviewsError]") -> None:
    """A worker has closed the row of one that Temporal ended."""
    word = (known.get("reason") or "").removesuffix(BY_TEMPORAL)
    if word in ENDS_IN_TEMPORAL and row["run_id"] not in refused:
        from account_reviews.services.outside_ends import ended_in_temporal

        _refuse(row, ended_in_temporal(row["review_id"], row["run_id"], word), refused)


async def _note_outside(
    connect: Connect,
    parts: Parts,
    look: "list[OutsideLook]",
    rows: list[Row],
    refused: "dict[str, ReviewsError]",
) -> None:
    """Write into the rows of which nothing comes any more why that is so."""
    client = await connect()
    if client is None:
        return
    from account_reviews.services.outside_ends import OutsideLook

    if not look:
        look.append(OutsideLook(parts, client))
    for row in rows:
        began_with = None if row.get("joined") else row["run_id"]
        error = await look[0].why_nothing_comes(
            row["review_id"], row["run_id"], began_with=began_with
        )
        if error is not None:
            _refuse(row, error, refused)


def _refuse(row: Row, error: "ReviewsError", refused: "dict[str, ReviewsError]") -> None:
    row["error"] = f"{error.message}; {error.hint}"
    refused[row["run_id"]] = error
