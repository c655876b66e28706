"""Upkeep jobs as one activity; what each does stands in `account_reviews/upkeep/jobs.py`."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from temporalio import activity
from temporalio.client import Client

from account_reviews.domain.schedule.runs import JobReport, RunJob

RunsJob = Callable[[RunJob, Client, datetime], Awaitable[JobReport]]
"""Runs the job that is named, with a client and the time. BadInputError for an unknown one."""


class UpkeepActivities:
    """Runs jobs with the client of the worker that runs them."""

    def __init__(self, run_job: RunsJob) -> None:
        self._run_job = run_job

    @activity.defn(name="upkeep.run")
    async def run(self, call: RunJob) -> JobReport:
        """Run one job to its end. BadInputError for an unknown one."""
        return await self._run_job(call, activity.client(), datetime.now(UTC))
