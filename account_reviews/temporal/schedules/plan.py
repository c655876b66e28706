"""`plan` and `apply`: the difference between a schedule file and the server, and closing it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import uuid4

from temporalio.client import (
    Client,
    Schedule,
    ScheduleAlreadyRunningError,
    ScheduleHandle,
    ScheduleSpec,
    ScheduleState,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.service import RPCError, RPCStatusCode

from account_reviews.domain.canonical import rfc3339
from account_reviews.domain.errors import ConflictError, ScheduleError
from account_reviews.domain.schedule.entry import (
    ScheduleEntry,
    ScheduleFile,
    ScheduleKind,
    differences,
    is_past,
    warnings_of,
)
from account_reviews.domain.schedule.turning import warnings_at, windows
from account_reviews.temporal.names import PREVIEW_PREFIX
from account_reviews.temporal.schedules.entries import (
    MANAGED_BY,
    Builder,
    Standing,
    find,
    listed,
    matching_times,
)

if TYPE_CHECKING:
    from account_reviews.store.schedule_runs import ScheduleRunStore

NEXT_SHOWN: Final = 5
_AT_ONCE: Final = 16
_TRIES: Final = 5
_T = TypeVar("_T")
_U = TypeVar("_U")


class Step(StrEnum):
    """What applying does to one schedule."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    UNCHANGED = "unchanged"
    DONE = "done"
    """Its time has passed: nothing is created again."""


