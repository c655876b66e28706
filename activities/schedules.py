"""The rows of scheduled runs."""

from temporalio import activity

from account_reviews.domain.schedule.lateness import Judgement
from account_reviews.domain.schedule.runs import CloseRun, OpenRun
from account_reviews.store.schedule_runs import ScheduleRunStore
from account_reviews.telemetry import review_metrics


class ScheduleActivities:
    """What a scheduled workflow writes about itself."""

    def __init__(self, runs: ScheduleRunStore) -> None:
        self._runs = runs

    @activity.defn(name="schedules.open_run")
    async def open_run(self, call: OpenRun) -> Judgement:
        """Write the row and hand the judgement back: from then on it stands in the history.

        The time of the first task is not the same on every replay, so the workflow goes by this
        answer.
        """
        await self._runs.open(call)
        if call.attempt == 1:
            review_metrics.schedule_opened(call.schedule_id, call.judgement)
        return call.judgement

    @activity.defn(name="schedules.close_run")
    async def close_run(self, call: CloseRun) -> None:
        """Write how the run ended."""
        await self._runs.close(call)
