"""The HTTP API as programs use it, on a stack with the sample portfolio."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from account_reviews.domain.access.roles import Scope
from account_reviews.domain.policy.access import Role
from account_reviews.local.stack import LocalStack
from account_reviews.services import decisions
from account_reviews.web.api.router import description
from tests.support.commands import Reviews
from tests.support.waiting import PATIENCE
from tests.support.web_site import Web, open_web

API = "/api/v1"


@pytest.fixture
async def web(stack: LocalStack, reviews: Reviews) -> AsyncIterator[Web]:
    async with open_web(stack.database_url, stack.data_dir, tenant="default") as found:
        yield found


@pytest.fixture
async def admin(web: Web) -> httpx2.AsyncClient:
    return await web.program(Role.ADMIN, name="ann")


async def waiting(program: httpx2.AsyncClient, account: str) -> dict[str, Any]:
    """A review that was started and waits."""
    started = await program.post(f"{API}/reviews", json={"account": account})
    assert started.status_code == 201, started.text
    return await until(program, account, "waiting")


async def until(program: httpx2.AsyncClient, account: str, status: str) -> dict[str, Any]:
    """The newest review of an account once it has come to that."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = (await program.get(f"{API}/reviews/{account}")).json()
            if found.get("status") == status:
                return dict(found)
            await asyncio.sleep(0.1)


async def test_a_review_from_its_start_to_its_end(
    admin: httpx2.AsyncClient, reviews: Reviews
) -> None:
    body = {"account": "ac-007", "name": "Spring", "metadata": {"ticket": 7}, "interactive": True}
    started = await admin.post(f"{API}/reviews", json=body)
    assert started.status_code == 201
    assert started.json()["review_id"] == "review/ac-007"
    assert started.json()["name"] == "Spring"
    again = await admin.post(f"{API}/reviews", json=body)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "already_running")
    joined = await admin.post(f"{API}/reviews", json={**body, "if_running": "join"})
    assert (joined.status_code, joined.json()["joined"]) == (200, True)
    encoded = quote("review/ac-007", safe="")
    shown = await admin.get(f"{API}/reviews/{encoded}")
    assert shown.json()["started_by"] == "ann"
    assert shown.json()["metadata"] == {"ticket": 7}
    assert set(shown.json()) == set(reviews.json("show", "ac-007"))
    ended = await admin.delete(f"{API}/reviews/{encoded}", params={"reason": "enough"})
    assert (ended.status_code, ended.json()["outcome"]) == (200, "cancelled")
    closed = await admin.delete(f"{API}/reviews/{encoded}")
    assert (closed.status_code, closed.json()["outcome"]) == (200, "cancelled")
    story = (await admin.get(f"{API}/reviews/{encoded}/history")).json()["items"]
    assert [line["by"] for line in story if line["kind"] == "cancelled"] == ["ann"]


async def test_a_decision_counts_once_and_the_second_learns_who_was_first(
    web: Web, admin: httpx2.AsyncClient
) -> None:
    review = await waiting(admin, "ac-038")
    listed = (await admin.get(f"{API}/approvals", params={"account": "ac-038"})).json()["items"]
    (request,) = listed
    assert request["request_id"] == review["approvals"][0]["request_id"]
    place = f"{API}/approvals/{request['short_id']}"
    assert (await admin.get(place)).json()["request_id"] == request["request_id"]
    pending = (await admin.get(f"{API}/approvals/count")).json()["pending"]
    body = {"decision": "reject", "reason": "not now", "decision_id": "d-1"}
    first = await admin.post(f"{place}/decide", json=body)
    assert first.status_code == 200, first.text
    assert {item["state"] for item in first.json()["items"]} == {"rejected"}
    assert first.json()["decision_id"] == "d-1"
    repeated = await admin.post(f"{place}/decide", json=body)
    assert repeated.status_code == 200, repeated.text
    bob = await web.program(Role.ADMIN, name="bob")
    late = await bob.post(f"{place}/decide", json={"decision": "approve"})
    assert late.status_code == 409, late.text
    assert late.json()["error"]["decided_by"] == "ann"
    assert late.json()["error"]["decided_at"].endswith("Z")
    for program, other in ((bob, body), (admin, {**body, "decision": "defer"})):
        reused = await program.post(f"{place}/decide", json=other)
        assert (reused.status_code, reused.json()["error"]["decided_by"]) == (409, "ann")
        assert "was used already, for another decision" in reused.json()["error"]["message"]
    assert (await admin.get(f"{API}/approvals/count")).json()["pending"] == pending - 1


