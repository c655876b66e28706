"""Tables that are written without rich look as rich draws them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from account_reviews.presentation import terminal

_CELL = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)
_ODD = st.sampled_from(
    [":warning:", "12:30:45", ":100:", "a\nb", "\N{WARNING SIGN}", "[bold]x", ""]
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    count = draw(st.integers(1, 5))
    row = st.lists(_CELL | _ODD, min_size=count, max_size=count)
    return draw(st.lists(_CELL, min_size=count, max_size=count)), draw(st.lists(row, max_size=5))


def printed(capsys: pytest.CaptureFixture[str], show: Any, *words: Any) -> str:
    capsys.readouterr()
    show(*words)
    return capsys.readouterr().out


@given(table=tables())
def test_a_table_looks_the_same_with_and_without_rich(table: tuple[Any, Any]) -> None:
    columns, rows = table
    lines = terminal._plain_lines(columns, rows)
    if lines is None:
        return
    from io import StringIO

    from rich.console import Console
    from rich.table import Table

    drawn = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        drawn.add_column(column, overflow="fold")
    for row in rows:
        drawn.add_row(*row)
    out = StringIO()
    Console(file=out, width=200, emoji=False, markup=False).print(drawn)
    assert out.getvalue() == "\n".join([*lines, ""])


@pytest.mark.parametrize("cell", ["a\nb", "\N{WARNING SIGN}", "x" * 201])
def test_what_rich_draws_is_left_to_it(cell: str) -> None:
    assert terminal._plain_lines(["a"], [[cell]]) is None


@pytest.mark.parametrize("cell", ["12:30:45", "2026-11-29 18:58:47Z", "[bold]x[/]", ":skull:", ""])
def test_what_is_plain_is_not(cell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert terminal._plain_lines(["a"], [[cell]]) is not None
    assert printed(capsys, terminal.print_table, ["a"], [[cell]]) == printed(
        capsys, terminal._draw_table, ["a"], [[cell]], ""
    )


@pytest.mark.parametrize("drawn", [True, False], ids=["rich", "plain"])
@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("Acme\x1b[2K", "Acme\N{REPLACEMENT CHARACTER}[2K"),
        ("a\n\nfalse  row", "a  false  row"),
        (":skull:", ":skull:"),
        ("[red]x", "[red]x"),
    ],
)
def test_a_cell_draws_nothing_but_itself(
    cell: str, shown: str, drawn: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    rest = "\N{WARNING SIGN}" if drawn else "x"
    out = printed(capsys, terminal.print_table, ["name", "rest"], [[cell, rest]])
    assert out.splitlines()[1:] == [f"{shown}  {rest}"] or out.splitlines()[1].startswith(shown)
    assert len(out.splitlines()) == 2


def test_a_line_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.say("Beta\n\x1b(0lines")
    assert capsys.readouterr().out == "Beta \N{REPLACEMENT CHARACTER}(0lines\n"
    terminal.note("\x9b2J\rnothing")
    assert capsys.readouterr().err == "\N{REPLACEMENT CHARACTER}2J nothing\n"
