"""Days and times in sentences that were written before anybody read them."""

import re
from datetime import date, datetime
from typing import Final, Protocol

_DATED: Final = re.compile(
    r"(?<![\w/'\"-])(\d{4}-\d\d-\d\d)"
    r"([T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z| UTC|[+-]\d\d:\d\d))?(?![\w'\"-])"
)
"""A day, and perhaps a time of it with its zone."""


class Speech(Protocol):
    """What is asked of the words of a reader."""

    def day(self, at: datetime | date, /) -> str: ...

    def moment(self, at: datetime, /) -> str: ...


def dated(text: str, words: Speech) -> str:
    """The text with its days and times as its reader writes them.

    What stands in quotation marks, or is a part of a longer name, is left as it is.
    """

    def told(found: re.Match[str]) -> str:
        day, clock = found.groups()
        try:
            if clock is None:
                return words.day(date.fromisoformat(day))
            return words.moment(datetime.fromisoformat(day + clock.replace(" UTC", "Z")))
        except ValueError:
            return found[0]

    return _DATED.sub(told, text)
