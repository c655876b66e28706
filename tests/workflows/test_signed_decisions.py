"""A decision that must be signed counts for what was signed, once, by whatever door it comes."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from account_reviews.access.guard import Guard
from account_reviews.access.keys import parse_keys
from account_reviews.access.policy_file import PolicyFile
from account_reviews.domain.access.signed import Binding
from account_reviews.domain.policy.model import parse_policy
from account_reviews.domain.proposals import ItemState
from account_reviews.domain.review.approvals import ApprovalRequest, Terms
from account_reviews.domain.review.messages import SubmitDecision
from account_reviews.domain.review.phases import Outcome
from account_reviews.domain.review.state import ReviewResult, ReviewState
from tests.support.doors import DOORS
from tests.support.world import Handle, World, create_task, decision, eventually
from workflows.account_review import AccountReviewWorkflow

KEYS = "k:" + "s" * 32


@pytest.fixture
def guard(world: World) -> Guard:
    """What checks the decisions of this world."""

    def signed() -> Any:
        return parse_policy("[approvals]\nrequire_signed = true")

    guard = Guard(PolicyFile(None, signed), parse_keys(KEYS))
    world.checked = guard.check
    world.analysis.terms = Terms(checked=True)
    world.analysis.changes = (create_task(world.account),)
    return guard


async def token(
    guard: Guard, handle: Handle, request: ApprovalRequest, message: dict[str, Any], **of: Any
) -> str:
    """Of that message on the request as it is."""
    state = await handle.query(AccountReviewWorkflow.snapshot)
    hashes = {item.item_id: item.change.hash for item in request.items}
    about = {"tenant": state.tenant, "review_id": state.review_id, "run_id": state.run_id, **of}
    binding = Binding.of(SubmitDecision.model_validate(message), hashes, **about)
    expires = state.started_at + timedelta(days=1)
    return guard.sign(binding, int(expires.timestamp()), f"u{len(str(about))}")


async def refused(handle: Handle, count: int) -> ReviewState:
    return await eventually(
        lambda: handle.query(AccountReviewWorkflow.snapshot),
        lambda state: state.counters.refusals == count,
    )


Forge = Callable[[dict[str, Any], str], dict[str, Any]]
FORGED: dict[str, tuple[str, Forge]] = {
    "no token": ("bad_token", lambda message, _: message),
    "changed": ("bad_token", lambda message, good: {**message, "token": good[:-3] + "AAA"}),
    "of another person": (
        "bad_token", lambda message, good: {**message, "approver": "bob", "token": good},
    ),
    "of another decision": (
        "bad_token",
        lambda message, good: {**message, "decision": "reject", "reason": "x", "token": good},
    ),
    "of other items": (
        "bad_token", lambda message, good: {**message, "item_ids": ["a"], "token": good},
    ),
}  # fmt: skip


@pytest.mark.parametrize("door", DOORS)
async def test_what_was_not_signed_changes_nothing(world: World, guard: Guard, door: str) -> None:
    async with world.review() as handle:
        request = await world.request(handle)
        message = decision(request)
        good = await token(guard, handle, request, message)
        other = await token(guard, handle, request, message, run_id="another run")
        forged = [(code, forge(message, good)) for code, forge in FORGED.values()]
        forged.append(("bad_token", {**message, "token": other}))
        for number, (code, wrong) in enumerate(forged, 1):
            assert await DOORS[door](world, handle, wrong) in (code, None)
            state = await refused(handle, number)
            assert state.timeline[-1].kind == "approval_refused"
            assert state.requests[0].decisions == ()
            assert state.nonces == ()
        assert await DOORS[door](world, handle, {**message, "token": good}) is None
        result = await handle.result()
    assert result.outcome is Outcome.COMPLETED


@pytest.mark.parametrize("door", DOORS)
async def test_a_token_counts_once(world: World, guard: Guard, door: str) -> None:
    """The second item is still open when the token of both comes again."""
    world.analysis.changes = (create_task(world.account), create_task(world.account, "Mail them"))
    world.analysis.terms = Terms(checked=True, requirement="n_of_m", n=2)
    async with world.review() as handle:
        request = await world.request(handle)
        message = decision(request)
        signed = {**message, "token": await token(guard, handle, request, message)}
        assert await DOORS[door](world, handle, signed) is None
        state = await eventually(
            lambda: handle.query(AccountReviewWorkflow.snapshot),
            lambda state: state.counters.decisions == 1,
        )
        assert len(state.nonces) == 1
        assert state.requests[0].decisions[0].verified
        assert await DOORS[door](world, handle, signed) in ("token_used", None)
        state = await refused(handle, 1)
        assert state.timeline[-1].text == "the token was used already"
        assert [item.state for item in state.requests[0].items] == [ItemState.PROPOSED] * 2
        await handle.signal("cancel_review", {"by": "ann"})
        await handle.result()


async def test_decisions_are_applied_in_the_order_in_which_they_came(
    world: World, guard: Guard
) -> None:
    """A cancel behind a signed decision waits for its check, and nothing is written."""
    async with world.worker():
        handle = await world.start()
        request = await world.request(handle)
        message = decision(request)
        signed = {**message, "token": await token(guard, handle, request, message)}
    await handle.signal("submit_decision", signed)
    await handle.signal("cancel_review", {"by": "ann"})
    async with world.worker():
        result = await handle.result()
        state = await handle.query(AccountReviewWorkflow.snapshot)
    assert result.outcome is Outcome.CANCELLED
    assert state.requests[0].items[0].state is ItemState.SKIPPED
    assert world.crm.operations == {}
    assert state.requests[0].decisions[0].verified


async def test_nothing_is_asked_where_nothing_is_to_be_checked(world: World) -> None:
    world.analysis.changes = (create_task(world.account),)
    async with world.review() as handle:
        request = await world.request(handle)
        await handle.execute_update("decide", decision(request))
        result = await handle.result()
        state = await handle.query(AccountReviewWorkflow.snapshot)
    assert result.outcome is Outcome.COMPLETED
    assert world.checks == []
    assert not state.requests[0].decisions[0].verified


async def test_continue_as_new_keeps_what_was_used(world: World, guard: Guard) -> None:
    world.analysis.terms = Terms(checked=True, requirement="n_of_m", n=2)
    async with world.review(history_limit=12) as handle:
        request = await world.request(handle)
        message = decision(request)
        signed = {**message, "token": await token(guard, handle, request, message)}
        await handle.signal("submit_decision", signed)
        await eventually(
            lambda: handle.query(AccountReviewWorkflow.snapshot),
            lambda state: len(state.nonces) == 1,
        )
        newest: Handle = world.client.get_workflow_handle(handle.id, result_type=ReviewResult)
        await newest.signal("submit_decision", signed)
        state = await refused(newest, 1)
        assert state.timeline[-1].text == "the token was used already"
        await newest.signal("cancel_review", {"by": "ann"})
        await newest.result()
        assert (await newest.describe()).run_id != state.run_id
