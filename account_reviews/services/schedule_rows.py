"""Schedules as rows, for people with SQL. Their truth is Temporal; a row says what it said last."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, NoReturn

from temporalio.client import Client

from account_reviews.bootstrap import Parts
from account_reviews.store.schedule_writes import save_schedule_rows
from account_reviews.store.statements import Statements
from account_reviews.temporal.schedules.control import ScheduleControl
from account_reviews.temporal.schedules.entries import Standing

EVERY: Final = 60.0
"""Seconds between two looks of a worker."""
_REST: Final = 20.0
"""A look over many schedules takes long: the rest after it is so many times as long."""
_REPORT_EVERY: Final = 600.0

_log = logging.getLogger(__name__)


async def save_schedules(
    client: Client, statements: Statements, tenant: str, ids: Sequence[str] | None = None
) -> int:
    """Bring the rows of these schedules, or of all, up to what the server says; gives how many
    there are. RPCError, UnreachableError."""
    control = ScheduleControl(client, tenant)
    asked = list(ids) if ids is not None else (await control.page(None, 1_000_000))[0]
    found = await control.describe_all(asked)
    rows = [_row(name, one) for name, one in found if one.by is not None]
    await save_schedule_rows(statements, tenant, rows, None if ids is None else asked)
    return len(rows)


async def show_change(parts: Parts, client: Client, ids: Sequence[str]) -> None:
    """After a command that changed these. Where it fails a worker does it within a minute."""
    try:
        await save_schedules(client, parts.statements, parts.settings.tenant, ids)
    except Exception as error:  # noqa: BLE001  the command has done what it was asked
        _log.warning("the rows of schedules are not up to date: %s", error)


@asynccontextmanager
async def kept_up_to_date(
    client: Client, statements: Statements, tenant: str
) -> AsyncIterator[None]:
    """Look every minute while inside."""
    task = asyncio.create_task(_run(client, statements, tenant))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _run(client: Client, statements: Statements, tenant: str) -> NoReturn:
    clock = asyncio.get_running_loop().time
    reported = -_REPORT_EVERY
    while True:
        began = clock()
        try:
            await save_schedules(client, statements, tenant)
        except Exception as error:  # noqa: BLE001  whatever it is, the next look may do better
            if clock() - reported > _REPORT_EVERY:
                reported = clock()
                _log.warning("the rows of schedules are not up to date: %s", error)
        await asyncio.sleep(max(EVERY, _REST * (clock() - began)))


def _row(name: str, standing: Standing) -> dict[str, Any]:
    assert standing.by is not None
    entry, found = standing.by.entry, standing.description
    state, times = found.schedule.state, found.info.next_action_times
    return {
        "schedule_id": name,
        "schedule_type": entry.kind,
        "cron_expression": entry.cron,
        "owner_id": entry.owner,
        "enabled": not state.paused and not standing.ran_out,
        "next_run": times[0] if times else None,
        "created_at": found.info.created_at,
    }
