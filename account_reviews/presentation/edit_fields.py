"""The fields of a change as a form asks for them: which kind, which choices, what stands there."""

import types
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import AwareDatetime

from account_reviews.domain.base import Scalar
from account_reviews.domain.canonical import rfc3339
from account_reviews.domain.errors import BadInputError
from account_reviews.domain.fields import FIELDS, check_fields, missing_field
from account_reviews.domain.known_names import listed, matching
from account_reviews.domain.person_names import person
from account_reviews.domain.proposals import ProposedChange
from account_reviews.presentation.words import Words

_EXAMPLES: Final[Mapping[str, str]] = {
    "date": "write a day, as 2026-10-09",
    "time": "write a day, as 2026-10-09, or a time, as 2026-10-09T14:00",
    "number": "it is no number that fits",
}
_AGAIN: Final = "change it, and decide again"
_LONG: Final = frozenset({"description", "content"})


class Choice(NamedTuple):
    """One entry of a pick list."""

    value: str
    label: str


class EditField(NamedTuple):
    """A field of a form. `value` is as its input spells it; `hint` what an empty one means."""

    name: str
    label: str
    kind: Literal["text", "long", "date", "time", "number", "choice"]
    value: str
    choices: tuple[Choice, ...] = ()
    hint: str | None = None


def edit_fields(
    change: ProposedChange, words: Words, owners: Mapping[str, str | None]
) -> list[EditField]:
    """What may be edited of a change. `owners`: id -> name of those it may be given to."""
    model = FIELDS[change.action].model_fields
    found = []
    for name, value in change.after.items():
        if name not in model:
            continue
        counted = name == "due_at" and change.due_in_seconds is not None
        kind, choices = _kind(name, model[name].annotation, words, owners)
        current = "" if counted or value is None else _spelled(kind, value, words)
        if kind == "choice" and current and current not in {one.value for one in choices}:
            choices = (Choice(current, words.value(name, value)), *choices)
        hint = (
            f"{words.span(change.due_in_seconds or 0)} after it is written; choose a date to fix it"
            if counted
            else None
        )
        found.append(EditField(name, words.field(name), kind, current, choices, hint))
    return found


def edited(
    change: ProposedChange, given: Mapping[str, str], words: Words, owners: Mapping[str, str | None]
) -> dict[str, Scalar]:
    """The values that somebody changed, in their wire form. BadInputError for one that fits not."""
    raw: dict[str, Scalar] = {}
    for one in edit_fields(change, words, owners):
        text = given.get(one.name)
        if text is None or text.replace("\r\n", "\n").strip() == one.value.strip():
            continue
        raw[one.name] = _read(one, text.replace("\r\n", "\n").strip(), words)
        if missing_field(change.action, {**change.after, one.name: raw[one.name]}) == one.name:
            raise BadInputError(f"{one.label} cannot be empty", hint=_AGAIN)
    try:
        return check_fields(change.action, raw)
    except BadInputError as error:
        raise BadInputError(_said(error.message, words), hint=_AGAIN) from None


def typed(
    change: ProposedChange,
    given: Mapping[str, Scalar],
    words: Words,
    owners: Mapping[str, str | None],
) -> dict[str, Scalar]:
    """What somebody typed in place of values, in its wire form: a field by its name or its label,
    a person by id or name. BadInputError says in words what does not fit."""
    labels = {name: words.field(name) for name in FIELDS[change.action].model_fields}
    if not change.action.creates:
        labels = {name: label for name, label in labels.items() if name in change.after}
    found: dict[str, Scalar] = {}
    for text, value in given.items():
        name = next((one for one in labels if person(text) in _names(one, labels[one])), None)
        if name is None:
            why = f"{words.term(change.action)} has no field {text!r}"
            raise BadInputError(f"{why}; its fields are {', '.join(labels.values())}")
        meant = value
        if name == "owner_id" and isinstance(value, str):
            meant = _owner(labels[name], value, owners)
        elif name == "due_at" and isinstance(value, str):
            meant = _in_his_zone(value, words)
        if missing_field(change.action, {name: meant}) == name:
            raise BadInputError(f"{labels[name]} cannot be empty")
        try:
            found |= check_fields(change.action, {name: meant})
        except BadInputError as error:
            why = _fitting(change, name, words) or _reason(error.message)
            raise BadInputError(f"{labels[name]} cannot be {value!r}: {why}") from None
    return found


def _names(name: str, label: str) -> tuple[str, str]:
    return person(name), person(label)


def _owner(label: str, text: str, owners: Mapping[str, str | None]) -> str:
    """The id of somebody; what nobody is called may still be an id of the CRM."""
    hits = matching(text, owners)
    if len(hits) > 1:
        raise BadInputError(f"{label} cannot be {text!r}: it may mean {listed(hits)}")
    return hits[0].id if hits else text


def _in_his_zone(text: str, words: Words) -> str:
    """A day, or a time without a zone, is that of the reader."""
    try:
        there = datetime.fromisoformat(text.strip())
        return text if there.tzinfo else rfc3339(there.replace(tzinfo=words.zone))
    except (ValueError, OverflowError):
        return text


def _fitting(change: ProposedChange, name: str, words: Words) -> str | None:
    """What a field takes, where that can be said in a few words."""
    kind, choices = _kind(name, FIELDS[change.action].model_fields[name].annotation, words, {})
    if kind == "choice" and choices:
        *others, last = (one.value for one in choices)
        return f"it is {', '.join(others)} or {last}"
    return _EXAMPLES.get(kind)


def _reason(message: str) -> str:
    return message.rpartition("': ")[2]


def _said(message: str, words: Words) -> str:
    name, space, rest = message.partition(" ")
    return f"{words.field(name)}{space}{rest}"


def _read(field: EditField, text: str, words: Words) -> Scalar:
    if not text:
        return None
    if field.kind == "time":
        try:
            return rfc3339(datetime.fromisoformat(_in_his_zone(text, words)))
        except (ValueError, OverflowError):
            raise BadInputError(f"{field.label} cannot be {text!r}: it is no date") from None
    if field.kind == "choice" and {one.value for one in field.choices} == {"yes", "no"}:
        return text == "yes"
    return text


def _kind(
    name: str, annotation: Any, words: Words, owners: Mapping[str, str | None]
) -> tuple[Literal["text", "long", "date", "time", "number", "choice"], tuple[Choice, ...]]:
    if name == "owner_id":
        listed = sorted((called or one, one) for one, called in owners.items())
        return "choice", tuple(Choice(one, called) for called, one in listed)
    for kind in _types(annotation):
        if get_origin(kind) is Literal:
            values = [str(one) for one in get_args(kind)]
            return "choice", tuple(Choice(one, words.term(one)) for one in values)
        if kind is bool:
            return "choice", (Choice("yes", "yes"), Choice("no", "no"))
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            return "choice", tuple(Choice(str(one), words.term(one)) for one in kind)
        if kind is AwareDatetime:
            return "time", ()
        if isinstance(kind, type) and issubclass(kind, date):
            return "date", ()
        if isinstance(kind, type) and issubclass(kind, int | float | Decimal):
            return "number", ()
    return ("long" if name in _LONG else "text"), ()


def _types(annotation: Any) -> Iterator[Any]:
    """The types of a field, without the marks around them and without None."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _types(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for one in get_args(annotation):
            yield from _types(one)
    elif annotation is not type(None):
        yield annotation


def _spelled(kind: str, value: Scalar, words: Words) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    if kind != "time":
        return text
    try:
        return f"{datetime.fromisoformat(text).astimezone(words.zone):%Y-%m-%dT%H:%M}"
    except ValueError:
        return text
