"""A record is one record, whatever is in it."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from account_reviews.crm.importing.csv_records import MAX_RECORD, Records

AWKWARD = st.text(alphabet='a",\n;', max_size=40)
BYTES = st.binary(max_size=60)


def read(
    data: bytes, encoding: str = "utf-8", delimiter: str = ","
) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    """(line, text) of the records, (line, message) of what was left out."""
    bad: list[tuple[int, str]] = []
    records = Records(
        io.BytesIO(data),
        encoding,
        delimiter,
        lambda line, message, _: bad.append((line, message)),
    )
    return [(records.line, text) for text in records], bad


@settings(max_examples=300)
@given(AWKWARD)
def test_records_end_where_the_csv_module_ends_them(text: str) -> None:
    found, bad = read(text.encode())
    whole = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    blank = [record for _, record in found if not record.strip("\n")]
    assert len(found) - len(blank) + len(bad) == len(whole)
    assert "".join(record for _, record in found) == text or bad


@settings(max_examples=300)
@given(st.lists(BYTES, max_size=5))
def test_bytes_in_quotes_never_make_or_lose_a_record(values: list[bytes]) -> None:
    quoted = [value.replace(b'"', b"'") for value in values]
    data = b"".join(b'x,"' + value + b'"\n' for value in quoted) + b"x,last\n"
    found, bad = read(data)
    assert len(found) + len(bad) == len(values) + 1
    assert found[-1][1] == "x,last\n"


@pytest.mark.parametrize("inside", [b"\x00", b"\xff", b"\xe9 \n\n ,x1,\n", b"\r\n\x00\n"])
def test_a_record_that_is_no_text_is_left_out_whole(inside: bytes) -> None:
    more = inside.count(b"\n")
    found, bad = read(b'a,b\n1,"first\n' + inside + b'\nlast"\n2,good\n')
    assert [text for _, text in found] == ["a,b\n", "2,good\n"]
    assert [line for line, _ in bad] == [2]
    assert f"lines 2 to {4 + more}" in bad[0][1]
    assert found[-1][0] == 5 + more


def test_a_record_that_is_too_long_is_read_to_its_end() -> None:
    body = 'x1,a,said "yes"\n'.replace('"', '""') * (MAX_RECORD // 8)
    found, bad = read(f'a,b\n1,"{body}"\n2,good\n'.encode())
    assert [text for _, text in found] == ["a,b\n", "2,good\n"]
    assert len(bad) == 1
    assert bad[0][1].startswith("the row is longer than 1,048,576 characters")


@pytest.mark.parametrize("around", range(-3, 4))
def test_quotes_are_followed_from_one_piece_to_the_next(around: int) -> None:
    filling = "x" * (MAX_RECORD - 3 + around)
    found, bad = read(f'1,"{filling}""\n""","y\n"\n2,good\n'.encode())
    assert [text for _, text in found] == ["2,good\n"]
    assert [line for line, _ in bad] == [1]


def test_a_value_as_long_as_a_record_may_be_is_taken() -> None:
    body = "Line of a long protocol with words.\n" * 3700
    found, bad = read(f'1,"{body}"\n2,good\n'.encode())
    assert (len(found), bad) == (2, [])


@pytest.mark.parametrize(
    ("data", "records"),
    [
        (b"a,b\r\n1,2\r\n", ["a,b\r\n", "1,2\r\n"]),
        (b"a,b\r1,2\r", ["a,b\r", "1,2\r"]),
        (b'a,"x\ny"\r1,2\r', ['a,"x\ny"\r', "1,2\r"]),
        (b"a,b\n1,\r2\n", ["a,b\n", "1,\r2\n"]),
        (b"a,b\n1,2", ["a,b\n", "1,2"]),
        (b"", []),
    ],
)
def test_lines_end_as_the_file_ends_them(data: bytes, records: list[str]) -> None:
    assert [text for _, text in read(data)[0]] == records


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        ("a,é\n".encode("utf-8-sig"), "utf-8"),
        ("a,é\n".encode("utf-8-sig"), "cp1252"),
        ("a,é\n".encode("utf-16"), "utf-8"),
        (b"\xfe\xff" + "a,é\n".encode("utf-16-be"), "utf-8"),
        ("a,é\n".encode("utf-16-le"), "utf-16-le"),
        ("a,é\n".encode("cp1252"), "cp1252"),
    ],
)
def test_a_mark_says_what_the_encoding_is(data: bytes, encoding: str) -> None:
    assert read(data, encoding) == ([(1, "a,é\n")], [])


def test_half_a_character_of_utf_16_is_reported() -> None:
    found, bad = read("a,b\n1,2\n".encode("utf-16")[:-1])
    assert [text for _, text in found] == ["a,b\n"]
    assert bad == [(2, "the byte 0x0a is not utf-16-le")]
