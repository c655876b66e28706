"""Logs that strangers can make grow."""

import logging
import time
from collections import Counter
from typing import Final

SECONDS: Final = 10.0


class Sparing(logging.Filter):
    """Lets each kind of line through at once and then every 10 seconds, with how many it stands
    for. The kind is the text before its values are put in."""

    def __init__(self) -> None:
        super().__init__()
        self._told_at: dict[str, float] = {}
        self._held_back: Counter[str] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is let through."""
        kind, now = str(record.msg), time.monotonic()
        if now - self._told_at.get(kind, -SECONDS) < SECONDS:
            self._held_back[kind] += 1
            return False
        self._told_at[kind] = now
        held = self._held_back.pop(kind, 0)
        if held:
            record.msg = f"{kind} ({held} more since the last such line)"
        return True
