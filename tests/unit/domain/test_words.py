"""A word means the same in whatever case somebody writes it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from account_reviews.domain.words import named

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
