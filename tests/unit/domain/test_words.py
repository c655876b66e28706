"""A word means the same in whatever case somebody writes it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from account_reviews.domain.words import beginning, named

CHOICES = ("waiting", "at_risk", "Monday")


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("spelled", [str.upper, str.lower, str.title, " {} ".format])
def test_a_choice_is_found(choice: str, spelled: object) -> None:
    assert callable(spelled)
    assert named(spelled(choice), CHOICES) == choice


@given(st.text())
def test_what_is_no_choice_is_none(text: str) -> None:
    found = named(text, CHOICES)
    assert found is None or found.casefold() == text.strip().casefold()


def test_choices_that_differ_in_their_case_alone_are_meant_exactly() -> None:
    assert named("daily", ("daily", "Daily")) == "daily"
    assert named("DAILY", ("daily", "Daily")) is None


@pytest.mark.parametrize(
    ("text", "most", "shown"),
    [
        ("no change", 9, "no change"),
        ("1 change, 3 written", 14, "1 change, 3…"),
        ("1 change, 3 written", 11, "1 change…"),
        ("1 change", 2, "1…"),
        ("unbreakable", 5, "unbr…"),
    ],
)
def test_a_text_is_cut_after_a_word(text: str, most: int, shown: str) -> None:
    assert beginning(text, most) == shown


@given(st.text(), st.integers(1, 40))
def test_no_beginning_is_longer_than_it_may_be(text: str, most: int) -> None:
    assert len(beginning(text, most)) <= most
