"""Canonical JSON, the only form that is ever hashed."""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Final, cast

import orjson


def money(value: Decimal) -> str:
    """A decimal as a plain string without exponent or trailing zeros: 1100.40 -> "1100.4"."""
    text = format(value, "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def rfc3339(value: datetime) -> str:
    """An aware datetime as RFC 3339 in UTC with Z, without empty fractions."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


_AS_IT_IS = frozenset({str, int, bool, type(None)})


def plain(value: object) -> object:  # noqa: C901,PLR0912  one case per kind
    """Reduce a value to what JSON knows. Raises TypeError for anything else."""
    if type(value) in _AS_IT_IS:
        return value
    match value:
        case int() | str() if not isinstance(value, Enum):
            return value
        case float():
            if not math.isfinite(value):
                raise ValueError(f"{value!r} has no JSON form")
            return value
        case Enum():
            return plain(value.value)
        case Decimal():
            return money(value)
        case datetime():
            return rfc3339(value)
        case date():
            return value.isoformat()
        case Mapping():
            items = cast("Mapping[object, object]", value).items()
            return {str(plain(key)): plain(item) for key, item in items}
        case list() | tuple():
            return [plain(item) for item in cast("list[object]", value)]
        case set() | frozenset():
            return sorted((plain(item) for item in cast("set[object]", value)), key=json.dumps)
        case _ if hasattr(value, "model_dump"):  # a model, and pydantic need not be there
            return plain(value.model_dump(mode="python"))
        case _:
            raise TypeError(f"{type(value).__name__} has no canonical form")


def canonical_json(value: object) -> bytes:
    """Sorted keys, no spaces, UTF-8: equal values give equal bytes on every machine."""
    return spelled(plain(value))


_SPELLER: Final = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)
_ODD: Final = rb"[-0-9](?:[0-9.]*e|0?\.0000|[0-9]{15,}\.)"
_ODD_FRACTION: Final = tuple(re.compile(before + _ODD) for before in (b":", b",", rb"\["))
"""A fraction as small or large as to have an exponent: the two libraries spell it differently.

Three patterns, each with a first byte of its own: so `re` skips to it, nine times as fast as one.
"""


def spelled(document: object) -> bytes:
    """The canonical JSON of what `plain` gave. ValueError for texts that are no Unicode."""
    try:
        quick = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # a number beyond 64 bits, for one
        quick = b""
    is_float = type(document) is float
    if quick and not is_float and not any(odd.search(quick) for odd in _ODD_FRACTION):
        return quick
    return _SPELLER.encode(document).encode()


def content_hash(value: object) -> str:
    """SHA-256 over the canonical JSON, as 64 hex digits."""
    return hash_of(canonical_json(value))


def hash_of(spelled: bytes) -> str:
    """The hash of a value that is spelled in canonical JSON already."""
    return hashlib.sha256(spelled).hexdigest()
