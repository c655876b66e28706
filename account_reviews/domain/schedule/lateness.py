"""How late a scheduled run is, and whether it is one at all. Pure."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from account_reviews.domain.base import Model, Timestamp

ON_TIME_WITHIN: Final = timedelta(seconds=1)
"""Scheduled times are whole seconds; starting takes some milliseconds."""


class Verdict(StrEnum):
    ON_TIME = "on_time"
    LATE = "late"
    MISSED = "missed"
    """The workers were away for longer than the grace: it must not work any more."""
    BACKFILL = "backfill"
    TRIGGER = "trigger"


class Judgement(Model):
    """What a scheduled run knows of itself."""

    verdict: Verdict
    scheduled_at: Timestamp
    started_at: Timestamp
    """Of the first task: before that nobody worked."""
    lateness_seconds: float
    judged: bool = True
    """False for a later run of the same workflow, which is never late."""
    reason: str | None = None

    @property
    def late(self) -> bool:
        return self.verdict in (Verdict.LATE, Verdict.MISSED)

    @property
    def missed(self) -> bool:
        return self.verdict is Verdict.MISSED

    @property
    def trigger(self) -> str:
        """`schedule`, `trigger` or `backfill`."""
        by_hand = self.verdict in (Verdict.TRIGGER, Verdict.BACKFILL)
        return self.verdict.value if by_hand else "schedule"


def judge(
    *,
    scheduled_at: datetime,
    workflow_start_time: datetime,
    first_task_time: datetime,
    grace: timedelta,
    is_first_run: bool,
    jitter: timedelta = timedelta(),
    by_hand: bool = False,
) -> Judgement:
    """Judge one run. Lateness is counted from the scheduled time, an outage from the start.

    `grace` is also the catch-up window: what starts later than that is a backfill, since the
    server does not start it by itself any more. `jitter` is no lateness. `by_hand`: the scheduled
    time is none of the schedule's. After a reset, a retry or continue-as-new the differences mean
    something else, so only the first run is judged.
    """
    lateness = max(first_task_time - scheduled_at, timedelta())
    waited, verdict, reason = first_task_time - workflow_start_time, Verdict.ON_TIME, None
    if not is_first_run:
        lateness = timedelta()
    elif workflow_start_time - scheduled_at > grace + jitter:
        verdict = Verdict.BACKFILL
    elif by_hand:
        verdict = Verdict.TRIGGER
    elif waited > grace:
        verdict = Verdict.MISSED
        seconds = waited.total_seconds()
        delay = f"more than the grace of {grace.total_seconds():g} s"
        reason = f"no worker took it for {seconds:.0f} s, {delay}"
    elif lateness > ON_TIME_WITHIN + jitter:
        verdict = Verdict.LATE
    return Judgement(
        verdict=verdict,
        scheduled_at=scheduled_at,
        started_at=first_task_time,
        lateness_seconds=lateness.total_seconds(),
        judged=is_first_run,
        reason=reason,
    )
