"""Two spellings of one name are one person."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from account_reviews.domain.person_names import name_of, person

UNSEEN = (
    "\u00ad\u034f\u115f\u1160\u180b\u180e\u200b\u200d"
    "\u202e\u2060\u2800\u3164\ufe0f\uffa0\U000e0100\U000e0041"
)
"""They show nothing: no mark, no letter, no blank."""


@given(name=st.text(min_size=1), unseen=st.sampled_from(UNSEEN), where=st.integers(0, 20))
def test_what_cannot_be_seen_makes_nobody_else(name: str, unseen: str, where: int) -> None:
    plain = "ann " + person(name)
    assert person(plain[:where] + unseen + plain[where:]) == person(plain)


@pytest.mark.parametrize("unseen", UNSEEN)
def test_a_name_that_cannot_be_seen_is_none(unseen: str) -> None:
    assert person(unseen * 3) == ""


@given(st.text())
def test_the_key_of_a_key_is_itself(name: str) -> None:
    assert person(person(name)) == person(name)


def test_somebody_is_called_by_the_name_however_it_was_typed() -> None:
    people = {"ow-4": "Oren Salvat", "ow-9": "Ünal Çelik"}
    for typed in ("ow-4", "OW-4", "oren salvat", " Oren  SALVAT", "Oren Salvat"):
        assert name_of(typed, people) == "Oren Salvat"
    assert name_of("u\u0308nal çelik", people) == "Ünal Çelik"
    assert name_of("Oren", people) == "Oren"
    assert name_of("ann", {}) == "ann"