async def test_nobody_decides_in_the_name_of_another(admin: httpx2.AsyncClient) -> None:
    await waiting(admin, "ac-034")
    request = f"{API}/approvals/ac-034-1/decide"
    refused = await admin.post(request, json={"decision": "approve", "approver": "bob"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "refused")
    own = await admin.post(request, json={"decision": "defer", "approver": "Ann"})
    assert own.status_code == 200, own.text


async def test_a_review_is_held_and_goes_on(admin: httpx2.AsyncClient) -> None:
    review = await waiting(admin, "ac-017")
    place = f"{API}/reviews/{quote(review['review_id'], safe='')}"
    held = await admin.post(f"{place}/suspend", json={"reason": "wait"})
    assert (held.status_code, held.json()["status"]) == (200, "paused")
    twice = await admin.post(f"{place}/suspend")
    assert twice.status_code == 409
    resumed = await admin.post(f"{place}/resume", params={"run": review["run_id"]})
    assert (resumed.status_code, resumed.json()["status"]) == (200, "waiting")


async def test_several_accounts_have_a_row_each(admin: httpx2.AsyncClient) -> None:
    body = {"accounts": ["ac-020", "ac-021", "nobody-has-this"], "plan_only": True}
    started = await admin.post(f"{API}/reviews", json=body)
    assert started.status_code == 201
    rows = {row["account_id"]: row for row in started.json()["items"]}
    assert set(rows) == {"ac-020", "ac-021", "nobody-has-this"}
    assert "error" in rows["nobody-has-this"]
    none = await admin.post(f"{API}/reviews", json={"accounts": ["nobody-has-this", "nor-this"]})
    assert none.status_code in (200, 404)


async def test_pages_of_a_list_hold_everything_once(admin: httpx2.AsyncClient) -> None:
    accounts = [f"ac-0{number}" for number in range(40, 46)]
    body = {"accounts": accounts, "plan_only": True}
    assert (await admin.post(f"{API}/reviews", json=body)).status_code == 201
    for account in accounts:  # a row that comes between two pages is on neither
        await until(admin, account, "completed")
    seen: list[str] = []
    cursor = None
    while True:
        params = {"limit": 4, **({"cursor": cursor} if cursor else {})}
        page = (await admin.get(f"{API}/reviews", params=params)).json()
        seen += [row["run_id"] for row in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    everything = (await admin.get(f"{API}/reviews", params={"limit": 200})).json()["items"]
    assert seen == [row["run_id"] for row in everything]
    wanted = {"account": "ac-041", "since": "2020-01-01", "open": "false"}
    found = (await admin.get(f"{API}/reviews", params=wanted)).json()["items"]
    assert {row["account_id"] for row in found} == {"ac-041"}


async def test_what_forbids_comes_before_what_is_wrong(web: Web) -> None:
    nobody = web.browser()
    reader = await web.program(Role.ADMIN, scopes=[Scope.READ])
    auditor = await web.program(Role.AUDITOR)
    bad: list[tuple[str, str]] = [
        ("POST", f"{API}/reviews"),
        ("POST", f"{API}/reviews/nothing/suspend"),
        ("POST", f"{API}/reviews/nothing/resume"),
        ("DELETE", f"{API}/reviews/nothing?unknown=1"),
        ("POST", f"{API}/approvals/nothing/decide"),
    ]
    for method, path in bad:
        for program, status in ((nobody, 401), (reader, 403), (auditor, 403)):
            answer = await program.request(method, path, content=b"no json")
            assert answer.status_code == status, (path, answer.text)
            assert set(answer.json()["error"]) == {"code", "message", "hint"}
    for path in ("reviews?limit=0", "reviews/nothing", "approvals?x=1", "events?kind=no"):
        assert (await nobody.get(f"{API}/{path}")).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "reviews/ac-999", None, 404),
        ("GET", "reviews/ac-999/history", None, 404),
        ("GET", "approvals/ac-999-1", None, 404),
        ("GET", "nothing", None, 404),
        ("PUT", "reviews", None, 405),
        ("GET", "reviews?limit=0", None, 422),
        ("GET", "reviews?limit=1.5", None, 422),
        ("GET", "reviews?what=1", None, 422),
        ("GET", "reviews?cursor=nonsense", None, 422),
        ("GET", "reviews?since=2026-02-01&until=2026-01-01", None, 422),
        ("GET", "reviews?since=yesterday", None, 422),
        ("GET", "reviews?name=%00", None, 422),
        ("GET", "events?after=nonsense", None, 422),
        ("POST", "reviews", b"", 422),
        ("POST", "reviews", b"[]", 422),
        ("POST", "reviews", b'{"account": "ac-001", "by": "bob"}', 422),
        ("POST", "reviews", b'{"account": "ac-001", "plan_only": 1}', 422),
        ("POST", "reviews", b'{"account": "a", "accounts": ["b"]}', 422),
        ("POST", "reviews", b'{"account": "\\ud800"}', 422),
        ("POST", "reviews", b'{"account": "a\\u0000"}', 422),
        ("POST", "reviews", b'{"account": "ac-001", "metadata": {"a": NaN}}', 422),
        ("POST", "reviews", b'{"account": "ac-001", "as_of": "2150-01-01"}', 422),
        ("POST", "approvals/ac-999-1/decide", b'{"decision": "approve"}', 404),
        ("POST", "approvals/ac-999-1/decide", b'{"decision": "adjust"}', 422),
        ("POST", "approvals/ac-999-1/decide", b'{"decision": "perhaps"}', 422),
        ("POST", "reviews", b'{"account": "' + b"a" * 2**20 + b'"}', 413),
    ],
)
async def test_what_does_not_fit_is_said_in_one_shape(
    admin: httpx2.AsyncClient, method: str, path: str, body: bytes | None, status: int
) -> None:
    answer = await admin.request(method, f"{API}/{path}", content=body)
    assert answer.status_code == status, answer.text
    assert set(answer.json()["error"]) == {"code", "message", "hint"}
    assert "Traceback" not in answer.text


