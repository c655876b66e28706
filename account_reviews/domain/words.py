"""Words that people choose from a list, in any case they write them in; and texts cut after one."""

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


def beginning(text: str, most: int) -> str:
    """The text where it has at most so many characters, else its first words and an ellipsis.

    Only a first word that is longer than that is cut in itself.
    """
    if len(text) <= most:
        return text
    short = text[: most - 1]
    whole, blank, _ = short.rpartition(" ")
    if blank and not text[most - 1].isspace():
        short = whole
    return f"{short.rstrip(' ,;:.')}…"
