"""One timer per pending request."""

import asyncio
from collections.abc import Callable

from temporalio import workflow

from account_reviews.domain.review.approvals import ApprovalRequest


class Deadlines:
    """Says when a pending request is due: `due` is called with its id as its timer fires.

    Messages of the same workflow task are applied before that, however late the task is.
    """

    def __init__(self, due: Callable[[str], None] | None = None) -> None:
        self._timers: dict[str, asyncio.Task[None]] = {}
        self._due = due

    def watch(self, requests: tuple[ApprovalRequest, ...]) -> None:
        """Start the timers of these; those of closed ones go."""
        now, pending = workflow.now(), {one.request_id: one for one in requests}
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

    async def _wait(self, request_id: str, seconds: float) -> None:
        await workflow.sleep(seconds, summary="Approval deadline")
        if self._due is not None:
            self._due(request_id)
