"""The forms in which HubSpot writes times, days and long texts. Pure."""

import re
from datetime import UTC, date, datetime, timedelta
from html import escape, unescape
from typing import Final

from account_reviews.domain.times import is_usable_time

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECONDS: Final = re.compile(r"-?\d+")
_BREAK: Final = re.compile(r"<br\s*/?>|</(?:p|div|li|h[1-6]|tr)\s*>", re.IGNORECASE)
_TAG: Final = re.compile(r"</?[a-z!][^<>]*>", re.IGNORECASE)
_TITLE: Final = re.compile(r"<strong>([^<>]*)</strong><br>", re.IGNORECASE)


def moment(value: object) -> datetime | None:
    """A point in time in UTC: ISO 8601 with a zone, with or without a fraction, or milliseconds
    since 1970 as number or text. None for nothing. ValueError for anything else, above all for a
    time without a zone."""
    if value is None or value == "":
        return None
    text = str(value).strip()
    found = _counted(int(text), text) if _MILLISECONDS.fullmatch(text) else _parse(text)
    if not is_usable_time(found):
        raise ValueError(f"{text!r} is no time that a record can hold")
    return found


def day(value: object) -> date | None:
    """A day: `2026-11-20`, or a time, whose day in UTC it is. None for nothing. ValueError."""
    if value is None or value == "":
        return None
    text = str(value).strip()
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        found = date.fromisoformat(text)
        if not is_usable_time(found):
            raise ValueError(f"{text!r} is no day that a record can hold")
        return found
    at = moment(text)
    return None if at is None else at.date()


def milliseconds(value: datetime) -> int:
    """How searches are asked for times, and what keeps them apart from days."""
    return (value - _EPOCH) // timedelta(milliseconds=1)


def to_html(text: str, *, title: str | None = None) -> str:
    """A text as HubSpot shows it: what looks like markup is text, a line ends with <br>."""
    body = escape(text, quote=False).replace("\n", "<br>")
    return body if title is None else f"<strong>{escape(title, quote=False)}</strong><br>{body}"


def to_text(markup: str) -> str:
    """What a person reads of it. `to_text(to_html(text)) == text`, but for markup."""
    if "<" not in markup and "&" not in markup:
        return markup
    return unescape(_TAG.sub("", _BREAK.sub("\n", markup)))


def title_of(markup: str) -> tuple[str | None, str]:
    """The title that `to_html` put before a text, and the rest of the markup."""
    found = _TITLE.match(markup)
    return (unescape(found[1]), markup[found.end() :]) if found else (None, markup)


def _counted(count: int, text: str) -> datetime:
    try:
        return _EPOCH + timedelta(milliseconds=count)
    except OverflowError:
        raise ValueError(f"{text!r} is no time that a record can hold") from None


def _parse(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is None:
            raise ValueError(f"{text!r} has no time zone")
        return found.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text!r} is no time that a record can hold") from None
