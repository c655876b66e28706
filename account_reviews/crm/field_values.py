"""Values between a CRM and us, by the mapping, both ways. Pure.

A value that cannot be read is unknown, and is told; it never takes its record with it, unless the
record is nothing without it.
"""

import hashlib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from zoneinfo import ZoneInfo

from account_reviews.crm.field_mapping import FieldMapping, FieldRule, ModuleMapping
from account_reviews.crm.importing.fields import CUSTOM, Kind, ModuleField
from account_reviews.domain.errors import CrmInvalidError
from account_reviews.domain.times import is_usable_time

_LONGEST_TEXT: Final = 100_000
"""Characters of a text of many lines that are kept."""
_LONGEST_LINE: Final = 2_000
_DIGITS: Final = 30
_LARGEST_INTEGER: Final = 2**31 - 1
_UNREADABLE: Final = re.compile("[\x00\ud800-\udfff]")
"""What no database keeps."""
_MARK: Final = re.compile(r"(?:\r?\n\r?\n)?\[operation ([0-9a-f]{16})\]\s*\Z")
_YES: Final = frozenset({"true", "yes", "1"})
_NO: Final = frozenset({"false", "no", "0"})


@dataclass(frozen=True)
class FieldProblem:
    """One value that is unknown to us though the CRM has something there."""

    field: str
    crm_field: str
    why: str


@dataclass(frozen=True)
class Reading:
    """Our fields of one record, with Python types, and what could not be read."""

    values: dict[str, Any]
    problems: tuple[FieldProblem, ...] = ()
    mark: str | None = None
    """Of the operation that made it, see `mark_of`; None for a record that carries none."""


class _BadValueError(ValueError):
    """Says what a value is not."""


def read_record(mapping: FieldMapping, module: ModuleMapping, found: Mapping[str, Any]) -> Reading:
    """What a record of the CRM says in our fields. `found` is as its API gave it, by field.

    A field of ours that is not among `found` is unknown. Free fields stand under `custom`.
    """
    values: dict[str, Any] = {}
    problems: list[FieldProblem] = []
    mark = None
    for name, rule in module.fields.items():
        described = module.describe(name)
        raw = rule.constant if rule.field is None else _part(found.get(rule.field), rule)
        if name == module.mark and isinstance(raw, str):
            raw, mark = without_mark(raw)
        try:
            values[name] = _read(raw, rule, described, mapping.zone)
        except _BadValueError as error:
            values[name] = None
            problems.append(FieldProblem(name, rule.field or name, str(error)))
    free = [name for name in values if name.startswith(CUSTOM)]
    custom = {name.removeprefix(CUSTOM): values.pop(name) for name in free}
    if "custom" in module.target.fields:
        named = {rule.field for rule in module.fields.values()}
        for name, raw in found.items():
            if name not in named and name.startswith(mapping.custom_prefixes or ("\0",)):
                custom[name] = _text(_part(raw, FieldRule(field=name)), _LONGEST_LINE)
        values["custom"] = {name: text for name, text in custom.items() if text}
    return Reading(values, tuple(problems), mark)


def written_values(module: ModuleMapping, values: Mapping[str, Any]) -> dict[str, Any]:
    """Our fields as the CRM's, texts translated.

    Values keep their Python types (Decimal, date, aware datetime, str, bool, None): how those
    travel is the backend's. CrmInvalidError for a field that the mapping does not let be written.
    """
    found: dict[str, Any] = {}
    for name, value in values.items():
        rule = module.fields.get(name)
        if rule is None or rule.field is None or not rule.write:
            lets = ", ".join(module.writable()) or "none"
            raise CrmInvalidError(
                f"{name} of {module.record} cannot be written: the mapping lets {lets} be written",
                field=name,
                hint="see `write` in the mapping file, docs/field-mapping.md",
            )
        found[rule.field] = rule.in_crm(value) if isinstance(value, str) else value
    return found


def mark_of(operation_id: str) -> str:
    """What names an operation within a text: 16 hex digits."""
    return hashlib.sha256(operation_id.encode()).hexdigest()[:16]


def with_mark(text: str | None, operation_id: str) -> str:
    """The text with a last line that names the operation."""
    mark = f"[operation {mark_of(operation_id)}]"
    return f"{text}\n\n{mark}" if text else mark


def without_mark(text: str) -> tuple[str, str | None]:
    """(the text as it was meant, the mark of its operation or None)."""
    found = _MARK.search(text)
    return (text, None) if found is None else (text[: found.start()], found[1])


def parse_moment(value: object, zone: ZoneInfo | None = None) -> datetime:
    """An aware time in UTC from ISO 8601 or from milliseconds since 1970, as number or text.

    A time or date that names no zone is of `zone`. ValueError without one, and for all else.
    """
    if isinstance(value, bool):
        raise _BadValueError(f"is {value!r}, which is no time")
    text = str(value).strip()
    try:
        if re.fullmatch(r"-?\d{9,15}", text):
            moment = datetime.fromtimestamp(int(text) / 1000, UTC)
        else:
            moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        raise _BadValueError(f"is {_shown(value)}, which is no time") from None
    if moment.tzinfo is None:
        if zone is None:
            raise _BadValueError(f"is {_shown(value)}, a time without a zone")
        moment = moment.replace(tzinfo=zone)
    if not is_usable_time(moment):
        raise _BadValueError(f"is {_shown(value)}, a time that cannot be kept")
    return moment.astimezone(UTC)


