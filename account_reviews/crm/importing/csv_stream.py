"""Reading a CSV file row by row with bounded memory. What cannot be read is reported by line."""

import csv
import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from account_reviews.crm.importing.csv_records import MAX_RECORD, SHORT, Records
from account_reviews.domain.base import Model
from account_reviews.domain.characters import is_blank
from account_reviews.domain.errors import BadInputError

KEPT_PROBLEMS: Final = 1000
DELIMITER: Final = ","
_INVISIBLE: Final = "\ufeff\u200b\u2060\u00ad"
"""What programs leave at the ends of a text, and nobody sees."""
_EDGES: Final = re.compile(rf"^[\s{_INVISIBLE}]+|[\s{_INVISIBLE}]+$")
_SEPARATOR_LINE: Final = re.compile(r'"?sep=(.)"?[\r\n]*', re.IGNORECASE)
"""What Excel reads the delimiter from."""


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


def tidy(text: str) -> str:
    """A text without what cannot be seen at its ends, and with one spelling for each letter (NFC).

    A text of nothing that can be seen is empty.
    """
    if text.isascii() and text.isprintable():
        return text.strip()
    found = unicodedata.normalize("NFC", _EDGES.sub("", text))
    return "" if is_blank(found) else found


class CsvFile:
    """One open CSV file. `header` holds the column names, `rows()` the rest.

    `skip_lines` stand before the header. Without a delimiter it is the comma, or what a first line
    such as `sep=;` says.
    """

    def __init__(
        self,
        path: Path,
        stream: BinaryIO,
        problems: Problems,
        *,
        encoding: str = "utf-8",
        delimiter: str | None = None,
        skip_lines: int = 0,
    ) -> None:
        self.name = path.name
        self.unreadable = 0
        """Rows reported so far."""
        self._problems = problems
        self._given = delimiter
        csv.field_size_limit(MAX_RECORD)
        self._records = Records(stream, encoding, delimiter or DELIMITER, self._report)
        for _ in range(skip_lines):
            self._records.skip_line()
        self._reader = csv.reader(iter(()))
        self.header = self._read_header()
        self._width = len(self.header)
        while self._width and not self.header[self._width - 1]:
            self._width -= 1

    def rows(self) -> Iterator[tuple[int, dict[str, str]]]:
        """(line, column -> text) of each row. Rows of the wrong width are reported.

        A column that stands twice has its last text: nobody who needs it gets here.
        """
        while True:
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                message = f"the row cannot be read: {_reason(error)}{self._records.span()}"
                self._report(self._records.line, message, None)
                continue
            if not cells:
                continue
            if not self._fits(cells):
                message = f"the row has {len(cells)} columns, the header has {len(self.header)}"
                self._report(self._records.line, message, ",".join(cells))
                continue
            yield self._records.line, dict(zip(self.header, cells, strict=False))

    def need(self, columns: set[str]) -> None:
        """BadInputError when one of the columns is missing or stands more than once."""
        elsewhere = columns.isdisjoint(self.header)
        hint = "do other lines stand before the header? Then give `skip_lines`"
        for name in sorted(columns):
            if name not in self.header:
                shown = ", ".join(_visible(column) for column in self.header)
                raise BadInputError(
                    f"{self.name} has no column {name!r}; its columns are {shown}",
                    hint=hint if elsewhere else None,
                )
            if self.header.count(name) > 1:
                raise BadInputError(f"{self.name} has more than one column named {name!r}")

    def _fits(self, cells: list[str]) -> bool:
        """Empty cells after the last column and missing ones of columns without a name fit."""
        given = len(cells)
        while given > len(self.header) and not cells[given - 1].strip():
            given -= 1
        return self._width <= given <= len(self.header)

    def _report(self, line: int, message: str, value: str | None) -> None:
        self.unreadable += 1
        self._problems.add(self.name, line, message, value=value)

    def _read_header(self) -> list[str]:
        before = self._problems.count
        first = next(iter(self._records), None)
        separator = None if first is None else _SEPARATOR_LINE.fullmatch(first)
        if separator is not None:
            self._use_delimiter(separator[1])
            first = next(iter(self._records), None)
        if self._problems.count > before:
            reason = self._problems.items[-1].message
            hint = "is it UTF-16? Then give `encoding: utf-16`" if "NUL" in reason else None
            raise BadInputError(f"{self.name}: the header cannot be read: {reason}", hint=hint)
        delimiter = self._records.delimiter
        self._reader = csv.reader(iter(self._records), delimiter=delimiter, strict=True)
        try:
            header = next(csv.reader([first or ""], delimiter=delimiter, strict=True), [])
        except csv.Error as error:
            raise BadInputError(
                f"{self.name}: the header cannot be read: {_reason(error)}"
            ) from None
        if not any(name.strip() for name in header):
            raise BadInputError(f"{self.name} is empty: it needs a header line with column names")
        return [tidy(name) for name in header]

    def _use_delimiter(self, delimiter: str) -> None:
        if self._given not in (None, delimiter):
            raise BadInputError(
                f"{self.name} says that its delimiter is {delimiter!r}, the mapping"
                f" {self._given!r}",
                hint="leave `delimiter` out, or correct it",
            )
        self._records.delimiter = delimiter


@contextmanager
def open_csv(
    path: Path,
    problems: Problems,
    *,
    encoding: str = "utf-8",
    delimiter: str | None = None,
    skip_lines: int = 0,
) -> Iterator[CsvFile]:
    """Open a file and read its header. BadInputError when there is no such file or no header."""
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        raise BadInputError(f"{path} does not exist; the mapping asks for it") from None
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {error.strerror}") from None
    with stream:
        yield CsvFile(
            path,
            stream,
            problems,
            encoding=encoding,
            delimiter=delimiter,
            skip_lines=skip_lines,
        )


def _visible(name: str) -> str:
    return name if name.isprintable() else ascii(name)


def _reason(error: csv.Error) -> str:
    text = str(error)
    if "new-line character" in text:
        return "a line break stands outside of quotes"
    if "expected after" in text:
        return f"{text}; is a quote in a value not doubled?"
    return text
