"""What a person types, and what becomes of it."""

import json
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from account_reviews.cli.parsing import parse_choice, parse_metadata, parse_settings, parse_time
from account_reviews.domain.errors import BadInputError


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("2026-10-01", datetime(2026, 10, 1, tzinfo=UTC)),
        ("2026-10-01T05:00:00Z", datetime(2026, 10, 1, 5, tzinfo=UTC)),
        ("2026-10-01T05:00:00+02:00", datetime(2026, 10, 1, 3, tzinfo=UTC)),
        ("1970-01-01", datetime(1970, 1, 1, tzinfo=UTC)),
        ("2199-12-31T23:59:59-10:00", datetime(2200, 1, 1, 9, 59, 59, tzinfo=UTC)),
    ],
)
def test_times(typed: str, meant: datetime) -> None:
    assert parse_time(typed) == meant


@given(st.text() | st.datetimes().map(str) | st.dates().map(str))
def test_a_time_is_read_or_refused(typed: str) -> None:
    with suppress(BadInputError):
        assert parse_time(typed).tzinfo is UTC


def test_words_and_their_aliases() -> None:
    assert parse_choice("--state", "timeout", ["pending", "expired"]) == "expired"
    with pytest.raises(BadInputError, match="--state is 'odd', but must be one of pending, any"):
        parse_choice("--state", "odd", ["pending", "any"])


def test_metadata_keeps_its_types() -> None:
    typed = '{"a": "x", "b": 1, "c": 1.5, "d": true, "e": null}'
    assert parse_metadata(typed) == {"a": "x", "b": 1, "c": 1.5, "d": True, "e": None}


@given(st.text() | st.from_regex(r"\{\"a\": ?[\[{0-9truefalsnNaI.\"-]+\}"))
def test_metadata_is_read_or_refused(typed: str) -> None:
    with suppress(BadInputError):
        assert json.loads(json.dumps(parse_metadata(typed), allow_nan=False)) == json.loads(typed)


def test_pairs() -> None:
    found = parse_settings(["a=1", "b=x=y", "c=true", "d=null", "e="])
    assert found == {"a": "1", "b": "x=y", "c": True, "d": None, "e": ""}
    for pair in ("a", "=1", " =1"):
        with pytest.raises(BadInputError, match="is not FIELD=VALUE"):
            parse_settings([pair])
