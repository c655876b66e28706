"""One timer per pending request: how reviews of logic 1 and 2 wait."""

import asyncio

from temporalio import workflow

from account_reviews.domain.review import decisions
from workflows.open_review import OpenReview


class Deadlines:
    """Expires a request as its timer fires; by logic 1 only says that one has fired.

    Messages of the same workflow task are applied before that, however late the task is.
    """

    def __init__(self, review: OpenReview) -> None:
        self._review = review
        self._timers: dict[str, asyncio.Task[None]] = {}

    def watch(self) -> None:
        """Start the timers of the pending requests; those of closed ones go."""
        now = workflow.now()
        pending = {one.request_id: one for one in self._review.state.pending}
        for request_id in [known for known in self._timers if known not in pending]:
            self._timers.pop(request_id).cancel()
        for request_id, request in pending.items():
            if request_id not in self._timers:
                left = max(0.0, (request.deadline - now).total_seconds())
                self._timers[request_id] = asyncio.create_task(self._wait(request_id, left))

    def passed(self) -> bool:
        """Whether one of them is due."""
        return any(timer.done() for timer in self._timers.values())

    def stop(self) -> None:
        """No deadline matters any more."""
        for timer in self._timers.values():
            timer.cancel()

    def settle(self) -> None:
        """Their messages are never checked, so nothing waits for that."""

    async def _wait(self, request_id: str, seconds: float) -> None:
        await workflow.sleep(seconds, summary="Approval deadline")
        if self._review.state.follows(2):
            decisions.expire(self._review.state, request_id, workflow.now())
