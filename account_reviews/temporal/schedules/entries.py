"""A schedule entry as Temporal's Schedule, and what the server holds of it read back."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.workflowservice.v1 import ListScheduleMatchingTimesRequest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleCalendarSpec,
    ScheduleDescription,
    ScheduleHandle,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
    ScheduleState,
)
from temporalio.common import Priority, RetryPolicy
from temporalio.service import RPCError, RPCStatusCode

from account_reviews.domain.canonical import content_hash
from account_reviews.domain.cycle.start import cycle_by_policy
from account_reviews.domain.cycle.state import CycleInput, CycleScope
from account_reviews.domain.policy.model import Policy
from account_reviews.domain.review.state import Execution
from account_reviews.domain.schedule.entry import (
    CYCLE_JOB,
    LOOK_AHEAD,
    Overlap,
    ScheduledBy,
    ScheduleEntry,
    ScheduleKind,
    calendar_of,
)
from account_reviews.domain.schedule.firing import Calendar, fortnights
from account_reviews.domain.schedule.runs import UpkeepInput
from account_reviews.temporal import names
from account_reviews.temporal.start_options import TASK_TIMEOUT, owned_by

MANAGED_BY: Final = "account-reviews schedules"
RETRY_DELAY: Final = timedelta(minutes=5)
_OVERLAP: Final = {
    Overlap.SKIP: ScheduleOverlapPolicy.SKIP,
    Overlap.BUFFER_ONE: ScheduleOverlapPolicy.BUFFER_ONE,
}


@dataclass(frozen=True)
class Builder:
    """Makes schedules of one tenant. The policy's numbers are fixed in what is started."""

    policy: Policy
    tenant: str = names.DEFAULT_TENANT
    execution: Execution = field(default_factory=Execution)
    task_queue: str = names.TASK_QUEUE

    def document(self, entry: ScheduleEntry) -> dict[str, Any]:
        """Everything that makes up the schedule, as plain JSON."""
        # `paused` is no part: it is compared with what the server says.
        plain = entry.model_dump(mode="json", exclude={"paused"})
        return {**plain, "task_queue": self.task_queue, "input": _plain(self.input_of(entry))}

    def hash_of(self, entry: ScheduleEntry) -> str:
        return content_hash(self.document(entry))

    def input_of(self, entry: ScheduleEntry) -> CycleInput | UpkeepInput:
        """What a started workflow is given. `entry.cycle` is a cycle kind of the policy."""
        if entry.job != CYCLE_JOB:
            return UpkeepInput(
                job=entry.job,
                tenant=self.tenant,
                schedule_id=entry.id,
                grace_seconds=entry.grace.total_seconds(),
                execution=self.execution,
            )
        return cycle_by_policy(
            self.policy,
            entry.cycle or "weekly",
            CycleScope(account_ids=entry.accounts, owner=entry.owner),
            tenant=self.tenant,
            started_by="schedule",
            priority_key=entry.priority,
            schedule_id=entry.id,
            grace_seconds=entry.grace.total_seconds(),
            execution=self.execution,
        )

    def schedule(self, entry: ScheduleEntry, now: datetime, phase: float | None = None) -> Schedule:
        """The whole schedule. `phase` (seconds) keeps the beat of an interval; None begins now."""
        beat = phase_of(entry, now) if phase is None else phase
        once = entry.kind is ScheduleKind.ONE_TIME
        return Schedule(
            action=self._action(entry, beat),
            spec=spec_for(entry, now, beat),
            policy=SchedulePolicy(overlap=_OVERLAP[entry.overlap], catchup_window=entry.grace),
            state=ScheduleState(
                paused=bool(entry.paused),
                note="paused by its file" if entry.paused else None,
                limited_actions=once,
                remaining_actions=int(once),
            ),
        )

    def memo(self, entry: ScheduleEntry, file: str) -> dict[str, Any]:
        """Whose schedule it is. The server lets nobody change this later."""
        return {"managed_by": MANAGED_BY, "file": file, "tenant": self.tenant, "id": entry.id}

    def server_id(self, entry_id: str) -> str:
        return names.schedule_id(entry_id, self.tenant)

    def _action(self, entry: ScheduleEntry, phase: float) -> ScheduleActionStartWorkflow:
        cycle = entry.job == CYCLE_JOB
        name = names.scheduled_cycle_id if cycle else names.upkeep_id
        by = ScheduledBy(entry=entry, hash=self.hash_of(entry), phase_seconds=phase)
        what = f"{entry.cycle} cycle" if cycle else f"Upkeep: {entry.job}"
        return ScheduleActionStartWorkflow(
            "ReviewCycle" if cycle else "Upkeep",
            self.input_of(entry),
            id=name(entry.id, self.tenant),
            task_queue=self.task_queue,
            task_timeout=TASK_TIMEOUT,
            retry_policy=_retries(entry),
            memo={names.SCHEDULE_MEMO: by},
            typed_search_attributes=owned_by(self.tenant, entry.owner),
            static_summary=f"{what}, schedule {entry.id}",
            priority=Priority(priority_key=entry.priority, fairness_key=entry.owner),
        )


