"""Slow is the work, not the waiting for people; failed is failed."""

from datetime import UTC, datetime, timedelta

import pytest

from account_reviews.domain.review.opening import opening_state
from account_reviews.domain.review.phases import Outcome, Phase, Status
from account_reviews.domain.review.state import ReviewInput, ReviewState
from account_reviews.hooks.anomalies import SLOW_SECONDS, anomalies_of, worked_seconds
from account_reviews.hooks.events import Anomaly

BEGIN = datetime(2026, 10, 1, tzinfo=UTC)


def review(*moves: tuple[Phase, float], outcome: Outcome, end: float) -> ReviewState:
    """One that changed phases so many seconds after its start."""
    state = opening_state(
        ReviewInput(account_id="acc-1"),
        review_id="review/acc-1",
        run_id="run",
        workflow_run_id="run",
        now=BEGIN,
    )
    for phase, at in moves:
        status = Status.WAITING if phase is Phase.APPROVAL else Status.RUNNING
        state.move(phase, BEGIN + timedelta(seconds=at), status=status)
    state.close(outcome, BEGIN + timedelta(seconds=end))
    return state


DAYS = 3 * 86_400.0


def test_waiting_for_people_is_no_work() -> None:
    state = review(
        (Phase.INVESTIGATING, 0),
        (Phase.PLANNING, 5),
        (Phase.APPROVAL, 7),
        (Phase.EXECUTING, 7 + DAYS),
        (Phase.VALIDATING, 17 + DAYS),
        outcome=Outcome.COMPLETED,
        end=20 + DAYS,
    )
    assert worked_seconds(state) == 20
    assert anomalies_of(state) == ()


@pytest.mark.parametrize(
    ("extra", "outcome", "found"),
    [
        (0, Outcome.NOTHING_TO_DO, ()),
        (0.001, Outcome.NOTHING_TO_DO, (Anomaly.SLOW,)),
        (-1, Outcome.FAILED, (Anomaly.FAILED,)),
        (1, Outcome.FAILED, (Anomaly.SLOW, Anomaly.FAILED)),
        (0, Outcome.CANCELLED, ()),
    ],
)
def test_anomalies(extra: float, outcome: Outcome, found: tuple[Anomaly, ...]) -> None:
    state = review(
        (Phase.INVESTIGATING, 0),
        (Phase.PLANNING, 5),
        outcome=outcome,
        end=SLOW_SECONDS + extra,
    )
    assert anomalies_of(state) == found
