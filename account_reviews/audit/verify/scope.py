"""What of the trail a check is about."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """All of it, what is younger than a time, or one review."""

    since: datetime | None = None
    review_id: str | None = None
    runs: Sequence[str] | None = None
    """The first run ids of that review."""
