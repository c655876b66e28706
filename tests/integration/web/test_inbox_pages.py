"""The inbox, requests and links over HTTP, with rows and nobody who works on them."""

import csv
import io
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.domain.errors import UnreachableError
from account_reviews.domain.policy.access import Role
from account_reviews.domain.review.state import ReviewState
from account_reviews.store.review_queries import RequestRow
from tests.support.inboxes import hours, put, waiting
from tests.support.web_site import Web, open_web

KEYS = "k1:a-secret-of-at-least-24-bytes"
_ID = re.compile(r'name="decision_id" value="([0-9a-f]+)"')


@pytest.fixture
def tenant() -> str:
    return f"t-{uuid4().hex[:8]}"


@pytest.fixture
async def web(database_url: str, tmp_path: Path, tenant: str) -> AsyncIterator[Web]:
    """An app that signs links, beside no Temporal."""
    async with open_web(database_url, tmp_path, tenant=tenant, approval_keys=KEYS) as found:
        found.parts.connect = no_temporal  # type: ignore[method-assign]
        yield found


async def no_temporal() -> Any:
    raise UnreachableError("Temporal does not answer")


@pytest.fixture
async def state(engine: AsyncEngine, tenant: str) -> ReviewState:
    """One request of an account with a name that a spreadsheet would calculate."""
    found = waiting("ac-1", at=datetime.now(UTC), tenant=tenant, name="=1+2 Optics")
    await put(engine, found)
    return found


async def link_to(web: Web, name: str = "ac-1-1", by: str = "ow-1") -> str:
    path = web.parts.guard.link_path((await row_of(web, name)).request, by)
    assert path is not None
    return path


async def row_of(web: Web, name: str) -> RequestRow:
    return await web.parts.reader.find_request(web.parts.settings.tenant, name)


async def sent(browser: httpx2.AsyncClient, page: str, action: str, **more: Any) -> httpx2.Response:
    """The form of a page, with what is ticked."""
    shown = await browser.get(page)
    found = _ID.search(shown.text)
    assert found is not None, shown.text
    return await browser.post(action, data={"decision_id": found[1], **more})


async def test_the_inbox_shows_what_waits_for_whoever_signed_in(
    web: Web, state: ReviewState, engine: AsyncEngine, tenant: str
) -> None:
    await put(engine, waiting("ac-2", at=datetime.now(UTC), tenant=tenant, approvers=("ow-2",)))
    browser = await web.signed_in(Role.APPROVER, name="Ann Lee")
    mine = (await browser.get("/inbox")).text
    assert '=1+2 Optics <span class="id">(ac-1)</span>' in mine
    assert "ac-2" not in mine
    every = (await browser.get("/inbox?show=all")).text
    assert 'The ac-2 <span class="id">(ac-2)</span>' in every
    assert "ac-2" not in (await browser.get("/inbox?show=all&owner=ow-3")).text
    assert (await browser.get("/")).headers["location"] == "/inbox"


async def test_nobody_sees_anything_without_signing_in(web: Web, state: ReviewState) -> None:
    for path in ("/inbox", "/inbox.csv", "/inbox/count", "/requests/ac-1-1"):
        answer = await web.browser().get(path)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/login?next=")


@pytest.mark.parametrize("name", ["=1+2", "＝1+2", "@SUM(A1)", "-5"])
async def test_a_spreadsheet_calculates_nothing(
    web: Web, engine: AsyncEngine, tenant: str, name: str
) -> None:
    await put(engine, waiting("ac-1", at=datetime.now(UTC), tenant=tenant, name=name))
    browser = await web.signed_in(Role.APPROVER)
    answer = await browser.get("/inbox.csv?show=all")
    head, row = csv.reader(io.StringIO(answer.text.removeprefix("\ufeff")))
    assert head[:3] == ["Request", "Account", "Account id"]
    assert row[:3] == ["ac-1-1", f"'{name}", "ac-1"]


async def test_a_form_without_a_worker_may_be_sent_again_with_the_same_id(
    web: Web, state: ReviewState
) -> None:
    browser = await web.signed_in(Role.APPROVER)
    item = state.requests[0].items[0].item_id
    given = {"item": item, "verdict": "defer", "reason": "later", "decision_id": "abc123"}
    answer = await browser.post("/requests/ac-1-1/decide", data=given)
    assert answer.status_code == 503
    assert 'name="decision_id" value="abc123"' in answer.text
    assert 'value="defer" data-key="a">Look again' in answer.text
    assert ">later</textarea>" in answer.text


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"verdict": "approve"}, "Nothing is ticked"),
        ({"verdict": "perhaps", "item": "x"}, "The form does not say what to decide"),
        ({}, "The form does not say what to decide"),
    ],
)
async def test_a_form_that_says_nothing_is_told_so(
    web: Web, state: ReviewState, given: dict[str, str], said: str
) -> None:
    web.parts.connect = silent  # type: ignore[method-assign]
    browser = await web.signed_in(Role.APPROVER)
    answer = await sent(browser, "/requests/ac-1-1", "/requests/ac-1-1/decide", **given)
    assert answer.status_code == 422
    assert said in answer.text


async def silent() -> Any:
    """A connection that is never used."""


