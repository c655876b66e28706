"""What may be recorded of a value: never secrets, personal data masked, by default only its keys.

`redact` and `describe` take any value and never raise; their answers are plain JSON without
fractions, without NUL and unpaired surrogates, and of bounded size, so that every store takes them.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from account_reviews.domain.audit.events import JsonValue
from account_reviews.domain.audit.field_names import HELD, LABELS, MAX_KEY, Kind, kind_of
from account_reviews.domain.audit.masks import (
    CARD,
    IBAN,
    PHONE,
    REDACTED,
    SSN,
    mask_personal_data,
    mask_secrets,
)
from account_reviews.domain.canonical import money, plain, rfc3339, spelled

if TYPE_CHECKING:
    from account_reviews.domain.policy.model import Policy

__all__ = [
    "DEFAULT",
    "REDACTED",
    "SECRETS_ONLY",
    "Rules",
    "clean",
    "describe",
    "describe_json",
    "redact",
]
__all__ += ["redact_text", "rules_of"]

MAX_DEPTH: Final = 12
MAX_NODES: Final = 2_000
MAX_KEYS: Final = 200
MAX_TEXT: Final = 4_000
"""Characters of one text."""
_MARGIN: Final = 4_096
"""Read beyond the cut, so that a secret that lies on it is seen whole."""
_MAX_INT: Final = 2**63 - 1
"""Larger numbers are written as text: not every reader of JSON takes them."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the policy says in `[audit]`."""

    values: Literal["hash", "masked"] = "hash"
    mask_personal: bool = True
    redact_keys: tuple[str, ...] = ()
    """Names of fields that are secret beside the ones that always are."""


DEFAULT: Final = Rules()
SECRETS_ONLY: Final = Rules(mask_personal=False)
"""For what a person reads who knows the names already."""


def rules_of(policy: "Policy") -> Rules:
    """The rules of a policy."""
    audit = policy.audit
    return Rules(
        values=audit.values, mask_personal=audit.mask_personal, redact_keys=audit.redact_keys
    )


def redact(value: object, rules: Rules) -> JsonValue:
    """The value as JSON: secrets as `***REDACTED***`, personal data masked, size bounded."""
    return _Walk(rules).of(value, "", 0)


def redact_text(text: str, rules: Rules, *, most: int = MAX_TEXT) -> str:
    """A text without secrets, and without personal data when the rules say so.

    Of a text longer than `most` characters the beginning is shown, and how much there is more.
    """
    return _masked(text, rules, most=most)


def describe(value: object, rules: Rules) -> dict[str, JsonValue]:
    """Describes an input: `{"keys": [...], "sha256": "..."}`.

    Keys are sorted dotted paths, `[]` for the items of a list, 200 at most (`more_keys` counts the
    others). The hash is the content hash of the value; of a value without a canonical form that of
    what `redact` says. `values` holds the masked values when the policy allows values.
    """
    try:
        document = plain(value)
        body = spelled(document)
    except (TypeError, ValueError, RecursionError):
        document = redact(value, rules)
        body = spelled(document)
    return _described(document, body, value, rules)


def describe_json(document: JsonValue, rules: Rules) -> dict[str, JsonValue]:
    """What `describe` gives, of a value that has just been read from JSON: at half the price."""
    try:
        body = spelled(document)
    except (ValueError, RecursionError):
        return describe(document, rules)
    return _described(document, body, document, rules)


