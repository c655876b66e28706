"""Lines that fit: broken between words, and never inside a command that somebody may copy."""

import re
import textwrap
import unicodedata
from typing import Final

_SECOND_COLUMN: Final = "\uffff"
_HELD: Final = "\ufffe"
"""Are no signs, and in no text that is shown."""
_COMMAND: Final = re.compile(r"`[^`\n]*`")
_MARK: Final = re.compile(r"\s*(?:[-*] |\d+\. |#+ )?")


def wrapped(
    text: str, width: int, *, indent: str = "", hanging: str = "", breaks_long: bool = True
) -> list[str]:
    """Lines of `width` columns; all but the first begin with `hanging`. Without text an empty one.

    A command in backquotes stays on one line, as long as it is. `breaks_long`: also a word that
    is longer than a line is broken.
    """
    if not text:
        return [""]
    lines = textwrap.wrap(
        _COMMAND.sub(lambda it: it[0].replace(" ", _HELD), _spread(text)),
        width,
        initial_indent=indent,
        subsequent_indent=hanging,
        break_on_hyphens=False,
        break_long_words=breaks_long and "`" not in text,
    )
    return [line.replace(_SECOND_COLUMN, "").replace(_HELD, " ") for line in lines]


def fitted(text: str, width: int) -> str:
    """A text with each line that is too long wrapped; what follows stands below its first word.

    Rows of a table stay whole.
    """
    lines: list[str] = []
    for line in text.split("\n"):
        if (len(line) <= width and line.isascii()) or line.startswith("|"):
            lines.append(line)
            continue
        mark = _MARK.match(line)
        begin = mark[0] if mark else ""
        lines += wrapped(
            line[len(begin) :], width, indent=begin, hanging=" " * len(begin), breaks_long=False
        )
    return "\n".join(lines)


def _spread(text: str) -> str:
    """With as many characters as a terminal needs columns: some signs take two."""
    if text.isascii():
        return text
    return "".join(
        f"{sign}{_SECOND_COLUMN}" if unicodedata.east_asian_width(sign) in "WF" else sign
        for sign in text
    )
