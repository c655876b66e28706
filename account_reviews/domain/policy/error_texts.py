"""Describes a bad policy value: the dotted key, the value, and what is allowed. One sentence."""

from collections.abc import Mapping
from difflib import get_close_matches
from enum import Enum
from types import NoneType
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from account_reviews.domain.durations import Span
from account_reviews.domain.errors import PolicyError


def refuse_unknown_keys(
    values: Mapping[str, Any], model: type[BaseModel], path: tuple[str, ...] = ()
) -> None:
    """Raise PolicyError for the first key that no rule reads."""
    for key, value in values.items():
        field = model.model_fields.get(key)
        if field is None:
            raise PolicyError(_unknown(key, model, path))
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel) and isinstance(value, dict):
            refuse_unknown_keys(value, inner, (*path, key))


def sentence(error: ValidationError, values: Mapping[str, Any], model: type[BaseModel]) -> str:
    """The first problem of `error` in words."""
    where = error.errors()[0]["loc"]
    field, depth = _field_at(where, model)
    path = tuple(str(part) for part in where[: depth + 1] if part != "[key]")
    value: object = values
    for part in where[: depth + 1]:
        value = value.get(part) if isinstance(value, dict) else value
    return f"{'.'.join(path)} is {_shown(value)}, but must be {_allowed(field)}"


def _unknown(key: str, model: type[BaseModel], path: tuple[str, ...]) -> str:
    known = list(model.model_fields)
    dotted = ".".join((*path, key))
    close = get_close_matches(key, known, n=1)
    if close:
        return f"{dotted} is not a policy key; did you mean {'.'.join((*path, close[0]))}?"
    table = f"[{'.'.join(path)}]" if path else "the policy"
    return f"{dotted} is not a policy key; {table} has {', '.join(known)}"


def _field_at(where: tuple[int | str, ...], model: type[BaseModel]) -> tuple[FieldInfo, int]:
    """The innermost field on a location, and its depth."""
    depth = 0
    field = model.model_fields[str(where[0])]
    while isinstance(inner := field.annotation, type) and issubclass(inner, BaseModel):
        if depth + 1 >= len(where):
            break
        depth += 1
        field = inner.model_fields[str(where[depth])]
    return field, depth


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value)


def _allowed(field: FieldInfo) -> str:
    for mark in field.metadata:
        if isinstance(mark, Span):
            return mark.describe()
    return _type_words(field.annotation, list(field.metadata))


def _type_words(kind: Any, marks: list[Any]) -> str:
    if kind is bool:
        return "true or false"
    if kind in (int, float):
        noun = "a whole number" if kind is int else "a number"
        return f"{noun} {_range(marks)}"
    if kind is str:
        return "a text of 1 to 50 characters"
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return f"a table with {', '.join(kind.model_fields)}"
    return _container_words(get_origin(kind), get_args(kind), marks)


def _container_words(origin: Any, parts: tuple[Any, ...], marks: list[Any]) -> str:
    if origin is tuple:
        return f"a list of {_members(parts[0])}"
    if origin is dict:
        inner, *limits = get_args(parts[1]) or (parts[1],)
        marks = limits[0].metadata if limits else []
        return f"a table of {_members(parts[0])}, each {_type_words(inner, marks)}"
    choices = [str(part) for part in parts if part is not NoneType]
    return f"one of {', '.join(choices)}"


def _members(kind: Any) -> str:
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "some of " + ", ".join(str(member.value) for member in kind)
    inner, *marks = get_args(kind) or (kind,)
    return _type_words(inner, list(marks[0].metadata)) if inner is int else "texts"


def _range(marks: list[Any]) -> str:
    found = {
        name: limit
        for mark in marks
        for name in ("ge", "gt", "le")
        if (limit := getattr(mark, name, None)) is not None
    }
    if "ge" in found:
        return f"from {found['ge']} to {found['le']}"
    return f"above {found['gt']} and up to {found['le']}"
