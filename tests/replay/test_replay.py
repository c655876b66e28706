"""Old histories replay on today's code; a reordered workflow does not."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from account_reviews.domain.review.phases import Outcome
from account_reviews.temporal.interceptors import ReviewInterceptor
from account_reviews.temporal.sandbox import sandboxed_runner
from tests.replay.record import FOLDER, HISTORIES, RECORDED
from tests.replay.reordered import ReorderedReviewWorkflow
from worker import WORKFLOWS

ALL = sorted(HISTORIES.glob("*/*.json"))

ENDINGS = {
    Outcome.COMPLETED: "completed_by_signal",
    Outcome.NOTHING_TO_DO: "nothing_to_do",
    Outcome.REJECTED: "rejected",
    Outcome.DEFERRED: "deferred",
    Outcome.EXPIRED: "expired",
    Outcome.CANCELLED: "cancelled_by_signal",
    Outcome.FAILED: "failed_no_data",
}
"""A scenario for each ending; `abandoned` cannot be reached yet, since no message asks for it."""


def replayer(workflows: Sequence[type]) -> Replayer:
    return Replayer(
        workflows=workflows,
        workflow_runner=sandboxed_runner(strict=True),
        interceptors=[ReviewInterceptor()],
        data_converter=pydantic_data_converter,
    )


def load(path: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json("review/replayed", path.read_text())


@pytest.mark.parametrize("path", ALL, ids=lambda path: f"{path.parent.name}-{path.stem}")
async def test_a_recorded_workflow_replays(path: Path) -> None:
    await replayer(WORKFLOWS).replay_workflow(load(path))


def test_every_scenario_and_every_ending_is_recorded() -> None:
    recorded = {(path.parent.name, path.name.split(".")[0]) for path in ALL}
    for name, scenarios in RECORDED.items():
        assert {(name, scenario.__name__) for scenario in scenarios} <= recorded
    assert {("AccountReview", ending) for ending in ENDINGS.values()} <= recorded
    assert set(Outcome) - set(ENDINGS) == {Outcome.ABANDONED}


@pytest.mark.parametrize("ending", [*ENDINGS])
def test_the_file_of_an_ending_holds_that_ending(ending: Outcome) -> None:
    text = (FOLDER / f"{ENDINGS[ending]}.1.json").read_text()
    assert load(FOLDER / f"{ENDINGS[ending]}.1.json").events
    assert _closing_event(ending) in text


def _closing_event(ending: Outcome) -> str:
    failed = ending is Outcome.FAILED
    return "WORKFLOW_EXECUTION_FAILED" if failed else "WORKFLOW_EXECUTION_COMPLETED"


async def test_a_reordered_workflow_fails_to_replay() -> None:
    with pytest.raises(workflow.NondeterminismError):
        await replayer([ReorderedReviewWorkflow]).replay_workflow(
            load(FOLDER / "completed_by_signal.1.json")
        )
