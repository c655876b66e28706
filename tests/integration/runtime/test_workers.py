"""Workers of one process, on a real server: they end together, and what is within stays itself."""

import asyncio
import re
import uuid
from collections.abc import Sequence
from threading import Event

import pytest
from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker
from temporalio.worker._activity import _ActivityWorker

from account_reviews.runtime.workers import (
    NoMoreWorkError,
    Workers,
    as_no_more_work,
    ending_in_any_case,
)

POLL_FAILED = (
    'Poll failure: Unhandled grpc error when polling: Status { code: NotFound, message: "Namespace '
    'gone is not found.", details: b"\\x08\\x05", metadata: MetadataMap { headers: {} } }'
)
"""What the SDK has said of a namespace that was deleted under its worker."""


@activity.defn
async def nothing() -> None:
    """A worker needs something that it could do."""


def workers_of(client: Client, queues: Sequence[str]) -> Workers:
    """Queues of their own: a worker that was cancelled keeps its name a little longer."""
    own = [f"{queue}-{uuid.uuid4()}" for queue in queues]
    return Workers([Worker(client, task_queue=queue, activities=[nothing]) for queue in own])


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Polling of any queue whose name begins with `fails` ends at once."""
    polled = _ActivityWorker.run

    async def run(self: _ActivityWorker) -> None:
        if self._task_queue.startswith("fails"):
            raise RuntimeError("Activity worker failed") from RuntimeError(POLL_FAILED)
        await polled(self)

    monkeypatch.setattr(_ActivityWorker, "run", run)


@pytest.mark.usefixtures("failing")
@pytest.mark.parametrize("queues", [("fails",), ("fails", "works"), ("fails", "fails")])
async def test_all_end_when_one_fails(client: Client, queues: Sequence[str]) -> None:
    with pytest.raises(NoMoreWorkError, match=r"any more: Namespace gone is not found$"):
        async with workers_of(client, queues):
            await asyncio.Event().wait()
    assert not asyncio.current_task().cancelling()  # type: ignore[union-attr]


async def test_they_end_when_what_is_within_has_ended(client: Client) -> None:
    async with workers_of(client, ("one", "two")) as workers:
        assert re.fullmatch("task_queue=one-[^ ]+ task_queue=two-[^ ]+", workers.on())


async def test_an_error_within_is_told_as_it_is(client: Client) -> None:
    with pytest.raises(LookupError, match="within"):
        async with workers_of(client, ("one", "two")):
            raise LookupError("within")


async def test_a_cancel_from_outside_stays_one(client: Client) -> None:
    began = asyncio.Event()

    async def work() -> None:
        async with workers_of(client, ("one", "two")):
            began.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_an_error_without_words_is_named() -> None:
    assert as_no_more_work(ValueError()).message.endswith("any more: ValueError")


async def test_a_process_ends_though_its_worker_waits_for_ever(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ended, codes = Event(), list[int]()

    def end(code: int) -> None:
        codes.append(code)
        ended.set()

    await ending_in_any_case(patience=0, end=end)(RuntimeError(POLL_FAILED))
    assert await asyncio.to_thread(ended.wait, 60)
    assert codes == [5]
    assert "Namespace gone is not found" in capsys.readouterr().err
