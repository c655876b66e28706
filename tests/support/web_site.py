"""The whole web app over a database, and people and programs who ask it."""

import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
from fastapi import APIRouter

from account_reviews.bootstrap import Parts, open_parts
from account_reviews.config.settings import Settings
from account_reviews.domain.policy.access import Role
from account_reviews.services.sign_ins import add_user, make_token
from account_reviews.web.api.pace import Pace
from account_reviews.web.app import ROUTERS, create_app
from account_reviews.web.oidc import Oidc
from account_reviews.web.security import known_hosts
from account_reviews.web.site import Site

BASE = "http://127.0.0.1"
PASSWORD = "correct horse battery"
_FIELD = re.compile(r'name="csrf_token" value="([0-9a-f]+)"')


@dataclass
class Web:
    """A running app, and a browser that is signed in nowhere yet."""

    parts: Parts
    site: Site
    transport: Any
    base: str
    pace: Pace
    browsers: list[httpx2.AsyncClient] = field(default_factory=list)

    def browser(self, **headers: str) -> httpx2.AsyncClient:
        """Another one, with cookies of its own."""
        found = httpx2.AsyncClient(transport=self.transport, base_url=self.base, headers=headers)
        self.browsers.append(found)
        return found

    async def signed_in(
        self, *roles: Role, name: str | None = None, groups: Sequence[str] = ()
    ) -> httpx2.AsyncClient:
        """The browser of a new local user, who has signed in; its forms carry the token."""
        name = name or f"user-{uuid4().hex[:8]}"
        await add_user(self.parts, name, roles, groups, PASSWORD)
        browser = self.browser()
        answer = await sign_in(browser, name, PASSWORD)
        assert answer.status_code == 303, answer.text
        page = await browser.get("/login/nothing")
        browser.headers["x-csrf-token"] = csrf_in(page.text)
        return browser

    async def trail(self) -> list[dict[str, Any]]:
        """What the trail has of this tenant."""
        await self.parts.audit.log.flush(10)
        rows = await self.parts.audit.statements.rows(
            "select event_type, action, actor, resource, details from audit.audit_events "
            "where tenant = :tenant order by seq",
            tenant=self.parts.settings.tenant,
        )
        return [{**row, "details": json.loads(row["details"])} for row in rows]

    async def program(
        self, *roles: Role, scopes: Sequence[Any] | None = None, name: str = "ci"
    ) -> httpx2.AsyncClient:
        """A program with a token."""
        made = await make_token(self.parts, name, roles, scopes)
        return self.browser(authorization=f"Bearer {made.token}")


def csrf_in(page: str) -> str:
    """The token in a form of a page."""
    found = _FIELD.search(page)
    assert found is not None, page
    return found[1]


async def sign_in(
    browser: httpx2.AsyncClient, name: str, password: str, **more: str
) -> httpx2.Response:
    """As a person does: open the form, fill it in, send it."""
    page = await browser.get("/login")
    form = {"username": name, "password": password, "csrf_token": csrf_in(page.text), **more}
    return await browser.post("/login", data=form)


@asynccontextmanager
async def open_web(
    database_url: str,
    data_dir: Path,
    *,
    routers: Sequence[APIRouter] = (),
    oidc: Oidc | None = None,
    **settings: Any,
) -> AsyncIterator[Web]:
    """The app for a tenant of its own. `routers` come beside those of the app."""
    settings = {"tenant": f"t-{uuid4().hex[:8]}", **settings}
    found = Settings.load(database_url=database_url, data_dir=data_dir, **settings)
    secure = (found.web_url or "").startswith("https://")
    async with (
        open_parts(found, application="tests") as parts,
        Site(parts, secure=secure) as site,
    ):
        app = create_app(
            site, hosts=known_hosts(found.web_url), routers=[*ROUTERS, *routers], oidc=oidc
        )
        transport = httpx2.ASGITransport(app=app)
        web = Web(parts, site, transport, found.web_url or BASE, app.state.pace)
        try:
            yield web
        finally:
            for browser in web.browsers:
                await browser.aclose()
