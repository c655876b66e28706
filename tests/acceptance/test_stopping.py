"""`reviews stop-all` as an operator uses it, also with a worker that dies meanwhile."""

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from account_reviews.config import ports
from account_reviews.local import processes
from account_reviews.local.stack import LocalStack
from tests.support.commands import Reviews, rows
from tests.support.paths import ROOT

KEYS = {
    *("halted", "by", "reason", "at", "released_by", "released_reason", "released_at"),
    *("changed", "schedules_paused", "schedules_resumed", "writes_waited", "writes_unknown"),
}
LEDGER = "select operation_id from reviews.crm_operations where account_id = :account"
BEGIN, END = "2026-10-01T00:00:00Z", "2026-10-02T00:00:00Z"
STOP = ("stop-all", "--as", "ann", "--reason", "wrong owner ids")


@pytest.fixture
async def released(reviews: Reviews) -> AsyncIterator[None]:
    """Whatever happens, the next test finds nothing stopped."""
    yield
    assert reviews.quick("stop-all", "--release", "--as", "tests").code == 0


async def pending_write(client: Client, review_id: str) -> Any:
    """The write that waits, as the server shows it; None before its first try is over."""
    shown = (await client.get_workflow_handle(review_id).describe()).raw_description
    writes = [one for one in shown.pending_activities if one.HasField("last_failure")]
    return writes[0] if writes else None


@pytest.mark.usefixtures("released")
async def test_a_halted_write_outlives_its_worker_and_is_made_once(
    reviews: Reviews, stack: LocalStack, stack_engine: AsyncEngine
) -> None:
    client = await Client.connect(stack.address, namespace=stack.namespace)
    request = reviews.request("ac-037")
    stopped = reviews.json(*STOP)
    assert set(stopped) == KEYS
    assert (stopped["halted"], stopped["changed"]) == (True, True)
    assert (stopped["by"], stopped["reason"]) == ("ann", "wrong owner ids")
    approved = reviews.json("approvals", "approve", request["request_id"], "--as", "ann")
    assert approved["state"] == "approved"
    review_id = request["review_id"]
    while (write := await pending_write(client, review_id)) is None:  # noqa: ASYNC110  nobody notifies
        await asyncio.sleep(0.05)
    since = f"{stopped['at'][:19]}Z"
    words = f"writes are stopped by ann since {since}: wrong owner ids"
    assert write.last_failure.message == words

    shown = reviews.json("show", "ac-037")
    assert (shown["phase"], shown["status"]) == ("executing", "running")
    assert shown["halted"] == {name: stopped[name] for name in ("by", "reason", "at")}
    assert "writes are stopped by ann since" in reviews.quick("show", "ac-037").out
    history = reviews.json("history", "ac-037")["items"]
    assert [line["by"] for line in history if line["kind"] == "writes_halted"] == ["ann"]

    worker = await stack.kill_worker()
    assert not processes.is_alive(worker)
    again = reviews.json("stop-all", "--as", "bob")
    assert (again["changed"], again["by"], again["at"]) == (False, "ann", stopped["at"])
    await stack.start_worker()
    before = await rows(stack_engine, LEDGER, account="ac-037")
    released = reviews.json("stop-all", "--release", "--as", "carl", "--reason", "mended")
    assert (released["halted"], released["released_by"]) == (False, "carl")
    assert released["released_reason"] == "mended"

    review = reviews.closed("ac-037")
    assert review["outcome"] == "completed"
    assert {one["state"] for one in review["changes"]} == {"executed"}
    assert review["halted"] is None
    ledger = await rows(stack_engine, LEDGER, account="ac-037")
    assert before == []
    assert sorted(one["operation_id"] for one in ledger) == sorted(
        f"{request['run_id']}:{item['item_id']}" for item in request["items"]
    )
    history = reviews.json("history", "ac-037")["items"]
    kinds = [line["kind"] for line in history]
    assert kinds.index("writes_halted") < kinds.index("writes_released")
    assert kinds.index("writes_released") < kinds.index("item_executed")


