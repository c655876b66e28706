"""The trace of what runs now, for those who write facts and see no headers."""

from contextvars import ContextVar
from typing import Final

current_trace: Final[ContextVar[str | None]] = ContextVar("audit_trace", default=None)
"""32 hex digits; set around each try of an activity."""