async def test_a_browser_needs_the_token_of_its_pages(web: Web) -> None:
    browser = await web.signed_in(Role.ADMIN)
    assert (await browser.get(f"{API}/approvals/count")).status_code == 200
    token = browser.headers.pop("x-csrf-token")
    forged = await browser.post(f"{API}/reviews", json={"account": "ac-030"})
    assert (forged.status_code, forged.json()["error"]["code"]) == (403, "csrf")
    browser.headers["x-csrf-token"] = token
    right = await browser.post(f"{API}/reviews", json={"account": "ac-030", "plan_only": True})
    assert right.status_code == 201, right.text


async def test_health_needs_no_sign_in(web: Web) -> None:
    answer = await web.browser().get("/health")
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {
        "level", "ok", "total_sessions", "active_sessions", "oldest_session_age",
        "newest_session_age", "avg_session_age",
    }  # fmt: skip


async def test_a_decision_that_nobody_answers_is_unknown_and_repeated_safely(
    admin: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await waiting(admin, "ac-036")
    place = f"{API}/approvals/ac-036-1/decide"
    with monkeypatch.context() as patched:
        patched.setattr(decisions, "UPDATE_SECONDS", 0.0)
        unknown = await admin.post(place, json={"decision": "defer"})
    assert unknown.status_code == 202
    assert set(unknown.json()) == {"decision_id", "state"}
    assert unknown.json()["state"] == "unknown"
    repeat = {"decision": "defer", "decision_id": unknown.json()["decision_id"]}
    again = await admin.post(place, json=repeat)
    assert again.status_code == 200, again.text
    assert {item["state"] for item in again.json()["items"]} == {"deferred"}


async def test_the_running_app_describes_itself_as_the_file_does(web: Web) -> None:
    answer = await web.browser().get("/openapi.json")
    assert answer.json() == json.loads(description())
