"""Tables fit the room they have, and lose nothing that somebody would have to type."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from account_reviews.domain.errors import BadInputError
from account_reviews.presentation.tables import (
    GAP,
    Cell,
    Column,
    View,
    account_cell,
    in_order,
    laid_out,
)
from account_reviews.presentation.text_width import cut, folded, padded, width_of

_WORDS = st.lists(
    st.text(st.characters(categories=("L", "N", "P", "S"), codec="utf-8"), min_size=1, max_size=12),
    min_size=1,
    max_size=8,
).map(" ".join)
_ID = st.from_regex(r"ac-[0-9]{1,9}", fullmatch=True)
COLUMNS = (
    Column("account", "Account", prose=True),
    Column("id", "Id"),
    Column("risk", "Risk", 2),
    Column("why", "Why", 3, folds=True),
    Column("note", "Note", 4, prose=True),
    Column("more", "More", wide=True),
)
_ROW = st.tuples(_WORDS, _ID, st.sampled_from(["high", "low", None]), _WORDS, _WORDS, _WORDS)


def text_of(table: Any) -> list[str]:
    return [GAP.join(text for text, _ in line) for line in table.lines]


@given(rows=st.lists(_ROW, max_size=4), room=st.integers(50, 200))
def test_no_line_is_longer_than_the_room_and_every_id_is_whole(
    rows: list[tuple[Any, ...]], room: int
) -> None:
    lines = text_of(laid_out(COLUMNS, rows, room))
    assert all(width_of(line) <= room for line in lines)
    for row in rows:
        assert any(row[1] in line.split() for line in lines)


@given(rows=st.lists(_ROW, min_size=1, max_size=4))
def test_wide_shows_every_cell_whole(rows: list[tuple[Any, ...]]) -> None:
    columns = [Column(one.key, one.heading, one.rank, wide=one.wide) for one in COLUMNS]
    text = "\n".join(text_of(laid_out(columns, rows, 20, view=View(wide=True))))
    assert all(cell in text for row in rows for cell in row if cell is not None)


@given(text=_WORDS, width=st.integers(1, 60))
def test_what_is_cut_fits_and_ends_with_a_word(text: str, width: int) -> None:
    found = cut(text, width)
    assert width_of(found) <= max(width, 1)
    if found == text:
        return
    kept = found.removesuffix("\N{HORIZONTAL ELLIPSIS}")
    assert text.startswith(kept)
    if " " in kept:
        assert [word.rstrip(" ,;:.") for word in text.split()][: len(kept.split())] == [
            word.rstrip(" ,;:.") for word in kept.split()
        ]


@given(text=_WORDS, width=st.integers(12, 60))
def test_folding_loses_no_word(text: str, width: int) -> None:
    lines = folded(text, width)
    assert " ".join(lines).split() == text.split()
    assert all(width_of(line) <= width or " " not in line for line in lines)


@given(text=_WORDS, width=st.integers(0, 60))
def test_padding_gives_the_width(text: str, width: int) -> None:
    assert width_of(padded(text, width)) == max(width, width_of(text))
    assert padded(text, width, right=True).endswith(text)


@pytest.mark.parametrize(
    ("text", "width"),
    [("abc", 3), ("日本", 4), ("e\u0301", 1), ("\N{WARNING SIGN}", 1), ("👩\u200d🚀", 2), ("", 0)],
)
def test_signs_take_the_room_that_terminals_give_them(text: str, width: int) -> None:
    assert width_of(text) == width


def test_columns_of_a_high_rank_go_first() -> None:
    rows = [("Fjord", "ac-1", "high", "it is late", "a note of some length", "x")]
    assert text_of(laid_out(COLUMNS, rows, 200))[0].split() == [
        "Account", "Id", "Risk", "Why", "Note",
    ]  # fmt: skip
    assert text_of(laid_out(COLUMNS, rows, 35))[0].split() == ["Account", "Id", "Risk", "Why"]
    assert text_of(laid_out(COLUMNS, rows, 20))[0].split() == ["Account", "Id", "Risk"]
    assert text_of(laid_out(COLUMNS, rows, 2))[0].split() == ["Account", "Id"]


def test_of_a_long_name_the_id_stays() -> None:
    rows = [(account_cell("Fjord Optics International Holdings", "ac-038"), "x")]
    columns = (COLUMNS[0], COLUMNS[1])
    assert text_of(laid_out(columns, rows, 28))[1] == "Fjord Optics… (ac-038)    x"
    assert text_of(laid_out(columns, rows, 80))[1].startswith(
        "Fjord Optics International Holdings (ac-038)  x"
    )


def test_columns_are_named_by_key_or_heading() -> None:
    rows = [("Fjord", "ac-1", "high", "late", "note", "x")]
    view = View(columns=("More", "id"))
    assert text_of(laid_out(COLUMNS, rows, 5, view=view)) == ["More  Id", "x     ac-1"]
    with pytest.raises(BadInputError, match="no column 'nope'") as refused:
        laid_out(COLUMNS, rows, 80, view=View(columns=("nope",)))
    assert refused.value.hint == "there are: account, id, risk, why, note, more"


_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_MOMENTS = st.integers(0, 10_000).map(lambda days: _BEGIN + timedelta(days))


@given(times=st.lists(st.none() | _MOMENTS, max_size=8))
def test_rows_are_sorted_by_what_stands_behind_the_text(times: list[datetime | None]) -> None:
    rows = [(Cell(None if at is None else f"{at:%a}", at),) for at in times]
    for sort, turned in (("at", False), ("-at", True)):
        order = [times[place] for place in in_order([Column("at", "At")], rows, sort)]
        known = [at for at in times if at is not None]
        assert order == sorted(known, reverse=turned) + [None] * (len(times) - len(known))


def test_texts_are_sorted_as_people_do() -> None:
    rows = [("ac-10",), ("AC-9",), (None,), ("ac-2 b",), ("beta",)]
    order = in_order([Column("a", "A")], rows, "a")
    assert [rows[place][0] for place in order] == ["ac-2 b", "AC-9", "ac-10", "beta", None]


def test_where_there_is_less_room_cells_say_less() -> None:
    columns = (Column("account", "Account", prose=True), Column("due", "Due", 2))
    rows = [("Fjord Optics", Cell("Fri 2 Oct, in 3 days", short="Fri 2 Oct"))]
    assert text_of(laid_out(columns, rows, 34))[1] == "Fjord Optics  Fri 2 Oct, in 3 days"
    assert text_of(laid_out(columns, rows, 33))[1] == "Fjord Optics  Fri 2 Oct"
    assert text_of(laid_out(columns, rows, 20))[1] == "Fjord Optics"
    wide = View(wide=True)
    assert text_of(laid_out(columns, rows, 20, view=wide))[1].endswith("in 3 days")


def test_a_spare_column_is_shown_where_it_holds_something() -> None:
    columns = (Column("id", "Id"), Column("hint", "What to do", spare=True))
    assert text_of(laid_out(columns, [("a", ""), ("b", None)], 80)) == ["Id", "a", "b"]
    assert text_of(laid_out(columns, [("a", ""), ("b", "try")], 80))[0] == "Id  What to do"
    asked = View(columns=("hint",))
    assert text_of(laid_out(columns, [("a", None)], 80, view=asked)) == ["What to do", "-"]


def test_a_word_that_is_no_level_stands_last() -> None:
    rows = [(Cell("unknown"),), (Cell("low", 1),), (Cell("high", 3),), (Cell(None),)]
    for sort, order in (("risk", "low high"), ("-risk", "high low")):
        found = [rows[place][0].text for place in in_order([Column("risk", "Risk")], rows, sort)]
        assert found == [*order.split(), "unknown", None]


def test_accounts_are_sorted_with_and_without_a_name() -> None:
    rows = [(account_cell("Fjord", "ac-2"),), (account_cell(None, "ac-10"),)]
    assert in_order([Column("account", "Account")], rows, "account") == [1, 0]
    assert in_order([Column("account", "Account")], rows, "-account") == [0, 1]


def test_rows_that_have_no_room_are_counted_and_none_is_torn() -> None:
    columns = (Column("id", "Id"), Column("why", "Why", folds=True))
    rows = [("a", "three four five"), ("b", "three four five"), ("c", "five")]
    table = laid_out(columns, rows, 14)
    assert [len(table.lines), table.starts] == [6, [1, 3, 5]]
    for room, kept, left in ((9, 6, 0), (6, 6, 0), (5, 5, 1), (4, 3, 2), (2, 1, 3), (0, 1, 3)):
        shown, more = table.in_lines(room)
        assert (len(shown.lines), more) == (kept, left)
        assert text_of(shown)[0].split() == ["Id", "Why"]
    assert laid_out(columns, [], 9).in_lines(0)[1] == 0
