"""What comes next after an import, a list, a schedule or a stop can be typed as it stands."""

import shlex
from typing import NamedTuple

import pytest

from account_reviews.presentation import steps_after as after
from account_reviews.presentation.steps_after import NextStep
from tests.support.verbs import can_be_typed


class Row(NamedTuple):
    account_id: str
    status: str


STEPS = (
    after.OPEN_REVIEWS,
    after.RELEASE,
    after.SCHEDULES,
    after.ALL_REVIEWS,
    after.import_step("Fjord's"),
    after.list_step([Row("ac-1", "completed"), Row("ac-2", "waiting")]),
    after.list_step([Row("a b", "completed")]),
    after.nothing_listed(narrowed=False),
    after.nothing_listed(narrowed=True),
    after.stuck_step(["a b"]),
    after.plan_step(["create"], "my file.toml"),
    after.plan_step(["unchanged"], None),
    after.schedules_step([]),
    after.schedules_step(["weekly"]),
    after.run_step("weekly"),
    after.remembered_step(["a b"]),
    after.timeline_step("a b", empty=True),
    after.timeline_step("a b", empty=False),
)


@pytest.mark.parametrize("step", STEPS)
def test_each_can_be_typed(step: NextStep | None) -> None:
    assert step is not None
    assert step.command is not None
    program, *words = shlex.split(step.command)
    assert program == "reviews"
    can_be_typed(words)


def test_nothing_comes_next_where_nothing_is() -> None:
    assert after.import_step(None) is None
    assert after.list_step([]) is None
    assert after.stuck_step([]) is None
    assert after.remembered_step([]) is None


def test_what_waits_comes_before_looking() -> None:
    found = after.list_step([Row("ac-1", "completed"), Row("ac-2", "waiting")])
    assert found == NextStep("What waits for decisions", "reviews approvals list")
    assert after.list_step([Row("ac-1", "running")]) == NextStep("One of them", "reviews show ac-1")


def test_a_plan_is_applied_with_its_file() -> None:
    found = after.plan_step(["unchanged", "create"], "my file.toml")
    assert found.command == "reviews schedules apply --file 'my file.toml'"
