"""Cells that a spreadsheet shows and never runs."""

import csv
import io
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from account_reviews.web.csv_files import cell, csv_text

_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n")


@given(st.text())
def test_no_text_begins_as_a_formula(text: str) -> None:
    shown = cell(text)
    assert not shown.lstrip(" ").startswith(_SIGNS)
    assert shown.removeprefix("'") == text or shown == text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        (-5, "-5"),
        (Decimal("-1.50"), "-1.50"),
        ("=1+1", "'=1+1"),
        (" =1+1", "' =1+1"),
        ("-1", "'-1"),
        ("＝1", "'＝1"),
        ("Fjord Optics", "Fjord Optics"),
        ("a=b", "a=b"),
    ],
)
def test_numbers_stay_numbers(value: object, shown: str) -> None:
    assert cell(value) == shown


@given(
    st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=2, max_size=2))
)
def test_what_is_written_is_read_back(rows: list[list[str]]) -> None:
    text = csv_text(("a", "b"), rows)
    found = list(csv.reader(io.StringIO(text, newline="")))
    assert found == [["a", "b"], *([cell(value) for value in row] for row in rows)]
