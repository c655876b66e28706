"""What upkeep does to schedules: write more biweekly dates, delete what is done."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Final

from temporalio.client import (
    Client,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
    WorkflowExecutionStatus,
)
from temporalio.service import RPCError, RPCStatusCode

from account_reviews.domain.canonical import rfc3339
from account_reviews.domain.schedule.entry import ScheduleEntry, ScheduleKind
from account_reviews.domain.schedule.lateness import Judgement, Verdict
from account_reviews.domain.schedule.runs import CloseRun, OpenRun, RunStatus
from account_reviews.store.schedule_runs import ScheduleRunStore
from account_reviews.temporal.names import PREVIEW_PREFIX, schedule_id
from account_reviews.temporal.schedules.entries import Standing, find, listed, spec_for

SOON: Final = timedelta(days=365)
PREVIEW_AGE: Final = timedelta(hours=1)
_ENDED: Final = {
    WorkflowExecutionStatus.COMPLETED: RunStatus.SUCCESS,
    WorkflowExecutionStatus.CANCELED: RunStatus.CANCELLED,
}


async def extend_biweekly(client: Client, tenant: str, now: datetime) -> list[str]:
    """Write three more years of dates where they end within a year. Gives the entry ids."""
    extended = []
    async for entry, standing in _ours(client, tenant):
        if entry.kind is not ScheduleKind.BIWEEKLY or not _ends_soon(standing, now):
            continue
        spec = spec_for(entry, now)

        def change(seen: ScheduleUpdateInput, spec: ScheduleSpec = spec) -> ScheduleUpdate:
            return ScheduleUpdate(replace(seen.description.schedule, spec=spec))

        await standing.handle.update(change)
        extended.append(entry.id)
    return extended


def _ends_soon(standing: Standing, now: datetime) -> bool:
    dates = [
        date(calendar.year[0].start, calendar.month[0].start, day.start)
        for calendar in standing.description.schedule.spec.calendars
        for day in calendar.day_of_month
        if calendar.year
    ]
    return max(dates, default=date.min) < (now + SOON).date()


async def remove_done(
    client: Client, runs: ScheduleRunStore, tenant: str, now: datetime
) -> list[str]:
    """Delete one-time schedules that ran or are past, and forgotten previews.

    Each has a row of its run afterwards: by that `plan` knows that it is done. One whose run
    still goes on stays.
    """
    removed = []
    async for entry, standing in _ours(client, tenant):
        if entry.run_at is None or not _is_done(entry, standing, now):
            continue
        if not await runs.knows(tenant, entry.id, entry.run_at):
            await _write_row(client, runs, tenant, entry, standing, now)
        await _delete(standing)
        removed.append(entry.id)
    await _remove_previews(client, now)
    return removed


def _is_done(entry: ScheduleEntry, standing: Standing, now: datetime) -> bool:
    assert entry.run_at is not None
    if standing.description.info.running_actions:
        return False
    return standing.ran_out or entry.run_at + entry.grace + entry.jitter < now


async def _write_row(
    client: Client,
    runs: ScheduleRunStore,
    tenant: str,
    entry: ScheduleEntry,
    standing: Standing,
    now: datetime,
) -> None:
    """What ran without a row, or did not run at all."""
    assert entry.run_at is not None
    server_id = schedule_id(entry.id, tenant)
    actions = standing.description.info.recent_actions
    reason = "its time passed while it was paused, or Temporal was away"
    judgement = Judgement(
        verdict=Verdict.ON_TIME if actions else Verdict.MISSED,
        scheduled_at=entry.run_at,
        started_at=actions[-1].started_at if actions else entry.run_at,
        lateness_seconds=0,
        reason=None if actions else reason,
    )
    ran = getattr(actions[-1], "action", None) if actions else None
    call = OpenRun(
        id=ran.first_execution_run_id if ran else f"{server_id}@{rfc3339(entry.run_at)}",
        schedule_id=entry.id,
        tenant=tenant,
        workflow_id=ran.workflow_id if ran else standing.action.id,
        judgement=judgement,
    )
    await runs.open(call)
    if ran is not None:
        status, closed_at = await _how_it_ended(client, ran.workflow_id, now)
        await runs.close(CloseRun(id=call.id, status=status, closed_at=closed_at))


async def _how_it_ended(
    client: Client, workflow_id: str, now: datetime
) -> tuple[RunStatus, datetime]:
    try:
        found = await client.get_workflow_handle(workflow_id).describe()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return RunStatus.FAILED, now
    status = _ENDED.get(found.status, RunStatus.FAILED) if found.status else RunStatus.FAILED
    return status, found.close_time or now


async def _ours(client: Client, tenant: str) -> AsyncIterator[tuple[ScheduleEntry, Standing]]:
    for entry_id in await listed(client, tenant):
        standing = await find(client, schedule_id(entry_id, tenant))
        if standing is not None and standing.by is not None:
            yield standing.by.entry, standing


async def _remove_previews(client: Client, now: datetime) -> None:
    """A preview stays behind when its process dies between creating and deleting it."""
    async for one in await client.list_schedules(page_size=1000):
        if one.id.startswith(PREVIEW_PREFIX):
            standing = await find(client, one.id)
            if standing and standing.description.info.created_at < now - PREVIEW_AGE:
                await _delete(standing)


async def _delete(standing: Standing) -> None:
    try:
        await standing.handle.delete()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
