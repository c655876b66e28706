"""What is shown and what is written of a text, whatever somebody put into it."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from account_reviews.domain.characters import (
    escaped_in_json,
    escaped_in_markdown,
    is_blank,
    isolated,
    shown_on_one_line,
    written_on_one_line,
)

ACTING = "\x00\x07\x08\t\n\v\f\r\x0e\x1b\x7f\x80\x85\x90\x9b\x9c\x9f\u2028\u2029\ufff9\ud800"
TURNING = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
TEXTS = st.text(st.characters(exclude_categories=()) | st.sampled_from(ACTING + TURNING))


@given(text=TEXTS)
def test_what_is_shown_is_one_line_that_acts_on_nothing(text: str) -> None:
    shown = shown_on_one_line(text)
    assert not set(shown) & set(ACTING + TURNING)
    assert not {unicodedata.category(sign) for sign in shown} & {"Cc", "Cs", "Zl", "Zp"}
    assert shown_on_one_line(shown) == shown


@given(text=TEXTS)
def test_what_is_written_is_what_can_be_read_with_single_blanks(text: str) -> None:
    written = written_on_one_line(text)
    assert not set(written) & set(ACTING + TURNING + "\u200b\ufeff\xad")
    assert written == " ".join(written.split())


@pytest.mark.parametrize(
    "name", ["می\u200cخواهم", "Family 👩\u200d👧", "Ärzte & Söhne", "क्\u200dष"]
)
def test_joiners_stay(name: str) -> None:
    assert written_on_one_line(name) == shown_on_one_line(name) == name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Acme\x1b[2Kbrief ok\x1b[8m", "Acme�[2Kbrief ok�[8m"),
        ("Beta \x1b(0 lines", "Beta �(0 lines"),
        ("C1 \x9b2J", "C1 �2J"),
        ("abc\u202egnp.exe", "abc�gnp.exe"),
        ("two\r\nlines", "two lines"),
        ("\u200fעברית", "עברית"),
    ],
)
def test_escapes_are_made_visible(name: str, shown: str) -> None:
    assert shown_on_one_line(name) == shown


@given(text=TEXTS, encoding=st.sampled_from(["utf-8", "latin-1", "ascii", "cp1252"]))
def test_json_says_the_same_in_every_encoding_and_acts_on_nothing(text: str, encoding: str) -> None:
    document = {"name": text, "items": [text]}
    dumped = json.dumps(document, ensure_ascii=False, indent=2)
    escaped = escaped_in_json(dumped, encoding)
    assert json.loads(escaped.encode(encoding).decode(encoding)) == document
    assert not set(escaped) & set(ACTING + TURNING) - {"\n"}


@pytest.mark.parametrize(
    ("name", "escaped"),
    [
        ("1. FC Beispiel", r"1\. FC Beispiel"),
        ("2) Zweite", r"2\) Zweite"),
        ("+ Plus GmbH", r"\+ Plus GmbH"),
        ("- Minus GmbH", r"\- Minus GmbH"),
        ("---", r"\---"),
        ("===", r"\==="),
        ("1.", r"1\."),
        ("2026-10-01", "2026-10-01"),
        ("1.5 million", "1.5 million"),
        ("-5", "-5"),
        ("A - b + c", "A - b + c"),
    ],
)
def test_a_name_is_no_list_in_markdown(name: str, escaped: str) -> None:
    assert escaped_in_markdown(name) == escaped


@pytest.mark.parametrize(
    "text",
    ["", " ", "\u200b", "\u2060\ufeff", "\u3164", "\u2800", "\xa0", "\u200e\t", "\xad", "\x07"],
)
def test_a_text_in_which_there_is_nothing_to_read_is_blank(text: str) -> None:
    assert is_blank(text)


@pytest.mark.parametrize("text", ["a", " . ", "\u200bx", "👩", "می"])
def test_a_text_with_something_to_read_is_not(text: str) -> None:
    assert not is_blank(text)


def test_letters_from_right_to_left_turn_nothing_around_them() -> None:
    assert isolated("شرکت 24") == "\u2068شرکت 24\u2069"
    assert isolated("חברה") == "\u2068חברה\u2069"
    for text in ("", "Acme 24", "Prüfung ✓", "株式会社"):
        assert isolated(text) == text
