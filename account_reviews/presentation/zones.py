"""The time zone of whoever reads."""

from datetime import UTC, tzinfo
from typing import Final

from account_reviews.config.reader import zone_names
from account_reviews.config.settings import Settings

_UTC: Final = ("UTC", "Etc/UTC")


def reader_zone(settings: Settings, own: str | tzinfo | None = None) -> tzinfo:
    """Their own where it is known, else REVIEWS_TIME_ZONE, else the machine's, else UTC."""
    if isinstance(own, tzinfo):
        return own
    for name in (own, settings.time_zone, *zone_names()):
        if name in _UTC:
            return UTC
        try:
            if name:
                from zoneinfo import ZoneInfo

                return ZoneInfo(name)
        except (OSError, ValueError, KeyError):
            continue
    return UTC
