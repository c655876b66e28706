"""Judging a scheduled run."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from account_reviews.domain.schedule.lateness import Judgement, Verdict, judge

AT = datetime(2026, 11, 23, 5, tzinfo=UTC)
SECONDS = st.floats(0, 100_000)


def judged(started: float, first_task: float, grace: float = 300, **more: object) -> Judgement:
    """Seconds after the scheduled time, and after the start."""
    start = AT + timedelta(seconds=started)
    values = {"is_first_run": True, **more}
    return judge(
        scheduled_at=AT,
        workflow_start_time=start,
        first_task_time=start + timedelta(seconds=first_task),
        grace=timedelta(seconds=grace),
        **values,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("started", "first_task", "verdict"),
    [
        (0.02, 0.01, Verdict.ON_TIME),
        (0.5, 0.5, Verdict.ON_TIME),
        (0.5, 0.6, Verdict.LATE),
        (0.02, 299, Verdict.LATE),
        (0.02, 300, Verdict.LATE),
        (0.02, 300.001, Verdict.MISSED),
        (300, 0.01, Verdict.LATE),
        (300, 301, Verdict.MISSED),
        (300.001, 0.01, Verdict.BACKFILL),
        (86400, 5000, Verdict.BACKFILL),
    ],
)
def test_verdicts(started: float, first_task: float, verdict: Verdict) -> None:
    found = judged(started, first_task)
    assert found.verdict is verdict
    assert found.lateness_seconds == pytest.approx(started + first_task)
    assert found.late == (verdict in (Verdict.LATE, Verdict.MISSED))
    assert (found.reason is not None) == found.missed


@given(started=SECONDS, first_task=SECONDS, grace=SECONDS)
def test_only_the_first_run_is_judged(started: float, first_task: float, grace: float) -> None:
    found = judged(started, first_task, grace, is_first_run=False)
    assert (found.verdict, found.judged, found.lateness_seconds) == (Verdict.ON_TIME, False, 0)


@given(started=SECONDS, first_task=SECONDS, grace=SECONDS)
def test_a_backfill_is_never_missed(started: float, first_task: float, grace: float) -> None:
    found = judged(started, first_task, grace)
    seconds = timedelta(seconds=grace)
    if timedelta(seconds=started) > seconds:
        assert found.verdict is Verdict.BACKFILL
    else:
        assert found.missed == (timedelta(seconds=first_task) > seconds)


@given(first_task=SECONDS)
def test_what_a_person_triggered_is_never_missed(first_task: float) -> None:
    found = judged(0.5, first_task, by_hand=True)
    assert (found.verdict, found.trigger, found.late) == (Verdict.TRIGGER, "trigger", False)


def test_jitter_is_no_lateness() -> None:
    jitter = timedelta(minutes=10)
    assert judged(590, 0.01, jitter=jitter).verdict is Verdict.ON_TIME
    assert judged(602, 0.01, jitter=jitter).verdict is Verdict.LATE
    assert judged(901, 0.01, jitter=jitter).verdict is Verdict.BACKFILL


def test_early_clocks_are_no_lateness() -> None:
    assert judged(-0.5, 0.1).lateness_seconds == 0
