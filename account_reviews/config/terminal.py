"""What the environment says of the terminal and of the shell that asks."""

import os
from typing import Final

_FORCED: Final = ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
_NO_PAGER: Final = ("", "cat")


def shows_styles() -> bool:
    """False for a terminal without styles, and for whoever wants none (NO_COLOR)."""
    wanted = not os.environ.get("NO_COLOR")
    return wanted and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")


def is_overruled() -> bool:
    """True when somebody says what the terminal is, whatever it seems to be."""
    return any(map(os.environ.get, _FORCED))


def columns_named() -> int | None:
    """COLUMNS, None when it is not a number of at least 1."""
    found = os.environ.get("COLUMNS", "")
    return int(found) if found.isdecimal() and 0 < int(found) < 100_000 else None


def pager() -> str | None:
    """The command of PAGER; `less` where nothing is said, None for none."""
    named = os.environ.get("PAGER", "less").strip()
    return None if named in _NO_PAGER or not shows_pages() else named


def shows_pages() -> bool:
    """False for a terminal that can only go on."""
    return os.environ.get("TERM", "").lower() not in ("dumb", "unknown")


def pager_environment() -> dict[str, str]:
    """What the pager is run with: `less` shows colours, and ends by itself on a short text."""
    return {"LESS": "FRX", "LV": "-c", **os.environ}


def completes() -> bool:
    """True when a shell asks how words go on, and no command is to be run."""
    return "_REVIEWS_COMPLETE" in os.environ
