"""Signing in: by a password, by a link that works once, and out again."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter

from account_reviews.access.secret_values import digest
from account_reviews.domain.policy.access import Role
from account_reviews.services.sign_ins import (
    add_user,
    make_link,
    make_own_link,
    remove_user,
    sign_out_everywhere,
)
from account_reviews.web import doors
from account_reviews.web.identity import Who
from tests.support.web_site import PASSWORD, Web, csrf_in, open_web, sign_in

router = APIRouter()


@router.get("/who")
async def who_page(who: Who) -> dict[str, Any]:
    return {"name": who.name, "roles": who.roles, "groups": who.groups, "how": who.how}


@router.post("/act")
async def act_page(who: Who) -> dict[str, str]:
    return {"name": who.name}


@pytest.fixture
async def web(database_url: str, tmp_path: Path) -> AsyncIterator[Web]:
    """An app with a page that says who is signed in."""
    async with open_web(database_url, tmp_path, routers=[router]) as found:
        yield found


async def test_who_is_not_signed_in_is_led_to_the_form_and_back(web: Web) -> None:
    browser = web.browser()
    answer = await browser.get("/who?a=b")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2Fwho%3Fa%3Db")
    await add_user(web.parts, "Ann Lee", [Role.APPROVER], ["sales"], PASSWORD)
    page = await browser.get(answer.headers["location"])
    assert 'value="/who?a=b"' in page.text
    form = {"username": " ann  LEE", "password": PASSWORD, "csrf_token": csrf_in(page.text)}
    answer = await browser.post("/login", data={**form, "next": "/who?a=b"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/who?a=b")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("reviews_session=")
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    said = (await browser.get("/who")).json()
    assert said == {"name": "Ann Lee", "roles": ["approver"], "groups": ["sales"], "how": "session"}
    assert ("authentication", "signed in", "Ann Lee") in {
        (row["event_type"], row["action"], row["actor"]) for row in await web.trail()
    }


@pytest.mark.parametrize(
    "elsewhere",
    ["//evil.example", "https://evil.example", "/\\evil.example", "/\tx", "login", "/login", ""],
)
async def test_nobody_is_led_elsewhere(web: Web, elsewhere: str) -> None:
    await add_user(web.parts, "Ann", [Role.APPROVER], [], PASSWORD)
    answer = await sign_in(web.browser(), "Ann", PASSWORD, next=elsewhere)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


async def test_a_wrong_password_and_nobody_get_the_same_answer(web: Web) -> None:
    await add_user(web.parts, "Ann", [Role.APPROVER], [], PASSWORD)
    answers = [
        await sign_in(web.browser(), name, password)
        for name, password in (("Ann", "wrong"), ("Bob", PASSWORD), ("", ""))
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert all("The name or the password is wrong." in answer.text for answer in answers)
    refused = [row for row in await web.trail() if row["action"] == "sign-in"]
    assert {row["actor"] for row in refused} == {"Ann", "unknown"}
    assert all("wrong" in str(row["details"]) for row in refused)


async def test_a_form_of_another_site_signs_nobody_in(web: Web) -> None:
    await add_user(web.parts, "Ann", [Role.APPROVER], [], PASSWORD)
    browser = web.browser()
    form = {"username": "Ann", "password": PASSWORD}
    assert (await browser.post("/login", data=form)).status_code == 403
    theirs = csrf_in((await web.browser().get("/login")).text)
    answer = await browser.post("/login", data={**form, "csrf_token": theirs})
    assert answer.status_code == 403
    assert "form" in {row["action"] for row in await web.trail()}


async def test_what_another_site_sends_in_a_name_is_refused(web: Web) -> None:
    browser = await web.signed_in(Role.APPROVER, name="Ann")
    token = browser.headers.pop("x-csrf-token")
    refused = [
        await browser.post("/act"),
        await browser.post("/act", data={"csrf_token": "0" * 64}),
        await browser.post("/act", headers={"x-csrf-token": ""}),
        await browser.post("/act", json={"csrf_token": token}),
    ]
    assert {answer.status_code for answer in refused} == {403}
    assert (await browser.post("/act", data={"csrf_token": token})).json() == {"name": "Ann"}
    assert (await browser.post("/act", headers={"x-csrf-token": token})).json() == {"name": "Ann"}


async def test_a_sign_in_has_a_cookie_that_was_never_there_before(web: Web) -> None:
    await add_user(web.parts, "Ann", [Role.APPROVER], [], PASSWORD)
    browser = web.browser()
    browser.cookies.set("reviews_session", "chosen-by-an-attacker", domain="127.0.0.1")
    await sign_in(browser, "Ann", PASSWORD)
    first = browser.cookies["reviews_session"]
    assert first != "chosen-by-an-attacker"
    other = web.browser()
    other.cookies.set("reviews_session", first, domain="127.0.0.1")
    assert (await other.get("/who")).status_code == 200
    page = await browser.post("/logout", headers={"x-csrf-token": await csrf_of(browser)})
    assert page.status_code == 303
    assert (await other.get("/who")).status_code == 303


async def csrf_of(browser: Any) -> str:
    return csrf_in((await browser.get("/login/nothing")).text)


async def test_only_hashes_are_stored(web: Web) -> None:
    browser = await web.signed_in(Role.APPROVER, name="Ann")
    value = browser.cookies["reviews_session"]
    tenant = web.parts.settings.tenant
    rows = await web.parts.statements.rows(
        "select s.*, p.password_hash from reviews.web_sessions s join reviews.people p "
        "using (tenant, person) where tenant = :tenant",
        tenant=tenant,
    )
    assert [row["id_hash"] for row in rows] == [digest(value)]
    assert rows[0]["password_hash"].startswith("$argon2id$")
    assert PASSWORD not in str(rows)


async def test_signing_out_everywhere_ends_every_sign_in(web: Web) -> None:
    here = await web.signed_in(Role.APPROVER, name="Ann")
    there = web.browser()
    await sign_in(there, "Ann", PASSWORD)
    assert await sign_out_everywhere(web.parts, "ann") == 2
    assert [(await one.get("/who")).status_code for one in (here, there)] == [303, 303]


async def test_who_is_removed_is_out_at_once(web: Web) -> None:
    browser = await web.signed_in(Role.APPROVER, name="Ann")
    await remove_user(web.parts, "Ann")
    assert (await browser.get("/who")).status_code == 303


@pytest.mark.parametrize("moved", ["seen_at = seen_at - interval '13 hours'", "ends_at = now()"])
async def test_a_sign_in_ends_when_nobody_uses_it_and_in_any_case(web: Web, moved: str) -> None:
    browser = await web.signed_in(Role.APPROVER)
    await web.parts.statements.execute(
        f"update reviews.web_sessions set {moved} where tenant = :tenant",
        tenant=web.parts.settings.tenant,
    )
    assert (await browser.get("/who")).status_code == 303


async def test_tries_are_counted_by_name_and_address(web: Web) -> None:
    await add_user(web.parts, "Ann", [Role.APPROVER], [], PASSWORD)
    for _ in range(doors.OF_BOTH):
        assert (await sign_in(web.browser(), "Ann", "wrong")).status_code == 401
    answer = await sign_in(web.browser(), "ANN", PASSWORD)
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["retry-after"]) <= doors.WINDOW.total_seconds()
    assert "Too many tries" in answer.text
    elsewhere = web.browser(**{"x-forwarded-for": "203.0.113.9"})
    assert (await sign_in(elsewhere, "Ann", PASSWORD)).status_code == 303
    await web.parts.statements.execute(
        "update reviews.web_attempts set at = at - interval '16 minutes' where tenant = :tenant",
        tenant=web.parts.settings.tenant,
    )
    assert (await sign_in(web.browser(), "Ann", PASSWORD)).status_code == 303


async def test_who_is_let_in_counts_against_nobody_of_that_address(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doors, "OF_ADDRESS", 2)
    await add_user(web.parts, "Ann", [Role.APPROVER], [], PASSWORD)
    assert (await sign_in(web.browser(), "Bob", "wrong")).status_code == 401
    for _ in range(3):
        assert (await sign_in(web.browser(), "Ann", PASSWORD)).status_code == 303
    assert (await sign_in(web.browser(), "Bob", "wrong")).status_code == 401
    assert (await sign_in(web.browser(), "Ann", PASSWORD)).status_code == 429


async def test_a_link_signs_in_once_and_looking_at_it_uses_nothing_up(web: Web) -> None:
    path = await make_own_link(web.parts, "root")
    scanner, browser, late = web.browser(), web.browser(), web.browser()
    pages = [await one.get(path) for one in (scanner, browser, late)]
    assert {page.headers["referrer-policy"] for page in pages} == {"no-referrer"}
    secret = path.rpartition("/")[2]
    form = {"secret": secret, "csrf_token": csrf_in(pages[1].text)}
    assert (await browser.post("/login/link", data=form)).status_code == 303
    assert (await browser.get("/who")).json()["roles"] == ["admin"]
    form["csrf_token"] = csrf_in(pages[2].text)
    again = await late.post("/login/link", data=form)
    assert again.status_code == 401
    assert "used already" in again.text


async def test_a_link_ends(web: Web) -> None:
    path = await make_link(web.parts, "Ann", [Role.APPROVER], timedelta(seconds=1))
    await web.parts.statements.execute(
        "update reviews.web_links set ends_at = now() where tenant = :tenant",
        tenant=web.parts.settings.tenant,
    )
    browser = web.browser()
    form = {
        "secret": path.rpartition("/")[2],
        "csrf_token": csrf_in((await browser.get(path)).text),
    }
    assert (await browser.post("/login/link", data=form)).status_code == 401


async def test_a_page_says_who_somebody_is_and_signs_out_on_every_device(web: Web) -> None:
    here = await web.signed_in(Role.ACCOUNT_OWNER, name="Ann", groups=["sales"])
    there = web.browser()
    await sign_in(there, "Ann", PASSWORD)
    page = await here.get("/me")
    assert "account owner" in page.text
    form = {"csrf_token": csrf_in(page.text), "everywhere": "yes"}
    del here.headers["x-csrf-token"]
    assert (await here.post("/logout", data=form)).headers["location"] == "/login"
    assert (await there.get("/who")).status_code == 303
