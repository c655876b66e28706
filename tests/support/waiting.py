"""Waiting for what happens by itself, as in another process, and notifies nobody."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

PATIENCE = 150.0
"""Seconds. Much longer than anything here takes, though the machine stand still for a minute."""
_PAUSE = 0.05

T = TypeVar("T")


async def until(
    ask: Callable[[], Awaitable[T]],
    holds: Callable[[T], object] = bool,
    *,
    seconds: float = PATIENCE,
) -> T:
    """Ask until the answer holds, and give it."""
    deadline = time.monotonic() + seconds
    while not holds(answer := await ask()):
        assert time.monotonic() < deadline, f"it did not happen in time; last: {answer!r}"
        await asyncio.sleep(_PAUSE)
    return answer


def eventually(condition: Callable[[], object], *, seconds: float = PATIENCE) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(_PAUSE)
