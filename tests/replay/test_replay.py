"""Old histories replay on today's code; a reordered workflow does not."""

from pathlib import Path

import pytest
from temporalio import workflow

from account_reviews.domain.review.phases import Outcome
from tests.replay.commands import (
    ALL,
    HISTORIES,
    commands_of,
    difference,
    fingerprint_file,
    load,
    replayer,
)
from tests.replay.record import FOLDER, RECORDED
from tests.replay.reordered import ReorderedReviewWorkflow
from worker import WORKFLOWS

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


@pytest.mark.parametrize("path", ALL, ids=lambda path: f"{path.parent.name}-{path.stem}")
async def test_a_recorded_workflow_gives_the_same_commands(path: Path) -> None:
    changed = difference(path, await commands_of(path, WORKFLOWS))
    assert changed is None, changed


def test_fingerprints_belong_to_histories() -> None:
    assert {*HISTORIES.glob("*/*.commands")} == {fingerprint_file(path) for path in ALL}


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


async def test_another_order_of_commands_is_shown_and_what_to_do() -> None:
    path = FOLDER / "completed_by_signal.1.json"
    changed = difference(path, await commands_of(path, [ReorderedReviewWorkflow]))
    assert changed is not None
    sentence, *lines = changed.splitlines()
    assert "ReviewInput.logic" in sentence
    assert "new scenario" in sentence
    assert "+start_timer" in lines
    assert "-start_timer" in lines or "+refused by Temporal: not the order of the history" in lines
