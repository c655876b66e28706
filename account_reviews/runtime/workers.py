"""The Temporal workers of one process: they begin and end together, and none works on alone.

A worker whose polling fails for good (its namespace is gone, its token is not taken any more) ends
with an error of the SDK. What runs the process starts it again, so it has to end: soon, with the
reason.
"""

import asyncio
import os
import re
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from threading import Timer
from types import TracebackType
from typing import Final, Self

from temporalio.worker import Worker

from account_reviews.domain.errors import UnreachableError

PATIENCE: Final = 60.0
"""Seconds in which a process whose worker has failed ends by itself, its activities included."""

_MESSAGE: Final = re.compile(r'message: "((?:[^"\\]|\\.)*)"')
"""What the server said, within the gRPC status that the SDK prints."""


class NoMoreWorkError(UnreachableError):
    """A worker cannot poll any more."""


class Workers:
    """Workers of one process, as a context of the task in which they are entered.

    When one fails all are shut down, what is within is cancelled, and NoMoreWorkError is raised.
    """

    def __init__(self, workers: Sequence[Worker]) -> None:
        self._workers = workers
        self._group = asyncio.TaskGroup()

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        for worker in self._workers:
            self._group.create_task(worker.run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            for worker in self._workers:
                self._group.create_task(worker.shutdown())
        try:
            await self._group.__aexit__(kind, error, trace)
        except BaseExceptionGroup as group:
            if error in group.exceptions:
                return  # of what is within: it goes on as it was
            raise as_no_more_work(group.exceptions[0]) from group.exceptions[0]

    def on(self) -> str:
        """What they poll, as the process says when it is ready."""
        return " ".join(f"task_queue={worker.task_queue}" for worker in self._workers)


def told_to_stop() -> asyncio.Event:
    """Set when this process gets SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def as_no_more_work(error: BaseException) -> NoMoreWorkError:
    """The error of a worker that failed, with what began it."""
    while error.__cause__ is not None:
        error = error.__cause__
    said = str(error) or type(error).__name__
    if quoted := _MESSAGE.search(said):
        said = quoted[1]
    return NoMoreWorkError(
        f"the worker cannot ask Temporal for work any more: {said.rstrip('.')}",
        hint="`reviews doctor` says what does not answer; start it again when all does",
    )


def ending_in_any_case(
    patience: float | None = None, end: Callable[[int], object] = os._exit
) -> Callable[[BaseException], Awaitable[None]]:
    """`on_fatal_error` of the worker of a process: end it when it has not ended after `patience`.

    The SDK shuts a failed worker down, and may wait for ever for a part that does not answer.
    """

    async def when_it_failed(error: BaseException) -> None:
        failed = as_no_more_work(error)

        def end_now() -> None:
            print(failed.message, file=sys.stderr, flush=True)  # noqa: T201
            end(failed.exit_code)

        timer = Timer(PATIENCE if patience is None else patience, end_now)
        timer.daemon = True
        timer.start()

    return when_it_failed
