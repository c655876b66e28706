"""What a check of the trail found is told in sentences, and says what of the review it is about."""

from datetime import UTC, datetime
from typing import Any

import pytest

from account_reviews.domain.audit.events import audit_entry_id
from account_reviews.domain.review.state import ReviewState
from account_reviews.presentation.proof_words import fault_sentence
from account_reviews.presentation.words import Words
from tests.support.review_states import fresh

NOW = datetime(2026, 10, 1, 9, tzinfo=UTC)
WORDS = Words(now=NOW, people={"ow-1": "Ann Lee"})
GONE = "the review has this in its state, the trail has no row of it"


@pytest.fixture
def review() -> ReviewState:
    found = fresh("acme")
    found.record(NOW, "paused", "on holiday", "ow-1")
    return found


def told(
    review: ReviewState,
    event_id: str | None,
    kind: str = "missing",
    why: str = GONE,
    seal: int | None = None,
) -> str:
    fault: dict[str, Any] = {"kind": kind, "event_id": event_id, "why": why, "seal": seal}
    return fault_sentence(fault, review, WORDS, {})


def test_a_line_of_the_review_is_told_as_the_review_tells_it(review: ReviewState) -> None:
    name = audit_entry_id("timeline", review.run_id, 0, at=NOW)
    assert told(review, name) == (
        "Missing: Paused: on holiday (Ann Lee), Thu 1 Oct, 09:00. "
        "The review has this in its state, the trail has no row of it."
    )


@pytest.mark.parametrize(
    ("event_id", "kind", "seal", "begins"),
    [
        (audit_entry_id("timeline", "other", 3, at=NOW), "extra", None,
         "One too many: something of the review, Thu 1 Oct, 09:00. The"),
        (audit_entry_id("phase", "r", 3, at=NOW), "differing", None,
         "Changed: a step of the review, Thu 1 Oct, 09:00. The"),
        ("write/r:0123456789abcdef", "missing", None, "Missing: a write to the CRM. The"),
        ("default/review/acme/r/12", "missing", None,
         "Missing: event 12 of the history of the review. The"),
        (None, "seal", 5, "A seal is not right: seal 5. The"),
        (None, "guard", None, "What guards the trail is not right. The"),
    ],
)  # fmt: skip
def test_every_finding_says_what_it_is_about(
    review: ReviewState, event_id: str | None, kind: str, seal: int | None, begins: str
) -> None:
    assert told(review, event_id, kind, seal=seal).startswith(begins)
