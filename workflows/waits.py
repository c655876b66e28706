"""What a review waits with: one timer for all that is due, and the pause before a next step."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from temporalio import workflow

from workflows.open_review import OpenReview
from workflows.read_model import save_what_is_new
from workflows.visibility import show_what_is_new


class Alarm:
    """One durable timer. `ring` is called with the time for which it was set, or a later one.

    It is set anew only for an earlier time: what is due later finds out when it rings. Messages of
    the same workflow task are applied before it, however late the task is.
    """

    def __init__(self, ring: Callable[[datetime], None]) -> None:
        self._ring = ring
        self._at: datetime | None = None
        self._timer: asyncio.Task[None] | None = None

    def set(self, due: datetime | None) -> None:
        """Ring at `due`, or at an earlier time for which it is set already."""
        if due is None or (self._at is not None and self._at <= due):
            return
        self.stop()
        self._at = due
        self._timer = asyncio.create_task(self._wait(due))

    def stop(self) -> None:
        """Ring no more."""
        if self._timer is not None:
            self._timer.cancel()
        self._at = self._timer = None

    async def _wait(self, due: datetime) -> None:
        left = max(0.0, (due - workflow.now()).total_seconds())
        await workflow.sleep(left, summary="Next deadline, reminder or idle time")
        self._at = self._timer = None
        self._ring(max(due, workflow.now()))


async def go_on(review: OpenReview) -> None:
    """Return when the next step may begin: a pause holds it, and rows show what happens in it."""
    state = review.state
    while state.paused is not None and not review.stopped():
        show_what_is_new(review)
        await save_what_is_new(review)
        shown = state.version
        await workflow.wait_condition(
            lambda: state.paused is None or review.stopped() or state.version != shown  # noqa: B023
        )
