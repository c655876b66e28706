"""What a workflow that a schedule started knows of itself, and the row it writes.

The workflow opens its row first and goes by the answer: a missed run ends at once.
"""

from datetime import timedelta

from temporalio import workflow

from account_reviews.domain.review.state import Execution
from account_reviews.domain.schedule.entry import ScheduledBy, occurs
from account_reviews.domain.schedule.lateness import Judgement, judge
from account_reviews.domain.schedule.runs import CloseRun, OpenRun, RunStatus
from account_reviews.temporal import names, search_attributes
from activities.schedules import ScheduleActivities
from workflows import policies
from workflows.steps import project, run_step


def judged(grace_seconds: float) -> Judgement | None:
    """On time, late, missed, or by hand. None when no schedule started this workflow."""
    info = workflow.info()
    scheduled_at = info.typed_search_attributes.get(search_attributes.SCHEDULED_AT)
    if scheduled_at is None:
        return None
    by = _scheduled_by()
    return judge(
        scheduled_at=scheduled_at,
        workflow_start_time=info.workflow_start_time,
        first_task_time=info.start_time,
        grace=timedelta(seconds=grace_seconds),
        is_first_run=is_first_run(),
        jitter=by.entry.jitter if by else timedelta(),
        by_hand=by is not None and not occurs(by.entry, scheduled_at, by.phase_seconds),
    )


def is_first_run() -> bool:
    """False after continue-as-new, a reset or a retry."""
    info = workflow.info()
    same = info.run_id == info.original_execution_run_id == info.first_execution_run_id
    return same and info.attempt == 1


async def open_run(
    tenant: str, schedule_id: str | None, grace_seconds: float, execution: Execution
) -> Judgement | None:
    """Write the row of this run and give its judgement. None: there is no schedule, no row.

    A judgement that is `missed` has its complete row, and was counted.
    """
    found = judged(grace_seconds)
    if found is None or schedule_id is None:
        return None
    info = workflow.info()
    call = OpenRun(
        id=info.first_execution_run_id,
        schedule_id=schedule_id,
        tenant=tenant,
        workflow_id=info.workflow_id,
        judgement=found,
        attempt=info.attempt,
    )
    answer = await run_step(
        ScheduleActivities.open_run,
        call,
        policies.own("Open the run", heartbeats=execution.heartbeats),
        local=execution.own == "local",
    )
    if answer.missed:
        workflow.logger.warning("schedule %s: missed, %s", schedule_id, answer.reason)
    return answer


async def close_run(
    status: RunStatus,
    execution: Execution,
    *,
    tenant: str,
    accounts_processed: int = 0,
    error: str | None = None,
) -> None:
    """Write how this run ended. Nothing happens when no row was opened."""
    call = CloseRun(
        id=workflow.info().first_execution_run_id,
        status=status,
        closed_at=workflow.now(),
        accounts_processed=accounts_processed,
        error=error,
        tenant=tenant,
    )
    await project(
        ScheduleActivities.close_run,
        call,
        policies.own("Close the run", heartbeats=execution.heartbeats),
        local=execution.own == "local",
    )


def _scheduled_by() -> ScheduledBy | None:
    """None also for what cannot be read: a run is then taken for a scheduled one."""
    try:
        return workflow.memo_value(names.SCHEDULE_MEMO, None, type_hint=ScheduledBy)
    except Exception:  # noqa: BLE001  it must not keep the run from working
        return None
