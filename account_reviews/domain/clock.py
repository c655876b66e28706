"""The clock of the rules: how far it may be ahead."""

from datetime import timedelta
from typing import Final

from account_reviews.domain.base import Timestamp
from account_reviews.domain.canonical import rfc3339

AHEAD: Final = timedelta(days=1)
"""Nobody's calendar is further ahead than that; what is can only be meant as a look ahead."""


def why_too_far(as_of: Timestamp, now: Timestamp) -> str | None:
    """Why a clock cannot be used for a review that may write; None when it can."""
    if as_of <= now + AHEAD:
        return None
    return f"{rfc3339(as_of)} is more than a day ahead"
