"""Reading CSV files whatever is in them."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from account_reviews.crm.importing.csv_stream import KEPT_PROBLEMS, CsvFile, Problems, shorten, tidy
from account_reviews.domain.errors import BadInputError

CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)


def read(
    data: bytes, encoding: str = "utf-8", **given: Any
) -> tuple[list[tuple[int, dict[str, str]]], Problems]:
    problems = Problems()
    file = CsvFile(Path("f.csv"), io.BytesIO(data), problems, encoding=encoding, **given)
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
    found, _ = read(b"a;b\n" + data + b";2\n", encoding, delimiter=";")
    assert found == [(2, {"a": "é", "b": "2"})]


def test_a_missing_quote_is_named_where_it_begins_and_with_what_it_takes_in() -> None:
    found, problems = read(b'a,b\n1,2\n3,"4\n' + b"x,y\n" * 60_000)
    assert found[0] == (2, {"a": "1", "b": "2"})
    message = "the row cannot be read: a quoted value is not closed (lines 3 to 60003)"
    assert [(problem.line, problem.message) for problem in problems.items] == [(3, message)]


def test_a_row_after_one_that_was_left_out_has_its_own_line() -> None:
    found, _ = read(b'a,b\n1,"2\n\x00"\n3,4\n')
    assert found == [(4, {"a": "3", "b": "4"})]


@pytest.mark.parametrize(
    ("header", "given"),
    [
        (b"Id,Name\n", {}),
        (b"Id,Name,,\n", {}),
        (b"\xe2\x80\x8bId, Name\xc2\xa0\n", {}),
        (b"Id,Name,Phone,Phone\n", {}),
        (b"sep=,\nId,Name\n", {}),
        (b'"SEP=,"\nId,Name\n', {"delimiter": ","}),
        (b'Account "report" 2026,\n\nId,Name\n', {"skip_lines": 2}),
    ],
)
@pytest.mark.parametrize("row", [b"1,Ann", b"1,Ann,,", b"1,Ann,,,,"])
def test_what_stands_around_the_columns_does_not_matter(
    header: bytes, given: dict[str, Any], row: bytes
) -> None:
    if b"Phone" in header:
        row = b"1,Ann,2,3"
    found, problems = read(header + row + b"\n", **given)
    assert [(cells["Id"], cells["Name"]) for _, cells in found] == [("1", "Ann")]
    assert problems.count == 0


def test_a_first_line_says_the_delimiter() -> None:
    assert read(b'sep=;\r\nId;Name\r\n1;"A;\r\nB"\r\n')[0] == [(3, {"Id": "1", "Name": "A;\r\nB"})]
    with pytest.raises(BadInputError, match="its delimiter is ';', the mapping ','"):
        read(b"sep=;\nId;Name\n", delimiter=",")


def test_only_a_column_that_is_needed_must_be_there_once() -> None:
    file = CsvFile(Path("f.csv"), io.BytesIO(b"Id,Tag,Tag,N\xe2\x80\x8bame\n"), Problems())
    file.need({"Id"})
    with pytest.raises(BadInputError, match=r"f\.csv has more than one column named 'Tag'"):
        file.need({"Id", "Tag"})
    with pytest.raises(BadInputError, match=r"'Name'; its columns are Id, Tag, Tag, 'N\\u200bame'"):
        file.need({"Name"})


def test_a_file_of_another_kind_is_refused_for_people() -> None:
    with pytest.raises(BadInputError, match="holds a NUL character") as caught:
        read("Id,Name\n1,2\n".encode("utf-16-le"))
    assert caught.value.hint == "is it UTF-16? Then give `encoding: utf-16`"
    _, problems = read(b"Id,Name\n1,a\rb\n")
    assert problems.items[0].message == (
        "the row cannot be read: a line break stands outside of quotes"
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (" a b ", "a b"),
        ("\ufeffa\u200b", "a"),
        ("\u200b", ""),
        ("\u00ad \u2060\u200d", ""),
        ("Zoe\u0308", "Zo\u00eb"),
        ("\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u200c\u062e"),
    ],
)
def test_a_text_is_what_is_seen_of_it(text: str, shown: str) -> None:
    assert tidy(text) == shown


def test_problems_are_kept_to_a_thousand() -> None:
    _, problems = read(b"a,b\n" + b"x\n" * 5000)
    assert (len(problems.items), problems.count) == (KEPT_PROBLEMS, 5000)


def test_values_are_shortened_and_printable() -> None:
    assert shorten("a\x07b\n") == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}"
    assert len(shorten("x" * 1000)) == 60
