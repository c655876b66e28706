"""The settings of our workers, where they differ from the SDK's."""

from datetime import timedelta
from typing import Any

TUNED: dict[str, Any] = {
    # A dead worker's waiting reviews move on after this, not after ten seconds.
    "sticky_queue_schedule_to_start_timeout": timedelta(seconds=2),
    # Enough to start a burst of workflow tasks at once, few enough to end each in time.
    "max_concurrent_workflow_tasks": 44,
    # After a restart all comes from the normal queue: half of the pollers listen there.
    "max_concurrent_workflow_task_polls": 8,
    "nonsticky_to_sticky_poll_ratio": 0.5,
    "max_concurrent_local_activities": 24,
    "max_concurrent_activities": 64,
    "max_cached_workflows": 500,
    "graceful_shutdown_timeout": timedelta(seconds=10),
}
