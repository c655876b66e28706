"""From the text of a CSV row to the values of a record. Pure."""

import hashlib
import json
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from account_reviews.crm.importing.csv_stream import tidy
from account_reviews.crm.importing.fields import CUSTOM, Kind, ModuleField
from account_reviews.crm.importing.mapping import EPOCHS, PLACEHOLDER, FileMapping, Rule
from account_reviews.crm.importing.numbers import BadValueError, read_number
from account_reviews.domain.canonical import plain
from account_reviews.domain.times import FIRST_YEAR, LAST_YEAR, is_usable_time

Value = str | int | float | Decimal | bool | date | datetime | list[str] | None
Row = Mapping[str, str]
Reader = Callable[[str], Value]
Lookup = Mapping[str, str]
"""Key text -> value text, for `most_frequent`."""

_UNUSABLE_TIME: Final = (
    f"is not a time that can be kept: its year is not between {FIRST_YEAR} and {LAST_YEAR}; where"
    " it means `none`, name it under `null` in the mapping"
)
_YES: Final = frozenset({"true", "t", "yes", "y", "1"})
_NO: Final = frozenset({"false", "f", "no", "n", "0"})


@dataclass(frozen=True)
class BadCell:
    """A problem in one cell."""

    column: str
    value: str
    message: str


class RowReader:
    """Turns the rows of one file of a mapping into records."""

    def __init__(self, mapping: FileMapping, lookups: Mapping[str, Lookup]) -> None:
        self._mapping = mapping
        self._null = frozenset({"", *mapping.null})
        self._skip = {
            column: frozenset({texts} if isinstance(texts, str) else texts)
            for column, texts in mapping.skip_when.items()
        }
        self._fields = [
            (found, rule, lookups.get(name), _parser(found, rule, mapping))
            for name, rule in mapping.fields.items()
            if (found := mapping.target.field_of(name)) is not None
        ]
        names = sorted({_stored_name(name) for name in mapping.fields})
        self.columns: tuple[str, ...] = tuple(names)
        """The columns of the table that it fills."""

    def clean(self, row: Row) -> Row:
        """The row as it is seen (see `tidy`), with the spellings of `replace` put right."""
        found = {column: tidy(text) for column, text in row.items()}
        for column, better in self._mapping.replace.items():
            found[column] = better.get(found[column], found[column])
        return found

    def is_left_out(self, row: Row) -> bool:
        """True when `skip_when` says so."""
        return any(row[column] in texts for column, texts in self._skip.items())

    def read(self, row: Row) -> tuple[dict[str, Value], list[BadCell]]:
        """(column of the table -> value, what is wrong). A bad cell gives no value."""
        values: dict[str, Value] = {}
        custom: dict[str, str] = {}
        bad: list[BadCell] = []
        for field, rule, lookup, parse in self._fields:
            raw = text = self._source(row, rule)
            try:
                text = _chosen(raw, rule, lookup)
                value = parse(text)
                if value is None and field.required:
                    raise BadValueError("is empty, but needed")
            except BadValueError as error:
                made = f"; the mapping made {text!r} of it" if text != raw else ""
                bad.append(BadCell(_place(field, rule), raw, f"{field.name} {error}{made}"))
                continue
            if not field.name.startswith(CUSTOM):
                values[field.name] = value
            elif isinstance(value, str):
                custom[field.name.removeprefix(CUSTOM)] = value
        if "custom" in self.columns:
            values["custom"] = json.dumps(custom, sort_keys=True, ensure_ascii=False)
        return values, bad

    def _source(self, row: Row, rule: Rule) -> str:
        if rule.constant is not None:
            return rule.constant
        cells = {name: "" if row[name] in self._null else row[name] for name in rule.columns()}
        if rule.template is None:
            return next((text for text in cells.values() if text), "")
        if cells and not any(cells.values()):
            return ""
        return PLACEHOLDER.sub(lambda match: cells[match[1]], rule.template).strip()


