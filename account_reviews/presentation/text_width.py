"""How much room a text takes on a terminal, and what of it fits into some."""

import unicodedata
from typing import Final

_WIDE: Final = ("W", "F")
_NO_WIDTH: Final = ("Mn", "Me", "Cf")
_JOINER: Final = "\u200d"


def width_of(text: str) -> int:
    """Columns of a terminal. Signs of East Asia and emoji take two, accents none."""
    if text.isascii():
        return len(text)
    total, joined = 0, False
    for sign in text:
        if sign == _JOINER:
            joined = True
            continue
        if not joined:
            total += _width(sign)
        joined = False
    return total


def padded(text: str, width: int, *, right: bool = False) -> str:
    """The text with blanks up to the width; on the left with `right`."""
    blanks = " " * (width - width_of(text))
    return blanks + text if right else text + blanks


def cut(text: str, width: int, *, keep: str = "", more: str = "\N{HORIZONTAL ELLIPSIS}") -> str:
    """The words that fit, and `more` where some did not. `keep`: an end that stays.

    Only a first word that is longer than the room is cut in itself.
    """
    if width_of(text) <= width:
        return text
    body = text.removesuffix(keep) if keep else text
    room = width - width_of(keep) - width_of(more)
    if room < 1:
        return keep.strip() or more
    fits = _beginning(body, room)
    if len(fits) < len(body) and not body[len(fits)].isspace():
        whole, _, rest = fits.rpartition(" ")
        fits = whole if rest and whole.strip() else fits
    return f"{fits.rstrip(' ,;:.')}{more}{keep}"


def folded(text: str, width: int) -> list[str]:
    """The text in lines of at most that width, broken between words.

    A word that is longer than a line stands alone, whole.
    """
    if width_of(text) <= width:
        return [text]
    lines, line = [], ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if line and width_of(longer) > width:
            lines.append(line)
            line = word
        else:
            line = longer
    return [*lines, line]


def _beginning(text: str, room: int) -> str:
    used = 0
    for place, sign in enumerate(text):
        used += _width(sign)
        if used > room:
            return text[:place]
    return text


def _width(sign: str) -> int:
    if unicodedata.east_asian_width(sign) in _WIDE:
        return 2
    return 0 if unicodedata.category(sign) in _NO_WIDTH else 1