@dataclass(frozen=True)
class Planned:
    """One line of a plan. `changes` are `{field, before, after}`."""

    id: str
    step: Step
    entry: ScheduleEntry | None = None
    """None: it stands on the server only."""
    standing: Standing | None = None
    changes: list[dict[str, Any]] = field(default_factory=list)
    next_runs: list[datetime] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Planner:
    """Plans and applies files. Truth is the server: nothing is remembered elsewhere."""

    client: Client
    builder: Builder
    runs: "ScheduleRunStore"
    clock: Callable[[], datetime]

    async def plan(self, file: ScheduleFile) -> list[Planned]:
        """What applying would do, with the next times that the server gives.

        ScheduleError for an entry that cannot be, ConflictError for an id of another file.
        """
        return await _at_once(await self._decide_all(file), self._shown)

    async def _warned(self, planned: Planned) -> Planned:
        """With what the setting of the clock does to it, by the server's own times."""
        entry = planned.entry
        if entry is None or planned.step in (Step.DELETE, Step.DONE):
            return planned
        asked = windows(entry, self.clock())
        if not asked:
            return planned
        plain = entry.model_copy(update={"jitter": timedelta()})
        async with self._previewed(plain, planned.standing) as handle:
            given = [
                await matching_times(self.client, handle.id, one.since, one.until) for one in asked
            ]
        return replace(planned, warnings=[*warnings_at(entry, asked, given), *planned.warnings])

    async def apply(self, file: ScheduleFile) -> list[Planned]:
        """Create, update and delete until the server is as the file says.

        Nothing is changed when the file cannot be applied. Repeating it changes nothing, and two
        at once end in the same state.
        """
        planned = await _at_once(await self._decide_all(file), self._warned)
        return await _at_once(planned, lambda one: self._applied(one, file))

    async def _applied(self, planned: Planned, file: ScheduleFile) -> Planned:
        """Carried out, with the next times that the server gives now."""
        done = await self._carry_out(planned, file)
        if done.step in (Step.DELETE, Step.DONE):
            return done
        try:
            standing = await find(self.client, self.builder.server_id(done.id))
        except RPCError:  # it is done: the times are said by the next `list`
            return done
        if standing is None:  # somebody has deleted it meanwhile
            return done
        times = standing.description.info.next_action_times
        return replace(done, next_runs=list(times[:NEXT_SHOWN]))

    async def _decide_all(self, file: ScheduleFile) -> list[Planned]:
        decided = await _at_once(file.entries, lambda entry: self._decide(entry, file))
        kept = {entry.id for entry in file.entries}
        standing = await listed(self.client, self.builder.tenant)
        gone = [one for one, owner in standing.items() if owner == file.name and one not in kept]
        return [*decided, *(Planned(one, Step.DELETE) for one in sorted(gone))]

    async def _decide(self, entry: ScheduleEntry, file: ScheduleFile) -> Planned:
        now = self.clock()
        standing = await find(self.client, self.builder.server_id(entry.id))
        warnings = warnings_of(entry, now)
        if standing is None:
            if not is_past(entry, now):
                return Planned(entry.id, Step.CREATE, entry, warnings=warnings)
            if not await self._has_run(entry):
                raise ScheduleError(_past(file, entry, now))
            return Planned(entry.id, Step.DONE, entry)
        if standing.file != file.name:
            raise ConflictError(_of_another(file, entry, standing))
        changes = self._changes(entry, standing)
        if is_past(entry, now):
            before = standing.by.entry if standing.by else entry
            if (before.run_at, before.end_at) != (entry.run_at, entry.end_at):
                raise ScheduleError(_past(file, entry, now))
            return Planned(entry.id, Step.DONE, entry, standing)
        if standing.ran_out and not changes:
            return Planned(entry.id, Step.DONE, entry, standing)
        step = Step.UPDATE if changes else Step.UNCHANGED
        return Planned(entry.id, step, entry, standing, changes, warnings=warnings)

    async def _has_run(self, entry: ScheduleEntry) -> bool:
        if entry.run_at is None:
            return False
        return await self.runs.knows(self.builder.tenant, entry.id, entry.run_at)

    def _changes(self, entry: ScheduleEntry, standing: Standing) -> list[dict[str, Any]]:
        """Between file and server, field by field; also what somebody changed by hand."""
        paused = standing.description.schedule.state.paused
        found: list[dict[str, Any]] = []
        if entry.paused is not None and entry.paused != paused:
            found.append({"field": "paused", "before": paused, "after": entry.paused})
        if standing.by is None:
            return [*found, {"field": "action", "before": "changed by hand", "after": "as filed"}]
        found += differences(standing.document, self.builder.document(entry))
        return found or _drift(
            standing.description.schedule,
            self.builder.schedule(entry, standing.description.info.created_at, standing.phase),
        )

    async def _shown(self, planned: Planned) -> Planned:
        planned = await self._warned(planned)
        if planned.step is Step.UNCHANGED and planned.standing is not None:
            times = planned.standing.description.info.next_action_times
            return replace(planned, next_runs=list(times[:NEXT_SHOWN]))
        if planned.step not in (Step.CREATE, Step.UPDATE) or planned.entry is None:
            return planned
        return replace(planned, next_runs=await self._preview(planned.entry, planned.standing))

    async def _preview(self, entry: ScheduleEntry, standing: Standing | None) -> list[datetime]:
        async with self._previewed(entry, standing) as handle:
            found = (await handle.describe()).info.next_action_times
        return list(found[:NEXT_SHOWN])

    @asynccontextmanager
    async def _previewed(
        self, entry: ScheduleEntry, standing: Standing | None
    ) -> AsyncIterator[ScheduleHandle]:
        """A paused schedule to ask the server by, which is deleted at once."""
        made = self.builder.schedule(entry, self.clock(), _phase(entry, standing))
        made.state = replace(made.state, paused=True, note="preview of `reviews schedules plan`")
        memo = {"managed_by": f"{MANAGED_BY} preview"}
        try:
            handle = await self.client.create_schedule(
                f"{PREVIEW_PREFIX}{entry.id}-{uuid4().hex}", made, memo=memo
            )
        except RPCError as error:
            raise _refused(entry, error) from None
        try:
            yield handle
        finally:
            await handle.delete()

    async def _carry_out(self, planned: Planned, file: ScheduleFile) -> Planned:
        """Do one step; when somebody else was faster, look again."""
        first, now_planned = planned, planned
        for _ in range(_TRIES):
            try:
                await self._do(now_planned, file)
                return first
            except ScheduleAlreadyRunningError:
                pass
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise _refused(planned.entry, error) from None
                if planned.step is Step.DELETE:
                    return first
            if planned.entry is not None:
                now_planned = await self._decide(planned.entry, file)
        raise ConflictError(
            f"schedule {planned.id!r} is changed by somebody else all the time",
            hint="apply again when they are done",
        )

    async def _do(self, planned: Planned, file: ScheduleFile) -> None:
        entry, server_id = planned.entry, self.builder.server_id(planned.id)
        if planned.step is Step.DELETE:
            standing = await find(self.client, server_id)
            if standing is not None and standing.file == file.name:
                await standing.handle.delete()
        elif planned.step is Step.CREATE and entry is not None:
            made = self.builder.schedule(entry, self.clock())
            memo = self.builder.memo(entry, file.name)
            await self.client.create_schedule(server_id, made, memo=memo)
        elif planned.step is Step.UPDATE and entry is not None and planned.standing is not None:
            await self._update(entry, planned.standing)

    async def _update(self, entry: ScheduleEntry, standing: Standing) -> None:
        wanted = self.builder.schedule(entry, self.clock(), _phase(entry, standing))
        before = standing.by.entry if standing.by else None
        again = before is None or before.run_at != entry.run_at

        def change(seen: ScheduleUpdateInput) -> ScheduleUpdate:
            state = seen.description.schedule.state
            return ScheduleUpdate(replace(wanted, state=_state(entry, wanted, state, again=again)))

        await standing.handle.update(change)


