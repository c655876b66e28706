"""Reviews that wait for a CRM over a network, for recording."""

from collections.abc import Awaitable, Callable
from contextlib import suppress

from temporalio.client import WorkflowFailureError

from account_reviews.domain.errors import CrmError, CrmRateLimitedError, CrmUnavailableError
from account_reviews.domain.review.state import Execution
from tests.support.moody_crm import MoodyCrm
from tests.support.world import Handle, World

_NETWORK = Execution(crm_reads="regular", memory="local", own="local")


def _away() -> CrmUnavailableError:
    return CrmUnavailableError("the CRM cannot be reached")


async def _moody(world: World, *moods: CrmError | None) -> MoodyCrm:
    crm = await MoodyCrm.of_world(world.crm, *moods)
    world.crm = crm
    return crm


async def _ended(world: World, give_up: float = 30) -> Handle:
    handle = await world.start(execution=_NETWORK, give_up_after_seconds=give_up)
    with suppress(WorkflowFailureError):
        await handle.result()
    return handle


async def slowed_down(world: World) -> Handle:
    """The CRM asks to wait, and is waited for although a snapshot is stored."""
    await _moody(world, None, CrmRateLimitedError(retry_after=0.2))
    async with world.worker():
        await _ended(world)
        return await _ended(world)


async def away_for_a_burst(world: World) -> Handle:
    """Three tries without an answer: the stored snapshot is used."""
    crm = await _moody(world, None)
    crm.always = _away()
    async with world.worker():
        await _ended(world)
        return await _ended(world)


async def waited_out(world: World) -> Handle:
    """The same without a stored snapshot: it is read once the CRM is back."""
    await _moody(world, *(_away() for _ in range(4)))
    async with world.worker():
        return await _ended(world)


async def slowed_down_for_too_long(world: World) -> Handle:
    """The CRM names a time after which nobody waits any more: no second read is begun."""
    crm = await _moody(world)
    crm.always = CrmRateLimitedError("the daily limit is reached", retry_after=3600)
    async with world.worker():
        return await _ended(world, give_up=0.5)


CRM_SCENARIOS: tuple[Callable[[World], Awaitable[Handle]], ...] = (
    slowed_down,
    away_for_a_burst,
    waited_out,
    slowed_down_for_too_long,
)
