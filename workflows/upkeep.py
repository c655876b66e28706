"""One upkeep job, as a schedule starts it: judge, open the row, do the job, close the row."""

import asyncio

from temporalio import workflow
from temporalio.exceptions import ApplicationError, is_cancelled_exception

from account_reviews.domain.schedule.runs import (
    JobReport,
    RunJob,
    RunStatus,
    UpkeepInput,
    UpkeepResult,
)
from activities.upkeep import UpkeepActivities
from workflows import policies, schedule_runs
from workflows.steps import StepError, run_step


@workflow.defn(name="Upkeep")
class UpkeepWorkflow:
    """Workflow id `upkeep/{schedule_id}` with the server's suffix.

    Task queue: that of its tenant. No messages. It ends Completed, also when it was missed; Failed
    with the reason when the job failed; Canceled when it was cancelled.
    """

    @workflow.run
    async def run(self, start: UpkeepInput) -> UpkeepResult:
        opened = await schedule_runs.open_run(
            start.tenant, start.schedule_id, start.grace_seconds, start.execution
        )
        if opened is not None and opened.missed:
            return UpkeepResult(
                job=start.job, status=RunStatus.MISSED, summary=opened.reason or "missed"
            )
        try:
            report = await self._work(start)
        except StepError as failed:
            await self._close(start, RunStatus.FAILED, failed.reason)
            raise ApplicationError(
                f"{start.job} failed: {failed.reason}", type="UpkeepFailed"
            ) from None
        except BaseException as error:
            if is_cancelled_exception(error):
                await asyncio.shield(self._close(start, RunStatus.CANCELLED, "cancelled"))
            raise
        await self._close(start, RunStatus.SUCCESS)
        workflow.set_current_details(report.summary)
        return UpkeepResult(
            job=start.job,
            status=RunStatus.SUCCESS,
            summary=report.summary,
            changed=report.changed,
        )

    async def _work(self, start: UpkeepInput) -> JobReport:
        call = RunJob(job=start.job, tenant=start.tenant)
        return await run_step(
            UpkeepActivities.run, call, policies.upkeep(f"Upkeep: {start.job}"), local=False
        )

    async def _close(self, start: UpkeepInput, status: RunStatus, error: str | None = None) -> None:
        if start.schedule_id is not None:
            await schedule_runs.close_run(status, start.execution, tenant=start.tenant, error=error)
