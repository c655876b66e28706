"""Reading a CSV file row by row with bounded memory. What cannot be read is reported by line."""

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from account_reviews.domain.base import Model
from account_reviews.domain.errors import BadInputError

MAX_LINE_BYTES: Final = 1024 * 1024
KEPT_PROBLEMS: Final = 1000
SHORT: Final = 60


class Problem(Model):
    """One thing in one file that cannot be imported. `line` counts from 1, the header's line."""

    file: str
    line: int
    column: str | None = None
    value: str | None = None
    message: str


@dataclass
class Problems:
    """Keeps the first thousand and counts the rest."""

    items: list[Problem] = field(default_factory=list)
    count: int = 0

    def add(
        self,
        file: str,
        line: int,
        message: str,
        *,
        column: str | None = None,
        value: str | None = None,
    ) -> None:
        """Report one; the value is shortened."""
        self.count += 1
        if len(self.items) < KEPT_PROBLEMS:
            shown = None if value is None else shorten(value)
            self.items.append(
                Problem(file=file, line=line, column=column, value=shown, message=message)
            )

    def add_uncounted(self, more: int) -> None:
        """Count problems that are too many to be listed one by one."""
        self.count += more


def shorten(value: str) -> str:
    """A value as it may stand in a message: at most 60 characters, nothing unprintable."""
    kept = value if len(value) <= SHORT else value[: SHORT - 1] + "…"
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in kept)


Report = Callable[[int, str, str | None], None]
"""Called with line, message and value."""


class _Lines:
    """The text lines of a file; lines that are no text are reported and left out."""

    def __init__(self, stream: BinaryIO, encoding: str, report: Report) -> None:
        self.number = 0
        self._stream = stream
        self._encoding = encoding
        self._report = report

    def __iter__(self) -> Iterator[str]:
        while raw := self._stream.readline(MAX_LINE_BYTES + 1):
            self.number += 1
            if len(raw) > MAX_LINE_BYTES:
                self._skip_rest(raw)
                continue
            line = self._decode(raw)
            if line is not None:
                yield line

    def _decode(self, raw: bytes) -> str | None:
        if self.number == 1 and self._encoding == "utf-8":
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        try:
            line = raw.decode(self._encoding)
        except UnicodeDecodeError as error:
            byte = f"byte {error.start + 1} (0x{raw[error.start]:02x})"
            shown = raw.decode(self._encoding, errors="replace").rstrip()
            self._report(self.number, f"{byte} is not {self._encoding}", shown)
            return None
        if "\x00" in line:
            self._report(self.number, "the line holds a NUL character", line.rstrip())
            return None
        return line

    def _skip_rest(self, raw: bytes) -> None:
        start = raw[: SHORT * 4].decode(self._encoding, errors="replace")
        while raw and not raw.endswith(b"\n"):
            raw = self._stream.readline(MAX_LINE_BYTES)
        limit = MAX_LINE_BYTES // 1024 // 1024
        self._report(self.number, f"the line is longer than {limit} MB", start)


class CsvFile:
    """One open CSV file. `header` holds the column names, `rows()` the rest."""

    def __init__(
        self, path: Path, stream: BinaryIO, encoding: str, delimiter: str, problems: Problems
    ) -> None:
        self.name = path.name
        self.unreadable = 0
        """Rows and lines reported so far."""
        self._problems = problems
        self._lines = _Lines(stream, encoding, self._report)
        self._reader = csv.reader(self._lines, delimiter=delimiter, strict=True)
        self.header = self._read_header()

    def rows(self) -> Iterator[tuple[int, dict[str, str]]]:
        """(line, column -> text) of each row. Rows of the wrong width are reported."""
        width = len(self.header)
        while True:
            line = self._lines.number + 1
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                self._report(line, f"the row cannot be read: {_reason(error)}", None)
                continue
            if not cells:
                continue
            if len(cells) != width:
                message = f"the row has {len(cells)} columns, the header has {width}"
                self._report(line, message, ",".join(cells))
                continue
            yield line, dict(zip(self.header, cells, strict=True))

    def _report(self, line: int, message: str, value: str | None) -> None:
        self.unreadable += 1
        self._problems.add(self.name, line, message, value=value)

    def _read_header(self) -> list[str]:
        before = self._problems.count
        try:
            header = next(self._reader, None)
        except csv.Error as error:
            raise BadInputError(
                f"{self.name}: the header cannot be read: {_reason(error)}"
            ) from None
        if self._problems.count > before:
            reason = self._problems.items[-1].message
            raise BadInputError(f"{self.name}: the header cannot be read: {reason}")
        if not header:
            raise BadInputError(f"{self.name} is empty: it needs a header line with column names")
        names = [name.strip() for name in header]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise BadInputError(f"{self.name} has more than one column named {twice[0]!r}")
        return names


@contextmanager
def open_csv(
    path: Path, *, encoding: str = "utf-8", delimiter: str = ",", problems: Problems
) -> Iterator[CsvFile]:
    """Open a file and read its header. BadInputError when there is no such file or no header."""
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        raise BadInputError(f"{path} does not exist; the mapping asks for it") from None
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {error.strerror}") from None
    with stream:
        yield CsvFile(path, stream, encoding, delimiter, problems)


def _reason(error: csv.Error) -> str:
    text = str(error)
    if "field larger than field limit" in text:
        return "a value is longer than 131072 characters; is a closing quote missing?"
    if "unexpected end of data" in text:
        return "a quoted value is not closed"
    return text
