"""What is begun in a thread is over before anything is undone."""

import asyncio
import threading

import pytest

from account_reviews.local.processes import to_its_end
from tests.support.waiting import PATIENCE


async def test_a_call_that_is_cancelled_comes_to_its_end_first() -> None:
    begun, go, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go.wait(PATIENCE)
        ended.set()

    task = asyncio.create_task(to_its_end(work))
    assert await asyncio.to_thread(begun.wait, PATIENCE)
    task.cancel()
    for _ in range(5):
        await asyncio.sleep(0)
    assert not task.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_its_error_is_the_caller_s() -> None:
    def work() -> None:
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        await to_its_end(work)
