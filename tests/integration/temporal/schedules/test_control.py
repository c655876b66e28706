"""Steering schedules by hand, and what is shown of them."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from temporalio.client import Client, WorkflowExecutionStatus

from account_reviews.domain.errors import BadInputError, ConflictError, ScheduleNotFoundError
from account_reviews.services.schedules import detail_document, schedule_document
from account_reviews.temporal import names
from account_reviews.temporal.schedules.control import TooManyRunsError
from tests.support.schedules import Place, entry
from tests.support.waiting import until

UPKEEP = 'job = "remove_done"'
DAILY = entry(f'kind = "daily"\ntime_zone = "Europe/Berlin"\n{UPKEEP}', "daily")
OFTEN = entry(f'kind = "interval"\nevery_minutes = 1\n{UPKEEP}', "often")


async def started(client: Client, place: Place, entry_id: str) -> list[str]:
    """The workflow ids of runs, and their end."""
    by = f"TemporalScheduledById = '{place.builder.server_id(entry_id)}'"
    return sorted([one.id async for one in client.list_workflows(by)])


def contains(one: str, ids: list[str]) -> bool:
    return one in ids


async def stop(client: Client, workflow_id: str) -> None:
    await client.get_workflow_handle(workflow_id).terminate("the test is over")


async def test_pause_and_resume(place: Place) -> None:
    await place.apply(DAILY)
    await place.control.pause("daily", "holidays")
    document = detail_document("daily", await place.control.get("daily"), 0)
    assert (document["paused"], document["note"]) == (True, "holidays")
    await place.control.resume("daily")
    document = detail_document("daily", await place.control.get("daily"), 0)
    assert (document["paused"], document["note"]) == (False, "resumed")


async def test_trigger_runs_once_and_says_what(place: Place) -> None:
    await place.apply(DAILY + "paused = true\n")
    action = await place.control.trigger("daily")
    assert action is not None
    prefix, entry_id, tenant, at = names.parse_scheduled_id(action.workflow_id)
    assert (prefix, entry_id, tenant) == ("upkeep", "daily", place.tenant)
    assert at is not None
    with pytest.raises(ConflictError, match="schedule 'daily' runs already: upkeep/t-"):
        await place.control.trigger("daily")
    await stop(place.client, action.workflow_id)


async def test_backfill_runs_each_time_of_the_span(place: Place) -> None:
    await place.apply(DAILY)
    start, end = datetime(2026, 10, 24, 3, tzinfo=UTC), datetime(2026, 10, 26, 4, tzinfo=UTC)
    times = await place.control.backfill("daily", start, end)
    assert times == [
        datetime(2026, 10, 24, 3, tzinfo=UTC),
        datetime(2026, 10, 25, 4, tzinfo=UTC),
        datetime(2026, 10, 26, 4, tzinfo=UTC),
    ]
    for at in times:  # one after another, each when the one before has ended
        name = f"upkeep/{place.tenant}/daily-{at:%Y-%m-%dT%H:%M:%SZ}"
        await until(lambda: started(place.client, place, "daily"), partial(contains, name))
        await stop(place.client, name)


async def test_a_backfill_that_cannot_be(place: Place) -> None:
    await place.apply(OFTEN)
    start = datetime(2026, 10, 24, 3, tzinfo=UTC)
    with pytest.raises(BadInputError, match="--to must be after --from"):
        await place.control.backfill("often", start, start)
    with pytest.raises(TooManyRunsError, match="has more than 999 times"):
        await place.control.backfill("often", start, start + timedelta(hours=17))
    assert await place.control.backfill("often", start, start + timedelta(microseconds=1)) == []


async def test_next_times_beyond_ten(place: Place) -> None:
    await place.apply(DAILY + entry(f'kind = "cron"\ncron = "0 5 29 2 *"\n{UPKEEP}', "leap"))
    _, five = await place.control.next_times("daily", 5)
    _, many = await place.control.next_times("daily", 250)  # more than summer time has days
    assert (len(five), len(many), many[:5]) == (5, 250, five)
    assert {(at.astimezone(UTC).hour) for at in many} == {3, 4}
    _, leap = await place.control.next_times("leap", 3)
    assert len(leap) == 3
    assert {(at.month, at.day) for at in leap} == {(2, 29)}
    assert datetime.now(UTC) < leap[0] < leap[1] < leap[2]


async def test_delete_leaves_runs_alone(place: Place) -> None:
    await place.apply(DAILY)
    action = await place.control.trigger("daily")
    assert action is not None
    await place.control.delete("daily")
    run = await place.client.get_workflow_handle(action.workflow_id).describe()
    assert run.status is WorkflowExecutionStatus.RUNNING
    await stop(place.client, action.workflow_id)
    for steer in (place.control.delete, place.control.resume, place.control.trigger):
        with pytest.raises(ScheduleNotFoundError, match="there is no schedule 'daily'"):
            await steer("daily")


async def test_other_tenants_are_not_seen(place: Place) -> None:
    await place.apply(DAILY)
    other = Place(place.client, place.runs, place.engine)
    with pytest.raises(ScheduleNotFoundError):
        await other.control.get("daily")
    assert await other.control.page(None, 10) == ([], None)
    await other.apply(DAILY)
    await other.control.delete("daily")
    assert (await place.control.get("daily")).by is not None


async def test_what_a_list_shows(place: Place) -> None:
    await place.apply(DAILY + "priority = 2\n")
    action = await place.control.trigger("daily")
    assert action is not None
    document = schedule_document("daily", await place.control.get("daily"), 2)
    assert document["spec"] == "every day at 05:00"
    assert (document["kind"], document["time_zone"]) == ("daily", "Europe/Berlin")
    assert (document["missed"], document["skipped"], document["priority"]) == (2, 0, 2)
    assert len(document["next_runs"]) == 5
    (last,) = document["last_runs"]
    assert (last["workflow_id"], last["run_id"]) == (
        action.workflow_id,
        action.first_execution_run_id,
    )
    assert set(document) >= {"id", "owner", "paused"}
    await stop(place.client, action.workflow_id)