def digest(values: Mapping[str, Value]) -> str:
    """The fingerprint of what a row says: fields and values, 32 hex digits."""
    text = json.dumps({name: plain(value) for name, value in values.items()}, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def slug(text: str) -> str:
    """An id made of words: "Acme Corp." -> "acme-corp". Marks on letters belong to them."""
    folded = unicodedata.normalize("NFC", text).casefold()
    kept = "".join(char if _in_word(char) else " " for char in unicodedata.normalize("NFC", folded))
    return "-".join(part for part in kept.split() if any(map(str.isalnum, part)) or "_" in part)


def _in_word(char: str) -> bool:
    return char.isalnum() or char == "_" or unicodedata.category(char).startswith("M")


def _chosen(text: str, rule: Rule, lookup: Lookup | None) -> str:
    """The text after lookup, vocabulary and default; empty is unknown."""
    if rule.most_frequent is not None:
        text = (lookup or {}).get(text, "")
    if not text or rule.values is None:
        return text or rule.default or ""
    found = rule.values.get(text, rule.default)
    if found is None:
        raise BadValueError(f"is not one of {', '.join(rule.values)}")
    return found


def _stored_name(name: str) -> str:
    return "custom" if name.startswith(CUSTOM) else name


def _place(field: ModuleField, rule: Rule) -> str:
    return ", ".join(rule.columns()) or field.name


def _parser(field: ModuleField, rule: Rule, mapping: FileMapping) -> Reader:
    """The function that reads the text of one field; raises BadValueError."""
    formats = rule.dates or mapping.dates
    zone = mapping.zone
    day_zone = zone if mapping.names_zone else None
    decimal = rule.decimal or mapping.decimal
    readers: dict[Kind, Reader] = {
        Kind.DATE: lambda text: _day(_moment(text, formats, zone), day_zone),
        Kind.MOMENT: lambda text: _utc(_moment(text, formats, zone)),
        Kind.DECIMAL: lambda text: read_number(text, field, rule, decimal),
        Kind.INTEGER: lambda text: read_number(text, field, rule, decimal),
        Kind.FRACTION: lambda text: read_number(text, field, rule, decimal),
        Kind.TEXT: lambda text: _text(text, field, rule),
        Kind.BOOLEAN: _boolean,
        Kind.LIST: lambda text: _parts(text, rule.split or ";"),
    }
    read = readers[field.kind]

    def parse(text: str) -> Value:
        if text:
            return read(text)
        return [] if field.kind is Kind.LIST else None

    return parse


def _parts(text: str, separator: str) -> list[str]:
    return [part.strip() for part in text.split(separator) if part.strip()]


def _text(text: str, field: ModuleField, rule: Rule) -> str:
    found = slug(text) if rule.slug else text
    if rule.slug and not found:
        raise BadValueError("gives no id")
    if not field.allows(found):
        raise BadValueError(f"is not one of {', '.join(field.choices)}")
    problem = field.too_long(found)
    if problem is not None:
        raise BadValueError(problem)
    return found


def _boolean(text: str) -> bool:
    word = text.casefold()
    if word not in _YES | _NO:
        raise BadValueError("is neither yes nor no")
    return word in _YES


@lru_cache(maxsize=4096)
def _moment(text: str, formats: tuple[str, ...], zone: ZoneInfo) -> datetime:
    """An aware time that can be kept; a date alone is its first moment in the zone."""
    found = _read_moment(text, formats)
    aware = found if found.tzinfo else found.replace(tzinfo=zone)
    if not is_usable_time(aware):
        raise BadValueError(_UNUSABLE_TIME)
    return aware


def _read_moment(text: str, formats: tuple[str, ...]) -> datetime:
    for item in formats:
        try:
            if item in EPOCHS:
                return datetime.fromtimestamp(float(text) / EPOCHS[item], UTC)
            return datetime.strptime(text, item)  # noqa: DTZ007  the zone follows
        except (ValueError, OverflowError, OSError):
            continue
    if formats:
        raise BadValueError(f"is not a date of the form {' or '.join(formats)}")
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise BadValueError(
            "is not a date of the form 2026-10-01 or 2026-10-01T09:30:00Z"
        ) from None


def _day(found: datetime, zone: ZoneInfo | None) -> date:
    """The day in the zone that the mapping names, else the day as it is written."""
    return found.date() if zone is None else found.astimezone(zone).date()


def _utc(found: datetime) -> datetime:
    return found.astimezone(UTC)
