"""Lengths of time as people write them in the policy: "300s", "30m", "72h", "30d" or "off"."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

Unit = Literal["s", "m", "h", "d"]

_SECONDS: dict[str, int] = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_FORM = re.compile(r"([0-9]{1,9})([smhd])")


def parse_duration(text: str) -> timedelta:
    """The length of time of "72h". ValueError for any other form."""
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise ValueError(f'{text!r} is not a duration such as "72h"')
    return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])


def format_duration(value: timedelta, unit: Unit = "d") -> str:
    """The shortest exact form that is not coarser than `unit`: 3 days in hours are "72h"."""
    seconds = round(value.total_seconds())
    for name in "dhms"["dhms".index(unit) :]:
        if seconds % _SECONDS[name] == 0:
            return f"{seconds // _SECONDS[name]}{name}"
    raise AssertionError(seconds)


@dataclass(frozen=True, slots=True)
class Span:
    """Pydantic annotation: a duration between `low` and `high`, written back in `unit`."""

    low: str
    high: str
    unit: Unit = "d"
    off: bool = False
    """True when "off" is allowed; it is kept as None."""

    def describe(self) -> str:
        """What fits, for messages."""
        ending = ' or "off"' if self.off else ""
        return f'a duration from {self.low} to {self.high} such as "{self.high}"{ending}'

    def read(self, value: object) -> timedelta | None:
        """Parse and check one value. ValueError when it does not fit."""
        if self.off and value in (None, "off"):
            return None
        found = value if isinstance(value, timedelta) else parse_duration(str(value))
        if not parse_duration(self.low) <= found <= parse_duration(self.high):
            raise ValueError("out of range")
        return found

    def write(self, value: timedelta | None) -> str:
        """The text of a value."""
        return "off" if value is None else format_duration(value, self.unit)

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        del source, handler
        return core_schema.no_info_plain_validator_function(
            self.read,
            serialization=core_schema.plain_serializer_function_ser_schema(self.write),
        )