def _part(value: Any, rule: FieldRule) -> Any:
    """The part of a value that is meant: the id of what it points at, unless the rule says else."""
    if isinstance(value, Mapping):
        return value.get(rule.part or "id")
    if isinstance(value, list):
        return [_part(one, rule) for one in value]
    return value


def _read(raw: Any, rule: FieldRule, described: ModuleField, zone: ZoneInfo) -> Any:
    if raw is None or raw in ("", []):
        raw = rule.default
    if raw is None:
        return [] if described.kind is Kind.LIST else None
    if rule.values is not None or rule.default is not None or described.choices:
        raw = _translated(raw, rule, described)
        if raw is None:
            return None
    return _READERS[described.kind](raw, described, zone)


def _translated(raw: Any, rule: FieldRule, described: ModuleField) -> str | None:
    text = _text(str(raw).lower() if isinstance(raw, bool) else raw, _LONGEST_LINE) or ""
    found = (rule.values or {}).get(text)
    if found is not None:
        return found or None
    if described.choices and described.allows(text):
        return text
    if rule.default is not None:
        return rule.default or None
    if described.choices:
        raise _BadValueError(
            f"is {_shown(text)}, which the mapping does not translate to one of "
            + ", ".join(described.choices)
        )
    return text


def _text(raw: Any, longest: int) -> str | None:
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, list):
        raw = "; ".join(str(one) for one in raw if one is not None)
    elif isinstance(raw, Mapping):
        raw = None
    text = "" if raw is None else _UNREADABLE.sub("\N{REPLACEMENT CHARACTER}", str(raw))
    if len(text) > longest:
        text = text[: longest - 1] + "\N{HORIZONTAL ELLIPSIS}"
    return text or None


def _read_text(raw: Any, described: ModuleField, zone: ZoneInfo) -> str | None:  # noqa: ARG001
    longest = described.longest or _LONGEST_TEXT
    text = _text(raw, longest if described.names is None else _LONGEST_LINE)
    problem = described.too_long(text) if text and described.names is not None else None
    if problem is not None:
        raise _BadValueError(problem)
    return text


def _read_number(raw: Any, described: ModuleField, zone: ZoneInfo) -> Any:  # noqa: ARG001
    try:
        if isinstance(raw, bool) or (isinstance(raw, float) and not math.isfinite(raw)):
            raise InvalidOperation
        number = Decimal(str(raw).strip())
        if not number.is_finite() or len(number.as_tuple().digits) > _DIGITS:
            raise InvalidOperation
        if abs(number.adjusted()) > _DIGITS:
            raise InvalidOperation
    except InvalidOperation:
        raise _BadValueError(f"is {_shown(raw)}, which is no {described.kind.value}") from None
    if described.kind is Kind.DECIMAL:
        return number
    highest = 1 if described.kind is Kind.FRACTION else described.maximum or _LARGEST_INTEGER
    if not 0 <= number <= highest:
        raise _BadValueError(f"is {_shown(raw)}, which is not from 0 to {highest}")
    return float(number) if described.kind is Kind.FRACTION else round(number)


def _read_moment(raw: Any, described: ModuleField, zone: ZoneInfo) -> datetime:  # noqa: ARG001
    return parse_moment(raw, zone)


def _read_day(raw: Any, described: ModuleField, zone: ZoneInfo) -> date:  # noqa: ARG001
    text = str(raw).strip()
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        return parse_moment(text, ZoneInfo("UTC")).date()
    return parse_moment(raw, zone).astimezone(zone).date()


def _read_boolean(raw: Any, described: ModuleField, zone: ZoneInfo) -> bool:  # noqa: ARG001
    word = str(raw).strip().casefold()
    if word not in _YES | _NO:
        raise _BadValueError(f"is {_shown(raw)}, which is neither yes nor no")
    return word in _YES


def _read_list(raw: Any, described: ModuleField, zone: ZoneInfo) -> list[str]:  # noqa: ARG001
    parts = raw if isinstance(raw, list) else str(raw).split(";")
    texts = (_text(part, _LONGEST_LINE) for part in parts)
    return [text.strip() for text in texts if text and text.strip()]


def day_of(moment: datetime, zone: ZoneInfo) -> date:
    """The day of a time where the CRM keeps days only."""
    return moment.astimezone(zone).date()


def start_of(day: date, zone: ZoneInfo) -> datetime:
    """The first moment of a day, in UTC: what a time is once the CRM has kept its day only."""
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:79] + "\N{HORIZONTAL ELLIPSIS}"


_READERS: Final[dict[Kind, Callable[[Any, ModuleField, ZoneInfo], Any]]] = {
    Kind.TEXT: _read_text,
    Kind.INTEGER: _read_number,
    Kind.DECIMAL: _read_number,
    Kind.FRACTION: _read_number,
    Kind.DATE: _read_day,
    Kind.MOMENT: _read_moment,
    Kind.BOOLEAN: _read_boolean,
    Kind.LIST: _read_list,
}
