"""What is unusual about a review that has ended."""

from itertools import pairwise
from typing import Final

from account_reviews.domain.review.phases import Phase, Status
from account_reviews.domain.review.state import ReviewState
from account_reviews.hooks.events import Anomaly

SLOW_SECONDS: Final = 1800.0
"""Of work; the time people take to decide does not count. 95 of 100 reviews are to need less."""


def worked_seconds(state: ReviewState) -> float:
    """How long a closed review was in phases other than `approval`, in seconds."""
    end = state.closed_at or state.updated_at
    moments = [(Phase.INITIALIZING, state.started_at)]
    moments += [(change.to_phase, change.at) for change in state.history]
    moments.append((state.phase, end))
    spans = [
        (after - before).total_seconds()
        for (phase, before), (_, after) in pairwise(moments)
        if phase is not Phase.APPROVAL
    ]
    return sum(spans)


def anomalies_of(state: ReviewState) -> tuple[Anomaly, ...]:
    """What the review itself shows; whether it failed again is known by its account's others."""
    found = []
    if worked_seconds(state) > SLOW_SECONDS:
        found.append(Anomaly.SLOW)
    if state.status is Status.FAILED:
        found.append(Anomaly.FAILED)
    return tuple(found)
