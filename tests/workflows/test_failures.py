"""Failures as a person reads them in Temporal and in the log of the worker."""

import asyncio
import io
import json
from dataclasses import replace
from typing import Any, NoReturn
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client, WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from account_reviews.crm.gate import WriteGate
from account_reviews.domain.canonical import rfc3339
from account_reviews.domain.records import RecordType
from account_reviews.domain.review import decisions
from account_reviews.domain.review.phases import Outcome
from account_reviews.domain.review.state import ReviewResult
from account_reviews.local.temporal_server import TemporalServer
from account_reviews.telemetry.logs import logging_to
from account_reviews.temporal.failures import DATA_CONVERTER
from account_reviews.temporal.short_failures import LIMIT
from activities.crm_writes import CrmWriteActivities
from tests.support.crm_writing import writer_of
from tests.support.long_paths import FOLDER, compiled
from tests.support.world import Handle, World, create_task, decision, make_world

FRAMES = 40
SECRET = "Zq7Xw9Kj5Vb3"


class DistantGates(World):
    """The product in a folder with a long path, deep below whoever calls it."""

    def owners(self) -> list[object]:
        _, *others = super().owners()
        return [CrmWriteActivities(writer_of(self.crm, self.engine, self._gate)), *others]

    def _gate(self, tenant: str) -> WriteGate:
        gate: WriteGate = compiled()["Gate"](self.halts().gate(tenant), FRAMES)
        return gate


@pytest.fixture
async def ours(temporal_server: TemporalServer) -> Client:
    """A client that converts failures as the one of a worker does."""
    return await Client.connect(temporal_server.address, data_converter=DATA_CONVERTER)


@pytest.fixture
def world(ours: Client, engine: AsyncEngine) -> World:
    """A world whose halted writes fail with a trace of more than 4 KB."""
    return replace(DistantGates(**vars(make_world(ours, engine))), halted_retry=0.05)


async def retried(handle: Handle, attempt: int) -> Any:
    """The write as the server shows it, once this attempt is the next."""
    while True:
        shown = (await handle.describe()).raw_description.pending_activities
        if shown and shown[0].attempt >= attempt and shown[0].HasField("last_failure"):
            return shown[0]
        await asyncio.sleep(0.02)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


async def test_who_stopped_a_write_is_read_in_temporal_and_why_in_the_log(world: World) -> None:
    tenant, stream = f"t-{uuid4().hex[:8]}", io.StringIO()
    world.analysis.changes = (create_task(world.account),)
    with logging_to(stream):
        async with world.review(tenant=tenant) as handle:
            request = await world.request(handle)
            halt, _ = await world.halts().halt(tenant, "ann", f"bad data, token={SECRET}")
            await handle.execute_update("decide", decision(request))
            pending = await retried(handle, attempt=6)
            await world.halts().release(tenant, "bob", "all is well")
            assert (await handle.result()).outcome is Outcome.COMPLETED
    since = rfc3339(halt.at.replace(microsecond=0))
    sentence = f"writes are stopped by ann since {since}: bad data, token=***REDACTED***"
    failure = pending.last_failure
    assert failure.message == sentence
    assert failure.application_failure_info.type == "WritesHaltedError"
    assert failure.ByteSize() <= LIMIT
    assert 'File "account_reviews/store/halts.py"' in failure.cause.stack_trace
    assert FOLDER not in str(failure)

    logged = [one for one in lines(stream) if one.get("activity") == "crm.apply_change"]
    failed = [one for one in logged if "exception" in one]
    assert [one["attempt"] for one in failed if one["attempt"] < 8] == [1, 2, 4]
    assert {one["event"] for one in failed} == {"Completing activity as failed"}
    assert {one["level"] for one in failed} == {"info"}
    ids = {(one["workflow_id"], one["run_id"], one["activity_id"]) for one in failed}
    assert ids == {(handle.id, handle.first_execution_run_id, pending.activity_id)}
    for one in failed:
        assert one["exception"].count(f'File "{FOLDER}/gate.py"') > FRAMES
        assert one["exception"].endswith(f"WritesHaltedError: {sentence}")
    assert SECRET not in stream.getvalue()


async def test_a_failed_review_still_gives_its_result(world: World) -> None:
    stream = io.StringIO()
    world.crm.remove(RecordType.ACCOUNT, world.account.id)
    with logging_to(stream):
        async with world.review() as handle:
            with pytest.raises(WorkflowFailureError) as error:
                await handle.result()
    cause = error.value.cause
    assert isinstance(cause, ApplicationError)
    result = ReviewResult.model_validate(cause.details[0])
    assert (result.outcome, result.summary) == (Outcome.FAILED, cause.message)
    (line,) = [one for one in lines(stream) if one["event"] == "the workflow failed"]
    assert (line["workflow_id"], line["run_id"]) == (handle.id, handle.first_execution_run_id)
    assert "raise ApplicationError" in line["exception"]


async def test_a_broken_handler_answers_in_short_and_says_all_in_the_log(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> NoReturn:
        compiled()["call_from_deep_down"](fail, FRAMES)
        raise AssertionError

    def fail() -> NoReturn:
        raise KeyError(f"token={SECRET}")

    stream = io.StringIO()
    world.analysis.changes = (create_task(world.account),)
    with logging_to(stream):
        async with world.review() as handle:
            request = await world.request(handle)
            with monkeypatch.context() as patch:
                patch.setattr(decisions, "decide", broken)
                with pytest.raises(WorkflowUpdateFailedError) as error:
                    await handle.execute_update("decide", decision(request))
            await handle.terminate()
    cause = error.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.message == "the update failed: KeyError"
    assert cause.failure
    assert cause.failure.ByteSize() <= LIMIT
    (line,) = [one for one in lines(stream) if one["event"] == "update decide failed"]
    assert (line["workflow_id"], line["level"]) == (handle.id, "error")
    assert line["exception"].count(f'File "{FOLDER}/gate.py"') > FRAMES
    assert SECRET not in stream.getvalue() + str(cause.failure)
