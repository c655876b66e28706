"""Stopping pauses every schedule; releasing resumes exactly those."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleHandle,
    ScheduleIntervalSpec,
    ScheduleSpec,
    ScheduleState,
)

from account_reviews.bootstrap import Parts
from account_reviews.domain.errors import ConflictError, UnreachableError
from account_reviews.domain.halts import Halt
from account_reviews.services.halts import release_all, status_of, stop_all
from account_reviews.store.halts import HaltStore
from account_reviews.temporal import names
from account_reviews.temporal.executions import describe
from account_reviews.temporal.schedules import pause
from account_reviews.temporal.schedules.entries import MANAGED_BY
from activities.cycles import CycleActivities
from tests.support.cycles import at_risk, make_portfolio
from tests.support.waiting import until
from worker import build_worker

MANY = 30
BY_HAND = "ann is on holiday"


def silent(_: str) -> None:
    """Nobody listens."""


async def create(
    client: Client,
    schedule_id: str,
    *,
    tenant: str | None,
    workflow: str = "ReviewCycle",
    start: dict[str, Any] | None = None,
    paused: str | None = None,
) -> ScheduleHandle:
    """A schedule that never comes to run; `tenant` None: it was made by hand, not from a file."""
    memo = {"managed_by": MANAGED_BY, "file": "f", "tenant": tenant, "id": schedule_id}
    return await client.create_schedule(
        schedule_id,
        Schedule(
            action=ScheduleActionStartWorkflow(
                workflow, start or {}, id=f"cycle/{schedule_id}", task_queue="nobody-listens"
            ),
            spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(days=300))]),
            state=ScheduleState(paused=paused is not None, note=paused),
        ),
        memo=memo if tenant is not None else None,
    )


async def listed(client: Client, number: int) -> None:
    """Wait until the server lists so many."""

    async def all_there() -> bool:
        return len([one async for one in await client.list_schedules()]) >= number

    await until(all_there)


async def state_of(handle: ScheduleHandle) -> tuple[bool, str]:
    state = (await handle.describe()).schedule.state
    return state.paused, state.note or ""


async def test_exactly_what_was_running_is_paused_and_resumed(
    parts: Parts, own_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pause, "PAGE", 7)
    tenant = parts.settings.tenant
    running = [
        await create(own_client, names.schedule_id(f"s{number}", tenant), tenant=tenant)
        for number in range(MANY)
    ]
    by_hand = await create(own_client, "held", tenant=tenant, paused=BY_HAND)
    upkeep = await create(own_client, "upkeep", tenant=tenant, workflow="Upkeep")
    unfiled = await create(own_client, "unfiled", tenant=None, start={"tenant": tenant})
    others = [
        await create(own_client, "of-others", tenant="somebody-else"),
        await create(own_client, "by-hand-of-others", tenant=None, start={"tenant": "else"}),
        await create(own_client, "of-the-default", tenant=None),
        await create(own_client, "not-ours", tenant=None, workflow="Invoices"),
    ]
    ours = [*running, upkeep, unfiled]
    await listed(own_client, len(ours) + len(others) + 1)

    standing = await stop_all(parts, "ann", "bad data", notify=silent)
    assert standing.schedules_paused == len(ours)
    assert standing.halt is not None
    note = f"stop-all #{standing.halt.id} by ann: bad data"
    assert {await state_of(one) for one in ours} == {(True, note)}
    assert await state_of(by_hand) == (True, BY_HAND)
    assert {await state_of(one) for one in others} == {(False, "")}

    again = await stop_all(parts, "bob", "again", notify=silent)
    assert (again.changed, again.schedules_paused) == (False, len(ours))
    assert {await state_of(one) for one in ours} == {(True, note)}

    taken_over, let_go, gone, *left = ours
    await taken_over.pause(note="bob keeps it")
    await let_go.unpause(note="bob lets it go")
    await gone.delete()
    released = await release_all(parts, "carl", "all is well")
    assert (released.schedules_resumed, released.schedules_paused) == (len(left), 0)
    assert {await state_of(one) for one in left} == {
        (False, "stop-all released by carl: all is well")
    }
    assert await state_of(taken_over) == (True, "bob keeps it")
    assert await state_of(let_go) == (False, "bob lets it go")
    assert await state_of(by_hand) == (True, BY_HAND)
    assert (await release_all(parts, "carl", "again")).schedules_resumed == 0


async def test_what_could_not_be_paused_is_paused_by_a_repeat(
    parts: Parts, own_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = parts.settings.tenant
    schedule = await create(own_client, names.schedule_id("later", tenant), tenant=tenant)
    await listed(own_client, 1)
    with monkeypatch.context() as broken:
        broken.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
        with pytest.raises(UnreachableError):
            await stop_all(parts, "ann", "bad data", notify=silent)
    assert await state_of(schedule) == (False, "")
    standing = await stop_all(parts, "bob", "again", notify=silent)
    assert (standing.changed, standing.schedules_paused) == (False, 1)
    paused, note = await state_of(schedule)
    assert paused
    assert note.endswith("by ann: bad data")

    with monkeypatch.context() as broken:
        broken.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
        with pytest.raises(UnreachableError):
            await release_all(parts, "carl", "all is well")
    assert (await state_of(schedule))[0]
    repeated = await release_all(parts, "dora", "all is well")
    assert (repeated.changed, repeated.schedules_resumed) == (False, 1)
    assert await state_of(schedule) == (False, "stop-all released by carl: all is well")


async def test_the_status_counts_what_is_paused(parts: Parts, own_client: Client) -> None:
    tenant = parts.settings.tenant
    assert (await status_of(parts)).document()["halted"] is False
    await create(own_client, names.schedule_id("one", tenant), tenant=tenant)
    await listed(own_client, 1)
    await stop_all(parts, "ann", "bad data", notify=silent)

    async def counted() -> bool:  # the list follows within a second
        return (await status_of(parts)).schedules_paused == 1

    await until(counted)


async def test_a_stop_and_a_release_at_once_leave_no_schedule_behind(
    parts: Parts, own_client: Client
) -> None:
    tenant = parts.settings.tenant
    handles = [
        await create(own_client, names.schedule_id(f"s{number}", tenant), tenant=tenant)
        for number in range(MANY)
    ]
    await listed(own_client, MANY)

    async def in_force() -> bool:
        return await parts.halts.current(tenant) is not None

    for _ in range(3):
        stopping = asyncio.ensure_future(stop_all(parts, "ann", "bad data", notify=silent))
        await until(in_force)
        await release_all(parts, "bob", "all is well")
        with suppress(ConflictError):
            await stopping
        assert {(await state_of(one))[0] for one in handles} == {False}


async def test_a_stop_that_somebody_ended_while_it_waited_says_so(parts: Parts) -> None:
    """Exit code 0 promises that nothing is written any more."""
    tenant = parts.settings.tenant

    async def in_force() -> bool:
        return await parts.halts.current(tenant) is not None

    async with (
        parts.engine.begin() as connection,
        parts.halts.gate(tenant).open_for_write(connection),
    ):
        stopping = asyncio.ensure_future(stop_all(parts, "ann", "bad data", notify=silent))
        await until(in_force)
        await release_all(parts, "bob", "all is well")
    with pytest.raises(ConflictError, match="was released by bob at 20"):
        await stopping


async def test_who_stops_waiting_is_told_that_everything_stays_stopped(parts: Parts) -> None:
    """As by Ctrl-C: the row stands, and only the wait is over."""
    tenant, told = parts.settings.tenant, list[str]()
    async with (
        parts.engine.begin() as connection,
        parts.halts.gate(tenant).open_for_write(connection),
    ):
        stopping = asyncio.ensure_future(stop_all(parts, "ann", "bad data", notify=told.append))

        async def waits() -> bool:
            await asyncio.sleep(1)
            return await parts.halts.current(tenant) is not None

        await until(waits)
        stopping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stopping
    assert len(told) == 1
    assert told[0].startswith("writes and starts stay stopped by ann since")
    assert (await status_of(parts)).halted


class SlowHalts(HaltStore):
    """Says that nothing is stopped, and is held up on its way back."""

    def __init__(self, engine: AsyncEngine) -> None:
        super().__init__(engine)
        self.asked, self.may_answer = asyncio.Event(), asyncio.Event()

    async def current(self, tenant: str) -> Halt | None:
        found = await super().current(tenant)
        self.asked.set()
        await self.may_answer.wait()
        return found


async def test_no_review_of_a_cycle_starts_once_stop_all_has_returned(
    parts: Parts, own_client: Client, engine: AsyncEngine
) -> None:
    """The cycle had asked before the row was there, and starts its reviews in the same task.

    The server starts them after that task, which takes it seconds for many.
    """
    names_of = [f"risk-{number}" for number in range(20)]
    portfolio = make_portfolio(own_client, engine, *map(at_risk, names_of))
    portfolio.tenant, halts = parts.settings.tenant, SlowHalts(engine)
    owners = portfolio.owners()
    for one in owners:
        if isinstance(one, CycleActivities):
            one._halts = halts
    async with build_worker(own_client, owners, task_queue=portfolio.task_queue):
        cycle = await portfolio.start(window=len(names_of))
        await halts.asked.wait()
        asyncio.get_running_loop().call_later(0.3, halts.may_answer.set)
        await stop_all(parts, "ann", "bad data", notify=silent)
        returned = datetime.now(UTC)
        await halts.may_answer.wait()
        await cycle.query("progress")  # which is answered after its task

        async def all_have_begun() -> bool:
            children = (await cycle.describe()).raw_description.pending_children
            return all(child.run_id for child in children)

        await until(all_have_begun)
        for name in names_of:  # on a busy machine it asks again, and then nothing is started
            review_id = names.review_id(name, portfolio.tenant)
            shown = await describe(own_client, review_id)
            if shown is not None:
                assert shown.start_time <= returned
                await own_client.get_workflow_handle(review_id).terminate()
