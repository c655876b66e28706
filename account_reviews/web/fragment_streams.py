"""Pieces of a page that follow what they show, as server-sent events."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Final

from starlette.responses import StreamingResponse

from account_reviews.domain.errors import LimitReachedError, UnreachableError
from account_reviews.domain.live import Watching
from account_reviews.web.live import Live

_BEAT_SECONDS: Final = 15.0
"""A line is sent at least so often: what lies between would hang up otherwise."""
OVER: Final = "over"
"""The name of the event after which nothing more comes."""

_STILL_SECONDS: Final = 60.0
"""So often it is asked whether whoever reads still may, where nothing happens."""

Still = Callable[[], Awaitable[bool]]
Piece = Callable[[], Awaitable[tuple[str, bool]]]
"""The piece as it is now, and whether it is the last."""


def stream(
    live: Live, where: Watching, piece: Piece, shown: str = "", *, still: Still | None = None
) -> StreamingResponse:
    """The piece whenever it is another one. `shown`: what the page shows already. `still`: whether
    whoever reads may; None where a link is all that it takes."""
    return StreamingResponse(
        _events(live, where, piece, shown.strip(), still),
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )


async def _events(
    live: Live, where: Watching, piece: Piece, shown: str, still: Still | None
) -> AsyncIterator[str]:
    with suppress(UnreachableError, LimitReachedError):  # the browser comes again
        async for text in _told(live, where, piece, shown, still):
            yield text


async def _told(
    live: Live, where: Watching, piece: Piece, shown: str, still: Still | None
) -> AsyncIterator[str]:
    async with live.open(where) as watching:
        asked = time.monotonic()
        while True:
            text, is_last = await piece()
            if text.strip() != shown:
                shown = text.strip()
                yield message(shown)
            if is_last:
                yield f"event: {OVER}\ndata:\n\n"
                return
            while not (found := await watching.next(_BEAT_SECONDS)):
                late = time.monotonic() - asked > _STILL_SECONDS
                if found is None or (late and still is not None and not await still()):
                    return
                asked = time.monotonic() if late else asked
                yield ":\n\n"
            if still is not None and not await still():
                return


def message(text: str) -> str:
    """A text as one event."""
    return "".join(f"data: {line}\n" for line in text.splitlines() or [""]) + "\n"
