"""The stages of a review: what is done, what goes on, what comes next."""

from datetime import timedelta

import pytest

from account_reviews.domain.review.phases import Outcome, Phase
from account_reviews.domain.review.state import ReviewState
from account_reviews.presentation.stages import Progress, Remembered, stages_of
from account_reviews.presentation.words import Words
from tests.support.review_states import NOW, analysis_result, fresh, task_change

WORDS = Words(now=NOW)
PATH = (Phase.INVESTIGATING, Phase.PLANNING, Phase.APPROVAL, Phase.EXECUTING, Phase.VALIDATING)


def at(steps: int) -> ReviewState:
    """A review that has gone so many steps, a minute each."""
    state = fresh("ac-1")
    for number, phase in enumerate(PATH[:steps], 1):
        now = NOW + timedelta(minutes=number)
        if phase is Phase.PLANNING:
            state.analysis = analysis_result("hash", (task_change("ac-1"),))
            state.record(now, "analysed", "risk high 60")
        state.move(phase, now)
    return state


def progress(state: ReviewState, remembered: Remembered | None = None) -> list[Progress]:
    return [one.progress for one in stages_of(state, WORDS, remembered)]


@pytest.mark.parametrize(("steps", "place"), [(0, 0), (1, 0), (2, 2), (3, 3), (4, 4), (5, 5)])
def test_one_stage_goes_on_those_before_are_done_those_after_come_next(
    steps: int, place: int
) -> None:
    found = progress(at(steps))
    assert found == [
        *[Progress.DONE] * place,
        Progress.NOW,
        *[Progress.NEXT] * (6 - place),
    ]


def test_an_ended_review_left_out_what_it_did_not_come_to() -> None:
    state = at(3)
    state.close(Outcome.REJECTED, NOW + timedelta(hours=1))
    assert progress(state) == [*[Progress.DONE] * 4, *[Progress.LEFT_OUT] * 3]


def test_the_stage_in_which_it_failed_is_named() -> None:
    state = at(4)
    state.close(Outcome.FAILED, NOW + timedelta(hours=1))
    assert progress(state)[4] is Progress.FAILED
    state = at(1)
    state.close(Outcome.FAILED, NOW + timedelta(hours=1))
    assert progress(state)[0] is Progress.FAILED
    assert progress(state)[1] is Progress.FAILED


def test_what_is_on_its_way_to_the_memory_is_said() -> None:
    state = at(5)
    state.close(Outcome.COMPLETED, NOW + timedelta(hours=1))
    waiting = stages_of(state, WORDS, Remembered(NOW, None, 2))[-1]
    assert (waiting.progress, "tried 2 times" in waiting.told) == (Progress.NOW, True)
    there = stages_of(state, WORDS, Remembered(NOW, NOW, 3))[-1]
    assert there.progress is Progress.DONE


def test_each_stage_says_what_came_of_it() -> None:
    told = [one.told for one in stages_of(at(3), WORDS)]
    assert "Risk high" in told[1]
    assert "1 change proposed" in told[2]
    assert told[4:] == ["", "", ""]
