"""Roles hold inside the review, by whatever door, at the moment somebody decides."""

from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError

from account_reviews.access.guard import Guard
from account_reviews.access.policy_file import PolicyFile
from account_reviews.domain.policy.model import Policy, load_policy
from account_reviews.domain.review.approvals import Terms
from account_reviews.domain.review.phases import Outcome
from account_reviews.domain.review.state import ReviewState
from tests.support.doors import DOORS, code_of
from tests.support.world import Handle, World, create_task, decision, eventually
from workflows.account_review import AccountReviewWorkflow

ROLES = """
[access.users]
"Ann" = ["approver"]
"Olga Owner" = ["account_owner"]
"Max" = ["account_owner"]
"Lea" = ["analyst"]
"Opal" = ["operator"]
"Udo" = ["auditor"]
"""


@pytest.fixture
def policy(world: World, tmp_path: Path) -> Path:
    """The policy file by which this world checks."""
    path = tmp_path / "policy.toml"
    path.write_text(ROLES)

    def load() -> Policy:
        return load_policy(path)

    world.checked = Guard(PolicyFile(path, load), None).check
    world.analysis.terms = Terms(checked=True)
    world.analysis.changes = (create_task(world.account),)
    return path


def say(policy: Path, text: str) -> None:
    policy.write_text(text)


async def told(handle: Handle, refusals: int) -> ReviewState:
    return await eventually(
        lambda: handle.query(AccountReviewWorkflow.snapshot),
        lambda state: state.counters.refusals == refusals,
    )


@pytest.mark.parametrize("door", DOORS)
async def test_who_may_not_decide_changes_nothing(world: World, policy: Path, door: str) -> None:
    others = ("Eve", "Max", "Lea", "Opal", "Udo")
    async with world.review() as handle:
        request = await world.request(handle)
        for number, name in enumerate(others, 1):
            message = decision(request, approver=name)
            assert await DOORS[door](world, handle, message) in ("not_an_approver", None)
            state = await told(handle, number)
            assert (state.timeline[-1].kind, state.timeline[-1].by) == ("approval_refused", name)
            assert state.requests[0].decisions == ()
        assert await DOORS[door](world, handle, decision(request, approver="olga  OWNER")) is None
        assert (await handle.result()).outcome is Outcome.COMPLETED


@pytest.mark.parametrize("door", DOORS)
async def test_whoever_was_removed_since_the_page_was_shown_is_refused(
    world: World, policy: Path, door: str
) -> None:
    async with world.review() as handle:
        request = await world.request(handle)
        say(policy, ROLES.replace('"Ann" = ["approver"]', ""))
        assert await DOORS[door](world, handle, decision(request, approver="Ann")) in (
            "not_an_approver",
            None,
        )
        assert "not among the users" in (await told(handle, 1)).timeline[-1].text
        say(policy, "[access.users\n")
        assert await DOORS[door](world, handle, decision(request, approver="Ann")) in (
            "not_allowed",
            None,
        )
        assert "not valid TOML" in (await told(handle, 2)).timeline[-1].text
        say(policy, ROLES)
        assert await DOORS[door](world, handle, decision(request, approver="Ann")) is None
        assert (await handle.result()).outcome is Outcome.COMPLETED


@pytest.mark.parametrize(
    ("name", "message", "may"),
    [
        ("pause", {"reason": "x"}, {"Opal", "Olga Owner"}),
        ("annotate", {"metadata": {"a": 1}}, {"Opal", "Olga Owner", "Ann", "Lea"}),
        ("propose", {"changes": [{"change_id": "no such change"}]}, {"Olga Owner", "Ann", "Lea"}),
    ],
)
async def test_commands_are_for_those_who_may(
    world: World, policy: Path, name: str, message: dict[str, Any], may: set[str]
) -> None:
    async with world.review() as handle:
        await world.request(handle)
        allowed = set()
        for who in ("Eve", "Ann", "Olga Owner", "Max", "Lea", "Opal", "Udo"):
            said = await _say(handle, name, {**message, "by": who})
            if said != "not_allowed":
                allowed.add(who)
            if name == "pause" and said is None:
                assert await _say(handle, "resume", {"by": "Opal"}) is None
        assert allowed == may
        await handle.signal("cancel_review", {"by": "Udo"})
        await handle.signal("cancel_review", {"by": "Olga Owner"})
        assert (await handle.result()).outcome is Outcome.CANCELLED
        state = await handle.query(AccountReviewWorkflow.snapshot)
    assert state.cancel is not None
    assert state.cancel.by == "Olga Owner"


async def test_signals_of_whoever_may_not_change_nothing(world: World, policy: Path) -> None:
    async with world.review() as handle:
        await world.request(handle)
        for name in ("refresh", "touch"):
            await handle.signal(name, {"by": "Eve"})
        state = await told(handle, 2)
        assert "'Eve' is not among the users" in state.timeline[-1].text
        assert world.analysis.calls == 1
        await handle.signal("refresh", {"by": "Opal"})
        await handle.signal("refresh", {"by": "a cycle's owner", "cycle_id": "cycle/none"})
        await eventually(
            lambda: handle.query(AccountReviewWorkflow.snapshot), lambda _: world.analysis.calls > 1
        )
        await handle.signal("cancel_review", {"by": "Olga Owner"})
        await handle.result()


async def _say(handle: Handle, name: str, message: dict[str, Any]) -> str | None:
    """The code of the refusal, None when it was done."""
    try:
        await handle.execute_update(name, message)
    except WorkflowUpdateFailedError as error:
        return code_of(error)
    return None


async def test_plan_only_writes_nothing_and_asks_nobody(world: World) -> None:
    world.analysis.changes = (create_task(world.account),)
    async with world.review(plan_only=True) as handle:
        result = await handle.result()
        state = await handle.query(AccountReviewWorkflow.snapshot)
        history = await handle.fetch_history()
    assert result.outcome is Outcome.NOTHING_TO_DO
    assert state.requests == ()
    assert world.crm.operations == {}
    scheduled = {
        event.activity_task_scheduled_event_attributes.activity_type.name
        for event in history.events
        if event.HasField("activity_task_scheduled_event_attributes")
    }
    assert "crm.apply_change" not in scheduled
