"""Lengths of time that somebody has set, told exactly: what goes on is told by `Words.span`."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from account_reviews.domain.counting import counted

_UNITS: Final = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))


def length_words(length: timedelta) -> str:
    """ "5 minutes", "1 hour 30 minutes"; "none" of nothing."""
    return " ".join(_parts(round(length.total_seconds()))) or "none"


def _parts(seconds: int) -> Iterator[str]:
    for unit, size in _UNITS:
        number, seconds = divmod(seconds, size)
        if number:
            yield counted(number, unit)
