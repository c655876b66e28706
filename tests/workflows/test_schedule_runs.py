"""Upkeep as schedules start it: on time, late, missed, by hand, and over outages."""

import asyncio
import os
import signal
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import (
    Client,
    ScheduleUpdate,
    WorkflowExecutionStatus,
    WorkflowFailureError,
)
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError

from account_reviews.config import ports
from account_reviews.domain.policy.model import Policy
from account_reviews.local.temporal_server import TemporalServer
from account_reviews.store.reviews import ReviewStore
from account_reviews.store.schedule_runs import ScheduleRunStore
from account_reviews.temporal.schedules.entries import listed
from account_reviews.upkeep.jobs import UpkeepJobs
from activities.upkeep import UpkeepActivities
from tests.support.hooks import counting
from tests.support.scheduled_jobs import GRACE, PAST_GRACE, Jobs, ended, fired, rows, soon, worker
from tests.support.schedules import Place, entry, read
from tests.support.waiting import until


@pytest.fixture
def jobs() -> Jobs:
    return Jobs()


async def test_a_run_that_succeeds(place: Place, jobs: Jobs) -> None:
    async with worker(place, jobs):
        await soon(place)
        (row,) = await ended(place)
        handle = place.client.get_workflow_handle(await fired(place))
        result = await handle.result()
    assert result["summary"] == "did remove_done"
    assert (row.status, row.trigger, row.error) == ("success", "schedule", None)
    assert row.workflow_id == handle.id
    assert row.id == (await handle.describe()).raw_info.first_run_id
    assert row.scheduled_at.microsecond == 0
    assert row.lateness_seconds >= 0
    assert row.duration_seconds is not None


async def test_a_run_that_fails_says_why(place: Place, jobs: Jobs) -> None:
    jobs.fails = "the shelf is full"
    async with worker(place, jobs):
        await soon(place)
        (row,) = await ended(place)
        with pytest.raises(WorkflowFailureError) as error:
            await place.client.get_workflow_handle(await fired(place)).result()
    assert (row.status, row.error) == ("failed", "the shelf is full")
    assert "remove_done failed: the shelf is full" in str(error.value.cause)


async def test_a_run_that_is_cancelled(place: Place, jobs: Jobs) -> None:
    jobs.hangs = True
    async with worker(place, jobs):
        await soon(place)
        handle = place.client.get_workflow_handle(await fired(place))
        await until(lambda: asyncio.sleep(0, jobs.calls), lambda calls: calls > 0)
        await handle.cancel()
        (row,) = await ended(place)
        with pytest.raises(WorkflowFailureError):
            await handle.result()
        assert (await handle.describe()).status is WorkflowExecutionStatus.CANCELED
    assert row.status == "cancelled"


async def test_a_run_that_waits_for_a_worker_is_late(place: Place, jobs: Jobs) -> None:
    await soon(place)
    await fired(place)
    await asyncio.sleep(1.5)
    async with worker(place, jobs):
        (row,) = await ended(place)
    assert (row.status, row.late, jobs.calls) == ("success", True, 1)
    assert row.lateness_seconds > 1.5


async def test_a_run_that_waits_longer_than_the_grace_is_missed(place: Place, jobs: Jobs) -> None:
    await soon(place, GRACE)
    name = await fired(place)
    await asyncio.sleep(PAST_GRACE)
    with counting() as counted:
        async with worker(place, jobs):
            (row,) = await ended(place)
            result = await place.client.get_workflow_handle(name).result()
        assert counted("reviews_schedule_runs") == {("a", "missed"): 1}
    assert (row.status, row.late, jobs.calls) == ("missed", True, 0)
    assert "more than the grace of 4 s" in str(row.error)
    assert result["status"] == "missed"
    assert await place.history.missed(place.tenant, ["a", "b"]) == {"a": 1}


async def test_what_a_person_triggered_is_never_missed(place: Place, jobs: Jobs) -> None:
    await place.apply(entry('kind = "monthly"\nday = 31\njob = "remove_done"\n' + GRACE))
    await place.control.trigger("a")
    await asyncio.sleep(PAST_GRACE)
    async with worker(place, jobs):
        (row,) = await ended(place)
    assert (row.status, row.trigger, row.late) == ("success", "trigger", False)


async def test_a_backfill_is_never_missed(place: Place, jobs: Jobs) -> None:
    await place.apply(entry('kind = "daily"\njob = "remove_done"\npaused = true\n' + GRACE))
    start = datetime(2026, 10, 1, tzinfo=UTC)
    times = await place.control.backfill("a", start, start + timedelta(days=3))
    await fired(place)
    await asyncio.sleep(PAST_GRACE)
    async with worker(place, jobs):
        found = await ended(place, 3)
    assert [one.scheduled_at for one in reversed(found)] == times
    assert {(one.status, one.trigger, one.late) for one in found} == {
        ("success", "backfill", False)
    }


