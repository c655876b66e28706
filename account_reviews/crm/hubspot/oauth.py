"""What calls of HubSpot are authorised with: a token of a private app, or OAuth."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import httpx2

from account_reviews.config.service_addresses import service_url
from account_reviews.config.settings import Settings
from account_reviews.crm.http.answers import broken, judge, read_raw
from account_reviews.crm.http.token_store import Fetched, SharedTokens
from account_reviews.crm.http.tokens import StaticToken, TokenSource
from account_reviews.crm.hubspot.client import VERSION
from account_reviews.crm.registry import CrmContext
from account_reviews.domain.errors import (
    BadInputError,
    CrmAuthError,
    CrmRateLimitedError,
    CrmUnreadableError,
)

API_URL: Final = "https://api.hubapi.com"
SECONDS: Final = 15.0
"""For one request of a token."""
_LARGEST: Final = 2**20
_LIFE: Final = 1800.0
"""Seconds that a token lives when the answer does not say."""


def api_url(settings: Settings) -> str:
    """Where HubSpot is. BadInputError for an address that a token must not be sent to."""
    url = settings.hubspot_api_url
    return API_URL if url is None else service_url(url, "REVIEWS_HUBSPOT_API_URL")


def open_tokens(context: CrmContext, http: httpx2.AsyncClient | None = None) -> TokenSource:
    """The token of a private app where one is set, else OAuth. BadInputError names what lacks."""
    settings = context.settings
    url = api_url(settings)
    token = settings.credential("hubspot_token")
    refresh = settings.credential("hubspot_refresh_token")
    if token is not None and refresh is not None:
        raise BadInputError(
            "both REVIEWS_HUBSPOT_TOKEN and REVIEWS_HUBSPOT_REFRESH_TOKEN are set",
            hint="set the token of a private app, or what OAuth needs",
        )
    if token is not None:
        return StaticToken(
            token, url, scheme="Bearer", service="HubSpot",
            hint="compare REVIEWS_HUBSPOT_TOKEN with the private app in HubSpot",
        )  # fmt: skip
    client_id, client_secret = (
        settings.hubspot_client_id,
        settings.credential("hubspot_client_secret"),
    )
    given = {
        "REVIEWS_HUBSPOT_CLIENT_ID": client_id,
        "REVIEWS_HUBSPOT_CLIENT_SECRET": client_secret,
        "REVIEWS_HUBSPOT_REFRESH_TOKEN": refresh,
    }
    missing = [name for name, value in given.items() if not value]
    if missing:
        raise BadInputError(
            f"HubSpot has no credentials, since nobody has set {', '.join(missing)}",
            hint="set REVIEWS_HUBSPOT_TOKEN for a private app, or the three of OAuth; "
            "see docs/hubspot.md",
        )
    form = {
        "grant_type": "refresh_token", "client_id": client_id, "client_secret": client_secret,
        "refresh_token": refresh,
    }  # fmt: skip

    async def fetch() -> Fetched:
        return await fetch_token(url, form, http)

    # All that a token depends on: whoever changes any of it gets another one.
    together = "\n".join((url, client_id or "", client_secret or "", refresh or ""))
    return SharedTokens(context.engine, service="hubspot", secret=together, fetch=fetch)


def credential_of(settings: Settings) -> str:
    """What tells one app in one portal from another. A secret."""
    return settings.secret("hubspot_token") or settings.secret("hubspot_refresh_token") or ""


async def fetch_token(
    url: str, form: Mapping[str, Any], http: httpx2.AsyncClient | None = None
) -> Fetched:
    """One token, asked for in the body: a query would stand in logs.

    CrmAuthError, CrmRateLimitedError, CrmUnavailableError, CrmUnreadableError.
    """
    client = http or httpx2.AsyncClient(timeout=None)
    try:
        async with asyncio.timeout(SECONDS):
            async with client.stream(
                "POST", f"{url}/oauth/{VERSION}/token", data=dict(form),
                headers={"accept": "application/json"},
            ) as response:  # fmt: skip
                raw = await read_raw(response, _LARGEST)
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        raise broken("hubspot", error) from None
    finally:
        if http is None:
            await client.aclose()
    if raw.status == 429:
        raise CrmRateLimitedError("HubSpot gives no token for now", retry_after=10.0)
    answer = judge("hubspot", raw)
    body = answer.body if isinstance(answer.body, Mapping) else {}
    if answer.status >= 400 or body.get("error"):
        said = str(body.get("status") or body.get("error") or answer.status)
        raise CrmAuthError(
            f"HubSpot gives no token for our credentials and says {said[:60]}",
            hint="compare client id, client secret and refresh token with the app in HubSpot",
        )
    value = body.get("access_token")
    if not isinstance(value, str) or not value:
        raise CrmUnreadableError("HubSpot's answer holds no token")
    seconds = body.get("expires_in")
    life = float(seconds) if isinstance(seconds, int | float) and seconds > 0 else _LIFE
    return Fetched(value, url, life)
