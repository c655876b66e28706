"""What stands on a terminal draws nothing but itself, in colours only where there are some."""

import sys
from typing import Any

import pytest

from account_reviews.presentation import terminal
from account_reviews.presentation.tables import Cell, Column, View
from account_reviews.presentation.tones import Tone, tone_of


def printed(capsys: pytest.CaptureFixture[str], show: Any, *words: Any, **more: Any) -> str:
    capsys.readouterr()
    show(*words, **more)
    return capsys.readouterr().out


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
    cell: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = printed(capsys, terminal.print_table, ["name", "rest"], [[cell, "x"], [Cell(cell), "y"]])
    assert out.splitlines()[1:] == [f"{shown}  x", f"{shown}  y"]


def test_a_line_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.say("Beta\n\x1b(0lines")
    assert capsys.readouterr().out == "Beta \N{REPLACEMENT CHARACTER}(0lines\n"
    terminal.note("\x9b2J\rnothing")
    assert capsys.readouterr().err == "\N{REPLACEMENT CHARACTER}2J nothing\n"


@pytest.fixture
def on_terminal(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Stdout is a terminal of 80 columns that shows colours."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(terminal, "on_terminal", lambda: True)
    return monkeypatch


ROWS = [[Cell("high", tone=Tone.BAD), "ac-1"]]


def test_a_terminal_gets_colours(
    on_terminal: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = printed(capsys, terminal.print_table, ["Risk", "Account"], ROWS)
    assert "\x1b[1;31mhigh\x1b[0m  ac-1" in out
    assert "\x1b[1mRisk\x1b[0m" in out


@pytest.mark.parametrize(
    ("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb"), ("TERM", "unknown")]
)
def test_who_wants_no_colours_gets_none(
    on_terminal: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    on_terminal.setenv(name, value)
    assert printed(capsys, terminal.print_table, ["Risk", "Account"], ROWS) == (
        "Risk  Account\nhigh  ac-1\n"
    )


def test_a_pipe_gets_no_colours(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, terminal.print_table, ["Risk", "Account"], ROWS)
    assert out == "Risk  Account\nhigh  ac-1\n"


def test_a_file_is_as_wide_as_columns_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not sys.stdout.isatty()
    monkeypatch.delenv("COLUMNS", raising=False)
    assert terminal.room() == 200
    monkeypatch.setenv("COLUMNS", "80")
    assert terminal.room() == 80
    monkeypatch.setenv("COLUMNS", "many")
    assert terminal.room() == 200


def test_a_terminal_that_has_no_such_sign_gets_dots(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(terminal, "_ELLIPSIS", "\ud800")
    columns = [Column("a", "A", prose=True)]
    monkeypatch.setenv("COLUMNS", "18")
    out = printed(capsys, terminal.print_table, columns, [["some words and others"]], view=View())
    assert out == "A\nsome words and...\n"


@pytest.mark.parametrize(("word", "tone"), [("High", Tone.BAD), ("nothing to do", Tone.QUIET),
                                            ("of a customer", None), (None, None)])  # fmt: skip
def test_words_have_tones(word: str | None, tone: Tone | None) -> None:
    assert tone_of(word) is tone
