"""What no page of ours sends: characters that cannot be stored, addresses that are made up, keys in
paths; and what log and trail say of it."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from account_reviews.domain.errors import UnreachableError
from account_reviews.domain.policy.access import Role
from account_reviews.services.sign_ins import make_link
from account_reviews.web import errors, refusals
from tests.support.web_site import Web, open_web, sign_in


@pytest.fixture
async def web(database_url: str, tmp_path: Path) -> AsyncIterator[Web]:
    """The app as it is."""
    async with open_web(database_url, tmp_path) as found:
        yield found


@pytest.mark.parametrize(
    "path",
    ["/cycles/%00", "/inbox?owner=%00", "/inbox?risk=%00", "/reviews/ac-1?run=%00",
     "/accounts/a%00b", "/requests/%00", "/schedules/%00", "/owners/%00", "/l/%00"],
)  # fmt: skip
async def test_an_address_that_cannot_be_stored_is_refused(web: Web, path: str) -> None:
    browser = await web.signed_in(Role.ADMIN)
    answer = await browser.get(path)
    assert (answer.status_code, "NUL" in answer.text) == (422, True)


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/stop-all", {"reason": "a\0b"}),
        ("/stuck", {"review": "\0", "run": "\0"}),
        ("/accounts", {"account": "\0"}),
        ("/login", {"username": "\0", "password": "\0"}),
    ],
)
@pytest.mark.parametrize("in_parts", [False, True])
async def test_a_form_that_cannot_be_stored_is_refused(
    web: Web, path: str, form: dict[str, str], in_parts: bool
) -> None:
    browser = await web.signed_in(Role.ADMIN)
    files = {"file": ("a", b"a")} if in_parts else None
    answer = await browser.post(path, data=form, files=files)
    assert (answer.status_code, "NUL" in answer.text) == (422, True)


async def test_a_percent_sign_before_zeros_is_a_text_as_any(web: Web) -> None:
    browser = await web.signed_in(Role.ADMIN)
    answer = await browser.post("/accounts", data={"account": "%00"})
    assert (answer.status_code, "NUL" in answer.text) == (404, False)


@pytest.mark.parametrize("path", ["/l/x", "/l/x/live", "/l/%00", "/login/link/x/y"])
async def test_a_key_in_a_path_is_told_to_nobody(web: Web, path: str) -> None:
    answer = await web.browser().get(path)
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"


async def test_a_key_in_a_path_is_not_logged(
    web: Web, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = await make_link(web.parts, "Ann", [Role.APPROVER])

    async def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(web.site, "page", fail)
    with caplog.at_level(logging.ERROR), pytest.raises(RuntimeError):
        await web.browser().get(path)
    assert "GET /login/link/... failed" in caplog.text
    assert path.rpartition("/")[2] not in caplog.text


async def test_the_trail_says_from_where_somebody_was_refused(web: Web) -> None:
    await web.browser(host="evil.example").get("/login")
    await web.browser(authorization="Bearer rvw_nobody").get("/api/v1/reviews")
    found = {row["action"]: row["details"]["address"] for row in await web.trail()}
    assert found == {"host": "127.0.0.1", "token": "127.0.0.1"}


async def test_a_proxy_that_adds_a_line_of_its_own_is_believed_before_who_asks(web: Web) -> None:
    browser = web.browser()
    browser.headers = [("x-forwarded-for", "198.51.100.1"), ("x-forwarded-for", "203.0.113.9")]
    await sign_in(browser, "nobody", "wrong")
    assert {row["details"]["address"] for row in await web.trail()} == {"203.0.113.9"}


async def test_what_was_counted_is_told_also_when_nobody_tries_again(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "_EVERY", 0.2)
    for _ in range(3):
        await web.browser(host="evil.example").get("/login")
    for _ in range(50):
        counts = [row["details"]["count"] for row in await web.trail()]
        if sum(counts) == 3:
            return
        await asyncio.sleep(0.05)
    pytest.fail(f"told {counts} of 3")


async def test_kinds_of_long_ago_make_room(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "_EVERY", 0.0)
    monkeypatch.setattr(refusals, "_MOST", 2)
    refused = refusals.Refused(web.parts)
    for name in ("a", "b", "c", "d"):
        refused.note("form", "forged", name=name)
    assert {row["actor"] for row in await web.trail()} == {"a", "b", "c", "d"}


async def test_a_policy_with_a_fault_is_no_fault_of_who_asks(
    database_url: str, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('version = "1"\n')
    async with open_web(database_url, tmp_path, policy_file=policy) as web:
        browser, program = await web.signed_in(Role.APPROVER), await web.program(Role.AUDITOR)
        policy.write_text("users = [")
        for who, path in ((browser, "/inbox"), (program, "/api/v1/reviews")):
            answer = await who.get(path)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer rvw_nobody"}])
async def test_strangers_are_counted_by_their_address(web: Web, headers: dict[str, str]) -> None:
    web.pace.of_address = (3, 0.001)
    stranger = web.browser(**headers)
    found = [(await stranger.get("/api/v1/reviews")).status_code for _ in range(5)]
    assert found == [401, 401, 401, 429, 429]


@pytest.mark.parametrize(
    "headers",
    [{"authorization": "Bearer rvw_nobody"}, {"authorization": "Basic YTpi"},
     {"cookie": "reviews_session=nobody"}],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/inbox", "/login", "/accounts/ac-1", "/inbox/live"])
async def test_a_page_counts_what_does_not_hold_and_nobody_else(
    web: Web, path: str, headers: dict[str, str]
) -> None:
    web.pace.of_address = (3, 0.001)
    person, program = await web.signed_in(Role.ADMIN), await web.program(Role.ADMIN)
    stranger = web.browser(**headers)
    found = [(await stranger.get(path)).status_code for _ in range(5)]
    assert (429 in found[:3], found[3:]) == (False, [429, 429])
    last = await stranger.get(path)
    assert int(last.headers["retry-after"]) > 1
    assert "Too many at once" in last.text
    for other in (person, program, web.browser()):  # of the same address
        assert (await other.get("/login")).status_code != 429
    assert (await person.get("/inbox")).status_code == 200
    assert (await web.browser(**headers).get("/static/none.css")).status_code == 404


async def test_where_the_database_stands_is_for_the_log_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(errors._away, "filters", [])
    async with open_web("postgresql://secretive@127.0.0.1:1/hidden", tmp_path) as web:
        for headers in ({"authorization": "Bearer rvw_x"}, {"cookie": "reviews_session=nobody"}):
            for path in ("/inbox", "/api/v1/reviews"):
                answer = await web.browser(**headers).get(path)
                assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
                assert "he database cannot be reached" in answer.text
                for word in ("secretive", "127.0.0.1", "hidden"):
                    assert word not in answer.text
    assert caplog.text.count("secretive") == 4


async def test_where_temporal_stands_is_for_the_log_alone(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    for _ in range(2):  # the second time it is not tried again
        with pytest.raises(UnreachableError) as caught:
            await web.site.temporal()
        assert "127.0.0.1:1" in caught.value.message
        assert errors.told_of(caught.value) == "Temporal does not answer"
