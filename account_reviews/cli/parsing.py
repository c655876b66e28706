"""Reading what a person typed: times, words of a list, JSON objects, FIELD=VALUE pairs."""

import json
import math
import sys
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from account_reviews.domain.errors import BadInputError
from account_reviews.domain.times import (
    FIRST_REVIEWED_YEAR,
    LAST_REVIEWED_YEAR,
    can_be_reviewed,
)
from account_reviews.domain.words import named

if TYPE_CHECKING:
    from pathlib import Path

    from account_reviews.domain.base import Scalar

_Json = TypeVar("_Json", dict[str, Any], list[Any])

_YEARS = f"{FIRST_REVIEWED_YEAR} and {LAST_REVIEWED_YEAR}"
_ALIASES = {"timeout": "expired", "modified": "adjusted"}


def parse_time(value: str, option: str | None = None) -> datetime:
    """A date is 00:00 UTC of that day; a time needs its zone.

    BadInputError otherwise, which names the option when it is given.
    """
    where = f"{option}: " if option else ""
    try:
        found = datetime.combine(date.fromisoformat(value), time.min, UTC)
    except ValueError:
        found = _read_moment(value, where)
    if found.tzinfo is None:
        raise BadInputError(f"{where}{value!r} has no time zone", hint="end it with Z or +02:00")
    if not can_be_reviewed(found):
        raise BadInputError(f"{where}{value!r} is not between {_YEARS}")
    return found.astimezone(UTC)


def parse_as_of(value: str, *, plan_only: bool = False) -> datetime:
    """The clock of the rules. BadInputError also for one that only a plan may look at."""
    from account_reviews.domain.clock import why_too_far

    found = parse_time(value, "--as-of")
    why = why_too_far(found, datetime.now(UTC))
    if why is not None and not plan_only:
        hint = "`reviews start --plan-only` looks ahead and writes nothing"
        raise BadInputError(f"--as-of: {why}", hint=hint)
    return found


def parse_age(value: str, option: str) -> timedelta:
    """How long ago: "7d". BadInputError names the option."""
    from account_reviews.domain.durations import Span

    span = Span("1s", "36500d")
    try:
        found = span.read(value)
    except ValueError:
        found = None
    if found is None:
        raise BadInputError(
            f"{option} is {value!r}, but must be a number with s, m, h or d, from 1s to 36500d",
            hint="write 7d or 12h",
        )
    return found


def parse_length(option: str, value: str) -> timedelta:
    """How long: "30m", "30d". BadInputError names the option."""
    from account_reviews.domain.durations import parse_duration

    try:
        return parse_duration(value)
    except ValueError:
        raise BadInputError(
            f"{option} is {value!r}, but must be a duration such as 1h, 30m or 3d"
        ) from None


def parse_day(value: str, last: date) -> date:
    """A date that is not after `last`. BadInputError otherwise."""
    try:
        found = date.fromisoformat(value)
    except ValueError:
        raise BadInputError(f"{value!r} is not a date", hint="write 2026-10-01") from None
    if not can_be_reviewed(found):
        raise BadInputError(f"{value!r} is not between {_YEARS}")
    if found > last:
        raise BadInputError(f"{value} has not begun in UTC", hint=f"today is {last}")
    return found


def parse_choice(option: str, value: str, allowed: Iterable[str]) -> str:
    """One of the allowed words in any case, or an alias of one. BadInputError names them all."""
    known = [str(one) for one in allowed]
    word = named(_ALIASES.get(value.lower(), value), known)
    if word is None:
        raise BadInputError(f"{option} is {value!r}, but must be one of {', '.join(known)}")
    return word


def parse_metadata(value: str) -> "dict[str, Scalar]":
    """A flat JSON object. BadInputError names what is wrong."""
    found = parse_json("--metadata", value, dict)
    for name, item in found.items():
        if item is not None and not isinstance(item, str | int | float | bool):
            raise BadInputError(f"--metadata: {name} is not a plain value")
        if isinstance(item, float) and not math.isfinite(item):
            raise BadInputError(f"--metadata: {name} is larger than any number can be")
    return found


def parse_json(where: str, value: str, kind: type[_Json]) -> _Json:
    """A JSON object or list, as `kind` says. BadInputError names the option and what is wrong."""
    try:
        found = json.loads(value, parse_constant=_no_constant)
        spelled = json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise BadInputError(f"{where} {_shortened(value)!r} is not JSON") from None
    if not isinstance(found, kind):
        expected = "object" if kind is dict else "list"
        raise BadInputError(f"{where} {_shortened(value)!r} is not a JSON {expected}")
    if b"\\u0000" in spelled:
        raise BadInputError(f"{where} holds a NUL character, which cannot be stored")
    return found


def read_text(where: str, file: "Path") -> str:
    """The text of a file, of standard input for `-`. BadInputError."""
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadInputError(f"{where} {file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadInputError(f"{where} {file} is not UTF-8 text") from None


def parse_settings(pairs: list[str]) -> "dict[str, Scalar]":
    """FIELD=VALUE pairs. `true`, `false` and `null` mean what they say; all else is text."""
    found: dict[str, Scalar] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise BadInputError(f"--set {pair!r} is not FIELD=VALUE")
        found[name.strip()] = {"true": True, "false": False, "null": None}.get(value, value)
    return found


def _read_moment(value: str, where: str) -> datetime:
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise BadInputError(
            f"{where}{value!r} is not a time", hint="write 2026-10-01 or 2026-10-01T05:00:00Z"
        ) from None


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _shortened(value: str) -> str:
    return value if len(value) <= 60 else f"{value[:57]}..."
