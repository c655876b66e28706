"""People who sign in by the provider of the tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
from fastapi import APIRouter

from account_reviews.web.identity import Who
from account_reviews.web.oidc import Client, Oidc
from account_reviews.web.provider import Provider as Asked
from tests.support.provider import CLIENT_ID, ISSUER, Provider
from tests.support.web_site import Web, open_web

POLICY = """
[access.groups]
sales = ["approver"]
it = ["operator"]
"""
router = APIRouter()


@router.get("/who")
async def who_page(who: Who) -> dict[str, Any]:
    return {"name": who.name, "roles": who.roles, "groups": who.groups}


@asynccontextmanager
async def opened(
    database_url: str, tmp_path: Path, provider: Provider, policy: str = POLICY, **settings: Any
) -> AsyncIterator[Web]:
    """An app that this provider signs people in to."""
    file = tmp_path / "policy.toml"
    file.write_text(policy)
    settings = {
        "oidc_issuer": ISSUER, "oidc_client_id": CLIENT_ID, "oidc_client_secret": provider.secret,
        "policy_file": file, **settings,
    }  # fmt: skip
    async with open_web(database_url, tmp_path, routers=[router], **settings) as web:
        http = await web.site.stack.enter_async_context(provider.http())
        client = Client.of(web.parts.settings)
        assert client is not None
        asked = Asked(ISSUER, http)
        web.transport.app.state.doors._oidc = Oidc(asked, client, web.parts.sign_ins.under_way)
        yield web


async def signed_in(
    web: Web, provider: Provider, browser: httpx2.AsyncClient | None = None, path: str = "/"
) -> httpx2.Response:
    """There and back again."""
    browser = browser or web.browser()
    away = await browser.get("/login/oidc", params={"next": path})
    assert away.status_code == 303, away.text
    back = provider.authorize(away.headers["location"])
    return await browser.get("/login/oidc/callback", params=back)


async def refusals(web: Web) -> list[str]:
    rows = [row for row in await web.trail() if row["action"] == "sign-in"]
    return [row["details"]["text"] for row in rows]
