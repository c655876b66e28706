"""Runs the demo from start to end and leaves nothing behind, whatever happens on the way."""

import asyncio
import signal
from contextlib import AsyncExitStack

from account_reviews.config.settings import Settings
from account_reviews.demo import workspace
from account_reviews.demo.pages import what_to_try
from account_reviews.demo.tour import Ending, play
from account_reviews.demo.worlds import DemoCrm, World, open_world
from account_reviews.domain.errors import NegativeAnswerError
from account_reviews.local.stack import LocalStack
from account_reviews.presentation.terminal import note, print_text
from account_reviews.services.sign_ins import own_address

INTERRUPTED = 130


async def run_demo(*, keep: bool, crm: DemoCrm = DemoCrm.SQL) -> int:
    """Play the demo and give the exit code.

    0: the proof holds. 130: a signal came before the end. NegativeAnswerError: the proof does not
    hold, or a step did not come to its end. With `keep` the stack runs until a signal comes.
    Everything that was started is stopped before this returns or raises.
    """
    workspace.check_needs()
    workspace.forget_settings()
    asked = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    async with AsyncExitStack() as opened:
        data_dir = opened.enter_context(workspace.temporary_home())
        world = await opened.enter_async_context(open_world(crm))
        stack = LocalStack(data_dir, restart=False, web=keep, notify=note)
        try:
            ending = await _play_until(asked, stack, world)
            if ending is not None and keep:
                inbox = await _inbox(stack)
                print_text("\n" + what_to_try(stack, ending.left, world.environment, inbox))
                await asked.wait()
        finally:
            note("stopping everything")
            await stack.stop()
    if ending is None:
        return INTERRUPTED
    if not ending.proof.holds:
        raise NegativeAnswerError(f"the proof does not hold: {ending.proof.complaints[0]}")
    return 0


async def _inbox(stack: LocalStack) -> str:
    """Where the pages are opened, signed in once."""
    settings = Settings.load(data_dir=stack.data_dir, database_url=stack.database_url)
    return await own_address(settings, stack.web_url or "")


async def _play_until(asked: asyncio.Event, stack: LocalStack, world: World) -> Ending | None:
    """The end of the whole story; None when a signal came first."""
    story = asyncio.create_task(play(stack, world))
    waiting = asyncio.create_task(asked.wait())
    await asyncio.wait({story, waiting}, return_when=asyncio.FIRST_COMPLETED)
    story.cancel()  # no effect on one that is done
    waiting.cancel()
    try:
        return await story
    except asyncio.CancelledError:
        return None
