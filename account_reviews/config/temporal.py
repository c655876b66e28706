"""What of Temporal's own variables we read ourselves; the rest is the SDK's to read."""

import os
from typing import Final

PROGRAM: Final = "TEMPORAL_CLI_PATH"


def temporal_address() -> str | None:
    """The server to use in place of a local one."""
    return os.environ.get("TEMPORAL_ADDRESS") or None


def temporal_program() -> str | None:
    """The `temporal` program to start, when it is named."""
    return os.environ.get(PROGRAM) or None
