"""The canonical form of a stored row, and its leaf in the seal that covers it.

A row is one JSON object of all its columns: sorted keys, no spaces, UTF-8, times in RFC 3339 with
`Z`. It is taken from what the database gives back, so that it is the same for everybody who reads
the row, and the same for a row in an export.

A leaf has a version. In the first, `details` are an object as a program reads it, and numbers that
a program rounds alike gave one leaf. In the second, `details` are the text that the database gives,
letter for letter. No two bytes of the one are bytes of the other, so the root of a seal fits leaves
of one version only: which one is found by trying, the newest first.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import orjson

from account_reviews.audit.seals.merkle import leaf_hash
from account_reviews.domain.canonical import canonical_json

COLUMNS: Final = (
    "event_id", "at", "seq", "xid", "recorded_at", "source", "tenant", "event_type", "severity",
    "actor", "action", "resource", "review_id", "account_id", "workflow_id", "run_id", "trace_id",
    "details",
)  # fmt: skip
"""Every column of `audit.audit_events`. A leaf is over all of them, also over the empty ones."""

SELECT: Final = "select " + ", ".join(COLUMNS[:-1]) + ", cast(details as text) as details"
"""As text, which no driver tries to read: see `row_of`."""

VERSIONS: Final = (2, 1)
"""Of leaves, the newest first. Seals are made of the newest, those of before keep theirs."""
NEWEST: Final = VERSIONS[0]

UNREADABLE: Final = "unreadable"
"""The only key of details that stand here as the text they are stored as."""

_TIMES: Final = ("at", "recorded_at")
_OPTIONS: Final = orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z


class Position(NamedTuple):
    """Where a row stands in the order of sealing: by transaction, then by number."""

    xid: int
    seq: int


BEGINNING: Final = Position(0, 0)
"""Before every row."""

_DEEPEST: Final = 200
"""Objects and lists in one another. What is deeper cannot be spelled everywhere."""
_DEEPEST_DETAILS: Final = 100
"""Less, so that a document that holds them can be read as well."""


def row_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record of the database as a row: every column, `details` as an object.

    The database takes numbers, depths and kinds of JSON that we do not, and tells 1.50 from 1.5:
    details that would not be spelled again as they are stay a text, under `unreadable`. So one odd
    row keeps no other from being sealed and read, and two rows that differ are never one.
    """
    row = dict(record)
    details = row["details"]
    if isinstance(details, str):
        row["details"] = _shown(details)
    return row


def _shown(text: str) -> dict[str, Any]:
    found = _read(text)
    alike = found is not None and not _is_text(found) and _spelled(found) == text
    return found if found is not None and alike else {UNREADABLE: text}


def _read(text: str) -> dict[str, Any] | None:
    """None for what is no object, or cannot be read."""
    try:
        found = parse(text, _DEEPEST_DETAILS)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _is_text(details: Mapping[str, Any]) -> bool:
    return details.keys() == {UNREADABLE} and isinstance(details[UNREADABLE], str)


def _spelled(details: Mapping[str, Any]) -> str:
    """As PostgreSQL gives `jsonb`, except for numbers with a fraction or an exponent."""
    return json.dumps(_ordered(details), ensure_ascii=False, separators=(", ", ": "))


def _ordered(value: Any) -> Any:
    """Keys by their length in bytes, then by their bytes."""
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: (len(key.encode()), key.encode()))
        return {key: _ordered(value[key]) for key in keys}
    return [_ordered(one) for one in value] if isinstance(value, list) else value


def document_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with its times as text: what an export holds, and what the leaf is made of."""
    document = {name: row[name] for name in COLUMNS}
    for name in _TIMES:
        if isinstance(document[name], datetime):
            document[name] = document[name].astimezone(UTC).isoformat().replace("+00:00", "Z")
    return document


def is_placed(row: Mapping[str, Any]) -> bool:
    """True when the row says where it stands, as whole numbers."""
    return all(type(row.get(name)) is int for name in Position._fields)


def position_of(row: Mapping[str, Any]) -> Position:
    """Where the row stands."""
    return Position(row["xid"], row["seq"])


def canonical_row(row: Mapping[str, Any]) -> bytes:
    """The bytes of a row. It may come from the database or from an export. KeyError."""
    document = document_of(row)
    try:
        return orjson.dumps(document, option=_OPTIONS)
    except TypeError:  # a number beyond 64 bits, which the standard library spells exactly
        return canonical_json(document)


def document_hash(row: Mapping[str, Any]) -> bytes:
    """The hash of a row as it stands in a document, 32 bytes. KeyError when a column is missing."""
    return leaf_hash(canonical_row(row))


def leaf_of(row: Mapping[str, Any], version: int = NEWEST) -> bytes:
    """The leaf hash of a row, 32 bytes. KeyError when a column is missing."""
    details = row["details"]
    if version == 1:
        is_text = isinstance(details, dict) and _is_text(details)
        found = _read(details[UNREADABLE]) if is_text else None
        return document_hash(row if found is None else {**row, "details": found})
    if isinstance(details, dict):
        details = details[UNREADABLE] if _is_text(details) else _spelled(details)
    return document_hash({**row, "details": details})


def leaves_of(row: Mapping[str, Any]) -> list[bytes]:
    """Its leaf in every version, the newest first: that a seal knows is one of them."""
    return [leaf_of(row, version) for version in VERSIONS]


def leaf_of_record(record: Mapping[str, Any], version: int = NEWEST) -> bytes:
    """The same, straight from a record of `SELECT`: what seals and checks millions of rows."""
    row = dict(record)
    if version == 1 and isinstance(row["details"], str):
        found = _read(row["details"])
        row["details"] = {UNREADABLE: row["details"]} if found is None else found
    try:
        return leaf_hash(orjson.dumps(row, option=_OPTIONS))
    except TypeError:
        return document_hash(row)


def parse(text: str | bytes, deepest: int = _DEEPEST) -> Any:
    """JSON as it was stored. `orjson` rounds whole numbers beyond 64 bits; this does not.

    ValueError for what is no JSON or has a number that is too large, RecursionError for what is
    deeper than `deepest`.
    """
    value = orjson.loads(text)
    return json.loads(text) if _has_fraction(value, deepest) else value


def is_too_deep(value: Any, deepest: int = _DEEPEST) -> bool:
    """True for objects and lists that cannot be spelled everywhere."""
    try:
        _has_fraction(value, deepest)
    except RecursionError:
        return True
    return False


def _has_fraction(value: Any, deeper: int) -> bool:
    """True for a float anywhere: a fraction, or a number that was too long."""
    kind = type(value)
    if kind is float:
        return True
    if kind is dict:
        value = value.values()
    elif kind is not list:
        return False
    if not deeper:
        raise RecursionError("objects and lists too deep in one another")
    found = False
    for item in value:  # a plain loop: it runs for every row of the trail
        kind = type(item)
        if kind is float or ((kind is dict or kind is list) and _has_fraction(item, deeper - 1)):
            found = True
    return found
