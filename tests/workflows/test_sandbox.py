"""What the two sandboxes of `sandboxed_runner` keep out of workflow code."""

import os
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.worker import Worker

from account_reviews.temporal.sandbox import ReviewSandbox, sandboxed_runner


@workflow.defn(failure_exception_types=[Exception])
class Opens:
    """Reads a file."""

    @workflow.run
    async def run(self) -> str:
        with open(os.devnull, encoding="utf-8") as file:  # noqa: ASYNC230, PTH123  on purpose
            return file.read()


@workflow.defn(failure_exception_types=[Exception])
class AsksTheClock:
    """Reads the clock of the machine."""

    @workflow.run
    async def run(self) -> str:
        return datetime.now(UTC).isoformat()


def passing_this_file() -> ReviewSandbox:
    """The worker's sandbox, which treats this file like our own workflow code."""
    restrictions = sandboxed_runner().restrictions
    return ReviewSandbox(restrictions=restrictions.with_passthrough_modules(__name__))


@pytest.mark.parametrize(
    ("runner", "definition", "says"),
    [
        (sandboxed_runner(strict=True), Opens, "__builtins__.open"),
        (sandboxed_runner(strict=True), AsksTheClock, "datetime.datetime.now"),
        (passing_this_file(), Opens, "__builtins__.open"),
    ],
)
async def test_what_is_not_the_same_on_replay_is_refused(
    client: Client, runner: ReviewSandbox, definition: type[Any], says: str
) -> None:
    queue = f"sandbox-{uuid.uuid4()}"
    async with Worker(client, task_queue=queue, workflows=[definition], workflow_runner=runner):
        with pytest.raises(WorkflowFailureError) as failed:
            await client.execute_workflow(
                definition.__name__, id=str(uuid.uuid4()), task_queue=queue
            )
    assert f"Cannot access {says}" in str(failed.value.cause)
