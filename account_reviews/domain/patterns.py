"""Patterns that are compiled at their first use: a command's time is its imports, and most texts
need few of the patterns that there are."""

import re
from typing import Any, cast


class _Pattern:
    """Its methods are those of the compiled pattern, from the first use on without a detour."""

    def __init__(self, source: str, flags: re.RegexFlag) -> None:
        self._given = source, flags

    def __getattr__(self, name: str) -> Any:
        found = getattr(re.compile(*self._given), name)
        self.__dict__[name] = found
        return found


def pattern(source: str, flags: re.RegexFlag = re.NOFLAG) -> re.Pattern[str]:
    """What `re.compile` gives, later."""
    return cast("re.Pattern[str]", _Pattern(source, flags))
