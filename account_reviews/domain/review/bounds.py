"""How long what reaches a review may be: the fields of messages, and what the state keeps of them.

Whatever is sent, the state stays below STATE_BYTES, well within what Temporal takes as one payload
(2 MiB): it is the input of a save and of continue-as-new, and what queries answer. All that people
say has bounds of its own below; what is proposed is bounded by the policy.
"""

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

from account_reviews.domain.base import Model
from account_reviews.domain.person_names import clean_name, person

__all__ = [
    "EARLY_BYTES", "LINE_BYTES", "MESSAGE_BYTES", "MOVES", "SAID_BYTES", "STATE_BYTES",
    "bytes_of", "clean_name", "cut", "fault_of", "person", "size_of",
]  # fmt: skip

MESSAGE_BYTES: Final = 64 * 1024
"""One message, as it is sent."""
STATE_BYTES: Final = 1536 * 1024
"""All of a review, as JSON."""

SAID_BYTES: Final = 256 * 1024
"""Of all decisions of a review: names, reasons, adjusted values. More of them are refused."""
EARLY_BYTES: Final = 128 * 1024
"""Of all decisions that are kept until their request is open."""
DELEGATED_BYTES: Final = 64 * 1024
"""Of all delegations of a review."""
NOTES_BYTES: Final = 64 * 1024
"""Of context, metadata and plan together."""
CONVERSATION_BYTES: Final = 96 * 1024
"""Of questions and answers; the oldest turns make room."""
WANTED_BYTES: Final = 128 * 1024
"""Of all changes that people and agents propose."""
LINE_BYTES: Final = 1000
"""The text of one line of the timeline; a longer one is cut."""
MOVES: Final = 1000
"""Changes of phase that are kept; a review with as many reads its account again no more."""

_LENGTHS: Final = {
    "reason": 5000, "token": 4096, "cycle_id": 1000, "review_id": 1000, "account_id": 1000,
    "question": 5000, "summary": 5000, "error": 5000,
}  # fmt: skip
_LENGTH: Final = 200
"""Of every other text: names, ids, hashes."""
_VALUE: Final = 5000
"""A text within `changes` or another object."""
_KEY: Final = 100
_ENTRIES: Final = 200
_DEPTH: Final = 20


def fault_of(fields: Mapping[str, Any], names: frozenset[str]) -> str | None:
    """What is too long in a message of which the fields `names` are read, or None."""
    for name in names & fields.keys():
        why = _fault(name, fields[name])
        if why is not None:
            return why
    return None


def size_of(*values: object) -> int:
    """Bytes of these values as JSON."""
    spelled = json.dumps(values, ensure_ascii=False, default=str)
    return len(spelled.encode(errors="replace"))


def bytes_of(models: Iterable[Model]) -> int:
    """Bytes of these as the state holds them."""
    return sum(len(one.model_dump_json().encode()) for one in models)


def cut(text: str, most: int = LINE_BYTES) -> str:
    """The text, or its beginning with an ellipsis when it takes more bytes as JSON."""
    if len(text) * 6 <= most or size_of(text) <= most:
        return text
    short = text[:most]
    while size_of(short) > most:
        short = short[: len(short) * 3 // 4]
    return f"{short}…"


def _fault(name: str, value: object, *, depth: int = 0) -> str | None:
    """`depth` counts the objects and lists around it: texts within may be as long as values."""
    if depth > _DEPTH:
        return f"{name}: it is nested more than {_DEPTH} deep"
    match value:
        case str():
            return _too_long(name, value, _VALUE if depth > 1 else _LENGTHS.get(name, _LENGTH))
        case float() if not math.isfinite(value):
            return f"{name}: it is larger than any number can be"
        case list():
            if len(value) > _ENTRIES:
                return f"{name}: it has {len(value):,} entries; at most {_ENTRIES} are taken"
            faults = (_fault(name, one, depth=depth + 1) for one in value)
            return next((why for why in faults if why), None)
        case dict():
            return _fault_within(name, value, depth)
    return None


def _fault_within(name: str, values: dict[str, object], depth: int) -> str | None:
    if len(values) > _ENTRIES:
        return f"{name}: it has {len(values):,} fields; at most {_ENTRIES} are taken"
    for key, value in values.items():
        why = _too_long(f"a name in {name}", key, _KEY)
        if isinstance(value, str):
            why = why or _too_long(f"{name}.{key}", value, _VALUE)
        else:
            why = why or _fault(f"{name}.{key}", value, depth=depth + 1)
        if why is not None:
            return why
    return None


def _too_long(name: str, value: str, most: int) -> str | None:
    if len(value) <= most:
        return None
    return f"{name}: it is {len(value):,} characters long; at most {most:,} are taken"
