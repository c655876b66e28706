"""Words that people choose from a list: the case in which they write one means nothing."""

from collections.abc import Iterable


def named(given: str, choices: Iterable[str]) -> str | None:
    """The choice as it is spelled in the list; None when it is none of them.

    Where two differ in nothing but their case, only the exact one is meant.
    """
    listed = list(choices)
    if given in listed:
        return given
    found = [one for one in listed if one.casefold() == given.strip().casefold()]
    return found[0] if len(found) == 1 else None
