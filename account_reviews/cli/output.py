"""How commands answer: tables for people, one JSON document for programs, errors in one sentence."""

import asyncio
import json
import os
import sys
from collections.abc import Coroutine, Iterable, Sequence
from enum import StrEnum
from typing import Annotated, Any, NoReturn, TypeVar

import typer


_T = TypeVar("_T")


class Format(StrEnum):
    TABLE = "table"
    JSON = "json"


Output = Annotated[
    Format, typer.Option("--output", "-o", help="table for people, json for programs.")
]


def print_json(document: object) -> None:
    """One JSON document on stdout. Models and times take their canonical form."""
    from account_reviews.domain.canonical import plain

    typer.echo(json.dumps(plain(document), indent=2, ensure_ascii=False))


def print_line(document: object) -> None:
    """One JSON line, for streams."""
    from account_reviews.domain.canonical import plain

    typer.echo(json.dumps(plain(document), ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "") -> None:
    """A table on stdout, as wide as the terminal."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title or None, box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*("-" if cell is None else str(cell) for cell in row))
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    console.print(table, markup=False)


def note(text: str) -> None:
    """Progress and remarks, on stderr."""
    typer.echo(text, err=True)


def fail(error: Exception, output: Format = Format.TABLE) -> NoReturn:
    """One sentence on stderr (JSON with -o json) and the error's exit code."""
    from account_reviews.domain.errors import ReviewsError

    if not isinstance(error, ReviewsError):
        error = ReviewsError(f"unexpected {type(error).__name__}: {error}")
    if output is Format.JSON:
        body = {"code": error.code, "message": error.message, "hint": error.hint}
        typer.echo(json.dumps({"error": body}, ensure_ascii=False), err=True)
    else:
        typer.echo(f"{error.message}" + (f" ({error.hint})" if error.hint else ""), err=True)
    leave(error.exit_code)


def leave(code: int) -> NoReturn:
    """End now: flush and `os._exit`, since the SDK's threads can abort a normal interpreter exit."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        _end_of_pipe()
    os._exit(code)


def _end_of_pipe() -> NoReturn:
    """The reader went away, as `head` does: nothing is wrong."""
    os._exit(0)


def run(work: Coroutine[Any, Any, _T], output: Format = Format.TABLE) -> _T:
    """Run a command's coroutine; every error of ours becomes its sentence and exit code."""
    from account_reviews.domain.errors import ReviewsError

    try:
        return asyncio.run(work)
    except ReviewsError as error:
        fail(error, output)
    except KeyboardInterrupt:
        leave(130)
    except BrokenPipeError:
        _end_of_pipe()
    except Exception as error:
        if os.environ.get("REVIEWS_LOG_LEVEL", "").lower() == "debug":
            raise
        fail(error, output)