def _plain(start: CycleInput | UpkeepInput) -> dict[str, Any]:
    return start.model_dump(mode="json", exclude={"resumed"})


def _retries(entry: ScheduleEntry) -> RetryPolicy | None:
    if not entry.retries:
        return None
    return RetryPolicy(
        initial_interval=RETRY_DELAY,
        maximum_interval=RETRY_DELAY,
        backoff_coefficient=1,
        maximum_attempts=entry.retries + 1,
    )


def phase_of(entry: ScheduleEntry, begin: datetime) -> float:
    """Seconds from the epoch's grid, so that an interval counts from `begin`."""
    if entry.kind is not ScheduleKind.INTERVAL:
        return 0
    return int(begin.timestamp()) % entry.every.total_seconds()


def spec_for(entry: ScheduleEntry, now: datetime, phase: float = 0) -> ScheduleSpec:
    """When it runs. Times of day are calendars in the zone: an interval would drift with it."""
    spec = ScheduleSpec(
        end_at=entry.end_at,
        jitter=entry.jitter or None,
        time_zone_name=entry.time_zone,
    )
    match entry.kind:
        case ScheduleKind.INTERVAL:
            beat = timedelta(seconds=phase)
            return replace(spec, intervals=[ScheduleIntervalSpec(every=entry.every, offset=beat)])
        case ScheduleKind.CRON:
            return replace(spec, cron_expressions=[entry.cron or ""])
        case ScheduleKind.ONE_TIME:
            return _once(spec, entry)
        case ScheduleKind.BIWEEKLY:
            return replace(spec, calendars=_every_second_week(entry, now))
    calendar = calendar_of(entry)
    assert calendar is not None
    return replace(spec, calendars=[_calendar(calendar)])


def _once(spec: ScheduleSpec, entry: ScheduleEntry) -> ScheduleSpec:
    assert entry.run_at is not None
    local = entry.run_at.astimezone(ZoneInfo(entry.time_zone))
    if local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset():
        # Of two equal local times the server takes the second, or both; this one was chosen.
        local, spec = entry.run_at, replace(spec, time_zone_name="UTC")
    day = (_one(local.year), _one(local.month), _one(local.day))
    clock = (_one(local.hour), _one(local.minute), _one(local.second))
    year, month, day_of_month = day
    hour, minute, second = clock
    calendar = ScheduleCalendarSpec(
        year=year, month=month, day_of_month=day_of_month, hour=hour, minute=minute, second=second
    )
    return replace(spec, calendars=[calendar])


def _every_second_week(entry: ScheduleEntry, now: datetime) -> list[ScheduleCalendarSpec]:
    """Dates for three years, one calendar per month; upkeep goes on from there."""
    assert entry.anchor is not None
    today = now.astimezone(ZoneInfo(entry.time_zone)).date()
    hour, minute = entry.clock
    months: dict[tuple[int, int], list[ScheduleRange]] = {}
    for day in fortnights(entry.anchor, today, today + LOOK_AHEAD):
        months.setdefault((day.year, day.month), []).append(ScheduleRange(day.day))
    return [
        ScheduleCalendarSpec(
            year=_one(year),
            month=_one(month),
            day_of_month=days,
            hour=_one(hour),
            minute=_one(minute),
        )
        for (year, month), days in months.items()
    ]