@pytest.mark.usefixtures("released")
def test_nothing_is_started_while_everything_is_stopped(reviews: Reviews) -> None:
    before = reviews.json("list", "--account", "ac-023")["items"]
    stopped = reviews.json(*STOP)
    since = stopped["at"][11:16]
    python = (sys.executable, str(ROOT / "starter.py"))
    for answer in (
        reviews("start", "ac-023"),
        reviews("ac-023", program=python),
        reviews.quick("start", "--all"),
        reviews.quick("cycles", "start", "--all"),
        reviews.quick("schedules", "trigger", "daily"),
        reviews.quick("schedules", "backfill", "daily", "--from", BEGIN, "--to", END),
    ):
        sentence = answer.sentence(4)
        assert sentence.startswith("nothing can be started: everything is stopped by ann since")
        assert since in sentence
        assert "wrong owner ids" in sentence
        assert "`reviews stop-all --release`" in sentence
    error = reviews.quick("start", "ac-023", "-o", "json").error(4)
    assert error["code"] == "halted"
    assert reviews.json("list", "--account", "ac-023")["items"] == before
    reviews.json("stop-all", "--release", "--as", "ann")
    assert reviews.json("start", "ac-023", "--wait")["review_id"] == "review/ac-023"


@pytest.mark.usefixtures("released")
def test_who_when_and_why_is_shown(reviews: Reviews) -> None:
    stopped = reviews.json(*STOP)
    status = reviews.json("stop-all", "--status")
    assert {**status, "changed": True} == stopped
    table = reviews.quick("stop-all", "--status").out
    assert "stopped" in table
    assert "ann" in table
    assert "wrong owner ids" in table
    doctor = reviews.quick("doctor", "-o", "json").document(1)
    (check,) = [one for one in doctor["checks"] if one["name"] == "stop-all"]
    assert not check["ok"]
    assert "stopped by ann since" in check["detail"]
    assert "wrong owner ids" in check["detail"]
    assert "--release" in check["hint"]
    second = reviews.quick("stop-all", "--as", "bob")
    assert second.code == 0
    assert "everything was stopped already" in second.out
    assert "ann" in second.out
    assert "going on" in reviews.quick("stop-all", "--release", "--as", "bob").out
    nothing = reviews.quick("stop-all", "--release", "--as", "bob")
    assert nothing.code == 0
    assert "nothing was stopped" in nothing.out
    (check,) = [one for one in reviews.json("doctor")["checks"] if one["name"] == "stop-all"]
    assert check["ok"]


@pytest.mark.usefixtures("released")
def test_without_temporal_the_flag_is_set_all_the_same(reviews: Reviews) -> None:
    nowhere = f"{ports.LOOPBACK}:{ports.any_free()}"
    sentence = reviews.quick(*STOP, TEMPORAL_ADDRESS=nowhere).sentence(5)
    assert "writes and starts are stopped by ann" in sentence
    assert "the schedules could not be paused" in sentence
    status = reviews.json("stop-all", "--status")
    assert (status["halted"], status["by"]) == (True, "ann")


@pytest.mark.parametrize(
    "words",
    [
        ("--status", "--release"),
        ("--status", "--reason", "x"),
        ("--as", " "),
        ("--reason", ""),
        ("--as", "x" * 201),
    ],
    ids=" ".join,
)
def test_bad_input_stops_nothing(reviews: Reviews, words: tuple[str, ...]) -> None:
    assert reviews.quick("stop-all", *words).sentence(2)
    assert not reviews.json("stop-all", "--status")["halted"]


def test_without_a_database_nothing_is_claimed(reviews: Reviews) -> None:
    url = f"postgresql://postgres@{ports.LOOPBACK}:{ports.any_free()}/reviews"
    assert reviews.quick(*STOP, REVIEWS_DATABASE_URL=url).sentence(5)
    assert not reviews.json("stop-all", "--status")["halted"]
