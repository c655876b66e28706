"""What the environment says of the terminal and of the shell that asks."""

import os
from typing import Final

_FORCED: Final = ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")


def knows_bold() -> bool:
    """False for a terminal that shows no styles."""
    return os.environ.get("TERM", "").lower() not in ("dumb", "unknown")


def is_overruled() -> bool:
    """True when somebody says what the terminal is, whatever it seems to be."""
    return any(map(os.environ.get, _FORCED))


def completes() -> bool:
    """True when a shell asks how words go on, and no command is to be run."""
    return "_REVIEWS_COMPLETE" in os.environ
