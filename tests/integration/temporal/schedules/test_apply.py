"""`plan` and `apply` against the real server."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from temporalio.client import (
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from account_reviews.domain.cycle.state import CycleInput
from account_reviews.domain.errors import ConflictError, ScheduleError
from account_reviews.domain.policy.model import parse_policy
from account_reviews.domain.schedule.runs import UpkeepInput
from account_reviews.temporal import names, search_attributes
from account_reviews.temporal.schedules.entries import Standing, find, listed
from tests.support.schedules import Place, entry
from tests.support.waiting import until

DAILY = entry('kind = "daily"\ntime_zone = "Europe/Berlin"', "daily")
WEEKLY = entry('kind = "weekly"\nowner = "ow-2"\npriority = 2\nretries = 3', "weekly")
UPKEEP = entry('kind = "interval"\nevery_minutes = 60\njob = "retention"\njitter = "5m"', "upkeep")
ALL = DAILY + WEEKLY + UPKEEP


async def standing(place: Place, entry_id: str) -> Standing:
    found = await find(place.client, place.builder.server_id(entry_id))
    assert found is not None
    return found


async def until_listed(place: Place, *ids: str) -> None:
    """Lists follow within a second."""
    await until(
        lambda: listed(place.client, place.tenant), lambda there: sorted(there) == sorted(ids)
    )


async def change(place: Place, entry_id: str, **fields: object) -> None:
    """Somebody edits the schedule by hand."""

    def edit(seen: ScheduleUpdateInput) -> ScheduleUpdate:
        return ScheduleUpdate(replace(seen.description.schedule, **fields))  # type: ignore[arg-type]

    await (await standing(place, entry_id)).handle.update(edit)


async def test_a_second_apply_changes_nothing(place: Place) -> None:
    assert await place.steps(ALL) == dict.fromkeys(["daily", "weekly", "upkeep"], "create")
    await place.apply(ALL)
    before = [(await standing(place, one)).description for one in ("daily", "weekly", "upkeep")]
    assert set((await place.steps(ALL)).values()) == {"unchanged"}
    await place.apply(ALL)
    after = [(await standing(place, one)).description for one in ("daily", "weekly", "upkeep")]
    assert [one.info.last_updated_at for one in after] == [None, None, None]
    assert [one.schedule for one in after] == [one.schedule for one in before]


async def test_plan_shows_next_times_and_leaves_nothing(place: Place) -> None:
    (planned,) = await place.plan(DAILY)
    assert len(planned.next_runs) == 5
    berlin = {at.astimezone(ZoneInfo("Europe/Berlin")).time() for at in planned.next_runs}
    assert berlin == {time(5)}
    assert await listed(place.client, place.tenant) == {}
    await place.apply(DAILY)
    (again,) = await place.plan(DAILY)
    # One may have come meanwhile.
    assert again.next_runs[:4] in (planned.next_runs[:4], planned.next_runs[1:])
    place.now = datetime(2026, 11, 21, tzinfo=UTC)
    early = 'kind = "daily"\nat = "02:30"\ntime_zone = "Europe/Paris"'
    (warned,) = await place.plan(entry(early, "daily"))
    assert "there is no 02:30 in Europe/Paris on 2027-03-28" in warned.warnings[0]


async def test_a_change_is_told_field_by_field(place: Place) -> None:
    await place.apply(DAILY)
    text = DAILY + 'at = "06:15"\nowner = "ow-1"\ngrace = "10m"\n'
    (planned,) = await place.plan(text)
    described = {one["field"]: (one["before"], one["after"]) for one in planned.changes}
    assert described == {
        "at": ("05:00", "06:15"),
        "owner": (None, "ow-1"),
        "grace": ("300s", "600s"),
        "input.scope.owner": (None, "ow-1"),
        "input.grace_seconds": (300.0, 600.0),
    }
    await place.apply(text)
    found = await standing(place, "daily")
    assert found.description.schedule.policy.catchup_window == timedelta(minutes=10)
    assert found.description.info.next_action_times[0].minute == 15
    assert set((await place.steps(text)).values()) == {"unchanged"}


async def test_a_change_of_the_policy_is_a_change(place: Place) -> None:
    await place.apply(WEEKLY)
    place.policy = parse_policy("[cycle]\nwindow = 7")
    (planned,) = await place.plan(WEEKLY)
    assert planned.changes == [{"field": "input.window", "before": 10, "after": 7}]


async def test_what_was_changed_by_hand_is_put_right(place: Place) -> None:
    await place.apply(DAILY)
    await change(place, "daily", spec=ScheduleSpec(time_zone_name="Asia/Tokyo"))
    (planned,) = await place.plan(DAILY)
    assert {one["field"] for one in planned.changes} == {"time_zone", "calendar"}
    await place.apply(DAILY)
    action = ScheduleActionStartWorkflow("Other", id="other", task_queue=place.task_queue)
    await change(place, "daily", action=action)
    assert await place.steps(DAILY) == {"daily": "update"}
    await place.apply(DAILY)
    assert (await standing(place, "daily")).action.workflow == "ReviewCycle"
    assert await place.steps(DAILY) == {"daily": "unchanged"}


async def test_only_what_the_file_made_is_deleted(place: Place) -> None:
    other = entry('kind = "daily"', "other")
    await place.apply(DAILY + WEEKLY)
    await place.apply(other, "another")
    foreign = place.builder.server_id("foreign")
    action = ScheduleActionStartWorkflow("Other", id="other", task_queue=place.task_queue)
    handle = await place.client.create_schedule(foreign, Schedule(action, ScheduleSpec()))
    await until_listed(place, "daily", "weekly", "other")
    assert await place.steps(WEEKLY) == {"weekly": "unchanged", "daily": "delete"}
    await place.apply(WEEKLY)
    await until_listed(place, "weekly", "other")
    assert await find(place.client, foreign) is not None
    with pytest.raises(ConflictError, match="belongs to the file 'another'"):
        await place.apply(WEEKLY + other)
    with pytest.raises(ConflictError, match="belongs to somebody else"):
        await place.plan(entry('kind = "daily"', "foreign"))
    await handle.delete()


async def test_two_that_apply_at_once_end_alike(place: Place) -> None:
    await place.apply(DAILY)
    await until_listed(place, "daily")
    text = WEEKLY + UPKEEP
    for _ in range(3):
        await asyncio.gather(*(place.apply(text) for _ in range(4)))
        await until_listed(place, "weekly", "upkeep")
        assert set((await place.steps(text)).values()) == {"unchanged"}
        await asyncio.gather(*(place.apply("") for _ in range(4)))
        await until_listed(place)


async def test_two_different_files_at_once_end_as_one_of_them(place: Place) -> None:
    await place.apply(DAILY)
    changed = DAILY + 'at = "07:00"\n'
    await asyncio.gather(place.apply(DAILY), place.apply(changed), place.apply(changed))
    steps = [await place.steps(text) for text in (DAILY, changed)]
    assert sorted(str(one["daily"]) for one in steps) == ["unchanged", "update"]


async def test_what_is_started(place: Place) -> None:
    await place.apply(ALL)
    weekly, upkeep = await standing(place, "weekly"), await standing(place, "upkeep")
    action = weekly.action
    assert (action.workflow, action.task_queue) == ("ReviewCycle", place.task_queue)
    assert names.parse_scheduled_id(action.id) == ("cycle", "weekly", place.tenant, None)
    assert (action.priority.priority_key, action.priority.fairness_key) == (2, "ow-2")
    assert action.typed_search_attributes[search_attributes.TENANT] == place.tenant
    assert action.typed_search_attributes[search_attributes.OWNER_ID] == "ow-2"
    assert action.retry_policy is not None
    assert action.retry_policy.maximum_attempts == 4
    assert action.retry_policy.initial_interval == timedelta(minutes=5)
    (start,) = await place.client.data_converter.decode(list(action.args), [CycleInput])
    assert (start.kind, start.scope.owner, start.priority_key) == ("weekly", "ow-2", 2)
    assert (start.schedule_id, start.started_by) == ("weekly", "schedule")
    assert start.scope.changed_within_seconds == 7 * 86400
    assert [str(one) for one in start.scope.statuses] == ["Active", "At Risk"]
    assert upkeep.action.workflow == "Upkeep"
    assert names.parse_scheduled_id(upkeep.action.id) == ("upkeep", "upkeep", place.tenant, None)
    (job,) = await place.client.data_converter.decode(list(upkeep.action.args), [UpkeepInput])
    assert (job.job, job.schedule_id, job.tenant) == ("retention", "upkeep", place.tenant)


async def test_whoever_pauses_by_hand_stays_right(place: Place) -> None:
    await place.apply(DAILY)
    await place.control.pause("daily", "holidays")
    assert await place.steps(DAILY) == {"daily": "unchanged"}
    await place.apply(DAILY + 'at = "06:00"\n')
    state = (await standing(place, "daily")).description.schedule.state
    assert (state.paused, state.note) == (True, "holidays")
    await place.apply(DAILY + "paused = false\n")
    assert not (await standing(place, "daily")).description.schedule.state.paused
    await place.apply(DAILY + "paused = true\n")
    assert (await standing(place, "daily")).description.schedule.state.paused


async def test_an_interval_counts_from_its_creation(place: Place) -> None:
    await place.apply(UPKEEP)
    first = await standing(place, "upkeep")
    (beat,) = first.description.schedule.spec.intervals
    created = first.description.info.created_at.timestamp()
    assert beat.offset is not None
    assert (created - beat.offset.total_seconds()) % 3600 < 5
    await place.apply(UPKEEP + "priority = 5\n")
    assert (await standing(place, "upkeep")).description.schedule.spec.intervals == [beat]


async def test_a_one_time_schedule_is_done_afterwards(place: Place) -> None:
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=3)
    text = entry(f'kind = "one_time"\njob = "remove_done"\nrun_at = {at.isoformat()}', "once")
    assert await place.steps(text) == {"once": "create"}
    await place.apply(text)
    await until(lambda: standing(place, "once"), lambda there: there.ran_out)
    assert await place.steps(text) == {"once": "done"}
    await place.apply(text)
    info = (await standing(place, "once")).description.info
    assert (info.num_actions, list(info.next_action_times)) == (1, [])
    later = text.replace(at.isoformat(), (at + timedelta(days=9)).isoformat())
    assert await place.steps(later) == {"once": "update"}
    await place.apply(later)
    assert len((await standing(place, "once")).description.info.next_action_times) == 1


async def test_a_past_time_is_refused_only_when_it_is_new(place: Place) -> None:
    text = entry('kind = "one_time"\nrun_at = 2026-01-01T00:00:00Z', "once")
    with pytest.raises(ScheduleError, match="run_at is 2026-01-01T00:00:00Z, but must be after"):
        await place.plan(text)
    with pytest.raises(ScheduleError, match=r"^test.toml: schedule 'once': run_at is 2026"):
        await place.apply(DAILY + text)
    assert await listed(place.client, place.tenant) == {}, "nothing of that file was applied"
    ended = entry('kind = "daily"\nend_at = 2026-01-01T00:00:00Z')
    with pytest.raises(ScheduleError, match="end_at is 2026-01-01T00:00:00Z, but must be after"):
        await place.apply(ended)
    place.now = datetime(2025, 12, 1, tzinfo=UTC)
    await place.apply(text)
    place.now = None
    assert await place.steps(text) == {"once": "done"}
    with pytest.raises(ScheduleError, match="run_at is 2026-02-01"):
        await place.plan(text.replace("2026-01-01", "2026-02-01"))


async def test_a_thousand_schedules(place: Place) -> None:
    ids = [f"s{number:04}" for number in range(1000)]
    text = "".join(entry(f'kind = "weekly"\nowner = "{one}"', one) for one in ids)
    await place.apply(text)
    await until_listed(place, *ids)
    first, cursor = await place.control.page(None, 600)
    rest, end = await place.control.page(cursor, 600)
    assert ([*first, *rest], end) == (ids, None)
    found = dict(await place.control.describe_all(ids))
    assert [found[one].by.entry.owner for one in ids] == ids  # type: ignore[union-attr]


async def test_schedules_move_to_the_queue_of_their_tenant(place: Place) -> None:
    moved, place.task_queue = place.task_queue, names.TASK_QUEUE
    await place.apply(WEEKLY)
    place.task_queue = moved
    (planned,) = await place.plan(WEEKLY)
    assert planned.changes == [
        {"field": "task_queue", "before": names.TASK_QUEUE, "after": place.task_queue}
    ]
    await place.apply(WEEKLY)
    assert (await standing(place, "weekly")).action.task_queue == place.task_queue
