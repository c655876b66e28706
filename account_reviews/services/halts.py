"""The kill switch as commands use it: stop everything, let it go on, ask before starting."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from account_reviews.bootstrap import Parts
from account_reviews.domain.base import Model, Timestamp
from account_reviews.domain.errors import ConflictError, HaltedError, ReviewsError, UnreachableError
from account_reviews.domain.halts import RELEASE_HINT, Halt
from account_reviews.domain.review.phases import Phase
from account_reviews.domain.review.state import ReviewState
from account_reviews.store.transactions import Ask

if TYPE_CHECKING:
    from temporalio.client import WorkflowExecutionDescription

POLL_SECONDS: Final = 0.05
NOTIFY_SECONDS: Final = 5.0
CYCLE_SECONDS: Final = 10.0
"""Longer than a task of a cycle may take."""
CHILDREN_SECONDS: Final = 60.0
"""Longer than the server takes to start all children that a task asked for."""

Notify = Callable[[str], None]


class Standing(Model):
    """How it stands after a command. `halt` is the open one, else the last one, else None."""

    halt: Halt | None
    changed: bool = False
    """False when a repeated command found everything as it was to be."""
    schedules_paused: int | None = None
    """By a halt, now; None when Temporal was not asked or did not answer."""
    schedules_resumed: int | None = None
    writes_waited: int | None = None
    """Writes and starts that were under way when everything was stopped; of `--status`, that are
    now. None: not asked."""
    writes_unknown: int | None = None
    """Writes that nobody tries now and of which nobody knows whether they were made."""

    @property
    def halted(self) -> bool:
        return self.halt is not None and self.halt.is_open

    def document(self) -> dict[str, Any]:
        """What programs get."""
        names = ("by", "reason", "at", "released_by", "released_reason", "released_at")
        return {
            "halted": self.halted,
            **{name: getattr(self.halt, name, None) for name in names},
            "changed": self.changed,
            "schedules_paused": self.schedules_paused,
            "schedules_resumed": self.schedules_resumed,
            "writes_waited": self.writes_waited,
            "writes_unknown": self.writes_unknown,
        }


async def stop_all(parts: Parts, by: str, reason: str, *, notify: Notify) -> Standing:
    """Stop every write and every start, pause every schedule. Safe to repeat.

    When this returns no write is under way and none begins, nor does a review. ConflictError when
    somebody let everything go on meanwhile. UnreachableError when the schedules could not be
    paused: everything else is stopped all the same.
    """
    tenant = parts.settings.tenant
    halt, changed = await parts.halts.halt(tenant, by, reason)
    begun = await parts.halts.writers_left(tenant)
    paused, trouble = 0, None
    try:
        paused, _ = await _align(parts)
        await _wait_for_cycles(parts)
    except ReviewsError as error:
        trouble = error
    try:
        waited = max(begun, await _wait_for_writers(parts, notify))
    except asyncio.CancelledError:
        notify(f"writes and starts stay {halt.describe()}; a write that had begun may go on")
        raise
    unknown = (await parts.operations.standing(tenant)).unknown
    newest = await _newest(parts)
    if newest is not None and not newest.is_open:
        raise ConflictError(
            f"nothing is stopped: meanwhile everything was {newest.describe_release()}",
            hint="`reviews stop-all` once more stops it again",
        )
    if trouble is not None:
        raise UnreachableError(
            f"writes and starts are {halt.describe()}, but the schedules could not be paused: "
            f"{trouble.message}",
            hint="run `reviews stop-all` again once Temporal answers",
        )
    return Standing(
        halt=newest,
        changed=changed,
        schedules_paused=paused,
        writes_waited=waited,
        writes_unknown=unknown,
    )


async def release_all(parts: Parts, by: str, reason: str) -> Standing:
    """Let everything go on, and resume the schedules that were paused. Safe to repeat.

    UnreachableError when the schedules could not be resumed: everything else goes on.
    """
    tenant = parts.settings.tenant
    released = await parts.halts.release(tenant, by, reason)
    if released is None and await _newest(parts) is None:
        return Standing(halt=None)
    try:
        paused, resumed = await _align(parts)
    except ReviewsError as error:
        raise UnreachableError(
            "writes and starts go on, but schedules that were paused could not be resumed: "
            f"{error.message}",
            hint="run `reviews stop-all --release` again once Temporal answers",
        ) from None
    halt = await _newest(parts)
    changed = released is not None
    return Standing(halt=halt, changed=changed, schedules_paused=paused, schedules_resumed=resumed)


async def status_of(parts: Parts) -> Standing:
    """How it stands. Temporal being away is no error."""
    from account_reviews.temporal.schedules.pause import Schedules

    halt, tenant = await _newest(parts), parts.settings.tenant
    left = await parts.halts.writers_left(tenant)
    unknown = (await parts.operations.standing(tenant)).unknown
    standing = Standing(halt=halt, writes_waited=left, writes_unknown=unknown)
    try:
        client = await parts.connect()
        paused = await Schedules(client, tenant).count_paused()
    except ReviewsError:
        return standing
    return standing.model_copy(update={"schedules_paused": paused})


async def ensure_not_halted(parts: Parts) -> None:
    """HaltedError says who stopped everything, since when and why."""
    halt = await parts.halt_history.current(parts.settings.tenant)
    if halt is not None:
        raise _refused(halt)


@asynccontextmanager
async def starting(parts: Parts) -> AsyncIterator[Ask]:
    """One start may be made inside, and `stop_all` waits for its end. HaltedError.

    What is asked inside is of one transaction, which ends with the start.
    """
    try:
        async with parts.start_gate.open_for_start() as ask:
            yield ask
    except HaltedError:
        await ensure_not_halted(parts)
        raise


async def halt_lines(parts: Parts, state: ReviewState) -> list[dict[str, Any]]:
    """Lines of a review's story: halts that came while it was writing, and their ends.

    The workflow itself does not know of them: its write is tried again until it may pass.
    """
    spells = _writing_spells(state)
    if not spells:
        return []
    halts = await parts.halt_history.history(state.tenant, since=spells[0][0], limit=1000)
    return [line for spell in spells for halt in halts for line in _lines(halt, *spell)]


def _writing_spells(state: ReviewState) -> list[tuple[Timestamp, Timestamp | None]]:
    """When the review wrote: begin and end; an end of None is now."""
    moves = state.history
    ends = [*(move.at for move in moves[1:]), None]
    return [
        (move.at, end)
        for move, end in zip(moves, ends, strict=True)
        if move.to_phase is Phase.EXECUTING
    ]


def _lines(halt: Halt, begin: Timestamp, end: Timestamp | None) -> list[dict[str, Any]]:
    over = halt.released_at
    if (end is not None and halt.at >= end) or (over is not None and over <= begin):
        return []
    text = f"Writes are stopped: {halt.reason}"
    lines = [{"at": max(halt.at, begin), "kind": "writes_halted", "text": text, "by": halt.by}]
    if over is not None and (end is None or over <= end):
        text = f"Writes go on: {halt.released_reason}"
        lines.append({"at": over, "kind": "writes_released", "text": text, "by": halt.released_by})
    return lines


def _refused(halt: Halt) -> HaltedError:
    return HaltedError(
        f"nothing can be started: everything is {halt.describe()}", hint=RELEASE_HINT
    )


async def _newest(parts: Parts) -> Halt | None:
    halts = await parts.halt_history.history(parts.settings.tenant, limit=1)
    return halts[0] if halts else None


async def _align(parts: Parts) -> tuple[int, int]:
    """Bring the schedules in line with the row as it is now: (paused by a halt, resumed).

    One command at a time: a release that comes while a stop still pauses has the last word.
    """
    from account_reviews.temporal.schedules.pause import Schedules

    tenant = parts.settings.tenant
    client = await parts.connect()
    schedules = Schedules(client, tenant)
    async with parts.halts.alone(tenant):
        halt = await parts.halt_history.current(tenant)
        if halt is not None:
            return await schedules.pause_all(halt), 0
        last = await _newest(parts)
        return 0, await schedules.resume_paused(last) if last is not None else 0


async def _wait_for_cycles(parts: Parts) -> None:
    """Until open cycles have started what they took before they could see the row.

    A workflow answers a query after the task that it is at, and takes and starts in one task. One
    that does not answer has no worker to start anything. The server starts them after that task,
    one by one.
    """
    page = await parts.cycles.page(tenant=parts.settings.tenant, status="running", limit=1000)
    if not page.items:
        return
    client = await parts.connect()

    async def ask(cycle_id: str) -> None:
        handle = client.get_workflow_handle(cycle_id)
        await asyncio.wait_for(handle.query("progress"), CYCLE_SECONDS)
        async with asyncio.timeout(CHILDREN_SECONDS):
            while True:
                if not _starts_more(await handle.describe()):
                    return
                await asyncio.sleep(POLL_SECONDS)

    asked = (ask(one.cycle_id) for one in page.items)
    await asyncio.gather(*asked, return_exceptions=True)


def _starts_more(found: "WorkflowExecutionDescription") -> bool:
    """Whether a child was asked for that has no run yet."""
    return any(not child.run_id for child in found.raw_description.pending_children)


async def _wait_for_writers(parts: Parts, notify: Notify) -> int:
    """Until the writes that had begun are at their end, or everything goes on again.

    Gives how many were under way at once.
    """
    tenant, loop = parts.settings.tenant, asyncio.get_running_loop()
    notified_at, most = loop.time(), 0
    while left := await parts.halts.writers_left(tenant):
        most = max(most, left)
        if loop.time() - notified_at > NOTIFY_SECONDS:
            notified_at = loop.time()
            notify(f"no new write begins; waiting for the end of {left} that had begun")
            if await parts.halt_history.current(tenant) is None:
                break
        await asyncio.sleep(POLL_SECONDS)
    return most