def _calendar(calendar: Calendar) -> ScheduleCalendarSpec:
    return ScheduleCalendarSpec(
        minute=_ranges(calendar.minutes),
        hour=_ranges(calendar.hours),
        day_of_month=_ranges(calendar.days),
        month=_ranges(calendar.months),
        day_of_week=_ranges(calendar.weekdays),
    )


def _one(value: int) -> tuple[ScheduleRange]:
    return (ScheduleRange(value),)


def _ranges(values: Iterable[int]) -> tuple[ScheduleRange, ...]:
    """As few ranges as possible."""
    found: list[ScheduleRange] = []
    for value in sorted(values):
        if found and found[-1].end == value - 1:
            found[-1] = ScheduleRange(found[-1].start, value)
        else:
            found.append(ScheduleRange(value))
    return tuple(found)


@dataclass(frozen=True)
class Standing:
    """One of our schedules as the server has it."""

    handle: ScheduleHandle
    description: ScheduleDescription
    file: str | None
    """Of which file; None when it is nobody's of ours."""
    by: ScheduledBy | None
    """None when somebody replaced it by hand."""
    document: dict[str, Any]
    """As `Builder.document`, empty without `by`."""

    @property
    def phase(self) -> float:
        return self.by.phase_seconds if self.by else 0

    @property
    def action(self) -> ScheduleActionStartWorkflow:
        found = self.description.schedule.action
        assert isinstance(found, ScheduleActionStartWorkflow)
        return found

    @property
    def ran_out(self) -> bool:
        """True when its one action was taken."""
        state = self.description.schedule.state
        return state.limited_actions and state.remaining_actions == 0


async def find(client: Client, server_id: str) -> Standing | None:
    """The schedule under that id, or None."""
    handle = client.get_schedule_handle(server_id)
    try:
        description = await handle.describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    memo = await description.memo()
    ours = memo.get("managed_by") == MANAGED_BY
    by, document = await _read_back(client, description)
    return Standing(
        handle=handle,
        description=description,
        file=str(memo.get("file")) if ours else None,
        by=by,
        document=document,
    )


async def _read_back(
    client: Client, description: ScheduleDescription
) -> tuple[ScheduledBy | None, dict[str, Any]]:
    """What the action carries. None when it is not, or no longer, made by us."""
    action = description.schedule.action
    if not isinstance(action, ScheduleActionStartWorkflow):
        return None, {}
    payload = (action.memo or {}).get(names.SCHEDULE_MEMO)
    if payload is None or not action.args:
        return None, {}
    converter = client.data_converter
    try:
        (by,) = await converter.decode([payload], [ScheduledBy])
        model = CycleInput if by.entry.job == CYCLE_JOB else UpkeepInput
        (start,) = await converter.decode(list(action.args), [model])
    except (RuntimeError, ValueError, TypeError):
        return None, {}
    plain = by.entry.model_dump(mode="json", exclude={"paused"})
    return by, {**plain, "task_queue": action.task_queue, "input": _plain(start)}


async def listed(client: Client, tenant: str) -> dict[str, str]:
    """Entry id -> file name of every schedule of ours, as the server lists them now.

    The list follows changes within a second.
    """
    found: dict[str, str] = {}
    async for one in await client.list_schedules(page_size=1000):
        memo = await one.memo()
        if memo.get("managed_by") == MANAGED_BY and memo.get("tenant") == tenant:
            found[str(memo["id"])] = str(memo["file"])
    return found


async def matching_times(
    client: Client, server_id: str, start: datetime, end: datetime
) -> list[datetime]:
    """The server's times of a schedule between two moments, both included. RPCError."""
    request = ListScheduleMatchingTimesRequest(
        namespace=client.namespace,
        schedule_id=server_id,
        start_time=_stamp(start - timedelta(seconds=1)),
        end_time=_stamp(end),
    )
    answer = await client.workflow_service.list_schedule_matching_times(request)
    return [one.ToDatetime(tzinfo=UTC) for one in answer.start_time]


def _stamp(at: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp


def utc_now() -> datetime:
    return datetime.now(UTC)
