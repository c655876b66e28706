"""What mapping files have in common: parts that know their keys, YAML without doubles, and errors
that say where they are and what is allowed there."""

from collections.abc import Hashable
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import ErrorDetails
from yaml.constructor import BaseConstructor

from account_reviews.domain.base import sentence
from account_reviews.domain.errors import BadInputError


class Part(BaseModel):
    """A part of a mapping; a key it does not have is an error that lists those it has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, value: object) -> object:
        if isinstance(value, dict):
            unknown = sorted(str(key) for key in value if key not in cls.model_fields)
            if unknown:
                allowed = ", ".join(cls.model_fields)
                raise ValueError(f"unknown key {unknown[0]!r}; the keys are {allowed}")
        return value


def _known_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (OSError, ValueError, KeyError):
        raise ValueError(f"unknown time zone {value!r}; write it like Europe/Berlin") from None
    return value


TimeZone = Annotated[str, AfterValidator(_known_zone)]


class KeysOnce(BaseConstructor):
    """For a loader: no key may appear twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                line = node.start_mark.line + 1
                raise yaml.YAMLError(f"key {key!r} appears twice in the part from line {line} on")
        return super().construct_mapping(node, deep)


def read_text(path: Path, wanted_by: str) -> str:
    """The text of a mapping file. BadInputError; `wanted_by` is said where there is none."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise BadInputError(f"{path} does not exist; {wanted_by}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(f"{path} cannot be read: {error}") from None


def read_yaml(text: str, name: str, loader: type[yaml.BaseLoader | yaml.SafeLoader]) -> object:
    """The document of the file called `name`. BadInputError."""
    try:
        return yaml.load(text, Loader=loader)  # noqa: S506  neither makes objects
    except yaml.YAMLError as error:
        raise BadInputError(f"{name} is not valid YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise BadInputError(f"{name} is nested too deeply for a mapping file") from None


def refused(
    error: ValidationError, name: str, document: dict[str, Any], *, parts: str, called: str
) -> BadInputError:
    """What does not fit first. `parts`: the list that the document consists of; `called`: the key
    by which people know an entry of it."""
    first = error.errors()[0]
    where = _where(first["loc"], document, parts, called)
    return BadInputError(f"{name}: {where}{_sentence(first)}")


def _where(
    location: tuple[int | str, ...], document: dict[str, Any], parts: str, called: str
) -> str:
    """The place of an error: the part it speaks of and the keys down to it."""
    keys = [str(key) for key in location]
    if len(location) > 1 and location[0] == parts and isinstance(location[1], int):
        entry = document[parts][location[1]]
        name = entry.get(called) if isinstance(entry, dict) else None
        keys[:2] = [name if name and isinstance(name, str) else f"{parts}[{location[1]}]"]
    return ", ".join(keys) + ": " if keys else ""


def _sentence(error: ErrorDetails) -> str:
    """What pydantic found, for people who write YAML."""
    wanted = {
        "tuple_type": "write a list, such as",
        "dict_type": "write keys with values, such as",
        "string_type": "write a text, such as",
        "model_type": "write keys with values, such as",
    }
    kind, given = error["type"], error["input"]
    if kind == "too_short":
        return "write one entry at least"
    if kind not in wanted:
        return sentence(error["msg"])
    shown = given if isinstance(given, str) else "text"
    example = {"tuple_type": f"[{shown}]", "string_type": "text"}.get(kind, "{key: value}")
    return f"{wanted[kind]} {example}"
