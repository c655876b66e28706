"""Tables and remarks on a terminal."""

import os
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Final

import typer

from account_reviews.config import terminal as config

_WIDTH_OF_FILES: Final = 200
"""Columns of a table that no terminal shows."""
_GAP: Final = "  "
_BOLD: Final = "\x1b[1m{}\x1b[0m"
_DRAWN: Final = re.compile(r"[^ -~]|:(?!\d\d:)[^\s:]+:")
"""What takes more than its characters: other scripts, line ends, names such as `:warning:`."""


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = ""
) -> None:
    """A table on stdout, as wide as the terminal.

    Where every line fits and is plain text it is written here. Otherwise rich folds and draws it,
    whose import takes longer than most of our queries.
    """
    cells = [["-" if cell is None else str(cell) for cell in row] for row in rows]
    lines = None if title else _plain_lines(columns, cells)
    if lines is None:
        _draw_table(columns, cells, title)
        return
    header, *others = lines
    bold = _on_terminal() and config.knows_bold()
    typer.echo("\n".join([_BOLD.format(header) if bold else header, *others]))


def note(text: str) -> None:
    """Progress and remarks, on stderr."""
    typer.echo(text, err=True)


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
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH_OF_FILES)
    console.print(table, markup=False)
