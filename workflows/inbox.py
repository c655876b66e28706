"""The messages of a review in the order in which they came, each applied once.

Most are applied as they arrive. One that has to be checked first, by its token or by roles, waits
for an activity, and those behind it wait for it: so the order of the event history decides.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from temporalio import workflow

from account_reviews.domain.review.checks import Checked, CheckSaid
from account_reviews.domain.review.messages import Refusal, RefusalCode
from activities.access import AccessActivities
from workflows import policies
from workflows.open_review import OpenReview
from workflows.steps import StepError, run_step


@dataclass(eq=False, slots=True)
class Entry:
    """One message. `apply` is given what the check said, None when there was none to make."""

    apply: Callable[[Checked | None], Any]
    check: Callable[[], CheckSaid | None]
    """What is to be checked as things stand when its turn comes; None: nothing."""
    applied: bool = False
    answer: Any = None
    error: Exception | None = None
    """What it failed with, instead of an answer."""


class Inbox:
    """`on_empty` is called whenever the last message was applied after a check."""

    def __init__(self, review: OpenReview, on_empty: Callable[[], None]) -> None:
        self._review = review
        self._on_empty = on_empty
        self._left: deque[Entry] = deque()
        self._working: asyncio.Task[None] | None = None

    @property
    def is_empty(self) -> bool:
        return not self._left

    def put(self, entry: Entry) -> None:
        """Apply it now, or once those before it are."""
        self._left.append(entry)
        if self._working is None:
            wanted = self._apply_unchecked()
            if wanted is not None:
                self._working = asyncio.create_task(self._work(wanted))

    async def answer_of(self, entry: Entry) -> Any:
        """What became of it, once it was applied."""
        self.put(entry)
        if not entry.applied:
            await workflow.wait_condition(lambda: entry.applied)
        if entry.error is not None:
            raise entry.error
        return entry.answer

    def _apply_unchecked(self) -> CheckSaid | None:
        """Apply what needs no check; gives the check of the first that does."""
        while self._left:
            wanted = self._left[0].check()
            if wanted is not None:
                return wanted
            self._apply(None)
        return None

    def _apply(self, checked: Checked | None) -> None:
        entry = self._left.popleft()
        try:
            entry.answer = entry.apply(checked)
        except Exception as error:  # noqa: BLE001  those behind it must not wait for ever
            workflow.logger.exception("a message failed and is left out")
            entry.error = error
        entry.applied = True

    async def _work(self, wanted: CheckSaid) -> None:
        following: CheckSaid | None = wanted
        try:
            while following is not None:
                self._apply(await self._check(following))
                following = self._apply_unchecked()
        finally:
            self._working = None
        self._on_empty()

    async def _check(self, wanted: CheckSaid) -> Checked:
        execution = self._review.execution
        config = policies.own(f"Check: {wanted.verb}", heartbeats=execution.heartbeats)
        try:
            return await run_step(
                AccessActivities.check,
                wanted,
                config,
                local=execution.own == "local",
                used=self._review.using("check"),
            )
        except StepError as error:
            why = f"it could not be checked: {error.reason}"
            refusal = Refusal(code=RefusalCode.NOT_ALLOWED, message=why)
            return Checked(allowed=False, refusal=refusal)
