"""Database addresses: every usual spelling becomes one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import URL, make_url

from account_reviews.domain.errors import BadInputError
from account_reviews.store.addresses import asyncpg_dsn, normalise_url


@pytest.mark.parametrize(
    ("given_url", "expected"),
    [
        ("postgres://u:p@h/db", "postgresql+asyncpg://u:p@h/db"),
        ("postgresql://u:p@h:6000/db", "postgresql+asyncpg://u:p@h:6000/db"),
        ("postgresql+asyncpg://u@h/db", "postgresql+asyncpg://u@h/db"),
        ("  postgres://u@h/db\n", "postgresql+asyncpg://u@h/db"),
        ("postgres://u@h/db?sslmode=require", "postgresql+asyncpg://u@h/db?ssl=require"),
        ("postgres://u@h/db?ssl=true", "postgresql+asyncpg://u@h/db?ssl=require"),
        ("postgres://u@h/?dbname=db", "postgresql+asyncpg://u@h/db"),
        ("postgres://u@/db?host=/run/pg", "postgresql+asyncpg://u@/db?host=%2Frun%2Fpg"),
        ("postgres://u:a#b?c@h/db", "postgresql+asyncpg://u:a%23b%3Fc@h/db"),
        (
            "postgres://u@h/db?application_name=mine",
            "postgresql+asyncpg://u@h/db?application_name=mine",
        ),
    ],
)
def test_spellings(given_url: str, expected: str) -> None:
    assert normalise_url(given_url) == expected
    assert normalise_url(expected) == expected


def test_dsn_is_the_inverse() -> None:
    url = "postgresql+asyncpg://u:p%40x@h:1/db?ssl=verify-full&application_name=a"
    assert asyncpg_dsn(url) == "postgresql://u:p%40x@h:1/db?application_name=a&sslmode=verify-full"
    assert normalise_url(asyncpg_dsn(url)) == normalise_url(url)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "cannot be read"),
        ("just words", "cannot be read"),
        ("mysql://u:secret@h/db", "starts with mysql://"),
        ("postgresql+psycopg2://u:secret@h/db", "starts with postgresql+psycopg2://"),
        ("postgres://u:secret@h", "names no database"),
        ("postgres://u:secret@h:port/db", "cannot be read"),
        ("postgres://u:secret@h:/db", "cannot be read"),
        ("postgres://u:secret@h:-1/db", "cannot be read"),
        ("postgres://u:secret@h:65536/db", "cannot be read"),
        ("postgres://u:secret@h/db?sslmode=maybe", "sslmode=maybe"),
        ("postgres://u:secret@h/db?host=a&host=b", "host more than once"),
    ],
)
def test_bad_urls_are_one_sentence_without_the_password(url: str, message: str) -> None:
    with pytest.raises(BadInputError) as caught:
        normalise_url(url)
    assert message in caught.value.message
    assert "\n" not in caught.value.message
    assert "secret" not in f"{caught.value.message} {caught.value.hint}"


words = st.text(st.characters(codec="utf-8", exclude_characters="\x00\n"), min_size=1, max_size=12)
names = st.from_regex(r"[a-z][a-z0-9.-]{0,10}", fullmatch=True)


@given(user=words, password=words, host=names, port=st.integers(1, 65535), database=names)
def test_nothing_is_lost_on_the_way(
    user: str, password: str, host: str, port: int, database: str
) -> None:
    start = URL.create("postgresql", user, password, host, port, database, {"sslmode": "prefer"})
    normalised = make_url(normalise_url(start.render_as_string(hide_password=False)))
    back = make_url(asyncpg_dsn(normalised.render_as_string(hide_password=False)))
    assert back == start
