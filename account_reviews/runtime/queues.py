"""The two task queues of a tenant, and what a worker of each is made of.

One is of reviews and all that they read; the other of writes to the CRM, which alone need the
credential that may write.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from account_reviews.temporal import names
from account_reviews.temporal.sandbox import activity_methods
from activities.crm_writes import CrmWriteActivities


class Only(StrEnum):
    """Which of the two a worker serves, where it serves one."""

    READ = "read"
    """Reviews and all but their writes: it has no credential that may write to the CRM."""
    WRITE = "write"


def by_queue(
    task_queue: str, workflows: Sequence[type], owners: Sequence[object], only: Only | None
) -> list[dict[str, Any]]:
    """What is registered on each queue, as options of a worker.

    Who works on reviews takes writes too, where it may: those of reviews from before logic 3 wait
    on their queue.
    """
    writers = [owner for owner in owners if isinstance(owner, CrmWriteActivities)]
    readers = [owner for owner in owners if only is not Only.READ or owner not in writers]
    reviews = {"task_queue": task_queue, "workflows": workflows, "activities": _methods(readers)}
    writes = {"task_queue": names.write_queue_of(task_queue), "activities": _methods(writers)}
    found = [] if only is Only.WRITE else [reviews]
    return [*found, writes] if writers and only is not Only.READ else found


def _methods(owners: Sequence[object]) -> list[Any]:
    return [method for owner in owners for method in activity_methods(owner)]
