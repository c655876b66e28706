"""Who looked at what, who asked for what and who was refused: rows of the commands' own."""

import asyncio
import json
import time
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.audit.capture.actors import local_actor
from account_reviews.domain.audit.events import EventType
from tests.support.commands import IMPORT, Reviews, rows
from tests.support.waiting import PATIENCE

ACCOUNT = "ac-043"
DEAD = "postgresql://nobody@127.0.0.1:1/nothing"
ROWS = (
    "select * from audit.audit_events where source = 'client' and tenant = 'default' "
    "and recorded_at > (select coalesce(max(recorded_at), '-infinity') from audit.audit_events "
    "where action = :after) order by seq"
)


async def recorded(engine: AsyncEngine, *, since: str = "nothing") -> list[dict[str, Any]]:
    """Rows that were added after the last row of that action."""
    return await rows(engine, ROWS, after=since)


async def test_every_look_at_a_review_is_a_row(reviews: Reviews, stack_engine: AsyncEngine) -> None:
    request = reviews.request(ACCOUNT)
    account = request["account_id"]
    reviews.json("memory", "timeline", account)
    reviews.json("show", account)
    reviews.json("approvals", "show", request["request_id"])
    reviews.json("list", "--account", account)
    reviews.json("memory", "search", "call of ann@example.com", "--account", account)
    assert reviews.quick("brief", account).code == 0
    assert reviews.quick("history", "no-such-account").code == 3
    found = await recorded(stack_engine, since="reviews memory timeline")
    assert [(one["action"], one["resource"], one["account_id"]) for one in found] == [
        ("reviews show", f"review/{account}", account),
        ("reviews approvals show", f"approval/{request['request_id']}", account),
        ("reviews list", f"reviews/{account}", account),
        ("reviews memory search", f"memory/{account}", account),
        ("reviews brief", f"review/{account}", account),
        ("reviews history", "review/no-such-account", "no-such-account"),
    ]
    assert {one["event_type"] for one in found} == {EventType.DATA_ACCESS}
    assert {one["actor"] for one in found} == {local_actor()}
    assert [one["details"]["result"] for one in found] == [*["answered"] * 5, "review_not_found"]
    assert "ann@example.com" not in json.dumps([one["details"] for one in found])

    refused = reviews.quick(
        "approvals", "reject", request["request_id"], "--as", "eve", "-o", "json"
    )
    assert refused.code == 2
    reviews.json("approvals", "approve", request["request_id"], "--as", "ann")
    asked = await recorded(stack_engine, since="reviews history")
    kinds = [(one["action"], one["event_type"], one["actor"]) for one in asked]
    assert ("update decide", EventType.APPROVAL_REFUSED, "eve") in kinds
    assert ("update decide", EventType.REQUEST_MADE, "ann") in kinds
    (mine,) = [one for one in asked if (one["action"], one["actor"]) == ("update decide", "eve")]
    assert mine["details"]["code"] == "reason_required"
    assert mine["details"]["machine"] == local_actor()
    assert (mine["account_id"], mine["review_id"]) == (account, f"review/{account}")


async def test_an_import_is_a_change_of_the_crm(
    reviews: Reviews, stack_engine: AsyncEngine
) -> None:
    assert reviews.quick(*IMPORT).code == 0
    (found, *_) = await rows(
        stack_engine,
        "select * from audit.audit_events where action = 'reviews crm import' order by seq desc",
    )
    assert (found["event_type"], found["actor"]) == (EventType.DATA_MODIFICATION, local_actor())
    assert found["details"]["accounts.csv"]["inserted"] == 0
    assert found["details"]["accounts.csv"]["unchanged"] > 40


async def test_a_dead_audit_database_fails_no_command(
    reviews: Reviews, stack_engine: AsyncEngine
) -> None:
    answer = reviews.quick("digest", "--owner", "ow-1", REVIEWS_AUDIT_DATABASE_URL=DEAD)
    assert (answer.code, answer.err) == (0, "")
    found = await _soon(stack_engine)
    assert (found["resource"], found["actor"]) == ("digest/ow-1", local_actor())
    examined = reviews.quick("doctor", "-o", "json", REVIEWS_AUDIT_DATABASE_URL=DEAD)
    failed = [one["name"] for one in examined.document(1)["checks"] if not one["ok"]]
    assert failed == ["audit trail"]


async def _soon(engine: AsyncEngine) -> dict[str, Any]:
    """The command's row: in the outbox, or in the trail when a worker has brought it there."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for where in ("reviews.audit_outbox", "audit.audit_events"):
            body = "body" if where.startswith("reviews") else "to_jsonb(one)"
            query = f"select {body} as body from {where} one where {body}->>'action' = :action"
            found = await rows(engine, query, action="reviews digest")
            if found:
                row: dict[str, Any] = found[0]["body"]
                return row
        await asyncio.sleep(0.05)
    raise AssertionError("the row is nowhere")
