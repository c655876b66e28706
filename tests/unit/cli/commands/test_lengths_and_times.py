"""What people read of lengths, times and people, beside tables."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from account_reviews.cli.commands.health import _last_read
from account_reviews.cli.commands.schedules import _length
from account_reviews.cli.commands.snapshot import control_lines, conversation_lines
from account_reviews.cli.commands.tokens import _holds
from account_reviews.cli.progress import described
from account_reviews.presentation.quick_words import QuickWords
from account_reviews.presentation.stuck_documents import failing_lines
from account_reviews.presentation.words import Words
from tests.support.requests import NOW

WORDS = QuickWords(now=NOW, people={"ow-1": "Ann Lee"})


@pytest.mark.parametrize(
    ("text", "told"),
    [("7200s", "2 hours"), ("300s", "5 minutes"), ("90s", "1 minute 30 seconds"), ("0s", "none")],
)
def test_the_length_of_a_schedule_has_the_unit_that_fits(text: str, told: str) -> None:
    assert _length(text) == told
    assert _length(None) == "none"


def test_an_age_is_told_in_the_unit_that_fits() -> None:
    report = SimpleNamespace(snapshot_age_seconds=172800.0, services=())
    assert _last_read(cast("Any", report)) == "an account was read 2 days ago"


def test_what_is_left_of_a_cycle_is_told_in_the_unit_that_fits() -> None:
    counts = dict.fromkeys(("done", "running", "waiting", "failed", "joined"), 0)
    seen = SimpleNamespace(
        **counts, loaded=True, eta_seconds=5400.0, closed_at=None, paused_by=None
    )
    assert described(cast("Any", seen)).endswith("about 2 hours left")
    seen.paused_by = "ow-1"
    assert described(cast("Any", seen), {"ow-1": "Ann Lee"}).endswith(", paused by Ann Lee")


def test_a_review_has_one_clock() -> None:
    at = NOW.replace(hour=14, minute=5)
    step = {"step": "crm_write", "attempt": 2, "error": "away", "since": at, "next_retry_at": at}
    (line,) = failing_lines([step], WORDS)
    assert line.endswith("attempt 2, since Thu 1 Oct, 14:05: away; next try Thu 1 Oct, 14:05")
    halted = "writes are stopped by ow-1 since 2026-10-01T14:05:00Z: wrong ids"
    (line,) = failing_lines([step | {"error": halted, "next_retry_at": None}], WORDS)
    assert line.endswith(": writes are stopped by Ann Lee since Thu 1 Oct, 14:05: wrong ids")
    paused = {"by": "ow-1", "at": at, "reason": None}
    asked = {"by": "ow-1", "question": "Why?", "answer": "Silence.\nSince 2026-08-03."}
    document = {"paused": paused, "step": None, "plan": (), "context": {}, "conversation": [asked]}
    words = Words(now=NOW, people=WORDS.people)
    assert list(control_lines(document, WORDS)) == [
        "  paused by Ann Lee since Thu 1 Oct, 14:05: no reason given",
    ]
    assert list(conversation_lines(document, words)) == [
        "  Ann Lee asks: Why?",
        "    Silence.",
        "    Since Mon 3 Aug.",
    ]


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (timedelta(hours=1), "until Thu 1 Oct, 01:00"),
        (-timedelta(hours=1), "ended Wed 30 Sept, 23:00"),
    ],
)
def test_a_token_holds_until_a_time_on_the_clock_of_the_reader(after: Any, told: str) -> None:
    row = SimpleNamespace(revoked_at=None, ends_at=NOW + after)
    assert _holds(cast("Any", row), WORDS) == told
