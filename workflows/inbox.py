"""The messages of a review in the order in which they came, each applied once.

Most are applied as they arrive. One that has to be checked first, by its token or by roles, waits
for an activity, and those behind it wait for it: so the order of the event history decides.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from account_reviews.domain.access.checks import Checked

_Answer = TypeVar("_Answer")


@dataclass(eq=False)
class Entry(Generic[_Answer]):
    """One message: how it is applied once it was checked (None: it needs no check)."""

    name: str
    apply: Callable[[Checked | None], _Answer]
    check: "Callable[[], asyncio.Future[Checked]] | None" = None
    answers: list[_Answer] = field(default_factory=list)


class Inbox:
    """`on_empty` is called whenever the last message was applied."""

    def __init__(self) -> None:
        self._left: deque[Entry[object]] = deque()
