"""Credentials of HubSpot: which are taken, and what is said of those that are not."""

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest

from account_reviews.config.settings import Settings
from account_reviews.crm.hubspot.oauth import api_url, fetch_token, open_tokens
from account_reviews.crm.registry import CrmContext
from account_reviews.domain.errors import (
    BadInputError,
    CrmAuthError,
    CrmRateLimitedError,
    CrmUnavailableError,
    CrmUnreadableError,
)
from account_reviews.fakes.hubspot_access import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN
from tests.support.fakes import FAKE_URL, client_of
from tests.support.hubspot import crm_of, make_fake, opened, write_mapping

FORM = {
    "grant_type": "refresh_token", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET,
    "refresh_token": REFRESH_TOKEN,
}  # fmt: skip
OAUTH: dict[str, Any] = {
    "hubspot_client_id": CLIENT_ID, "hubspot_client_secret": CLIENT_SECRET,
    "hubspot_refresh_token": REFRESH_TOKEN,
}  # fmt: skip


def answering(status: int, content: object, **headers: str) -> httpx2.AsyncClient:
    def handle(request: httpx2.Request) -> httpx2.Response:
        if isinstance(content, Exception):
            raise content
        if isinstance(content, str):
            return httpx2.Response(status, text=content, headers=headers)
        return httpx2.Response(status, json=content, headers=headers)

    return httpx2.AsyncClient(transport=httpx2.MockTransport(handle))


async def test_a_token_is_asked_for_in_the_body() -> None:
    app = make_fake()
    async with client_of(app) as http:
        token = await fetch_token(FAKE_URL, FORM, http)
    assert token.expires_in == 1800
    assert "CJfake" not in repr(token)
    assert dict(app.log.lines[0].query) == {}


@pytest.mark.parametrize(
    ("http", "kind"),
    [
        (answering(400, {"status": "BAD_REFRESH_TOKEN", "message": "m"}), CrmAuthError),
        (answering(200, {"error": "invalid_grant"}), CrmAuthError),
        (answering(401, None), CrmAuthError),
        (answering(530, "<html>"), CrmAuthError),
        (answering(429, {}), CrmRateLimitedError),
        (answering(503, "<html>down</html>"), CrmUnavailableError),
        (
            answering(200, "<html>sign in</html>", **{"content-type": "text/html"}),
            CrmUnavailableError,
        ),
        (answering(200, "{half"), CrmUnavailableError),
        (answering(200, {}), CrmUnreadableError),
        (answering(200, httpx2.ConnectError("refused")), CrmUnavailableError),
    ],
)
async def test_what_comes_in_place_of_a_token(
    http: httpx2.AsyncClient, kind: type[Exception]
) -> None:
    with pytest.raises(kind) as caught:
        await fetch_token(FAKE_URL, FORM, http)
    assert CLIENT_SECRET not in str(caught.value)
    assert REFRESH_TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://api.hubapi.com",
            "ftp://127.0.0.1",
            "https://",
            "hubapi",
            "http://127.0.0.1.evil",
        ),
        *(
            "http://[",
            "https://h:abc",
            "https://h:99999",
            "https://h:0",
            "https://h x",
            "https://h?q",
        ),
    ],
)
def test_a_token_goes_only_where_it_is_safe(url: str) -> None:
    with pytest.raises(BadInputError, match=r"REVIEWS_HUBSPOT_API_URL is .* must be https://HOST"):
        api_url(Settings(hubspot_api_url=url))
    assert api_url(Settings()) == "https://api.hubapi.com"
    assert api_url(Settings(hubspot_api_url="http://localhost:1/")) == "http://localhost:1"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "no credentials, since nobody has set REVIEWS_HUBSPOT_CLIENT_ID, REVIEWS_HUBSPOT_"),
        (
            {**OAUTH, "hubspot_client_id": None},
            "since nobody has set REVIEWS_HUBSPOT_CLIENT_ID$",
        ),
        ({**OAUTH, "hubspot_token": "pat-x"}, "both REVIEWS_HUBSPOT_TOKEN and"),
        ({"hubspot_token": "pat-ä"}, "REVIEWS_HUBSPOT_TOKEN holds a character"),
        ({"hubspot_token": "two words"}, "REVIEWS_HUBSPOT_TOKEN holds a character"),
    ],
)
async def test_credentials_that_cannot_be_used(settings: dict[str, Any], said: str) -> None:
    engine: Any = None
    with pytest.raises(BadInputError, match=said):
        async with opened(make_fake(), engine, **settings):
            pass


async def test_a_token_of_a_private_app_that_is_refused_names_hubspot() -> None:
    engine: Any = None
    async with AsyncExitStack() as closing:
        context = CrmContext(
            url="hubspot://", settings=Settings(hubspot_token="pat-na1-wrong"),
            engine=engine, engine_of=lambda _: engine, closing=closing,
        )  # fmt: skip
        tokens = open_tokens(context, None)
    with pytest.raises(CrmAuthError, match=r"^HubSpot does not accept our key$") as caught:
        await tokens.renewed(await tokens.token())
    assert "REVIEWS_HUBSPOT_TOKEN" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"speed": 9}, "no option 'speed'"),
        ({"concurrency": 0}, "concurrency of the mapping cannot be 0"),
    ],
)
async def test_options_are_checked(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    engine: Any = None
    path = write_mapping(tmp_path / "mapping.yaml", **options)
    with pytest.raises(BadInputError, match=said):
        async with opened(make_fake(), engine, hubspot_token="pat-x", crm_mapping=path):
            pass


async def test_a_token_of_another_form_is_a_credential_problem() -> None:
    """HubSpot answers 530, which looks like an outage and never heals."""
    app = make_fake()
    crm = crm_of(app, token="my-password")
    health = await crm.health()
    assert not health.ok
    assert "does not accept our credentials" in health.detail
    assert len(app.log.lines) == 1


async def test_a_revoked_private_token_is_told() -> None:
    app = make_fake({"action": "revoke"})
    assert not (await crm_of(app).health()).ok
