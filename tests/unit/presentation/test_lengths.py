"""Lengths that somebody has set, in words."""

from datetime import timedelta

import pytest

from account_reviews.presentation.lengths import length_words


@pytest.mark.parametrize(
    ("length", "told"),
    [
        (timedelta(), "none"),
        (timedelta(seconds=1), "1 second"),
        (timedelta(minutes=5), "5 minutes"),
        (timedelta(minutes=55), "55 minutes"),
        (timedelta(hours=1, minutes=30), "1 hour 30 minutes"),
        (timedelta(hours=2), "2 hours"),
        (timedelta(days=1), "1 day"),
    ],
)
def test_a_length_is_told_exactly(length: timedelta, told: str) -> None:
    assert length_words(length) == told
