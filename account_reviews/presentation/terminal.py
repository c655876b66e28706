"""Lines, tables and remarks on a terminal: all that the commands print passes through here."""

import shutil
import sys
from collections.abc import Iterable, Sequence
from io import TextIOWrapper
from typing import Final, TextIO

import typer

from account_reviews.config import terminal as config
from account_reviews.domain.characters import escaped_in_json, shown_line_by_line, shown_on_one_line
from account_reviews.presentation.tables import AS_IT_FITS, GAP, Column, View, laid_out
from account_reviews.presentation.tones import Tone
from account_reviews.presentation.wrapping import fitted

_WIDTH_OF_FILES: Final = 200
"""Columns of a table that no terminal shows and for which COLUMNS says nothing."""
_STYLED: Final = "\x1b[{}m{}\x1b[0m"
_BOLD: Final = "1"
_HOME_AND_CLEAR: Final = "\x1b[H\x1b[2J"
_ELLIPSIS: Final = "\N{HORIZONTAL ELLIPSIS}"


def print_table(
    columns: Sequence[Column | str],
    rows: Iterable[Sequence[object]],
    *,
    view: View = AS_IT_FITS,
    last: str = "",
) -> None:
    """A table on stdout that fits the terminal. A name in place of a column is its heading.

    `rows` hold a cell for each column, also for those that are not shown: a `Cell`, or any value.
    `last`: lines below, seen in the pager too. With `view.watch` as many rows as the terminal has
    lines for, and how many more there are. With `view.pager` a table that is longer than the
    terminal is shown by PAGER. BadInputError for a column that `view` names and that is not there.
    """
    known = [one if isinstance(one, Column) else Column(one, one) for one in columns]
    table = laid_out(known, list(rows), room(), view=view, more=_sign_for_more())
    if view.watch and on_terminal():
        below = 1 + (len(last.splitlines()) + 1 if last else 0)
        screen = shutil.get_terminal_size().lines - below  # the cursor stands below all
        table, left = table.in_lines(screen)
        if left:
            table, left = table.in_lines(screen - (1 if last else 2))
            last = f"and {left:,} more" + (f"\n{last}" if last else "")
    styled = shows_styles()
    header, *others = ([_cell(text, tone, styled) for text, tone in line] for line in table.lines)
    if styled:
        header = [_STYLED.format(_BOLD, text) if text.strip() else text for text in header]
    lines = [GAP.join(line) for line in (header, *others)]
    if last:
        lines += ["", shown_line_by_line(last)]
    text = _in_its_signs("\n".join(lines))
    if view.pager and len(lines) >= shutil.get_terminal_size().lines and _in_pager(text):
        return
    typer.echo(text, color=True)


def coloured(text: str, tone: Tone | None) -> str:
    """The text as it stands on stdout; plain where there are no colours. Its words are ours."""
    return _cell(text, tone, shows_styles())


def room() -> int:
    """Columns of a line on stdout."""
    if on_terminal():
        return shutil.get_terminal_size().columns
    return config.columns_named() or _WIDTH_OF_FILES


def clear() -> None:
    """An empty screen, to draw on again; nothing where stdout is no terminal."""
    if on_terminal() and config.shows_pages():
        typer.echo(_HOME_AND_CLEAR, nl=False, color=True)


def say(text: str = "") -> None:
    """One line of an answer, on stdout, whatever stands in it."""
    typer.echo(_fitted(shown_on_one_line(text), sys.stdout))


def note(text: str) -> None:
    """One line of progress, or a remark, on stderr."""
    typer.echo(_fitted(shown_on_one_line(text), sys.stderr), err=True)


def prompt(text: str, *, err: bool = False) -> None:
    """A question, on whose line the answer is typed."""
    typer.echo(f"{shown_on_one_line(text)} ", nl=False, err=err)
    (sys.stderr if err else sys.stdout).flush()


def print_text(text: str, *, err: bool = False) -> None:
    """A text of several lines that we have laid out."""
    typer.echo(shown_line_by_line(text), err=err)


def print_prose(text: str) -> None:
    """A text of several lines, whose long lines a terminal gets wrapped between words."""
    typer.echo(_fitted(shown_line_by_line(text), sys.stdout))


def print_json_text(text: str, *, err: bool = False) -> None:
    """JSON as it was dumped; what a terminal would obey or cannot show is escaped."""
    stream = sys.stderr if err else sys.stdout
    typer.echo(escaped_in_json(text, getattr(stream, "encoding", None)), err=err)


def spare_characters() -> None:
    """From now on a character that the terminal cannot show is replaced, and fails nothing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def on_terminal() -> bool:
    """False too where standard output is closed."""
    return sys.stdout is not None and sys.stdout.isatty()


def shows_styles() -> bool:
    """True where stdout is a terminal that shows colours, and nobody has said no."""
    return config.shows_styles() and (on_terminal() or config.is_overruled())


def _cell(text: str, tone: Tone | None, styled: bool) -> str:
    if tone is None or not styled or not text.strip():
        return text
    words = text.strip()
    before, after = text.split(words, 1)
    return f"{before}{_STYLED.format(tone.value, words)}{after}"


def _fitted(text: str, stream: TextIO | None) -> str:
    """As it is where no terminal shows it."""
    if stream is None or not stream.isatty():
        return text
    return fitted(text, shutil.get_terminal_size().columns)


def _in_its_signs(text: str) -> str:
    """The text with a question mark for each character that stdout has no sign for."""
    if text.isascii():
        return text
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)


def _sign_for_more() -> str:
    try:
        _ELLIPSIS.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return "..."
    return _ELLIPSIS


def _in_pager(text: str) -> bool:
    """False where there is no pager, or nobody who could turn its pages."""
    command = config.pager()
    if command is None or not on_terminal() or sys.stdin is None or not sys.stdin.isatty():
        return False
    from account_reviews.presentation.pager import show

    return show(text, command, config.pager_environment())
