"""What works in the background is begun again, whatever happens to it."""

import asyncio
import logging

import pytest

from account_reviews.audit.capture.workflow_runner import Moved
from account_reviews.audit.history.cursors import Cursor
from account_reviews.audit.history.exporter import LATEST_SECONDS, QUIET_SECONDS, Exporter
from account_reviews.runtime.background import kept_up


async def test_a_job_that_fails_is_begun_again_and_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tries, enough = 0, asyncio.Event()

    async def job() -> None:
        nonlocal tries
        tries += 1
        if tries == 3:
            enough.set()
            await asyncio.Event().wait()
        raise RuntimeError("the shelf is full")

    with caplog.at_level(logging.WARNING):
        task = asyncio.create_task(kept_up("export", job))
        await asyncio.wait_for(enough.wait(), 30)
        task.cancel()
        await asyncio.wait({task})
    assert [record.getMessage() for record in caplog.records] == [
        "the audit trail (export) waits: the shelf is full"
    ]


async def test_a_run_is_due_when_it_is_still_and_soon_in_any_case() -> None:
    exporter = Exporter(reader=None, engine=None)  # type: ignore[arg-type]  # nothing is read
    exporter.moved("review/a", "run", Moved(3))
    assert len(exporter) == 0, "nobody exports yet"
    exporter.start()
    exporter.moved("review/a", "run", Moved(3))
    exporter.moved("review/a", "run", Moved(9))
    (moved,) = exporter._moved.values()
    assert (len(exporter), moved.events) == (1, 9)
    assert not moved.due(moved.last)
    assert moved.due(moved.last + QUIET_SECONDS)
    moved.last = moved.first + 10 * LATEST_SECONDS
    assert moved.due(moved.first + LATEST_SECONDS)


async def test_a_task_that_goes_on_is_not_waited_for() -> None:
    exporter = Exporter(reader=None, engine=None)  # type: ignore[arg-type]  # nothing is read
    exporter.start()
    exporter.moved("review/a", "run", Moved(3, fresh=True, held=True))
    (moved,) = exporter._moved.values()
    assert not moved.due(moved.first + QUIET_SECONDS), "nothing comes before it moves again"
    assert moved.due(moved.first + LATEST_SECONDS), "but its beginning stands there already"
    exporter.moved("review/a", "run", Moved(4))
    assert moved.due(moved.last + QUIET_SECONDS)
    assert await exporter._cursors(["run"]) == {"run": Cursor()}, "a fresh one is not looked up"
    complete = {"run": Cursor(last_event=7)}
    gate = asyncio.Semaphore()
    moved.events = 7
    assert await exporter._read(gate, "run", moved, complete) is None, "nothing new is there"
