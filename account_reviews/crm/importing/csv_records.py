"""The records of a CSV file, one after another, with bounded memory.

A record is one record whatever is in it: bytes that are no text, NUL characters and line ends in
quotes never cut it, so nothing of it is taken for another. One that cannot be used is reported
whole, with the lines it takes.
"""

import codecs
import re
from collections.abc import Callable, Iterator
from enum import Enum, auto
from io import TextIOWrapper
from typing import BinaryIO, Final

MAX_RECORD: Final = 1024 * 1024
"""Characters of one record."""
SHORT: Final = 60
_QUOTE: Final = '"'
_HEAD: Final = 64 * 1024
"""Bytes that are looked at to find out how the lines end."""
_KEEP_BYTES: Final = "account_reviews.keep_bytes"
_BAD_BYTE: Final = re.compile("[\udc00-\udcff]")
"""How a byte that is no text stands in the text until its record is known."""
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

Report = Callable[[int, str, str | None], None]
"""Called with line, message and value."""


def _keep_bytes(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    bad = error.object[error.start : error.end]
    return "".join(chr(0xDC00 + byte) for byte in bad), error.end


class _State(Enum):
    """Where in a record the text read so far ends."""

    START = auto()
    """Before the first character of a value."""
    PLAIN = auto()
    QUOTED = auto()
    QUOTE = auto()
    """After a quote in a quoted value: the end of the value, or the first of two."""


class _Quotes:
    """Follows quotes, as the csv module reads them, through text that comes in pieces."""

    def __init__(self, delimiter: str) -> None:
        self.delimiter = delimiter
        self._state = _State.START

    @property
    def inside(self) -> bool:
        """Whether a line that ends here ends within a quoted value."""
        return self._state is _State.QUOTED

    def restart(self) -> None:
        """A record ended."""
        self._state = _State.START

    def follow(self, text: str) -> None:
        """Go through the next piece of a record."""
        at = 0
        while at < len(text):
            at = self._step(text, at)

    def _step(self, text: str, at: int) -> int:
        if self._state is _State.QUOTED:
            quote = text.find(_QUOTE, at)
            if quote < 0:
                return len(text)
            self._state = _State.QUOTE
            return quote + 1
        if self._state is _State.QUOTE and text[at] == _QUOTE:
            self._state = _State.QUOTED
            return at + 1
        if self._state is _State.START and text[at] == _QUOTE:
            self._state = _State.QUOTED
            return at + 1
        opening = text.find(self.delimiter + _QUOTE, at)
        if opening >= 0:
            self._state = _State.QUOTED
            return opening + 2
        self._state = _State.START if text.endswith(self.delimiter) else _State.PLAIN
        return len(text)


class Records:
    """The texts of a file's records; those that are no text or too long are reported instead.

    A byte order mark says what the encoding is, whatever was given. Lines end with LF or CR LF, or
    with CR alone where the file has nothing else. `line` is where the record given last begins,
    `last` where it ends, both counted from 1.
    """

    def __init__(self, stream: BinaryIO, encoding: str, delimiter: str, report: Report) -> None:
        self.line = 0
        self.last = 0
        self._quotes = _Quotes(delimiter)
        self._report = report
        codecs.register_error(_KEEP_BYTES, _keep_bytes)
        self.encoding, start = _find_encoding(stream, encoding)
        self._end = _find_line_end(stream, self.encoding, start)
        stream.seek(start)
        self._text = TextIOWrapper(
            stream, encoding=self.encoding, errors=_KEEP_BYTES, newline=self._end
        )

    @property
    def delimiter(self) -> str:
        """Between values; another one counts from the next record on."""
        return self._quotes.delimiter

    @delimiter.setter
    def delimiter(self, delimiter: str) -> None:
        self._quotes.delimiter = delimiter

    def skip_line(self) -> bool:
        """Leave out one line, whatever is in it; False at the end of the file."""
        return self._next_line() is not None

    def __iter__(self) -> Iterator[str]:
        while (text := self._next_record()) is not None:
            if text:
                yield text

    def _next_record(self) -> str | None:
        """None at the end, an empty text for a record that was reported."""
        self.line = self.last + 1
        self._quotes.restart()
        parts: list[str] = []
        size = 0
        while piece := self._next_piece():
            size += len(piece)
            if size <= MAX_RECORD:
                parts.append(piece)
            self._quotes.follow(piece)
            if piece.endswith(self._end) and not self._quotes.inside:
                break
        return self._checked("".join(parts), size) if size else None

    def _next_piece(self) -> str:
        """A line, or as much of it as a record may have."""
        piece = self._text.readline(MAX_RECORD)
        if piece and (piece.endswith(self._end) or len(piece) < MAX_RECORD):
            self.last += 1
        return piece

    def _next_line(self) -> str | None:
        first = piece = self._next_piece()
        while piece and not piece.endswith(self._end):
            piece = self._next_piece()
        self._quotes.restart()
        return first or None

    def _checked(self, text: str, size: int) -> str:
        problem = self._problem(text, size)
        if problem is None:
            return text
        self._report(self.line, problem + self.span(), _BAD_BYTE.sub("\ufffd", text.rstrip()))
        return ""

    def span(self) -> str:
        """The lines of a record that takes several, for messages."""
        return f" (lines {self.line} to {self.last})" if self.last > self.line else ""

    def _problem(self, text: str, size: int) -> str | None:
        if self._quotes.inside:
            return "the row cannot be read: a quoted value is not closed"
        if size > MAX_RECORD:
            hint = "; is a closing quote missing?" if self.last > self.line else ""
            return f"the row is longer than {MAX_RECORD:,} characters{hint}"
        if "\x00" in text:
            return "the row holds a NUL character"
        bad = None if text.isascii() else _BAD_BYTE.search(text)
        if bad is None:
            return None
        return f"the byte 0x{ord(bad[0]) - 0xDC00:02x} is not {self.encoding}"


def _find_encoding(stream: BinaryIO, given: str) -> tuple[str, int]:
    """The encoding, and where the text begins."""
    head = stream.read(4)
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding, len(mark)
    return given, 0


def _find_line_end(stream: BinaryIO, encoding: str, start: int) -> str:
    r"""`\r` for a file without any other line end outside of quotes, else `\n`."""
    stream.seek(start)
    text = codecs.getincrementaldecoder(encoding)("replace").decode(stream.read(_HEAD))
    bare = re.sub(r'"[^"]*"', "", text)
    return "\r" if "\r" in bare and "\n" not in bare else "\n"
