"""The reader's locale and zone, from what he or his browser says."""

from typing import Final
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError

_MOST: Final = 5
"""Languages of a header that are looked at."""


def chosen_locale(*said: str | None) -> Locale | None:
    """The first English locale that one of these names, by an id or as a browser lists them; None
    where none does.

    Pages are in English; only how dates and numbers are written differs.
    """
    for text in said:
        for one in (text or "").split(",")[:_MOST]:
            found = _locale(one.partition(";")[0].strip())
            if found is not None:
                return found
    return None


def _locale(name: str) -> Locale | None:
    if not name or len(name) > 20:
        return None
    try:
        found = Locale.parse(name.replace("-", "_"))
    except (ValueError, UnknownLocaleError, TypeError):
        return None
    return found if found.language == "en" and found.territory else None


def chosen_zone(*said: str | None) -> ZoneInfo | None:
    """The first that is a zone."""
    for name in said:
        if name and len(name) <= 60:
            try:
                return ZoneInfo(name)
            except (ValueError, OSError, KeyError):
                continue
    return None
