"""Reading what a person typed: times, JSON objects, FIELD=VALUE pairs."""

import json
from datetime import UTC, date, datetime, time

from account_reviews.domain.base import Scalar, Timestamp
from account_reviews.domain.errors import BadInputError


def parse_time(value: str) -> Timestamp:
    """A date is 00:00 UTC of that day; a time needs its zone. BadInputError otherwise."""
    try:
        return datetime.combine(date.fromisoformat(value), time.min, UTC)
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        raise BadInputError(
            f"{value!r} is not a time", hint="write 2026-10-01 or 2026-10-01T05:00:00Z"
        ) from None
    if found.tzinfo is None:
        raise BadInputError(f"{value!r} has no time zone", hint="end it with Z or +02:00")
    return found.astimezone(UTC)


def parse_metadata(value: str) -> dict[str, Scalar]:
    """A flat JSON object. BadInputError names what is wrong."""
    try:
        found = json.loads(value)
    except ValueError:
        raise BadInputError(f"--metadata {value!r} is not JSON") from None
    if not isinstance(found, dict):
        raise BadInputError(f"--metadata {value!r} is not a JSON object")
    for name, item in found.items():
        if item is not None and not isinstance(item, str | int | float | bool):
            raise BadInputError(f"--metadata: {name} is not a plain value")
    if "\\u0000" in json.dumps(found):
        raise BadInputError("--metadata holds a NUL character, which cannot be stored")
    return found


def parse_settings(pairs: list[str]) -> dict[str, Scalar]:
    """FIELD=VALUE pairs; the value is JSON when it reads as a number, true, false or null."""
    found: dict[str, Scalar] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise BadInputError(f"--set {pair!r} is not FIELD=VALUE")
        found[name.strip()] = {"true": True, "false": False, "null": None}.get(value, value)
    return found
