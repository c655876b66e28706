"""Who asks a task queue for work."""

import time
from typing import Final

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

WORKFLOWS: Final = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
ACTIVITIES: Final = TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
_POLL_SECONDS: Final = 70.0
"""A poll lasts a minute at most; who asked last before that is gone, though still listed."""


async def who_polls(client: Client, queue: str, kind: TaskQueueType.ValueType) -> list[str]:
    """Identities of the workers that ask for such work now, in order. RPCError."""
    answer = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace, task_queue=TaskQueue(name=queue), task_queue_type=kind
        )
    )
    since = time.time() - _POLL_SECONDS
    return sorted(one.identity for one in answer.pollers if one.last_access_time.seconds >= since)
