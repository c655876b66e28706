"""`reviews undo` as a person uses it."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.domain.canonical import rfc3339
from account_reviews.local.stack import LocalStack
from tests.support.commands import Reviews, rows
from tests.support.stack_trail import rest, trail_is_whole
from tests.support.waiting import until

Worker = subprocess.Popen[str]
ROW = {
    *("review_id", "workflow_id", "run_id", "account_id", "item_id", "title", "undoes", "phase"),
    *(
        "status",
        "outcome",
        "reason",
        "request_id",
        "approvers",
        "joined",
        "asked_by",
        "ok",
        "error",
    ),
}
WHY = ("--reason", "wrong account")
LAST_LINE = """
    select run_id, state->'timeline' as lines, state->'timeline'->-1 as line,
        (state->'timeline'->-1->>'at')::timestamptz + interval '1 second' as later
    from reviews.review_runs where review_id = :review
"""
TELL = text(
    "update reviews.review_runs"
    " set state = jsonb_set(state, '{timeline}', cast(:lines as jsonb)),"
    " updated_at = updated_at - interval '1 hour' where run_id = :run_id"
)


@pytest.fixture(scope="module")
def workers(reviews: Reviews) -> Iterator[list[Worker]]:
    running = [reviews.worker()]
    yield running
    for one in running:
        one.terminate()
        one.communicate()


def written(reviews: Reviews, account: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A review that has set the status of its account: the review, and that item."""
    request = reviews.request(account)
    reviews.json("approvals", "approve", request["request_id"], "--as", "ow-9")
    shown = reviews.closed(account)
    assert {one["state"] for one in shown["changes"]} == {"executed"}
    return shown, next(one for one in shown["changes"] if one["action"] == "update_account")


async def status_of(engine: AsyncEngine, account: str) -> str:
    (row,) = await rows(engine, "select status from crm.accounts where id = :id", id=account)
    return str(row["status"])


@pytest.mark.usefixtures("workers")
async def test_a_write_is_taken_back_by_an_approval(
    reviews: Reviews, stack: LocalStack, stack_engine: AsyncEngine
) -> None:
    review, change = written(reviews, "ac-034")
    item = change["change_id"]
    assert await status_of(stack_engine, "ac-034") == change["after"]["status"]
    words = ("undo", "ac-034", "--item", item, *WHY)
    row = reviews.json(*words, "--as", "ann")
    assert set(row) == ROW
    assert row["review_id"] == f"undo/{review['run_id']}/{item}"
    assert (row["status"], row["joined"]) == ("waiting", False)
    assert row["undoes"]["reason"] == "wrong account"
    again = reviews.json(*words, "--as", "zoe")
    assert (again["joined"], again["asked_by"], again["request_id"]) == (
        True, "ann", row["request_id"],
    )  # fmt: skip
    assert await status_of(stack_engine, "ac-034") == change["after"]["status"]

    shown = reviews.json("approvals", "show", row["request_id"])
    assert shown["undoes"] == {"run_id": review["run_id"], "change_id": item}
    assert shown["items"][0]["after"] == {"status": change["before"]["status"]}
    assert "takes back a write" in reviews.quick("approvals", "show", row["request_id"]).out
    assert "takes back" in reviews.quick("show", row["review_id"]).out
    listed = reviews.json("list", "--kind", "undo")["items"]
    assert [one["account_id"] for one in listed] == ["ac-034"]

    own = reviews.quick("approvals", "approve", row["request_id"], "--as", "Ann ")
    assert own.code != 0
    assert await status_of(stack_engine, "ac-034") == change["after"]["status"]
    reviews.json("approvals", "approve", row["request_id"], "--as", "ow-4")
    ended = reviews.until("show", row["review_id"], holds=lambda one: one["closed_at"] is not None)
    assert ended["outcome"] == "completed"
    assert ended["written"][0]["verified"] is True
    assert await status_of(stack_engine, "ac-034") == change["before"]["status"]

    first = reviews.json("show", "ac-034")
    assert first["run_id"] == review["run_id"]
    states = {one["change_id"]: one["state"] for one in first["changes"]}
    assert states[item] == "undone"
    said = reviews.quick(*words, "--as", "zoe")
    assert "is undone already: undone by ann" in said.sentence(4)
    history = reviews.quick("history", "ac-034").out
    assert "Taken back: " in history

    await trail_is_whole(reviews, stack.address, stack_engine)
    told = await rows(
        stack_engine,
        "select review_id, account_id from audit.audit_events"
        " where run_id = :run and event_type = 'crm_write' and source = 'fact'",
        run=row["run_id"],
    )
    assert told == [{"review_id": row["review_id"], "account_id": "ac-034"}]
    known = await rows(
        stack_engine,
        "select distinct account_id, tenant from audit.audit_events"
        " where review_id = :review and source = 'history'",
        review=row["review_id"],
    )
    assert known == [{"account_id": "ac-034", "tenant": "default"}]
    await rest(stack_engine)
    found = reviews.json("audit", "verify")
    assert (found["ok"], found["missing"], found["warnings"]) == (True, [], [])


