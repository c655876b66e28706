"""The list of reviews as people sort it."""

from types import SimpleNamespace
from typing import Any, cast

from account_reviews.presentation.quick_words import QuickWords
from account_reviews.presentation.review_table import RUN_COLUMNS, run_row
from account_reviews.presentation.tables import in_order
from tests.support.requests import NOW

LEVELS = ("low", None, "critical", "none", "high", "unknown", "medium")


def row(level: str | None) -> Any:
    given: dict[str, object] = dict.fromkeys(
        ("account_name", "status", "due_at", "owner_id", "outcome", "needs_attention", "started_at",
         "kind", "phase", "name", "agent", "purpose", "review_id", "run_id", "updated_at")
    )  # fmt: skip
    given |= {"account_id": "ac-1", "waiting_on": (), "plan_only": False, "risk_level": level}
    return cast("Any", SimpleNamespace(**given))


def test_the_gravest_risk_stands_first_and_what_is_unknown_last() -> None:
    rows = [run_row(row(level), QuickWords(now=NOW)) for level in LEVELS]
    found = [LEVELS[place] for place in in_order(RUN_COLUMNS, rows, "risk")]
    assert found[:5] == ["critical", "high", "medium", "low", "none"]
    turned = [LEVELS[place] for place in in_order(RUN_COLUMNS, rows, "-risk")]
    assert turned[:5] == ["none", "low", "medium", "high", "critical"]
    assert {*found[5:]} == {*turned[5:]} == {None, "unknown"}


def test_a_review_that_waits_and_names_nobody_waits_for_anybody() -> None:
    at = [column.key for column in RUN_COLUMNS].index("waiting_on")
    given = row("high")
    assert run_row(given, QuickWords(now=NOW))[at] is None
    given.due_at = NOW
    assert run_row(given, QuickWords(now=NOW))[at] == "anybody"