async def test_who_may_only_look_is_told_why_and_has_no_buttons(
    web: Web, state: ReviewState
) -> None:
    web.parts.connect = silent  # type: ignore[method-assign]
    browser = await web.signed_in(Role.AUDITOR)
    page = await browser.get("/requests/ac-1-1")
    assert "may not decide" in page.text
    assert 'name="verdict"' not in page.text
    item = state.requests[0].items[0].item_id
    answer = await browser.post(
        "/requests/ac-1-1/decide",
        data={"decision_id": "abc", "item": item, "verdict": "approve"},
    )
    assert answer.status_code == 403
    assert "approval_refused" in {one["event_type"] for one in await web.trail()}


async def test_another_site_decides_nothing(web: Web, state: ReviewState) -> None:
    browser = await web.signed_in(Role.APPROVER)
    del browser.headers["x-csrf-token"]
    answer = await browser.post("/requests/ac-1-1/decide", data={"verdict": "approve"})
    assert answer.status_code == 403
    answer = await browser.post("/inbox/decide", data={"verdict": "approve"})
    assert answer.status_code == 403


async def test_a_link_shows_without_signing_in_and_changes_nothing(
    web: Web, state: ReviewState
) -> None:
    path = await link_to(web)
    before = await row_of(web, "ac-1-1")
    for _ in range(3):
        answer = await web.browser().get(path)
        assert answer.status_code == 200
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert "=1+2 Optics" in answer.text
    assert await row_of(web, "ac-1-1") == before
    assert (
        await web.parts.statements.scalar(
            "select count(*) from reviews.web_used where tenant = :tenant", tenant=state.tenant
        )
        == 0
    )


async def test_a_form_that_reaches_nobody_uses_no_link_up(web: Web, state: ReviewState) -> None:
    path, item = await link_to(web), state.requests[0].items[0].item_id
    given = {"item": item, "verdict": "approve", "decision_id": "first"}
    browser = web.browser()
    assert (await browser.post(path, data=given)).status_code == 503
    assert (await browser.post(path, data={**given, "decision_id": "second"})).status_code == 503
    # Nobody could be asked: nothing was sent, and the link was not touched.
    assert "used already" not in (await browser.get(path)).text


async def test_a_cut_off_link_is_told_so(web: Web, state: ReviewState) -> None:
    path = await link_to(web)
    for wrong in (path[:-3], "/l/nonsense", path.replace(".", "-", 1)):
        answer = await web.browser().get(wrong)
        assert answer.status_code == 404
        assert "cut off" in answer.text


async def test_a_link_whose_deadline_has_passed_does_not_decide(
    web: Web, engine: AsyncEngine, tenant: str
) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=10)
    state = waiting("ac-9", at=long_ago, tenant=tenant)
    await put(engine, state)
    web.parts.connect = silent  # type: ignore[method-assign]
    path, item = await link_to(web, "ac-9-1"), state.requests[0].items[0].item_id
    assert "has ended" in (await web.browser().get(path)).text
    given = {"item": item, "verdict": "approve", "decision_id": "x"}
    answer = await web.browser().post(path, data=given)
    assert answer.status_code == 409
    assert "has ended" in answer.text


@pytest.mark.parametrize(
    ("table", "has_links"),
    [
        ("require_signed = true", False),
        ('require_signed = true\nlinks = "always"', True),
        ('links = "never"', False),
        ("", True),
    ],
)
async def test_the_policy_says_whether_links_decide(
    database_url: str, tmp_path: Path, tenant: str, state: ReviewState, table: str, has_links: bool
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('[approvals]\nlinks = "always"\n')
    async with AsyncExitStack() as stack:
        settings: dict[str, Any] = {
            "tenant": tenant, "approval_keys": KEYS, "policy_file": policy,
        }  # fmt: skip
        web = await stack.enter_async_context(open_web(database_url, tmp_path, **settings))
        path = await link_to(web)
        policy.write_text(f"[approvals]\n{table}\n")
        other = await stack.enter_async_context(open_web(database_url, tmp_path, **settings))
        page = (await other.browser().get(path)).text
        assert ("Links do not decide here" in page) is not has_links
        assert ('name="verdict"' in page) is has_links


async def test_a_mailbox_of_several_has_no_link(
    database_url: str, tmp_path: Path, tenant: str, state: ReviewState
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('[approvals.groups]\ncompliance = ["Dora"]\n')
    settings: dict[str, Any] = {"tenant": tenant, "approval_keys": KEYS, "policy_file": policy}
    async with open_web(database_url, tmp_path, **settings) as web:
        request = (await row_of(web, "ac-1-1")).request
        before = web.parts.guard.link_path(request, "Compliance")
        assert before is not None
        policy.write_text("[approvals.groups]\ncompliance = []\n")
        assert web.parts.guard.link_path(request, "Compliance") is None
        assert web.parts.guard.link_path(request, "Dora") is not None
        assert "Links do not decide here" in (await web.browser().get(before)).text
        sent = {"decision_id": "1" * 32, "item": request.items[0].item_id, "verdict": "approve"}
        assert (await web.browser().post(before, data=sent)).status_code in (409, 503)
        assert (await row_of(web, "ac-1-1")).request.is_pending


async def test_the_deadline_is_written_in_the_readers_zone(
    web: Web, engine: AsyncEngine, tenant: str
) -> None:
    at = datetime.now(UTC).replace(hour=23, minute=30) + hours(24)
    await put(engine, waiting("ac-5", at=at, tenant=tenant))
    browser = await web.signed_in(Role.APPROVER)
    browser.cookies.set("reviews_zone", "Asia/Tokyo")
    page = (await browser.get("/requests/ac-5-1")).text
    assert "08:30" in page
