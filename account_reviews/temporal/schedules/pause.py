"""Pausing every schedule at once, and resuming exactly those.

What was paused so carries a mark in its note. Whoever pauses or resumes a schedule by hand writes
another note over it, and from then on it is theirs. The server's list follows within a second, so
each schedule is asked for its own state before it is touched.
"""

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from temporalio.client import (
    Client,
    ScheduleActionStartWorkflow,
    ScheduleDescription,
    ScheduleHandle,
    ScheduleListDescription,
)
from temporalio.service import RPCError, RPCStatusCode

from account_reviews.domain.errors import ReviewsError, UnreachableError
from account_reviews.domain.halts import Halt
from account_reviews.temporal import names
from account_reviews.temporal.client import explained
from account_reviews.temporal.schedules.entries import MANAGED_BY

CALL_SECONDS: Final = 20.0
LIST_SECONDS: Final = 30.0
AT_ONCE: Final = 8
GIVE_UP: Final = 8
"""Failures in a row after which Temporal is taken to be away."""
PAGE: Final = 500
_OURS: Final = ("AccountReview", "ReviewCycle", "Upkeep")
"""Workflow types; a schedule that somebody made by hand may start them too."""

_MARK: Final = re.compile(r"stop-all #\d+ by ")
_NOTE_LENGTH: Final = 500
_Step = Callable[[ScheduleHandle, ScheduleDescription], Awaitable[bool]]


@dataclass(frozen=True)
class Schedules:
    """The schedules of one tenant."""

    client: Client
    tenant: str

    async def pause_all(self, halt: Halt) -> int:
        """Pause what is not paused; gives how many are paused by a halt now. UnreachableError."""
        note = f"stop-all #{halt.id} by {halt.by}: {halt.reason}"[:_NOTE_LENGTH]

        async def pause(handle: ScheduleHandle, shown: ScheduleDescription) -> bool:
            state = shown.schedule.state
            if not state.paused:
                await handle.pause(note=note)
                return True
            return _is_marked(shown)

        return await self._each(pause)

    async def resume_paused(self, halt: Halt) -> int:
        """Resume what a halt paused, this or an earlier one; gives how many. UnreachableError."""
        why = f"{halt.released_by}: {halt.released_reason}"
        note = f"stop-all released by {why}"[:_NOTE_LENGTH]

        async def resume(handle: ScheduleHandle, shown: ScheduleDescription) -> bool:
            if _is_marked(shown):
                await handle.unpause(note=note)
            return _is_marked(shown)

        return await self._each(resume)

    async def count_paused(self) -> int:
        """How many are paused by a halt, as the server lists them now."""
        found = await self._list()
        return sum(one.schedule is not None and _has_mark(one.schedule.state) for one in found)

    async def _each(self, do: _Step) -> int:
        """Do it for each schedule of the tenant, some at a time; how many said True.

        One that fails is tried again after the others, as long as any of them succeeds.
        """
        left = deque(one.id for one in await self._list())
        counted, errors = 0, list[Exception]()

        async def work() -> None:
            nonlocal counted
            while left and len(errors) < GIVE_UP:
                schedule_id = left.popleft()
                try:
                    yes = await asyncio.wait_for(self._one(schedule_id, do), CALL_SECONDS)
                    counted += yes
                    errors.clear()
                except (RPCError, TimeoutError) as error:
                    errors.append(error)
                    left.append(schedule_id)

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
        if left:
            raise _unreachable(errors[0])
        return counted

    async def _one(self, schedule_id: str, do: _Step) -> bool:
        handle = self.client.get_schedule_handle(schedule_id)
        try:
            shown = await handle.describe()
            return await self._is_of_tenant(shown) and await do(handle, shown)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:  # deleted meanwhile
                return False
            raise

    async def _list(self) -> list[ScheduleListDescription]:
        """Those that may be of this tenant."""
        try:
            return await asyncio.wait_for(self._read_list(), LIST_SECONDS)
        except (RPCError, TimeoutError) as error:
            raise _unreachable(error) from None

    async def _read_list(self) -> list[ScheduleListDescription]:
        pages = await self.client.list_schedules(page_size=PAGE)
        return [one async for one in pages if await self._is_candidate(one)]

    async def _is_candidate(self, one: ScheduleListDescription) -> bool:
        memo = await one.memo()
        if memo.get("managed_by") == MANAGED_BY:
            return bool(memo.get("tenant") == self.tenant)
        action = one.schedule.action if one.schedule else None
        return getattr(action, "workflow", None) in _OURS

    async def _is_of_tenant(self, shown: ScheduleDescription) -> bool:
        memo = await shown.memo()
        if memo.get("managed_by") == MANAGED_BY:
            return True
        return await self._tenant_of(shown.schedule.action) == self.tenant

    async def _tenant_of(self, action: object) -> str:
        """Of a schedule that was made by hand: what it starts says for whom."""
        if not isinstance(action, ScheduleActionStartWorkflow) or not action.args:
            return names.DEFAULT_TENANT
        try:
            (start,) = await self.client.data_converter.decode([action.args[0]], [dict[str, Any]])
        except (RuntimeError, ValueError, TypeError):
            return names.DEFAULT_TENANT
        return str(start.get("tenant") or names.DEFAULT_TENANT)


def _unreachable(error: Exception) -> ReviewsError:
    if isinstance(error, RPCError):
        return explained(error)
    return UnreachableError("Temporal does not answer in time")


def _is_marked(shown: ScheduleDescription) -> bool:
    return _has_mark(shown.schedule.state)


def _has_mark(state: Any) -> bool:
    return bool(state.paused and state.note and _MARK.match(state.note))
