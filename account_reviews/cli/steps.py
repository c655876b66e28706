"""Progress of a few steps on stderr, one line each: it moves where stderr is a terminal."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Final

from account_reviews.config.terminal import shows_pages
from account_reviews.presentation.terminal import note

_EVERY: Final = 0.2
_SIGNS: Final = "|/-\\"
_CLEAR_LINE: Final = "\r\x1b[K"


class Steps:
    """Tells of so many steps what is under way, for how long, and when it is done."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._number = 0

    @contextmanager
    def during(self, part: str) -> Iterator[None]:
        """A line for this part until it is ready, and how long that took on a terminal."""
        self._number += 1
        text = f"starting {part} ({self._number} of {self._count})"
        if not _can_move():
            note(text)
            yield
            return
        begun = time.monotonic()
        with _moving(text, begun):
            yield
        note(f"{text}: ready after {time.monotonic() - begun:.1f} s")


@contextmanager
def _moving(text: str, begun: float) -> Iterator[None]:
    over = threading.Event()

    def turn() -> None:
        for number in count():
            sign = _SIGNS[number % len(_SIGNS)]
            _write(f"{_CLEAR_LINE}{text} {sign} {time.monotonic() - begun:.0f} s")
            if over.wait(_EVERY):
                break
        _write(_CLEAR_LINE)

    thread = threading.Thread(target=turn, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


def _can_move() -> bool:
    return sys.stderr is not None and sys.stderr.isatty() and shows_pages()
