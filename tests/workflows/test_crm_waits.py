"""What a review does with a CRM that asks it to wait, is away, or is left alone by a breaker."""

from typing import Any

import pytest
from temporalio.client import WorkflowFailureError

from account_reviews.domain import bursts
from account_reviews.domain.errors import (
    AccountNotFoundError,
    CrmError,
    CrmRateLimitedError,
    CrmTokensRevokedError,
    CrmUnavailableError,
)
from account_reviews.domain.proposals import ItemState
from account_reviews.domain.records import RecordType, Tier
from account_reviews.domain.review.phases import Outcome
from account_reviews.domain.review.state import Execution, ReviewState
from tests.support.moody_crm import MoodyCrm
from tests.support.world import World, create_task, decision, set_status
from workflows.account_review import AccountReviewWorkflow

OVER_A_NETWORK = Execution(crm_reads="regular", memory="local", own="local")


def away() -> CrmUnavailableError:
    return CrmUnavailableError("the CRM cannot be reached")


def left_alone() -> CrmUnavailableError:
    return CrmUnavailableError("the CRM is left alone", retry_after=0.1, sent=False)


async def reviewed(world: World, **fields: Any) -> ReviewState:
    handle = await world.start(execution=OVER_A_NETWORK, **{"give_up_after_seconds": 30, **fields})
    await handle.result()
    return await handle.query(AccountReviewWorkflow.snapshot)


async def moody(world: World, *moods: CrmError | None) -> MoodyCrm:
    crm = await MoodyCrm.of_world(world.crm, *moods)
    world.crm = crm
    return crm


def said(state: ReviewState) -> list[str]:
    return [line.text for line in state.timeline if line.kind == "snapshot"]


@pytest.mark.parametrize(
    "moods",
    [
        pytest.param([CrmRateLimitedError(retry_after=0.2)], id="a limit of its rate"),
        pytest.param([CrmRateLimitedError() for _ in range(5)], id="limits without a time"),
        pytest.param([left_alone() for _ in range(6)], id="an open breaker is no try"),
        pytest.param([away(), away()], id="two tries of a burst"),
    ],
)
async def test_a_wait_that_ends_is_waited_for_whatever_is_stored(
    world: World, moods: list[CrmError]
) -> None:
    crm = await moody(world, None, *moods)
    async with world.worker():
        await reviewed(world)
        state = await reviewed(world)
    assert not state.degraded
    assert state.snapshot is not None
    assert (state.snapshot.tier, state.snapshot.stale_seconds) == (Tier.RECORD, None)
    assert said(state) == ["Read from the CRM by itself (tier record)"]
    assert len(crm.asked) == len(moods) + 2


async def test_an_outage_is_one_burst_and_then_the_stored_snapshot(world: World) -> None:
    crm = await moody(world, None)
    crm.always = away()
    async with world.worker():
        await reviewed(world)
        state = await reviewed(world)
    assert state.missing_sources == ("crm",)
    assert state.snapshot is not None
    assert state.snapshot.tier is Tier.STORED
    assert said(state) == [
        "An older snapshot is used (tier stored); record: the CRM cannot be reached"
    ]
    assert len(crm.asked) == 1 + bursts.TRIES


async def test_without_a_stored_snapshot_an_outage_is_waited_out(world: World) -> None:
    crm = await moody(world, *[away() for _ in range(6)])
    async with world.worker():
        state = await reviewed(world)
    assert not state.degraded
    assert len(crm.asked) == 7


async def test_a_wait_beyond_what_it_is_given_is_an_outage_at_once(world: World) -> None:
    crm = await moody(world, None)
    crm.always = CrmRateLimitedError("the daily limit is reached", retry_after=3600)
    async with world.worker():
        await reviewed(world)
        state = await reviewed(world)
    assert state.snapshot is not None
    assert state.snapshot.passed_over == ("record: the daily limit is reached",)
    assert len(crm.asked) == 2


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        (AccountNotFoundError("the account was deleted"), "no_data: the account was deleted"),
        (CrmTokensRevokedError("look at the login", retry_after=99), "crm_auth: look at the login"),
        (CrmRateLimitedError("full for today", retry_after=99), "no_data: full for today"),
    ],
)
async def test_what_cannot_be_read_is_said_plainly(
    world: World, refusal: CrmError, reason: str
) -> None:
    crm = await moody(world)
    crm.always = refusal
    async with world.review(execution=OVER_A_NETWORK) as handle:
        with pytest.raises(WorkflowFailureError) as failure:
            await handle.result()
    assert reason in str(failure.value.cause)
    assert world.crm.writes == 0


async def test_an_account_that_is_deleted_while_it_waits_is_written_to_no_more(
    world: World,
) -> None:
    world.analysis.changes = (set_status(world.account), create_task(world.account))
    async with world.review(execution=OVER_A_NETWORK) as handle:
        request = await world.request(handle)
        world.crm.remove(RecordType.ACCOUNT, world.account.id)
        await handle.signal("submit_decision", decision(request))
        with pytest.raises(WorkflowFailureError):
            await handle.result()
        state = await handle.query(AccountReviewWorkflow.snapshot)
    assert state.outcome is Outcome.FAILED
    assert {shown for _, shown in state.changes} == {ItemState.FAILED}
    reasons = {item.reason for item in state.requests[0].items}
    assert all(reason and world.account.id in reason for reason in reasons)
    assert world.crm.writes == 0


@pytest.mark.parametrize(
    "moods",
    [
        pytest.param([CrmRateLimitedError(retry_after=0.1)] * 4, id="limits"),
        pytest.param([left_alone()] * 4, id="an open breaker"),
        pytest.param([away()] * 5, id="more than a burst"),
    ],
)
async def test_an_approved_write_waits_for_as_long_as_it_takes(
    world: World, moods: list[CrmError]
) -> None:
    crm = await moody(world)
    crm.write_moods = list(moods)
    world.analysis.changes = (create_task(world.account),)
    async with world.review(execution=OVER_A_NETWORK) as handle:
        request = await world.request(handle)
        await handle.signal("submit_decision", decision(request))
        result = await handle.result()
        state = await handle.query(AccountReviewWorkflow.snapshot)
    assert result.outcome is Outcome.COMPLETED
    assert crm.writes == 1
    failing = [line for line in state.timeline if line.kind == "step_failing"]
    assert bool(failing) == (not isinstance(moods[0], CrmRateLimitedError))
