"""What a person types in answer to a question, line by line, from a terminal or a pipe."""

import asyncio
import sys
import threading
from typing import Final

from account_reviews.presentation.terminal import note, prompt, say

_LONGEST: Final = 10_000
"""Characters of one answer; what is longer is no answer to any question of ours."""


class Answers:
    """Asks on standard output, or on standard error with `err`, and reads standard input.

    The reading goes on in a thread, so that Ctrl-C ends the wait at once and what was sent
    meanwhile is not held up.
    """

    def __init__(self, *, err: bool = False) -> None:
        self._err = err
        self._ended = False

    async def ask(self, question: str) -> str | None:
        """The answer without the blanks around it; None once the input has ended."""
        if self._ended or sys.stdin is None:
            return None
        prompt(question, err=self._err)
        line = await _line()
        self._ended = line == ""
        if not self._ended and not sys.stdin.isatty():  # a terminal shows itself what is typed
            (note if self._err else say)(line.strip())
        return None if self._ended else line.strip()


async def _line() -> str:
    """The next line of standard input; an empty text at its end."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[str] = loop.create_future()

    def give(line: str) -> None:
        if not found.done():
            found.set_result(line)

    def read() -> None:
        try:
            line = sys.stdin.readline(_LONGEST)
        except (OSError, ValueError):  # a terminal that went away, or bytes that are no text
            line = ""
        if not loop.is_closed():
            loop.call_soon_threadsafe(give, line)

    threading.Thread(target=read, name="answers", daemon=True).start()
    return await found