@pytest.mark.usefixtures("workers")
async def test_a_line_of_a_release_before_is_proved_by_the_undo(
    reviews: Reviews, stack_engine: AsyncEngine
) -> None:
    """It added lines of what was taken back, and left nothing for the trail."""
    await rest(stack_engine)
    (kept,) = await rows(stack_engine, LAST_LINE, review="review/ac-034")
    assert kept["line"]["kind"] == "item_undone"
    untold = "1 lines of what was taken back have no row"
    for line, ok in ((kept["line"], True), ({**kept["line"], "at": rfc3339(kept["later"])}, False)):
        await tell(stack_engine, kept["run_id"], [*kept["lines"], line])
        found = reviews.quick("audit", "verify", "-o", "json").document(0 if ok else 1)
        assert found["ok"] is ok
        assert any(untold in one for one in found["warnings"]) is ok
    await tell(stack_engine, kept["run_id"], kept["lines"])


async def tell(engine: AsyncEngine, run_id: str, lines: list[Any]) -> None:
    async with engine.begin() as connection:
        await connection.execute(TELL, {"run_id": run_id, "lines": json.dumps(lines)})


@pytest.mark.usefixtures("workers")
async def test_all_that_was_written_has_a_row_each(
    reviews: Reviews, stack_engine: AsyncEngine
) -> None:
    review, change = written(reviews, "ac-036")
    answer = reviews.quick("undo", "ac-036", "--as", "Wendel Ashgrove", *WHY, "-o", "json")
    found = answer.document(1)["items"]
    assert {row["item_id"] for row in found} == {one["change_id"] for one in review["changes"]}
    ok = [row["item_id"] for row in found if row["ok"]]
    assert ok == [change["change_id"]]
    messages = {row["error"]["message"] for row in found if not row["ok"]}
    assert all("nothing here deletes" in message for message in messages)
    (row,) = (row for row in found if row["ok"])
    own = reviews.quick("approvals", "approve", row["request_id"], "--as", "ow-6")
    assert "somebody else must approve it" in own.sentence(1)  # who has that name
    reviews.json(
        "approvals", "reject", row["request_id"], "--as", "ow-6", "--reason", "it is right"
    )
    assert await status_of(stack_engine, "ac-036") == change["after"]["status"]

    reviews.json("start", "ac-036", "--plan-only", "--wait")
    said = reviews.quick("undo", "ac-036", "--as", "ann", *WHY).sentence(1)
    assert "has written nothing that stands" in said
    assert f"an earlier one has: add `--run {review['run_id']}`" in said


@pytest.mark.usefixtures("workers")
async def test_what_has_changed_since_is_named(reviews: Reviews, stack_engine: AsyncEngine) -> None:
    _, change = written(reviews, "ac-038")
    async with stack_engine.begin() as connection:
        await connection.exec_driver_sql(
            "update crm.accounts set status = 'Inactive', version = version + 1 where id = 'ac-038'"
        )
    words = ("undo", "ac-038", "--item", change["change_id"], "--as", "ann", *WHY)
    said = reviews.quick(*words).sentence(4)
    assert "status has changed since" in said
    assert "Inactive" in said
    assert reviews.json("list", "--kind", "undo", "--account", "ac-038")["items"] == []


@pytest.mark.usefixtures("workers")
def test_what_cannot_be_undone(reviews: Reviews) -> None:
    request = reviews.request("ac-035")
    reviews.json("approvals", "approve", request["request_id"], "--as", "ow-9")
    review = reviews.closed("ac-035")
    task = next(one for one in review["changes"] if one["action"] == "create_task")
    one = ("undo", "ac-035", "--as", "ann", *WHY)
    assert "nothing here deletes" in reviews.quick(*one, "--item", task["change_id"]).sentence(1)
    assert "has no item 'nothing'" in reviews.quick(*one, "--item", "nothing").sentence(3)
    assert reviews.quick("undo", "ac-001", "--as", "ann", *WHY).code == 3
    blank = ("undo", "ac-035", "--as", " ", *WHY)
    assert "--as is blank" in reviews.quick(*blank).sentence(2)
    assert "--reason is blank" in reviews.quick(*one[:4], "--reason", " ").sentence(2)
    assert reviews.quick("undo", "ac-035", "--as", "ann").code == 2


async def test_a_worker_that_dies_in_the_middle_writes_once(
    reviews: Reviews, stack_engine: AsyncEngine, workers: list[Worker]
) -> None:
    review, change = written(reviews, "ac-040")
    row = reviews.json("undo", "ac-040", "--item", change["change_id"], "--as", "ann", *WHY)
    words = ("approvals", "approve", row["request_id"], "--as", "ow-4", "--decision-id", "once")
    deciding = reviews.begin(*words)

    async def is_written() -> bool:
        return len(await writes_to(stack_engine, "ac-040")) == 2

    await until(is_written)
    os.kill(workers[0].pid, signal.SIGKILL)  # it has hardly had the time to report it
    workers[0].communicate()
    deciding.communicate()
    workers[0] = reviews.worker()
    answer = reviews.quick(*words)
    assert answer.code == 0, answer
    ended = reviews.until("show", row["review_id"], holds=lambda one: one["closed_at"] is not None)
    assert ended["outcome"] == "completed"
    runs = [one.split(":")[0] for one in await writes_to(stack_engine, "ac-040")]
    assert runs == [review["run_id"], row["run_id"]]
    assert await status_of(stack_engine, "ac-040") == change["before"]["status"]


async def writes_to(engine: AsyncEngine, account: str) -> list[str]:
    """The operations that changed the account, first to last."""
    found = await rows(
        engine,
        "select operation_id from reviews.crm_operations where account_id = :id "
        "and result is not null and action = 'update_account' order by applied_at",
        id=account,
    )
    return [str(one["operation_id"]) for one in found]
