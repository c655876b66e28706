"""Which words of status and risk stand out, and how much. A word always stands there too."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Tone(StrEnum):
    """How a cell is shown where colours are: the parameters of the terminal's sequence."""

    GOOD = "32"
    NEUTRAL = "36"
    WARNING = "33"
    BAD = "1;31"
    QUIET = "2"


_WORDS: Final[Mapping[Tone, tuple[str, ...]]] = {
    Tone.BAD: ("critical", "high", "failed", "down", "gone", "unreachable", "error", "stopped"),
    Tone.WARNING: (
        "medium", "waiting", "pending", "expired", "fragile", "at_risk", "conflict", "degraded",
        "missed", "late", "yes", "open", "half_open", "superseded", "overdue", "mixed",
    ),
    Tone.GOOD: (
        "low", "completed", "approved", "adjusted", "executed", "healthy", "ok", "full", "up",
        "going_on",
    ),
    Tone.NEUTRAL: ("running", "scheduled", "queued", "watch"),
    Tone.QUIET: (
        "none", "cancelled", "abandoned", "skipped", "deferred", "paused", "nothing_to_do",
        "planned", "unknown", "no",
    ),
}  # fmt: skip
_TONES: Final = {word: tone for tone, words in _WORDS.items() for word in words}


def tone_of(word: str | None) -> Tone | None:
    """The tone of a status, level, outcome or state, as the program or as people write it."""
    return None if word is None else _TONES.get(word.lower().replace(" ", "_"))