async def every_second(place: Place) -> None:
    """A schedule that a file cannot ask for; it waits, paused."""
    file = read(entry('kind = "interval"\nevery_minutes = 1\njob = "remove_done"'))
    often = file.entries[0].model_copy(update={"every_minutes": 1 / 60, "paused": True})
    await place.planner.apply(file.model_copy(update={"entries": (often,)}))


async def test_five_firings_without_a_worker_become_one_run(place: Place, jobs: Jobs) -> None:
    await every_second(place)
    await place.control.resume("a")
    await until(
        lambda: place.control.get("a"),
        lambda one: one.description.info.num_actions_skipped_overlap >= 4,
    )
    await place.control.pause("a", "enough")
    async with worker(place, jobs):
        (row,) = await ended(place)
    info = (await place.control.get("a")).description.info
    assert (info.num_actions, jobs.calls, row.status, row.late) == (1, 1, "success", True)


async def test_a_later_attempt_is_the_same_row(place: Place, jobs: Jobs) -> None:
    """With `retries` the server starts the workflow again; here with a shorter pause."""
    file = read(entry('kind = "monthly"\njob = "remove_done"\nretries = 2'))
    await place.planner.apply(file)
    standing = await place.control.get("a")
    schedule = standing.description.schedule
    policy = standing.action.retry_policy
    assert policy is not None
    standing.action.retry_policy = replace(policy, initial_interval=timedelta(milliseconds=50))
    action: Any = standing.action
    jobs.fails = "not yet"
    async with worker(place, jobs):
        await place.client.get_schedule_handle(standing.handle.id).update(
            lambda seen: _with_action(seen, action)
        )
        await place.control.trigger("a")
        await until(lambda: asyncio.sleep(0, jobs.calls), lambda calls: calls >= 2)
        jobs.fails = None
        (row,) = await until(
            lambda: rows(place), lambda found: bool(found) and found[0].status == "success"
        )
    assert schedule.policy.catchup_window == timedelta(seconds=300)
    assert (row.error, row.trigger) == (None, "trigger")


def _with_action(seen: Any, action: Any) -> Any:
    return ScheduleUpdate(replace(seen.description.schedule, action=action))


async def test_a_real_job_has_the_worker_s_client(place: Place, engine: AsyncEngine) -> None:
    activities = UpkeepActivities(UpkeepJobs(engine, ReviewStore(engine), Policy()).run)
    async with worker(place, activities):
        await soon(place)
        (row,) = await ended(place)
        result = await place.client.get_workflow_handle(await fired(place)).result()
    assert (row.status, result["summary"]) == ("success", "removed nothing")


async def test_an_unknown_job_fails(place: Place, engine: AsyncEngine) -> None:
    activities = UpkeepActivities(UpkeepJobs(engine, ReviewStore(engine), Policy()).run)
    async with worker(place, activities):
        with pytest.raises(WorkflowFailureError) as error:
            await place.client.execute_workflow(
                "Upkeep", {"job": "sweep"}, id=f"upkeep/{place.tenant}", task_queue=place.task_queue
            )
    assert "there is no upkeep job 'sweep'; jobs are retention, " in str(error.value.cause)


@pytest.mark.temporal
async def test_a_killed_server_loses_no_schedule_and_makes_up_once(
    short_dir: Path, engine: AsyncEngine, jobs: Jobs
) -> None:
    folder = short_dir / "schedules"
    folder.mkdir()
    server = TemporalServer(folder, ui=False, port=ports.any_free())
    await server.start()
    try:
        client = await Client.connect(server.address, data_converter=pydantic_data_converter)
        place = Place(client, ScheduleRunStore(engine), engine)
        ids = [f"daily-{number}" for number in range(20)]
        daily = "".join(entry('kind = "daily"\ntime_zone = "Europe/Berlin"', one) for one in ids)
        file = read(daily + entry('kind = "interval"\nevery_minutes = 1\njob = "remove_done"'))
        often = file.entries[-1].model_copy(update={"every_minutes": 3 / 60})
        file = file.model_copy(update={"entries": (*file.entries[:-1], often)})
        await place.planner.apply(file)
        assert server.pid is not None
        await kill(server)
        await asyncio.sleep(10)
        await server.start()
        await until(lambda: listed_again(place), lambda found: len(found) == 21)
        assert {str(one.step) for one in await place.planner.plan(file)} == {"unchanged"}
        await until(
            lambda: place.control.get("a"),
            lambda one: one.description.info.num_actions_skipped_overlap >= 3,
        )
        await place.control.pause("a", "enough")
        info = (await place.control.get("a")).description.info
        assert (info.num_actions, info.num_actions_missed_catchup_window) == (1, 0)
        async with worker(place, jobs):
            (row,) = await ended(place)
        assert (row.status, row.late, jobs.calls) == ("success", True, 1)
    finally:
        await server.stop()


async def kill(server: TemporalServer) -> None:
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    await server.wait()


async def listed_again(place: Place) -> dict[str, str]:
    """The client needs a moment to find the server again."""
    try:
        return await listed(place.client, place.tenant)
    except RPCError:
        return {}
