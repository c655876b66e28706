"""Steps of open reviews that do not get on."""

from datetime import datetime
from typing import Final, NamedTuple

OWN_CODE: Final = "workflow"
"""The step in which a workflow's own code runs: it has no activity."""


class PendingStep(NamedTuple):
    """One step that does not get on. Times are in UTC."""

    step: str
    """As counters name it; `workflow` for the workflow's own code."""
    activity: str | None
    """Its type."""
    activity_id: str | None
    attempt: int
    """The one that runs or comes next."""
    error: str
    since: datetime | None
    """When it was begun; None where that is not known any more."""
    next_retry_at: datetime | None
    """None while an attempt runs, or when nobody knows."""
    retryable: bool
    """Whether it can be made to run now."""


class StuckReview(NamedTuple):
    """One review and what holds it up."""

    review_id: str
    run_id: str
    account_id: str
    steps: tuple[PendingStep, ...]
