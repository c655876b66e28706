"""What comes in from a CRM: proven, once, within bounds, and stored before it is answered."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.web.proofs import Secrets
from tests.support.webhooks import (
    SECRETS,
    Door,
    hubspot_event,
    hubspot_signature,
    open_door,
    standard_headers,
    zoho_body,
    zoho_signature,
)

Rows = list[dict[str, Any]]


@pytest.fixture
async def door(database_url: str) -> AsyncIterator[Door]:
    async with open_door(database_url) as opened:
        yield opened


async def stored(engine: AsyncEngine, tenant: str) -> Rows:
    query = text("select * from reviews.webhook_events where tenant = :tenant order by id")
    async with engine.connect() as connection:
        rows = (await connection.execute(query, {"tenant": tenant})).mappings().all()
    return [dict(row) for row in rows]


def changed(*ids: str, kind: str = "deal.updated", **more: Any) -> bytes:
    return json.dumps({"type": kind, "data": [{"id": one, **more} for one in ids]}).encode()


async def test_a_notification_of_zoho_is_stored_record_by_record(
    door: Door, engine: AsyncEngine
) -> None:
    answer = await door.post("zoho", zoho_body("a1", "a2", module="Deals", operation="insert"))
    assert (answer.status_code, answer.json()) == (202, {"accepted": 2, "duplicates": 0})
    rows = await stored(engine, door.tenant)
    assert [(row["record_type"], row["record_id"], row["action"]) for row in rows] == [
        ("deal", "a1", "created"),
        ("deal", "a2", "created"),
    ]
    assert {row["state"] for row in rows} == {"new"}
    assert rows[0]["occurred_at"] == datetime.fromtimestamp(1795000000, UTC)


async def test_a_workflow_rule_of_zoho_signs_and_names_its_event(
    door: Door, engine: AsyncEngine
) -> None:
    body = json.dumps({"event_type": "Tasks.delete", "data": {"id": "55"}}).encode()
    headers = {**zoho_signature(body), "X-Zoho-Event-Id": "ev-1"}
    assert (await door.post("zoho", body, headers)).status_code == 202
    (row,) = await stored(engine, door.tenant)
    assert (row["record_type"], row["action"], row["key"]) == ("task", "deleted", "ev-1")


async def test_events_of_hubspot_have_a_key_each(door: Door, engine: AsyncEngine) -> None:
    first, second = hubspot_event(1), hubspot_event(2, "deal.deletion")
    third = hubspot_event(3, "object.creation", objectTypeId="0-27")
    for events, expected in (([first, second], (2, 0)), ([second, third], (1, 1))):
        body = json.dumps(events).encode()
        answer = await door.post("hubspot", body, hubspot_signature(body, datetime.now(UTC)))
        assert answer.status_code == 202
        assert tuple(answer.json().values()) == expected
    rows = await stored(engine, door.tenant)
    assert [(row["record_type"], row["record_id"], row["action"]) for row in rows] == [
        ("account", "1", "updated"),
        ("deal", "2", "deleted"),
        ("task", "3", "created"),
    ]


async def test_hubspot_names_what_was_merged_and_what_was_associated(
    door: Door, engine: AsyncEngine
) -> None:
    merged = hubspot_event(9, "company.merge", primaryObjectId=7, mergedObjectIds=[9])
    moved = hubspot_event(
        0, "deal.associationChange", fromObjectId=5, toObjectId=6, associationType="DEAL_TO_COMPANY"
    )
    del moved["objectId"]
    body = json.dumps([merged, moved]).encode()
    answer = await door.post("hubspot", body, hubspot_signature(body, datetime.now(UTC)))
    assert answer.status_code == 202
    rows = await stored(engine, door.tenant)
    assert [(row["record_type"], row["record_id"], row["action"]) for row in rows] == [
        ("account", "7", "merged"),
        ("deal", "5", "updated"),
        ("account", "6", "updated"),
    ]


async def test_any_crm_signs_by_standard_webhooks(door: Door, engine: AsyncEngine) -> None:
    body = changed("d1", "d2", account_id="Ünïcode-中")
    answer = await door.post("crm", body, standard_headers(body))
    assert answer.status_code == 202
    assert [row["account_id"] for row in await stored(engine, door.tenant)] == ["Ünïcode-中"] * 2


async def test_modules_nobody_reviews_are_passed_over(door: Door, engine: AsyncEngine) -> None:
    assert (await door.post("zoho", zoho_body("1", module="Leads"))).status_code == 202
    body = json.dumps([hubspot_event(1, "ticket.creation")]).encode()
    headers = hubspot_signature(body, datetime.now(UTC))
    assert (await door.post("hubspot", body, headers)).status_code == 202
    assert await stored(engine, door.tenant) == []


# Repeats


async def test_a_repeat_is_accepted_and_stored_once(door: Door, engine: AsyncEngine) -> None:
    body = zoho_body("a1")
    answers = [await door.post("zoho", body) for _ in range(3)]
    assert [one.status_code for one in answers] == [202] * 3
    assert [one.json()["duplicates"] for one in answers] == [0, 1, 1]
    assert len(await stored(engine, door.tenant)) == 1


async def test_repeats_at_the_same_time_are_stored_once(
    database_url: str, engine: AsyncEngine
) -> None:
    async with open_door(database_url) as one, open_door(database_url, one.tenant) as other:
        body = changed("d1")
        headers = standard_headers(body)
        answers = await asyncio.gather(
            *(door.post("crm", body, headers) for _ in range(10) for door in (one, other))
        )
        assert {answer.status_code for answer in answers} == {202}
        assert sum(answer.json()["accepted"] for answer in answers) == 1
        assert len(await stored(engine, one.tenant)) == 1


async def test_a_key_is_forgotten_after_a_while(database_url: str, engine: AsyncEngine) -> None:
    async with open_door(database_url) as door:
        body = zoho_body("a1")
        await door.post("zoho", body)
        async with engine.begin() as connection:
            await connection.execute(
                text(
                    "update reviews.webhook_keys set seen_at = now() - interval '61 minutes' "
                    "where tenant = :tenant"
                ),
                {"tenant": door.tenant},
            )
        assert (await door.post("zoho", body)).json() == {"accepted": 1, "duplicates": 0}
        assert (await door.post("zoho", body)).json() == {"accepted": 0, "duplicates": 1}
        assert len(await stored(engine, door.tenant)) == 2


async def test_one_request_may_name_an_event_twice(door: Door, engine: AsyncEngine) -> None:
    event = hubspot_event(1)
    body = json.dumps([event, event]).encode()
    answer = await door.post("hubspot", body, hubspot_signature(body, datetime.now(UTC)))
    assert answer.json() == {"accepted": 1, "duplicates": 0}


# Proofs


def _bodies() -> dict[str, tuple[str, bytes]]:
    return {
        "zoho": ("zoho", zoho_body("a1", token=None)),
        "hubspot": ("hubspot", json.dumps([hubspot_event(1)]).encode()),
        "crm": ("crm", changed("d1")),
    }


Headers = Callable[[bytes], dict[str, str]]
LATE = timedelta(minutes=5, seconds=2)
FORGED: dict[str, tuple[str, Headers]] = {
    "zoho: nothing": ("zoho", lambda _: {}),
    "zoho: another secret": ("zoho", lambda body: zoho_signature(body, "other")),
    "zoho: another body": ("zoho", lambda body: zoho_signature(body + b" ")),
    "zoho: not ascii": ("zoho", lambda _: {"X-Zoho-Signature": "é" * 64}),
    "hubspot: nothing": ("hubspot", lambda _: {}),
    "hubspot: too old": (
        "hubspot",
        lambda body: hubspot_signature(body, datetime.now(UTC) - LATE),
    ),
    "hubspot: a clock ahead": (
        "hubspot",
        lambda body: hubspot_signature(body, datetime.now(UTC) + LATE),
    ),
    "hubspot: another address": (
        "hubspot",
        lambda body: hubspot_signature(body, datetime.now(UTC), uri="https://evil.example/"),
    ),
    "hubspot: another secret": (
        "hubspot",
        lambda body: hubspot_signature(body, datetime.now(UTC), secret="x"),
    ),
    "hubspot: no time": (
        "hubspot",
        lambda body: {
            **hubspot_signature(body, datetime.now(UTC)),
            "X-HubSpot-Request-Timestamp": "yesterday",
        },
    ),
    "crm: nothing": ("crm", lambda _: {}),
    "crm: too old": ("crm", lambda body: standard_headers(body, at=datetime.now(UTC) - LATE)),
    "crm: another id": (
        "crm",
        lambda body: {**standard_headers(body), "webhook-id": "msg_other"},
    ),
    "crm: no signature": (
        "crm",
        lambda body: {**standard_headers(body), "webhook-signature": "v1a"},
    ),
    "crm: half a signature": (
        "crm",
        lambda body: {**standard_headers(body), "webhook-signature": "v1,Zm9"},
    ),
    "crm: no time": (
        "crm",
        lambda body: {**standard_headers(body), "webhook-timestamp": "nan"},
    ),
}


@pytest.mark.parametrize("case", FORGED)
async def test_what_is_not_proven_is_refused(door: Door, engine: AsyncEngine, case: str) -> None:
    path, headers = FORGED[case]
    body = _bodies()[path][1]
    answer = await door.post(path, body, headers(body))
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "not_proven"
    assert await stored(engine, door.tenant) == []
    (entry,) = door.entries
    assert (entry.action, entry.resource) == ("webhook refused", f"/webhooks/{path}")


async def test_a_wrong_signature_is_not_made_good_by_a_token(door: Door) -> None:
    body = zoho_body("a1")
    answer = await door.post("zoho", body, zoho_signature(body, "other"))
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("secrets", "missing"),
    [
        (replace(SECRETS, zoho_token=None, zoho_secret=None), "REVIEWS_ZOHO_WEBHOOK_TOKEN"),
        (replace(SECRETS, hubspot_secret=None), "REVIEWS_HUBSPOT_CLIENT_SECRET"),
        (replace(SECRETS, web_url=None), "REVIEWS_WEB_URL"),
        (replace(SECRETS, crm_secret=None), "REVIEWS_WEBHOOK_SECRET"),
    ],
)
async def test_without_its_secret_a_path_lets_nobody_in(
    database_url: str, secrets: Secrets, missing: str, caplog: pytest.LogCaptureFixture
) -> None:
    (path,) = secrets.missing()
    async with open_door(database_url, secrets=secrets) as door:
        for body in (zoho_body("a1"), changed("d1")):
            answer = await door.http.post(path, content=body)
            assert answer.status_code == 401
            assert "REVIEWS" not in answer.text
    assert missing in caplog.text
    assert "zoho-token" not in caplog.text


async def test_a_flood_of_forgeries_is_counted_and_not_written_down(
    database_url: str,
) -> None:
    async with open_door(database_url) as door:
        for _ in range(200):
            assert (await door.post("crm", b"{}")).status_code == 401
    assert [entry.details["count"] for entry in door.entries] == [1, 199]


def test_secrets_are_not_shown() -> None:
    shown = repr(SECRETS)
    assert not any(
        word in shown for word in ("zoho-token", "zoho-secret", "hubspot-secret", "whsec")
    )
