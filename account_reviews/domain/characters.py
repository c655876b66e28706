"""Characters that act on what stands around them, and texts in which there is nothing to read.

Names, reasons and ids come from anywhere. A terminal obeys control characters, the direction signs
of Unicode turn the rest of a line around, and some characters show nothing at all.
"""

import re
import unicodedata
from typing import Final

from account_reviews.domain.patterns import pattern

_BREAKS: Final = "\t-\r\x1c-\x1e\x85\u2028\u2029"
_CONTROLS: Final = "\x00-\x1f\x7f-\x9f\ud800-\udfff\ufff9-\ufffb"
_MARKS: Final = "\u061c\u200e\u200f"
_TURNING: Final = "\u202a-\u202e\u2066-\u2069"
_UNSEEN: Final = "\xad\u180e\u200b\u2060-\u2064\u206a-\u206f\ufeff"
"""They show nothing and join nothing. The joiners U+200C and U+200D are letters of a name."""

_LINE_END: Final = pattern(rf"\r\n|[{_BREAKS}]")
_ACTING: Final = pattern(rf"[{_CONTROLS}{_TURNING}]")
_MARK: Final = pattern(rf"[{_MARKS}]")
_NO_LETTERS: Final = pattern(rf"[{_MARKS}{_TURNING}{_UNSEEN}]")
_IN_JSON: Final = pattern(rf"(?!\n)[{_CONTROLS}{_TURNING}{_MARKS}\u2028\u2029]")
_SPECIAL: Final = pattern(r"([\\`*_{}\[\]#|~!])")
_MARKER: Final = pattern(r"^(\d{0,9})([.)+=-])(?=[\s+=-]|$)")
"""What makes a line an item of a list, as `1.`, `1)`, `+` and `-` do, or a rule."""
_NOTHING: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp", "Zs"})
_LEFTWARD: Final = frozenset({"R", "AL", "AN"})
_FILLER: Final = pattern(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Letters and marks, as Unicode has it, that show nothing by themselves."""


def shown_on_one_line(text: str) -> str:
    """The text for people: a line end is a blank, what would act is a replacement sign."""
    if text.isascii() and text.isprintable():
        return text
    text = _MARK.sub("", _LINE_END.sub(" ", text))
    return _ACTING.sub("\N{REPLACEMENT CHARACTER}", text)


def shown_line_by_line(text: str) -> str:
    """The same for a text whose lines are ours."""
    return "\n".join(map(shown_on_one_line, text.split("\n")))


def isolated(text: str) -> str:
    """The text for a page: when it holds letters from right to left they turn nothing around it."""
    if text.isascii() or not any(unicodedata.bidirectional(sign) in _LEFTWARD for sign in text):
        return text
    return f"\u2068{text}\u2069"


def written_on_one_line(text: str) -> str:
    """The text for another system: single blanks, and nothing that acts or cannot be seen.

    Joiners stay: without them Persian names are misspelt and families of emoji fall apart.
    """
    if not (text.isascii() and text.isprintable()):
        text = _NO_LETTERS.sub("", re.sub(rf"[{_CONTROLS}]", " ", text))
    return " ".join(text.split())


def escaped_in_markdown(text: str) -> str:
    """Text that Markdown shows as it is, on one line, also where a line begins with it."""
    text = " ".join(shown_on_one_line(text).split())
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKER.sub(r"\1\\\2", _SPECIAL.sub(r"\\\1", text))


def escaped_in_json(text: str, encoding: str | None = None) -> str:
    """The same JSON document, in which what would act, or has no place in the encoding, is `\\u`.

    Nothing is lost: whoever reads it as JSON has what it was.
    """
    text = _IN_JSON.sub(lambda found: _escape(found[0]), text)
    try:
        text.encode(encoding or "utf-8")
    except UnicodeEncodeError:
        return "".join(sign if sign.isascii() else _escape(sign) for sign in text)
    return text


def without_unseen(text: str) -> str:
    """The text without all that shows nothing and is no blank, joiners too: to compare names."""
    if text.isascii() and text.isprintable():
        return text
    seen = (sign for sign in text if unicodedata.category(sign) not in ("Cc", "Cf"))
    return _FILLER.sub("", "".join(seen))


def is_blank(text: str) -> bool:
    """True when there is nothing to read, as in a zero-width space."""
    return all(unicodedata.category(sign) in _NOTHING or _FILLER.match(sign) for sign in text)


def _escape(sign: str) -> str:
    units = sign.encode("utf-16-be", "surrogatepass")
    pairs = (units[at : at + 2] for at in range(0, len(units), 2))
    return "".join(f"\\u{pair.hex()}" for pair in pairs)
