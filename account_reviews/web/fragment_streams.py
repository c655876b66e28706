"""Pieces of a page that follow what they show, as server-sent events."""

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

Piece = Callable[[], Awaitable[tuple[str, bool]]]
"""The piece as it is now, and whether it is the last."""


def stream(live: Live, where: Watching, piece: Piece, shown: str = "") -> StreamingResponse:
    """The piece whenever it is another one. `shown`: what the page shows already."""
    return StreamingResponse(
        _events(live, where, piece, shown.strip()),
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )


async def _events(live: Live, where: Watching, piece: Piece, shown: str) -> AsyncIterator[str]:
    with suppress(UnreachableError, LimitReachedError):  # the browser comes again
        async for text in _told(live, where, piece, shown):
            yield text


async def _told(live: Live, where: Watching, piece: Piece, shown: str) -> AsyncIterator[str]:
    async with live.open(where) as watching:
        while True:
            text, is_last = await piece()
            if text.strip() != shown:
                shown = text.strip()
                yield message(shown)
            if is_last:
                yield f"event: {OVER}\ndata:\n\n"
                return
            while not (found := await watching.next(_BEAT_SECONDS)):
                if found is None:
                    return
                yield ":\n\n"


def message(text: str) -> str:
    """A text as one event."""
    return "".join(f"data: {line}\n" for line in text.splitlines() or [""]) + "\n"
