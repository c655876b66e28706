"""Pieces of a page that follow what they show, for as long as whoever reads may."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

from account_reviews.domain.live import Watching
from account_reviews.web import fragment_streams
from account_reviews.web.fragment_streams import Still, stream
from account_reviews.web.live import Live


class Changes:
    """Each of these comes next: something, nothing for a while, or the end."""

    def __init__(self, *found: Sequence[str] | None) -> None:
        self._found = list(found)

    @asynccontextmanager
    async def open(self, where: Watching) -> AsyncIterator["Changes"]:
        yield self

    async def next(self, seconds: float) -> Sequence[str] | None:
        return self._found.pop(0)


async def told(changes: Changes, still: Still | None) -> list[str]:
    count = 0

    async def piece() -> tuple[str, bool]:
        nonlocal count
        count += 1
        return f"piece {count}", False

    found: Any = stream(cast("Live", changes), Watching(), piece, still=still).body_iterator
    return [text async for text in found]


def holds_for(times: int) -> Still:
    left = times

    async def still() -> bool:
        nonlocal left
        left -= 1
        return left >= 0

    return still


async def test_who_has_signed_out_reads_nothing_more() -> None:
    found = await told(Changes(["a"], ["b"], ["c"], None), holds_for(1))
    assert found == ["data: piece 1\n\n", "data: piece 2\n\n"]


async def test_a_link_needs_no_sign_in() -> None:
    found = await told(Changes(["a"], [], None), None)
    assert found == ["data: piece 1\n\n", "data: piece 2\n\n", ":\n\n"]


async def test_a_stream_ends_also_where_nothing_happens(monkeypatch: Any) -> None:
    monkeypatch.setattr(fragment_streams, "_STILL_SECONDS", -1.0)
    found = await told(Changes([], [], []), holds_for(2))
    assert found == ["data: piece 1\n\n", ":\n\n", ":\n\n"]