def _state(
    entry: ScheduleEntry, wanted: Schedule, now: ScheduleState, *, again: bool
) -> ScheduleState:
    """Whoever paused it stays right, unless the file says otherwise."""
    paused = now.paused if entry.paused is None else entry.paused
    note = now.note if paused == now.paused else wanted.state.note
    left = wanted.state.remaining_actions if again else now.remaining_actions
    limited = wanted.state.limited_actions
    return ScheduleState(note, paused, limited, left if limited else 0)


def _phase(entry: ScheduleEntry, standing: Standing | None) -> float | None:
    """An interval keeps its beat until its length changes."""
    if standing is None or standing.by is None:
        return None
    return standing.phase if standing.by.entry.every == entry.every else None


def _drift(there: Schedule, wanted: Schedule) -> list[dict[str, Any]]:
    """What was changed on the server since we wrote it, as far as the server keeps its form."""
    pairs: dict[str, tuple[object, object]] = {
        "overlap": (there.policy.overlap, wanted.policy.overlap),
        "grace": (there.policy.catchup_window, wanted.policy.catchup_window),
        "jitter": (there.spec.jitter, wanted.spec.jitter),
        "end_at": (there.spec.end_at, wanted.spec.end_at),
        "time_zone": (there.spec.time_zone_name or "UTC", wanted.spec.time_zone_name),
        "every_minutes": (_beats(there.spec), _beats(wanted.spec)),
    }
    if len(wanted.spec.calendars) == 1:  # cron is compiled, and biweekly dates move on
        pairs["calendar"] = (_calendars(there.spec), _calendars(wanted.spec))
    return [
        {"field": name, "before": str(before), "after": str(after)}
        for name, (before, after) in pairs.items()
        if before != after
    ]


def _beats(spec: ScheduleSpec) -> list[tuple[float, float]]:
    return [
        (one.every.total_seconds(), one.offset.total_seconds() if one.offset else 0)
        for one in spec.intervals
    ]


def _calendars(spec: ScheduleSpec) -> list[dict[str, str]]:
    return [
        {
            name: ",".join(f"{one.start}-{one.end}/{one.step}" for one in getattr(calendar, name))
            for name in ("year", "month", "day_of_month", "day_of_week", "hour", "minute", "second")
        }
        for calendar in spec.calendars
    ]


def _past(file: ScheduleFile, entry: ScheduleEntry, now: datetime) -> str:
    key = "run_at" if entry.kind is ScheduleKind.ONE_TIME and entry.run_at else "end_at"
    if entry.run_at is not None and entry.run_at > now:
        key = "end_at"
    given = getattr(entry, key)
    return (
        f"{file.source}: schedule {entry.id!r}: {key} is {rfc3339(given)}, "
        f"but must be after now, which is {rfc3339(now.replace(microsecond=0))}"
    )


def _of_another(file: ScheduleFile, entry: ScheduleEntry, standing: Standing) -> str:
    owner = f"the file {standing.file!r}" if standing.file else "somebody else"
    return (
        f"{file.source}: schedule {entry.id!r}: the server has a schedule of that id, which "
        f"belongs to {owner}; choose another id, or delete that one first"
    )


def _refused(entry: ScheduleEntry | None, error: RPCError) -> Exception:
    if entry is None or error.status is not RPCStatusCode.INVALID_ARGUMENT:
        return error
    return ScheduleError(f"schedule {entry.id!r}: the server refuses it: {error.message}")


async def _at_once(many: Sequence[_T], one: Callable[[_T], Awaitable[_U]]) -> list[_U]:
    """Do it for each, some at a time, in order. The first error ends it."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def gated(item: _T) -> _U:
        async with gate:
            return await one(item)

    tasks = [asyncio.ensure_future(gated(item)) for item in many]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
