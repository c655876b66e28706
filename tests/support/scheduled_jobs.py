"""Upkeep jobs that schedules start, and their rows."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio import activity

from account_reviews.domain.errors import BadInputError
from account_reviews.domain.schedule.runs import JobReport, RunJob, ScheduleRun
from activities.schedules import ScheduleActivities
from tests.support.schedules import Place, entry
from tests.support.waiting import until
from worker import build_worker


class Jobs:
    """The job, replaced by one that counts: these tests are about when it runs."""

    def __init__(self) -> None:
        self.calls = 0
        self.hangs = False
        self.fails: str | None = None

    @activity.defn(name="upkeep.run")
    async def run(self, call: RunJob) -> JobReport:
        self.calls += 1
        if self.fails:
            raise BadInputError(self.fails)
        if self.hangs:
            await asyncio.Event().wait()
        return JobReport(summary=f"did {call.job}", changed=3)


GRACE = 'grace = "4s"'


PAST_GRACE = 4.5
"""Seconds. A busy server may start a run a second or two late: that alone must not judge it."""


@asynccontextmanager
async def worker(place: Place, jobs: object) -> AsyncIterator[None]:
    owners = [ScheduleActivities(place.runs), jobs]
    async with build_worker(place.client, owners, task_queue=place.task_queue):
        yield


async def rows(place: Place, entry_id: str = "a") -> list[ScheduleRun]:
    return list((await place.history.history(place.tenant, entry_id)).items)


async def ended(place: Place, count: int = 1) -> list[ScheduleRun]:
    """The rows, once that many are closed."""
    closed: Callable[[list[ScheduleRun]], bool] = lambda found: (  # noqa: E731
        len([one for one in found if one.status != "running"]) >= count
    )
    return await until(lambda: rows(place), closed)


async def soon(place: Place, lines: str = "") -> None:
    """A schedule that fires once, in two or three seconds."""
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=3)
    text = f'kind = "one_time"\njob = "remove_done"\nrun_at = {at.isoformat()}\n{lines}'
    await place.apply(entry(text))


async def fired(place: Place) -> str:
    """The workflow id of its first run, once the server has started it."""
    standing = await until(
        lambda: place.control.get("a"), lambda one: one.description.info.num_actions > 0
    )
    action: Any = standing.description.info.recent_actions[0].action
    return str(action.workflow_id)
