"""The settings of our workers, where they differ from the SDK's."""

from datetime import timedelta
from typing import Any

TUNED: dict[str, Any] = {
    # A dead worker's waiting reviews move on after this, not after ten seconds. With less, tasks of
    # a busy worker are given up at twice the normal load.
    "sticky_queue_schedule_to_start_timeout": timedelta(seconds=3),
    # Enough to start a burst of workflow tasks at once, few enough to end each in time.
    "max_concurrent_workflow_tasks": 50,
    # Two pollers on the normal queue, where all is after a restart, and ten on the sticky one:
    # when slots are scarce, reviews under way come before new ones.
    "max_concurrent_workflow_task_polls": 12,
    "nonsticky_to_sticky_poll_ratio": 0.17,
    # The SDK hands out no activity while a local one is waiting and has a slot. With many slots the
    # others, which the server believes to be running, stand still until their heartbeat is missed.
    "max_concurrent_local_activities": 2,
    "max_concurrent_activities": 64,
    "max_cached_workflows": 500,
    "graceful_shutdown_timeout": timedelta(seconds=10),
}
