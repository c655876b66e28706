"""Before anybody is asked for a right: tokens, addresses, bodies, headers, what a page may load."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter
from pydantic import BaseModel

from account_reviews.domain.access.roles import Scope, Verb
from account_reviews.domain.errors import BadInputError, UnreachableError
from account_reviews.domain.policy.access import Role
from account_reviews.services.sign_ins import make_token, revoke_token
from account_reviews.web.identity import Who
from account_reviews.web.security import HEADERS
from account_reviews.web.site import Here
from tests.support.web_site import Web, open_web

router = APIRouter()


class Body(BaseModel):
    """What a program sends."""

    count: int


@router.post("/api/v1/act/{verb}")
async def act(who: Who, site: Here, verb: Verb, body: Body) -> dict[str, Any]:
    await site.allow(who, verb)
    return {"name": who.name, "count": body.count, "actor": site.parts.audit.actor}


@router.get("/api/v1/break")
async def fail_at_once() -> None:
    raise RuntimeError("a secret of the server")


@router.get("/break")
async def fail_on_a_page(who: Who) -> None:
    raise RuntimeError(f"a secret of {who.name}")


@pytest.fixture
async def web(database_url: str, tmp_path: Path) -> AsyncIterator[Web]:
    """An app with an API that does nothing."""
    async with open_web(database_url, tmp_path, routers=[router]) as found:
        yield found


async def test_a_program_acts_by_its_token_in_its_own_name(web: Web) -> None:
    program = await web.program(Role.OPERATOR, name="nightly")
    answer = await program.post("/api/v1/act/start", json={"count": 1})
    assert answer.json() == {"name": "nightly", "count": 1, "actor": "nightly"}


@pytest.mark.parametrize(
    ("scopes", "verbs"),
    [
        (None, {"read", "start", "pause", "stop_all"}),
        ([Scope.READ], {"read"}),
        ([Scope.START], {"start"}),
        ([Scope.READ, Scope.CONTROL], {"read", "pause", "stop_all"}),
        ([Scope.DECIDE], set()),
    ],
)
async def test_a_token_may_what_both_its_role_and_its_scopes_allow(
    web: Web, scopes: list[Scope] | None, verbs: set[str]
) -> None:
    program = await web.program(Role.OPERATOR, scopes=scopes)
    allowed = set()
    for verb in ("read", "start", "decide", "pause", "stop_all", "forget"):
        answer = await program.post(f"/api/v1/act/{verb}", json={"count": 1})
        assert answer.status_code in (200, 403), answer.text
        allowed |= {verb} if answer.status_code == 200 else set()
    assert allowed == verbs
    assert {row["event_type"] for row in await web.trail()} >= {
        "permission_denied",
        "approval_refused",
    }


async def test_a_token_ends_and_is_revoked_at_once(web: Web) -> None:
    made = await make_token(web.parts, "ci", [Role.ADMIN], None, timedelta(days=1))
    program = web.browser(authorization=f"bearer {made.token}")
    assert (await program.post("/api/v1/act/read", json={"count": 1})).status_code == 200
    await revoke_token(web.parts, made.id)
    answer = await program.post("/api/v1/act/read", json={"count": 1})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "bad_token")
    other = await make_token(web.parts, "ci", [Role.ADMIN], None, timedelta(days=1))
    await web.parts.statements.execute(
        "update reviews.web_tokens set ends_at = now() where id = :id", id=other.id
    )
    late = web.browser(authorization=f"Bearer {other.token}")
    assert (await late.post("/api/v1/act/read", json={"count": 1})).status_code == 401


async def test_only_the_hash_of_a_token_is_stored(web: Web) -> None:
    made = await make_token(web.parts, "ci", [Role.ADMIN])
    rows = await web.parts.statements.rows(
        "select * from reviews.web_tokens where id = :id", id=made.id
    )
    assert len(rows) == 1
    assert made.token not in str(rows) + str(await web.trail())


@pytest.mark.parametrize("length", [timedelta(0), timedelta(days=367)])
async def test_a_token_holds_no_longer_than_a_year(web: Web, length: timedelta) -> None:
    with pytest.raises(BadInputError, match="366d"):
        await make_token(web.parts, "ci", [Role.ADMIN], None, length)


@pytest.mark.parametrize(
    "headers",
    [{}, {"authorization": "Bearer rvw_nobody"}, {"authorization": "Basic YTpi"},
     {"authorization": ""}, {"cookie": "reviews_session=nobody"}],
)  # fmt: skip
async def test_nobody_hears_401_before_anything_else(web: Web, headers: dict[str, str]) -> None:
    browser = web.browser(**headers)
    answers = [
        await browser.post("/api/v1/act/read", content=b"{", headers={"content-type": "a/json"}),
        await browser.post("/api/v1/act/nothing", json={"count": "x"}),
        await browser.get("/api/v1/nowhere"),
        await browser.delete("/api/v1/act/read"),
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert all(answer.headers["www-authenticate"] == "Bearer" for answer in answers)


async def test_of_two_tokens_neither_holds(web: Web) -> None:
    made = await make_token(web.parts, "ci", [Role.ADMIN])
    good, bad = (("authorization", f"Bearer {one}") for one in (made.token, "rvw_nobody"))
    for both in ([good, bad], [bad, good], [good, good]):
        answer = await web.browser().get("/api/v1/approvals/count", headers=both)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "bad_token")


async def test_a_cookie_does_not_speak_where_a_token_is_sent(web: Web) -> None:
    browser = await web.signed_in(Role.ADMIN)
    answer = await browser.get("/api/v1/nowhere", headers={"authorization": "Bearer rvw_nobody"})
    assert answer.status_code == 401


async def test_a_cookie_alone_changes_nothing(web: Web) -> None:
    browser = await web.signed_in(Role.ADMIN)
    token = browser.headers.pop("x-csrf-token")
    form = f"csrf_token={token}".encode()
    sent = {b'{"count": 1}': "application/json", b"{": "application/json"}
    for content, kind in {**sent, form: "application/x-www-form-urlencoded"}.items():
        headers = {"content-type": kind}
        answer = await browser.post("/api/v1/act/read", content=content, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "csrf")
    headers = {"x-csrf-token": token}
    answer = await browser.post("/api/v1/act/read", json={"count": 1}, headers=headers)
    assert answer.status_code == 200


async def test_while_the_database_is_away_that_is_said(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, program = await web.signed_in(Role.ADMIN), await web.program(Role.ADMIN)

    async def away(*_: Any, **__: Any) -> None:
        raise UnreachableError("the connection to the database is lost")

    monkeypatch.setattr("account_reviews.store.statements.Statements.rows", away)
    page, answer = await browser.get("/break"), await program.get("/api/v1/break")
    assert (page.status_code, answer.status_code) == (503, 503)
    assert "The connection to the database is lost." in page.text
    assert answer.json()["error"]["code"] == "unreachable"
    assert int(page.headers["retry-after"]) >= 1


async def test_bad_input_says_which(web: Web) -> None:
    program = await web.program(Role.ADMIN)
    answer = await program.post("/api/v1/act/read", json={"count": "many"})
    assert answer.status_code == 422
    assert answer.json()["error"]["message"].startswith("count: input should be a valid integer")
    assert (await program.get("/api/v1/nowhere")).status_code == 404
    assert (await program.delete("/api/v1/act/read")).status_code == 405


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "[::", "", "evil.example:80@127.0.0.1"]
)
async def test_an_address_that_is_not_ours_is_refused(web: Web, host: str) -> None:
    answer = await web.browser(host=host).get("/login")
    assert answer.status_code == 421
    assert "REVIEWS_WEB_URL" in answer.text


@pytest.mark.parametrize("host", ["localhost:9", "LOCALHOST", "[::1]:80", "127.0.0.1"])
async def test_this_machine_has_several_names(web: Web, host: str) -> None:
    assert (await web.browser(host=host).get("/login")).status_code == 200


async def test_the_address_that_people_use_is_ours(database_url: str, tmp_path: Path) -> None:
    async with open_web(database_url, tmp_path, web_url="https://reviews.example") as web:
        page = await web.browser().get("/login")
        assert page.status_code == 200
        assert "max-age=" in page.headers["strict-transport-security"]
        browser = await web.signed_in(Role.APPROVER)
        assert set(browser.cookies) == {"__Host-reviews_session", "__Host-reviews_browser"}
        assert "; Secure" in page.headers["set-cookie"]


async def test_a_body_that_is_too_large_is_not_read(web: Web) -> None:
    browser = web.browser()
    answer = await browser.post("/login", content=b"x" * (2**20 + 1))
    assert answer.status_code == 413

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 2**19

    program = await web.program(Role.ADMIN)
    answer = await program.post("/api/v1/act/read", content=pieces())
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    assert "body" in {row["action"] for row in await web.trail()}


@pytest.mark.parametrize("path", ["/login", "/nothing", "/static/site.css", "/break", "/api/v1/x"])
async def test_every_answer_says_what_it_may_load(web: Web, path: str) -> None:
    browser = await web.signed_in(Role.ADMIN)
    answer = await browser.get(path)
    for name, value in HEADERS.items():
        if not (path.startswith("/static") and name == "cache-control"):
            assert answer.headers[name] == value
    assert "unsafe" not in answer.headers["content-security-policy"]


async def test_no_page_holds_a_script_or_a_style(web: Web) -> None:
    browser = await web.signed_in(Role.ADMIN)
    for page in [await web.browser().get("/login"), await browser.get("/nothing")]:
        assert "<style" not in page.text
        assert " style=" not in page.text
        assert page.text.count("<script") == page.text.count("<script src=")
        assert " onclick" not in page.text


async def test_a_fault_of_ours_tells_nothing(web: Web) -> None:
    browser, program = await web.signed_in(Role.ADMIN), await web.program(Role.ADMIN)
    page, answer = await browser.get("/break"), await program.get("/api/v1/break")
    assert (page.status_code, answer.status_code) == (500, 500)
    assert "secret" not in page.text + answer.text
    assert "the log of the server" in page.text


@pytest.mark.parametrize("path", ["vendor/htmx/SOURCE.json", "../app.py", "%2e%2e/app.py", "", "x"])
async def test_nothing_else_is_served(web: Web, path: str) -> None:
    assert (await web.browser().get(f"/static/{path}")).status_code == 404


async def test_a_file_is_kept_for_as_long_as_it_is_the_same(web: Web) -> None:
    browser = web.browser()
    page = await browser.get("/login")
    path = page.text.partition('href="')[2].partition('"')[0]
    first = await browser.get(path)
    assert first.headers["content-type"] == "text/css; charset=utf-8"
    assert "immutable" in first.headers["cache-control"]
    tag = {"if-none-match": first.headers["etag"]}
    assert (await browser.get(path, headers=tag)).status_code == 304
    other = await browser.get("/static/style.css?v=0")
    assert other.headers["cache-control"] == "no-cache"


async def test_a_piece_of_a_page_leads_to_the_form_too(web: Web) -> None:
    answer = await web.browser().get("/break", headers={"hx-request": "true"})
    assert answer.status_code == 401
    assert answer.headers["hx-redirect"] == "/login?next=%2Fbreak"


@pytest.mark.parametrize(
    "path", ["/health", "/healthz", "/openapi.json", "/login", "/api/v1/approvals", "/nowhere"]
)
async def test_whoever_asks_for_the_head_alone_gets_that(web: Web, path: str) -> None:
    program = await web.program(Role.ADMIN)
    whole, head = await program.get(path), await program.head(path)
    assert head.status_code == whole.status_code
    assert head.headers.get("content-type") == whole.headers.get("content-type")
    assert head.content == b""
    assert (await web.browser().head("/api/v1/approvals")).status_code == 401
    assert (await program.head("/login/link/x/y")).status_code == 404


async def test_the_head_of_a_stream_is_soon_there(web: Web) -> None:
    program = await web.program(Role.ADMIN)
    head = await program.head("/api/v1/events")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"].startswith("text/event-stream")
