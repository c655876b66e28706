"""Bodies that are too large or make no sense, a queue that is full, a database that is away."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.web import crm_webhooks, middleware
from tests.support.webhooks import Door, open_door, standard_headers, zoho_body, zoho_signature

MIB = 2**20


@pytest.fixture
async def door(database_url: str) -> AsyncIterator[Door]:
    async with open_door(database_url) as opened:
        yield opened


async def pieces(size: int, taken: list[int] | None = None) -> AsyncIterator[bytes]:
    """A body of that size without a length, in pieces."""
    for start in range(0, size, 65_536):
        piece = b" " * min(65_536, size - start)
        if taken is not None:
            taken.append(len(piece))
        yield piece


async def test_a_body_of_a_mebibyte_is_taken_and_a_larger_one_is_not(door: Door) -> None:
    body = zoho_body("a1")
    fits = body + b" " * (MIB - len(body))
    assert (await door.post("zoho", fits, zoho_signature(fits))).status_code == 202
    for large in (fits + b" ", b"[" * (5 * MIB)):
        answer = await door.post("zoho", large, zoho_signature(large))
        assert answer.status_code == 413
        assert answer.json()["error"]["code"] == "too_large"


async def test_a_body_without_a_length_is_not_read_beyond_the_bound(door: Door) -> None:
    answer = await door.post("zoho", pieces(2 * MIB))
    assert answer.status_code == 413
    assert answer.headers["connection"] == "close"


async def test_a_body_that_does_not_come_is_not_waited_for(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(middleware, "BODY_SECONDS", 0.01)

    async def slow() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(5)

    assert (await ask_raw(door, slow())) == 408


async def test_who_is_still_sending_when_the_process_ends_is_asked_to_come_again(
    door: Door,
) -> None:
    begun = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"{"
        begun.set()
        await asyncio.sleep(5)

    asking = asyncio.create_task(ask_raw(door, slow()))
    await begun.wait()
    asking.cancel()
    assert (await asking) == 503


async def ask_raw(door: Door, body: AsyncIterator[bytes]) -> int:
    """As a server calls the app: httpx reads the whole body before it asks."""
    transport: Any = door.http._transport
    scope = {
        "type": "http", "method": "POST", "path": "/webhooks/zoho", "raw_path": b"/webhooks/zoho",
        "query_string": b"", "headers": [], "scheme": "http", "http_version": "1.1",
        "server": ("x", 80), "client": ("y", 1), "root_path": "",
    }  # fmt: skip
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": await anext(body), "more_body": True}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await transport.app(scope, receive, send)
    return statuses[0]


async def test_of_a_large_body_no_more_is_read_than_the_bound(door: Door) -> None:
    taken: list[int] = []
    assert await ask_raw(door, pieces(50 * MIB, taken)) == 413
    assert sum(taken) <= MIB + 65_536


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"\xff\xfe{}",
        b'{"module": "Accounts"}',
        b'{"module": "Accounts", "operation": "update"}',
        b'{"module": "Accounts", "operation": "update", "ids": []}',
        b'{"module": "Accounts", "operation": "update", "ids": [null]}',
        b'{"module": "Accounts", "operation": "update", "ids": [true]}',
        b'{"module": "Accounts", "operation": "update", "ids": ["a\\u0000b"]}',
        b'{"module": "Accounts", "operation": "update", "ids": ["\\ud800"]}',
        json.dumps({"module": "Accounts", "operation": "u", "ids": ["x" * 501]}).encode(),
        json.dumps(
            {"module": "Deals", "operation": "u", "ids": [str(n) for n in range(1001)]}
        ).encode(),
        b"[" * 100_000,
    ],
)
async def test_what_makes_no_sense_is_malformed(door: Door, body: bytes) -> None:
    answer = await door.post("zoho", body, zoho_signature(body))
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["message"]
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"type": "deal"},
        {"type": "owner.updated", "data": {"id": "1"}},
        {"type": "deal.exploded", "data": {"id": "1"}},
        {"type": "deal.updated"},
        {"type": "deal.updated", "data": {"id": ""}},
        {"type": 5, "data": []},
    ],
)
async def test_a_document_of_no_change_is_malformed(door: Door, document: Any) -> None:
    body = json.dumps(document).encode()
    assert (await door.post("crm", body, standard_headers(body))).status_code == 400


async def test_names_of_all_scripts_and_signs_do_no_harm(door: Door, engine: AsyncEngine) -> None:
    body = zoho_body("a1", record_name="🏢 شركة مثال \u202e", module="Accounts")
    assert (await door.post("zoho", body)).status_code == 202


async def test_a_full_queue_says_when_to_come_again(database_url: str, engine: AsyncEngine) -> None:
    async with open_door(database_url, most=3) as door:
        assert (await door.post("zoho", zoho_body("1", "2"))).status_code == 202
        full = await door.post("zoho", zoho_body("3", "4"))
        assert (full.status_code, full.headers["retry-after"]) == (429, "30")
        assert (await door.post("zoho", zoho_body("3"))).status_code == 202
        assert (await door.post("zoho", zoho_body("1", "2"))).status_code == 202  # a repeat
        async with engine.begin() as connection:
            await connection.execute(
                text("update reviews.webhook_events set state = 'done' where tenant = :tenant"),
                {"tenant": door.tenant},
            )
        again = await door.post("zoho", zoho_body("3", "4"))
        assert again.json() == {"accepted": 2, "duplicates": 0}


async def test_requests_at_the_same_time_never_overfill_the_queue(
    database_url: str, engine: AsyncEngine
) -> None:
    async with (
        open_door(database_url, most=5) as one,
        open_door(database_url, one.tenant, most=5) as other,
    ):
        answers = await asyncio.gather(
            *(door.post("zoho", zoho_body(f"{n}-{m}")) for n in range(10)
              for m, door in enumerate((one, other)))
        )  # fmt: skip
        codes = [answer.status_code for answer in answers]
        assert (codes.count(202), codes.count(429)) == (5, 15)


async def test_without_a_database_a_crm_comes_again() -> None:
    async with open_door("postgresql://nobody@127.0.0.1:1/none") as door:
        answer = await door.post("zoho", zoho_body("a1"))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
        assert "127.0.0.1" not in answer.text
        assert (await door.post("zoho", zoho_body("a1", token="no"))).status_code == 401


async def test_a_database_that_hangs_is_one_that_is_away(
    database_url: str, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crm_webhooks, "STORE_SECONDS", 0.2)
    async with open_door(database_url) as door, engine.begin() as connection:
        lock = "select pg_advisory_xact_lock(hashtextextended('reviews-events:' || :tenant, 0))"
        await connection.execute(text(lock), {"tenant": door.tenant})
        assert (await door.post("zoho", zoho_body("a1"))).status_code == 503


async def test_other_paths_and_methods(door: Door) -> None:
    assert (await door.http.get("/webhooks/zoho")).status_code == 405
    missing = await door.http.post("/webhooks/other")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "http_404")
    assert (await door.http.get("/healthz")).json() == {"ok": True}


async def test_each_request_has_one_entry_for_the_trail(door: Door, engine: AsyncEngine) -> None:
    await door.post("zoho", zoho_body("1", "2"))
    await door.post("zoho", zoho_body("1", "2"))
    query = text(
        "select body from reviews.audit_outbox where body->>'event_type' = 'crm_event' "
        "and body->>'tenant' = :tenant"
    )
    async with engine.connect() as connection:
        (body,) = (await connection.execute(query, {"tenant": door.tenant})).scalars()
    assert (body["actor"], body["action"], body["details"]["events"]) == ("crm/zoho", "received", 2)
    assert body["details"]["records"] == ["account/1 updated", "account/2 updated"]
