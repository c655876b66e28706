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
from account_reviews.domain.fields import FIELDS, check_fields
from account_reviews.domain.proposals import ProposedChange
from account_reviews.presentation.words import Words

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
    try:
        return check_fields(change.action, raw)
    except BadInputError as error:
        raise BadInputError(
            _said(error.message, words), hint="change it, and decide again"
        ) from None


def _said(message: str, words: Words) -> str:
    name, space, rest = message.partition(" ")
    return f"{words.field(name)}{space}{rest}"


def _read(field: EditField, text: str, words: Words) -> Scalar:
    if not text:
        return None
    if field.kind == "time":
        try:
            there = datetime.fromisoformat(text)
        except ValueError:
            raise BadInputError(f"{field.label} cannot be {text!r}: it is no date") from None
        aware = there if there.tzinfo else there.replace(tzinfo=words.zone)
        return rfc3339(aware)
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
