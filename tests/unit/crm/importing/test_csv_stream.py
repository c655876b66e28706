"""Reading CSV files whatever is in them."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from account_reviews.crm.importing.csv_stream import KEPT_PROBLEMS, CsvFile, Problems, shorten

CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)


def read(
    data: bytes, encoding: str = "utf-8", delimiter: str = ","
) -> tuple[list[tuple[int, dict[str, str]]], Problems]:
    problems = Problems()
    file = CsvFile(Path("f.csv"), io.BytesIO(data), encoding, delimiter, problems)
    return list(file.rows()), problems


@given(st.lists(st.lists(CELLS, min_size=2, max_size=2), max_size=8))
def test_what_was_written_is_read(rows: list[list[str]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerows([["a", "b"], *rows])
    found, problems = read(text.getvalue().encode())
    assert problems.count == 0
    assert [list(row.values()) for _, row in found] == rows


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_any_bytes_are_rows_or_problems(data: bytes) -> None:
    found, problems = read(b"a,b\n" + data)
    lines = data.count(b"\n") + 1
    assert len(found) <= lines
    assert all(2 <= line <= lines + 1 for line, _ in found)
    assert all(2 <= problem.line <= lines + 1 for problem in problems.items)


@pytest.mark.parametrize(
    ("encoding", "data"),
    [("utf-8", "é".encode()), ("cp1252", b"\xe9"), ("iso-8859-1", b"\xe9")],
)
def test_encodings(encoding: str, data: bytes) -> None:
    found, _ = read(b"a;b\n" + data + b";2\n", encoding, ";")
    assert found == [(2, {"a": "é", "b": "2"})]


def test_a_missing_quote_is_named_where_it_begins() -> None:
    found, problems = read(b'a,b\n1,2\n3,"4\n' + b"x,y\n" * 60_000)
    assert found[0] == (2, {"a": "1", "b": "2"})
    assert problems.items[0].line == 3
    assert "is a closing quote missing?" in problems.items[0].message


def test_problems_are_kept_to_a_thousand() -> None:
    _, problems = read(b"a,b\n" + b"x\n" * 5000)
    assert (len(problems.items), problems.count) == (KEPT_PROBLEMS, 5000)


def test_values_are_shortened_and_printable() -> None:
    assert shorten("a\x07b\n") == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}"
    assert len(shorten("x" * 1000)) == 60
