"""Letting others decide, from either page; the review that hears of it is played."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.domain.errors import ConflictError, NegativeAnswerError, UnreachableError
from account_reviews.domain.policy.access import Role
from account_reviews.web import handing_over
from tests.support.inboxes import put, waiting
from tests.support.web_site import Web, open_web

POLICY = """\
[access.users]
"Olga" = { roles = ["approver"], id = "ow-1" }
"""


@pytest.fixture
async def web(database_url: str, engine: AsyncEngine, tmp_path: Path) -> AsyncIterator[Web]:
    """Three requests that ask for ow-1, who is Ann Lee in the CRM."""
    tenant, at = f"t-{uuid4().hex[:8]}", datetime.now(UTC)
    for account in ("ac-1", "ac-2", "ac-3"):
        await put(engine, waiting(account, at=at, tenant=tenant))
    async with open_web(database_url, tmp_path, tenant=tenant) as found:
        found.parts.connect = connected  # type: ignore[method-assign]
        yield found


async def connected() -> Any:
    """A connection that only the played review would use."""


class Said(list[tuple[str, str, str, str | None]]):
    """What was said to reviews: which, by whom, to whom, why."""

    def __init__(self) -> None:
        super().__init__()
        self.raises: dict[str, Exception] = {}

    async def command(
        self, _parts: Any, _client: Any, review: str, _verb: str, said: Any, **_: Any
    ) -> None:
        if review in self.raises:
            raise self.raises[review]
        self.append((review, said.by, said.to, said.reason))


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Said:
    found = Said()
    monkeypatch.setattr(handing_over, "command", found.command)
    return found


async def ids(web: Web, *names: str) -> list[str]:
    tenant = web.parts.settings.tenant
    rows = [await web.parts.reader.find_request(tenant, f"{name}-1") for name in names]
    return [row.request.request_id for row in rows]


async def test_both_pages_say_the_same(web: Web, said: Said) -> None:
    browser = await web.signed_in(Role.ACCOUNT_OWNER, name="Ann Lee")
    form = {"to": "Ben", "reason": " away  until Monday "}
    one = await browser.post("/requests/ac-1-1/delegate", data=form)
    many = await browser.post("/standing-in", data={**form, "request": await ids(web, "ac-2")})
    assert [one.status_code, many.headers["location"]] == [303, "/standing-in?done=1"]
    told = ("ow-1", "Ben", "away until Monday")
    assert said == [("review/ac-1", *told), ("review/ac-2", *told)]


async def test_one_that_fails_stops_no_other_and_is_named(web: Web, said: Said) -> None:
    said.raises["review/ac-2"] = ConflictError("the request is already approved by Ben")
    browser = await web.signed_in(Role.ACCOUNT_OWNER, name="Ann Lee")
    form = {"to": "Ben", "request": await ids(web, "ac-1", "ac-2", "ac-3")}
    answer = await browser.post("/standing-in", data=form)
    assert answer.status_code == 409
    assert [one[0] for one in said] == ["review/ac-1", "review/ac-3"]
    assert "2 requests handed over" in answer.text
    failed = re.findall(r"<li><a href=.*>(.*)</a>: (.*)</li>", answer.text)
    assert failed == [("ac-2-1", "The request is already approved by Ben.")]


async def test_nobody_is_asked_again_where_nobody_answers(web: Web, said: Said) -> None:
    said.raises["review/ac-1"] = UnreachableError("no worker answered")
    browser = await web.signed_in(Role.ACCOUNT_OWNER, name="Ann Lee")
    form = {"to": "Ben", "request": await ids(web, "ac-1", "ac-2", "ac-3")}
    answer = await browser.post("/standing-in", data=form)
    assert (answer.status_code, list(said)) == (503, [])
    assert answer.text.count("No worker answered.") == 3


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UnreachableError("Temporal does not answer"), 503),
        (ConflictError("Ann Lee is late"), 409),
        (NegativeAnswerError("Ann Lee may not"), 403),
    ],
)
async def test_the_page_of_a_request_answers_as_it_went(
    web: Web, said: Said, error: Exception, status: int
) -> None:
    said.raises["review/ac-1"] = error
    browser = await web.signed_in(Role.ACCOUNT_OWNER, name="Ann Lee")
    answer = await browser.post("/requests/ac-1-1/delegate", data={"to": "Ben"})
    assert (answer.status_code, str(error) in answer.text) == (status, True)


async def test_who_is_called_otherwise_by_the_policy_is_meant_by_his_id(
    database_url: str, engine: AsyncEngine, tmp_path: Path, said: Said
) -> None:
    tenant, policy = f"t-{uuid4().hex[:8]}", tmp_path / "policy.toml"
    policy.write_text(POLICY)
    state = waiting("ac-1", at=datetime.now(UTC), tenant=tenant, approvers=("Kim",))
    await put(engine, state)
    async with open_web(database_url, tmp_path, tenant=tenant, policy_file=policy) as web:
        web.parts.connect = connected  # type: ignore[method-assign]
        kim = await web.signed_in(Role.APPROVER, name="Kim")
        for to in ("Ann Lee", "Olga", "Zoe"):
            await kim.post("/requests/ac-1-1/delegate", data={"to": to})
    assert [one[1:3] for one in said] == [("Kim", "ow-1"), ("Kim", "Olga"), ("Kim", "Zoe")]
