"""Every timeout and retry policy, by kind of work. `summary` is what the Temporal UI shows."""

from datetime import timedelta

from temporalio.common import RetryPolicy
from temporalio.workflow import ActivityCancellationType, ActivityConfig, LocalActivityConfig

HEARTBEAT = timedelta(seconds=3)
"""How soon the death of a worker in mid-activity is noticed."""

QUICK_RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=100),
    backoff_coefficient=2,
    maximum_interval=timedelta(seconds=30),
)
"""Unlimited: an outage is waited out, an error that cannot heal is marked non-retryable."""


def local(summary: str) -> LocalActivityConfig:
    """Ours and short. Two tries inside the workflow task, then the regular way."""
    return LocalActivityConfig(
        start_to_close_timeout=timedelta(seconds=2),
        schedule_to_close_timeout=timedelta(seconds=5),
        retry_policy=RetryPolicy(
            initial_interval=timedelta(milliseconds=50),
            maximum_attempts=2,
        ),
        summary=summary,
    )


def own(summary: str, *, heartbeats: bool = True) -> ActivityConfig:
    """Rules and our own tables, when they do not answer at once: wait as long as it takes."""
    return _regular(summary, timedelta(seconds=30), heartbeats=heartbeats)


def crm_read(summary: str, give_up_after: float, *, heartbeats: bool = True) -> ActivityConfig:
    """One CRM read; after `give_up_after` seconds the review goes on without it."""
    return _regular(
        summary,
        timedelta(seconds=60),
        heartbeats=heartbeats,
        schedule_to_close=timedelta(seconds=give_up_after),
    )


def bulk_read(summary: str, give_up_after: float) -> ActivityConfig:
    """Many accounts in one go; after `give_up_after` seconds each review reads its own."""
    return _regular(
        summary,
        timedelta(minutes=4),
        heartbeats=True,
        schedule_to_close=timedelta(seconds=give_up_after),
    )


def results(summary: str) -> ActivityConfig:
    """Briefs of a portfolio: given up after an hour, since the reviews are done without them."""
    return _regular(
        summary,
        timedelta(minutes=10),
        heartbeats=True,
        schedule_to_close=timedelta(hours=1),
    )


def crm_write(
    summary: str, *, heartbeats: bool = True, task_queue: str | None = None
) -> ActivityConfig:
    """One approved write: never given up, since a person decided it. A cancel waits for it.

    Without a `task_queue` it waits on that of the review, as before logic 3.
    """
    config = _regular(summary, timedelta(seconds=60), heartbeats=heartbeats, task_queue=task_queue)
    config["cancellation_type"] = ActivityCancellationType.WAIT_CANCELLATION_COMPLETED
    return config


def crm_lookup(
    summary: str, *, heartbeats: bool = True, task_queue: str | None = None
) -> ActivityConfig:
    """Whether a write was made: a review does not end before it knows, or a day has passed."""
    return _regular(
        summary,
        timedelta(seconds=60),
        heartbeats=heartbeats,
        task_queue=task_queue,
        schedule_to_close=timedelta(hours=24),
    )


def memory_read(summary: str, patience: float, *, heartbeats: bool = True) -> ActivityConfig:
    """Recall is worth `patience` seconds: a review without history is still a review."""
    return _regular(
        summary,
        timedelta(seconds=10),
        heartbeats=heartbeats,
        schedule_to_close=timedelta(seconds=patience),
    )


def memory_write(summary: str, *, heartbeats: bool = True) -> ActivityConfig:
    """Remembering is retried for a day; nothing of the decision waits for it."""
    return _regular(
        summary,
        timedelta(seconds=30),
        heartbeats=heartbeats,
        schedule_to_close=timedelta(hours=24),
    )


def answer(summary: str, *, heartbeats: bool = True) -> ActivityConfig:
    """Somebody waits for the answer of a question: after a minute he hears why there is none."""
    return _regular(
        summary,
        timedelta(seconds=30),
        heartbeats=heartbeats,
        schedule_to_close=timedelta(seconds=60),
    )


def upkeep(summary: str) -> ActivityConfig:
    """One upkeep job: tried again over some minutes, then left to its next time."""
    config = _regular(summary, timedelta(hours=2), heartbeats=True)
    config["retry_policy"] = RetryPolicy(
        initial_interval=timedelta(seconds=5),
        backoff_coefficient=2,
        maximum_interval=timedelta(minutes=5),
        maximum_attempts=6,
    )
    return config


def sync(summary: str) -> ActivityConfig:
    """A part of a sync of the memory: an outage of six hours is waited out. A cancel waits for what
    is under way, so that it cannot go on beside what comes after it."""
    config = _regular(
        summary,
        timedelta(minutes=30),
        heartbeats=True,
        schedule_to_close=timedelta(hours=6),
    )
    config["cancellation_type"] = ActivityCancellationType.WAIT_CANCELLATION_COMPLETED
    return config


def notice(summary: str, *, heartbeats: bool = True) -> ActivityConfig:
    """One notice by one channel: tried for a day, at longer and longer intervals."""
    config = _regular(
        summary,
        timedelta(seconds=60),
        heartbeats=heartbeats,
        schedule_to_close=timedelta(hours=24),
    )
    config["retry_policy"] = RetryPolicy(
        initial_interval=timedelta(seconds=1),
        backoff_coefficient=2,
        maximum_interval=timedelta(minutes=10),
    )
    return config


def _regular(
    summary: str,
    start_to_close: timedelta,
    *,
    heartbeats: bool,
    schedule_to_close: timedelta | None = None,
    task_queue: str | None = None,
) -> ActivityConfig:
    config = ActivityConfig(start_to_close_timeout=start_to_close, summary=summary)
    if task_queue is not None:
        config["task_queue"] = task_queue
    if schedule_to_close is not None:
        config["schedule_to_close_timeout"] = schedule_to_close
    if heartbeats:
        config["heartbeat_timeout"] = HEARTBEAT
        config["retry_policy"] = QUICK_RETRY
    return config
