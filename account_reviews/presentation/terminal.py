"""Lines, tables and remarks on a terminal: all that the commands print passes through here."""

import os
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from io import TextIOWrapper
from typing import Final

import typer

from account_reviews.config import terminal as config
from account_reviews.domain.characters import escaped_in_json, shown_line_by_line, shown_on_one_line

_WIDTH_OF_FILES: Final = 200
"""Columns of a table that no terminal shows."""
_GAP: Final = "  "
_BOLD: Final = "\x1b[1m{}\x1b[0m"
_DRAWN: Final = re.compile(r"[^ -~]")
"""What takes more or less room than one column."""


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = ""
) -> None:
    """A table on stdout, as wide as the terminal.

    Where every line fits and is plain text it is written here. Otherwise rich folds and draws it,
    whose import takes longer than most of our queries.
    """
    cells = [list(map(_cell, row)) for row in rows]
    lines = None if title else _plain_lines(columns, cells)
    if lines is None:
        _draw_table(columns, cells, title)
        return
    header, *others = lines
    bold = _on_terminal() and config.knows_bold()
    typer.echo("\n".join([_BOLD.format(header) if bold else header, *others]))


def say(text: str = "") -> None:
    """One line of an answer, on stdout, whatever stands in it."""
    typer.echo(shown_on_one_line(text))


def note(text: str) -> None:
    """One line of progress, or a remark, on stderr."""
    typer.echo(shown_on_one_line(text), err=True)


def prompt(text: str, *, err: bool = False) -> None:
    """A question, on whose line the answer is typed."""
    typer.echo(f"{shown_on_one_line(text)} ", nl=False, err=err)
    (sys.stderr if err else sys.stdout).flush()


def print_text(text: str, *, err: bool = False) -> None:
    """A text of several lines that we have laid out."""
    typer.echo(shown_line_by_line(text), err=err)


def print_json_text(text: str, *, err: bool = False) -> None:
    """JSON as it was dumped; what a terminal would obey or cannot show is escaped."""
    stream = sys.stderr if err else sys.stdout
    typer.echo(escaped_in_json(text, getattr(stream, "encoding", None)), err=err)


def spare_characters() -> None:
    """From now on a character that the terminal cannot show is replaced, and fails nothing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def _cell(value: object) -> str:
    return "-" if value is None else shown_on_one_line(str(value))


def _plain_lines(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> list[str] | None:
    """Header and rows as rich would write them; None where that takes more than filling up."""
    table = [columns, *cells]
    if os.name == "nt" or config.is_overruled():
        return None
    if any(_DRAWN.search(cell) for row in table for cell in row):
        return None
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    shown = shutil.get_terminal_size().columns if _on_terminal() else _WIDTH_OF_FILES
    if not all(widths) or sum(widths) + len(_GAP) * (len(widths) - 1) > shown:
        return None
    return [
        _GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in table
    ]


def _on_terminal() -> bool:
    """False too where standard output is closed."""
    return sys.stdout is not None and sys.stdout.isatty()


def _draw_table(columns: Sequence[str], cells: Sequence[Sequence[str]], title: str) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title or None, box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in cells:
        table.add_row(*row)
    console = Console(emoji=False, markup=False)
    if not console.is_terminal:
        console = Console(emoji=False, markup=False, width=_WIDTH_OF_FILES)
    console.print(table)