def _described(document: object, body: bytes, value: object, rules: Rules) -> dict[str, JsonValue]:
    paths: set[str] = set()
    _collect(document, "", paths, 0)
    keys = sorted(paths)
    description: dict[str, JsonValue] = {
        "keys": cast("list[Any]", keys[:MAX_KEYS]),
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    if len(keys) > MAX_KEYS:
        description["more_keys"] = len(keys) - MAX_KEYS
    if rules.values == "masked":
        description["values"] = redact(value, rules)
    return description


def clean(text: str) -> str:
    """The text without NUL and unpaired surrogates, which no PostgreSQL text can hold."""
    if "\x00" in text:
        text = text.replace("\x00", "\N{REPLACEMENT CHARACTER}")
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _collect(value: object, path: str, found: set[str], depth: int) -> None:
    if depth > MAX_DEPTH or len(found) > MAX_NODES:
        return
    if isinstance(value, dict):
        for key, item in cast("dict[str, object]", value).items():
            inner = f"{path}.{_key(key)}" if path else _key(key)
            found.add(inner)
            if type(item) is dict or type(item) is list:
                _collect(item, inner, found, depth + 1)
    elif isinstance(value, list):
        inner = f"{path}[]"
        for item in cast("list[object]", value)[:MAX_NODES]:
            if type(item) is dict or type(item) is list:
                _collect(item, inner, found, depth + 1)


@lru_cache(maxsize=4096)
def _key(key: str) -> str:
    """A key as it is shown: keys can be data, such as addresses."""
    short = f"{key[:MAX_KEY]}…" if len(key) > MAX_KEY else key
    return _masked(short, DEFAULT)


def _masked(text: str, rules: Rules, kind: Kind | None = None, most: int = MAX_TEXT) -> str:
    longer = len(text) - most
    if longer > 0:
        text = text[: most + _MARGIN]
    text = mask_secrets(clean(text), plain_id=kind in ("id", "other_id"))
    if rules.mask_personal:
        text = mask_personal_data(text, plain_id=kind == "id")
    if longer > 0:
        return f"{text[:most]}… {longer} more characters"
    return text


class _Walk:
    """One value on its way to JSON; counts what it has shown."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._left = MAX_NODES

    def of(self, value: object, key: str, depth: int) -> JsonValue:
        self._left -= 1
        kind = kind_of(key, self._rules.redact_keys) if key else None
        if _is_secret(kind, value):
            return REDACTED
        match value:
            case str() if not isinstance(value, Enum):
                return self._text(value, kind)
            case bool() | None:
                return value
            case int() if not isinstance(value, Enum):
                return self._number(value, kind)
            case Enum():
                return self.of(value.value, key, depth)
            case _ if depth < MAX_DEPTH and _is_model(value):
                return self.of(_dumped(value), key, depth)
            case Mapping() if depth < MAX_DEPTH:
                return self._mapping(cast("Mapping[object, object]", value), depth)
            case list() | tuple() | set() | frozenset() if depth < MAX_DEPTH:
                items = cast("list[object]", value)
                return self._items(items, key, depth)
            case _:
                return _leaf(value)

    def _text(self, text: str, kind: Kind | None) -> str:
        if self._rules.mask_personal and kind in _PERSONAL and any(map(str.isalnum, text)):
            return _PERSONAL[kind]
        return _masked(text, self._rules, kind)

    def _number(self, number: int, kind: Kind | None) -> JsonValue:
        if self._rules.mask_personal and kind in _PERSONAL:
            return _PERSONAL[kind]
        return int(number) if -_MAX_INT <= number <= _MAX_INT else _leaf(number)

    def _mapping(self, values: Mapping[object, object], depth: int) -> dict[str, Any]:
        shown: dict[str, Any] = {}
        names = self._name_apart(values)
        for key, item in values.items():
            if self._left <= 0:
                shown["…"] = f"{len(values) - len(shown)} more"
                break
            name = key.value if isinstance(key, Enum) else key
            written = name if isinstance(name, str) else str(_leaf(name))
            spelled_key = _key(written)
            while spelled_key in shown:
                spelled_key += "'"
            if isinstance(name, bytes):
                written = name.decode(errors="replace")
            named = names if names and _is_held(written, item) else written
            shown[spelled_key] = self.of(item, named, depth + 1)
        return shown

    def _name_apart(self, values: Mapping[object, object]) -> str:
        """Of `{"name": "api_key", "value": ...}` the name; empty when it says nothing."""
        for label, name in values.items():
            is_label = isinstance(label, str) and label.casefold() in LABELS
            if is_label and isinstance(name, str) and self._is_sensitive(name):
                return name
        return ""

    def _is_sensitive(self, name: str) -> bool:
        return kind_of(name, self._rules.redact_keys) not in (None, "id", "other_id")

    def _is_header(self, name: str) -> bool:
        """`["pin", "note"]` are two words."""
        return self._is_sensitive(name) and kind_of(name, self._rules.redact_keys) != "code"

    def _items(self, items: list[object], key: str, depth: int) -> list[Any]:
        shown: list[Any] = []
        if len(items) == 2 and isinstance(items, list | tuple):
            name = _name_in(items[0])
            if name and isinstance(items[1], str | bytes | int) and self._is_header(name):
                return [self.of(items[0], key, depth + 1), self.of(items[1], name, depth + 1)]
        for item in items:
            if self._left <= 0:
                shown.append(f"… {len(items) - len(shown)} more")
                break
            shown.append(self.of(item, key, depth + 1))
        return shown


def _name_in(value: object) -> str | None:
    """What may be the name of what stands beside it, as in a list of headers: one word."""
    if isinstance(value, bytes):
        value = value[: MAX_KEY + 1].decode(errors="replace")
    if not isinstance(value, str) or not 0 < len(value) <= MAX_KEY or " " in value:
        return None
    return value


def _leaf(value: object) -> JsonValue:
    match value:
        case None | bool():
            return value
        case float():
            return repr(value) if math.isfinite(value) else str(value)
        case int():
            return str(value) if value.bit_length() < 10_000 else "<a very large number>"
        case Decimal():
            return money(value) if value.is_finite() and abs(value.adjusted()) < 100 else str(value)
        case datetime():
            return rfc3339(value) if value.tzinfo else value.isoformat()
        case date():
            return value.isoformat()
        case bytes() | bytearray() | memoryview():
            return f"<{len(value)} bytes>"
        case _ if hasattr(value, "get_secret_value"):
            return REDACTED
        case _:
            deep = isinstance(value, Mapping | list | tuple | set | frozenset) or _is_model(value)
            return "<too deep>" if deep else f"<{type(value).__name__}>"


def _is_model(value: object) -> bool:
    """True for a pydantic model. Whoever has none need not have pydantic."""
    return hasattr(type(value), "__pydantic_fields__")


def _dumped(model: Any) -> dict[str, object]:
    """The fields as they are; a model in a model is asked for its own."""
    return {**model.__dict__, **(model.__pydantic_extra__ or {})}


_PERSONAL: Final[dict[str | None, str]] = {"phone": PHONE, "ssn": SSN, "card": CARD, "iban": IBAN}


def _is_secret(kind: Kind | None, value: object) -> bool:
    if kind == "code":
        return value is not None and not isinstance(value, bool)
    return (kind == "secret" and value is not None) or (kind == "tokens" and _holds_text(value))


def _is_held(key: str, value: object) -> bool:
    """True for what a name that stands beside it is of; several values are some only as texts."""
    word = key.casefold()
    return word in HELD and (word != "values" or _holds_text(value))


def _holds_text(value: object) -> bool:
    if isinstance(value, str):
        return True
    items = value if isinstance(value, list | tuple | set | frozenset) else ()
    return any(isinstance(item, str) for item in cast("tuple[object, ...]", items))
