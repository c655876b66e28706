"""Values by name become places by number, and nothing else of a statement changes."""

import pytest

from account_reviews.store.statements import numbered


@pytest.mark.parametrize(
    ("statement", "query", "names"),
    [
        ("select 1", "select 1", ()),
        ("select :a, :b, :a", "select $1, $2, $1", ("a", "b")),
        ("select :ab, :a", "select $1, $2", ("ab", "a")),
        ("select a::text, cast(:a as int)", "select a::text, cast($1 as int)", ("a",)),
        ("select :a::text", "select $1::text", ("a",)),
        ("select '12:30:45', at - :b", "select '12:30:45', at - $1", ("b",)),
        ("select a->'b' ? :c", "select a->'b' ? $1", ("c",)),
    ],
)
def test_names_become_numbers(statement: str, query: str, names: tuple[str, ...]) -> None:
    assert numbered(statement) == (query, names)
