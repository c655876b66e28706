"""What a review waits with: one timer for all that is due, and the pause before a next step."""

import asyncio
from datetime import datetime

from temporalio import workflow

from account_reviews.domain.review import timers
from workflows.inbox import Inbox
from workflows.open_review import OpenReview
from workflows.read_model import save_what_is_new
from workflows.refresh import news_for_cycle, report
from workflows.visibility import show_what_is_new


class OneTimer:
    """One durable timer for everything that is due at a time.

    It is set anew only for an earlier time: what is due later finds out when it fires, so moving
    that costs nothing. Messages that came before it fired are applied first, however late the task
    is and however long they are checked.
    """

    def __init__(self, review: OpenReview, inbox: Inbox) -> None:
        self._review = review
        self._inbox = inbox
        self._at: datetime | None = None
        self._timer: asyncio.Task[None] | None = None
        self._due: datetime | None = None
        """It fired for this time, and messages are still being checked."""

    def watch(self) -> None:
        """Fire when something is due next, or earlier."""
        due = timers.next_due(self._review.state)
        if due is None or (self._at is not None and self._at <= due):
            return
        self.stop()
        self._at = due
        self._timer = asyncio.create_task(self._wait(due))

    def passed(self) -> bool:
        """What was due has been done already."""
        return False

    def stop(self) -> None:
        """Nothing is due any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._at = self._timer = None

    def settle(self) -> None:
        """Do what is due, unless messages from before are still being checked."""
        if self._due is not None and self._inbox.is_empty:
            due, self._due = self._due, None
            timers.apply_due(self._review.state, max(due, workflow.now()))
            self.watch()

    async def _wait(self, due: datetime) -> None:
        left = max(0.0, (due - workflow.now()).total_seconds())
        await workflow.sleep(left, summary="Next deadline, reminder or idle time")
        self._at = self._timer = None
        self._due = due
        self.settle()


async def go_on(review: OpenReview) -> None:
    """Return when the next step may begin: a pause holds it, and rows show what happens in it."""
    state = review.state
    while state.paused is not None and not review.stopped():
        show_what_is_new(review)
        cycle_id, news = state.cycle_id, news_for_cycle(state)
        await save_what_is_new(review)
        await report(cycle_id, news)
        shown = state.version
        await workflow.wait_condition(
            lambda: state.paused is None or review.stopped() or state.version != shown  # noqa: B023
        )
