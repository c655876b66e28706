"""Looking at schedules and steering them by hand. The server answers; nothing is computed here."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from temporalio.client import (
    Client,
    ScheduleActionExecutionStartWorkflow,
    ScheduleBackfill,
    ScheduleOverlapPolicy,
)
from temporalio.service import RPCError, RPCStatusCode

from account_reviews.domain.errors import (
    BadInputError,
    ConflictError,
    ReviewsError,
    ScheduleNotFoundError,
)
from account_reviews.temporal import names
from account_reviews.temporal.schedules.entries import Standing, find, listed, matching_times

MOST_BACKFILLED: Final = 999
"""The server names up to 1000 times, and keeps no more runs waiting."""
DESCRIBED: Final = 10
"""Next times that a description holds."""
_AT_ONCE: Final = 32
_TRIGGER_SECONDS: Final = 10.0
_HORIZON: Final = timedelta(days=5 * 366)


class TooManyRunsError(ReviewsError):
    """That many runs are not started at once."""

    exit_code = 6
    code = "limit"


@dataclass(frozen=True)
class ScheduleControl:
    """The schedules of one tenant that a file of ours made."""

    client: Client
    tenant: str = names.DEFAULT_TENANT

    async def get(self, entry_id: str) -> Standing:
        """ScheduleNotFoundError when there is none of that id."""
        found = await find(self.client, names.schedule_id(entry_id, self.tenant))
        if found is None or found.file is None:
            raise ScheduleNotFoundError(
                f"there is no schedule {entry_id!r}", hint="see `reviews schedules list`"
            )
        return found

    async def page(self, after: str | None, limit: int) -> tuple[list[str], str | None]:
        """Entry ids in order, and the last one when there are more."""
        known = sorted(await listed(self.client, self.tenant))
        rest = [one for one in known if after is None or one > after]
        ids = rest[:limit]
        return ids, ids[-1] if len(rest) > limit else None

    async def describe_all(self, ids: Sequence[str]) -> list[tuple[str, Standing]]:
        """Those that are still there, in order."""
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(entry_id: str) -> Standing | None:
            async with gate:
                return await find(self.client, names.schedule_id(entry_id, self.tenant))

        found = await asyncio.gather(*(one(entry_id) for entry_id in ids))
        return [(name, at) for name, at in zip(ids, found, strict=True) if at is not None]

    async def next_times(self, entry_id: str, count: int) -> tuple[Standing, list[datetime]]:
        """The next times by the server; fewer when it ends before."""
        standing = await self.get(entry_id)
        times = list(standing.description.info.next_action_times)
        if count <= DESCRIBED or len(times) < DESCRIBED:
            return standing, times[:count]
        now = datetime.now(UTC)
        span = times[-1] - now
        while len(times) < count and span < _HORIZON:
            span = min(span * 2, _HORIZON)
            times = await self._matching(standing, now, now + span)
        return standing, times[:count]

    async def pause(self, entry_id: str, note: str) -> None:
        """No more runs until it is resumed. Pausing twice keeps the newer note."""
        standing = await self.get(entry_id)
        await standing.handle.pause(note=note)

    async def resume(self, entry_id: str) -> None:
        standing = await self.get(entry_id)
        await standing.handle.unpause(note="resumed")

    async def trigger(self, entry_id: str) -> ScheduleActionExecutionStartWorkflow | None:
        """Run it now, also when it is paused. None: the server took it and has not started yet.

        ConflictError while a run goes on: the server would skip this one.
        """
        standing = await self.get(entry_id)
        info, policy = standing.description.info, standing.description.schedule.policy
        if info.running_actions and policy.overlap is ScheduleOverlapPolicy.SKIP:
            (running, *_) = info.running_actions
            name = getattr(running, "workflow_id", "a run")
            raise ConflictError(
                f"schedule {entry_id!r} runs already: {name}", hint="trigger it when that has ended"
            )
        await standing.handle.trigger()
        deadline = asyncio.get_running_loop().time() + _TRIGGER_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            now = (await standing.handle.describe()).info
            if now.num_actions > info.num_actions and now.recent_actions:
                action = now.recent_actions[-1].action
                assert isinstance(action, ScheduleActionExecutionStartWorkflow)
                return action
            await asyncio.sleep(0.1)
        return None

    async def backfill(self, entry_id: str, start: datetime, end: datetime) -> list[datetime]:
        """Run it for each of its times from `start` to `end`, both included, one after another.

        Gives these times. BadInputError for an empty span, TooManyRunsError above the limit.
        """
        if start >= end:
            raise BadInputError("--to must be after --from")
        standing = await self.get(entry_id)
        times = await self._matching(standing, start, end)
        if len(times) > MOST_BACKFILLED:
            raise TooManyRunsError(
                f"schedule {entry_id!r} has more than {MOST_BACKFILLED} times from --from to --to",
                hint="take a shorter span",
            )
        if times:
            span = ScheduleBackfill(
                start_at=start - timedelta(seconds=1),  # the server leaves the start itself out
                end_at=end,
                overlap=ScheduleOverlapPolicy.BUFFER_ALL,
            )
            await standing.handle.backfill(span)
        return times

    async def delete(self, entry_id: str) -> None:
        """Runs that go on are left alone."""
        await (await self.get(entry_id)).handle.delete()

    async def _matching(self, standing: Standing, start: datetime, end: datetime) -> list[datetime]:
        name = standing.description.id
        try:
            return await matching_times(self.client, name, start, end)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                raise ScheduleNotFoundError(f"schedule {name!r} was deleted meanwhile") from None
            raise
