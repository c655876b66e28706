"""Webhooks from the door to the review: one review for a burst, none lost with a worker."""

import asyncio
import base64
import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from standardwebhooks import Webhook

from account_reviews.local.stack import LocalStack
from tests.support.commands import Reviews, rows
from tests.support.waiting import PATIENCE, until

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
OPEN = "select count(*) as events from reviews.webhook_events where state in ('new', 'waiting')"
OUTCOMES = "select outcome, count(*) as events from reviews.webhook_events group by outcome"
STARTED = (
    "select account_id, count(*) as reviews from reviews.review_runs where kind = 'event' "
    "group by account_id"
)


@pytest.fixture(scope="module")
def web(reviews: Reviews) -> Iterator[str]:
    """The address of a running `reviews web --only webhooks`."""
    process = reviews.begin(
        *("web", "--only", "webhooks", "--port", "0"), REVIEWS_WEBHOOK_SECRET=SECRET
    )
    assert process.stderr is not None
    said = process.stderr.readline()
    assert said.startswith("web ready pid="), said
    yield said.split("url=")[1].split()[0]
    process.terminate()
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert "Traceback" not in said


@pytest.fixture
async def http(web: str) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=web, timeout=PATIENCE) as http:
        yield http


async def tell(http: httpx2.AsyncClient, account: str, **more: Any) -> None:
    """The account has changed."""
    body = json.dumps({"type": "account.updated", "data": {"id": account, **more}})
    name, now = f"msg_{uuid4().hex}", datetime.now(UTC)
    headers = {
        "webhook-id": name,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SECRET).sign(name, now, body),
    }
    answer = await http.post("/webhooks/crm", content=body, headers=headers)
    assert answer.status_code == 202, answer.text


async def all_followed(engine: AsyncEngine) -> None:
    await until(lambda: rows(engine, OPEN), lambda found: found[0]["events"] == 0)


async def test_a_burst_becomes_one_review(
    reviews: Reviews, http: httpx2.AsyncClient, stack_engine: AsyncEngine
) -> None:
    await asyncio.gather(*(tell(http, "ac-034") for _ in range(50)))
    await all_followed(stack_engine)
    assert await rows(stack_engine, OUTCOMES) == [{"outcome": "started", "events": 50}]
    await until(lambda: rows(stack_engine, STARTED))
    assert await rows(stack_engine, STARTED) == [{"account_id": "ac-034", "reviews": 1}]
    listed = reviews.json("crm", "events", "--state", "done", "--limit", "20")
    assert len(listed["items"]) == 20
    assert {one["outcome"] for one in listed["items"]} == {"started"}
    assert listed["next_cursor"] is not None
    shown = reviews.json("show", "ac-034")
    assert (shown["started_as"], shown["started_by"]) == ("event", "crm/crm")


async def test_a_worker_that_is_killed_loses_no_event(
    reviews: Reviews, stack: LocalStack, http: httpx2.AsyncClient, stack_engine: AsyncEngine
) -> None:
    accounts = [f"ac-{number:03}" for number in range(1, 31)]
    await asyncio.gather(*(tell(http, account) for account in accounts))
    begun = "select count(*) as done from reviews.webhook_events where state = 'done'"
    before = (await rows(stack_engine, begun))[0]["done"]
    await until(lambda: rows(stack_engine, begun), lambda found: found[0]["done"] > before)
    _kill(stack)
    await asyncio.gather(*(tell(http, account) for account in accounts))
    worker = reviews.worker()
    try:
        await stack_is_patient(stack_engine)
        await all_followed(stack_engine)
        # A review has its row once a worker has taken its first task.
        begun_for = await until(
            lambda: rows(stack_engine, STARTED),
            lambda found: {row["account_id"] for row in found} >= set(accounts),
        )
        found = {row["account_id"]: row["reviews"] for row in begun_for}
        # Of a review that closed at once, with nothing to do, the second change begins another.
        assert all(1 <= found[account] <= 2 for account in accounts), found
        outcomes = {row["outcome"]: row["events"] for row in await rows(stack_engine, OUTCOMES)}
        assert outcomes.keys() <= {"started", "refreshed"}
        assert sum(outcomes.values()) == 50 + 60
    finally:
        worker.terminate()
        worker.communicate(timeout=PATIENCE)


def _kill(stack: LocalStack) -> None:
    for pid in stack.worker_pids:
        subprocess.run(["kill", "-9", str(pid)], check=True)


async def stack_is_patient(engine: AsyncEngine) -> None:
    """Leases and quiet times are over: nobody waits a minute here."""
    for _ in range(3):
        await asyncio.sleep(1)
        async with engine.begin() as connection:
            await connection.execute(
                text("update reviews.event_accounts set due_at = now() where due_at is not null")
            )
            await connection.execute(
                text("update reviews.webhook_events set next_at = now() where state = 'new'")
            )


def test_a_port_that_is_taken_is_named(reviews: Reviews, web: str) -> None:
    port = web.rpartition(":")[2]
    answer = reviews("web", "--only", "webhooks", "--port", port)
    assert f"port {port}" in answer.sentence(4)


def test_a_secret_that_cannot_be_used_is_named(reviews: Reviews) -> None:
    said = reviews.quick("web", "--only", "webhooks", REVIEWS_WEBHOOK_SECRET="short").sentence(2)
    assert "REVIEWS_WEBHOOK_SECRET" in said
    assert "short" not in said
