"""What is remembered is dated as all other lists are."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

from account_reviews.cli.commands.memory import _row
from account_reviews.presentation.quick_words import QuickWords
from account_reviews.presentation.tables import Cell

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)


def test_a_memory_has_its_day_in_words() -> None:
    hit = SimpleNamespace(
        title=None,
        text="They renewed",
        occurred_at=NOW,
        kind=SimpleNamespace(value="review"),
        source=SimpleNamespace(system="reviews", record_id=None),
    )
    when, _, text, source = _row(cast("Any", hit), QuickWords(now=NOW))
    assert isinstance(when, Cell)
    assert (when.text, when.short) == ("Mon 30 Nov, 09:00", "Mon 30 Nov")
    assert (text, source) == ("They renewed", "reviews")
