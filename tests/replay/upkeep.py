"""How upkeep runs end, recorded for the replay test."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from temporalio.client import WorkflowFailureError, WorkflowHandle

from account_reviews.store.schedule_runs import ScheduleRunStore
from tests.support.scheduled_jobs import Jobs, ended, fired, soon, worker
from tests.support.schedules import Place, entry
from tests.support.waiting import until
from tests.support.world import World

Handle = WorkflowHandle[Any, Any]


async def succeeded(world: World) -> Handle:
    return await _scheduled(_place(world), Jobs())


async def failed(world: World) -> Handle:
    jobs = Jobs()
    jobs.fails = "the shelf is full"
    return await _scheduled(_place(world), jobs)


async def cancelled(world: World) -> Handle:
    place, jobs = _place(world), Jobs()
    jobs.hangs = True
    async with worker(place, jobs):
        await soon(place)
        handle = place.client.get_workflow_handle(await fired(place))
        await until(lambda: asyncio.sleep(0, jobs.calls), lambda calls: calls > 0)
        await handle.cancel()
        await ended(place)
        await _closed(handle)
    return handle


async def late(world: World) -> Handle:
    place = _place(world)
    await soon(place)
    return await _after_a_pause(place)


async def missed(world: World) -> Handle:
    place = _place(world)
    await soon(place, 'grace = "1s"')
    return await _after_a_pause(place)


async def triggered(world: World) -> Handle:
    place = _place(world)
    await place.apply(entry('kind = "monthly"\nday = 31\njob = "remove_done"'))
    await place.control.trigger("a")
    return await _after_a_pause(place)


async def without_a_schedule(world: World) -> Handle:
    place = _place(world)
    async with worker(place, Jobs()):
        handle = await place.client.start_workflow(
            "Upkeep",
            {"job": "remove_done", "tenant": place.tenant},
            id=f"upkeep/{place.tenant}",
            task_queue=place.task_queue,
        )
        await handle.result()
    return handle


UPKEEP_SCENARIOS: tuple[Callable[[World], Awaitable[Handle]], ...] = (
    succeeded,
    failed,
    cancelled,
    late,
    missed,
    triggered,
    without_a_schedule,
)


def _place(world: World) -> Place:
    return Place(world.client, ScheduleRunStore(world.engine), world.engine)


async def _scheduled(place: Place, jobs: Jobs) -> Handle:
    async with worker(place, jobs):
        await soon(place)
        await ended(place)
        handle = place.client.get_workflow_handle(await fired(place))
        await _closed(handle)
    return handle


async def _after_a_pause(place: Place) -> Handle:
    handle = place.client.get_workflow_handle(await fired(place))
    await asyncio.sleep(1.5)
    async with worker(place, Jobs()):
        await ended(place)
        await _closed(handle)
    return handle


async def _closed(handle: Handle) -> None:
    try:
        await handle.result()
    except WorkflowFailureError:
        return
