"""Signing in at Zoho: what is asked, what is believed, and what is said when it fails."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from account_reviews.config.settings import Settings
from account_reviews.crm.zoho import consent
from account_reviews.crm.zoho.oauth import (
    DATA_CENTRES,
    Credentials,
    credentials_of,
    exchange_code,
    fetch_token,
    read_connection,
)
from account_reviews.domain.errors import (
    BadInputError,
    CrmAuthError,
    CrmRateLimitedError,
    CrmUnavailableError,
)
from tests.support.fakes import client_of
from tests.support.zoho_crm import credentials, stage

GIVEN: dict[str, Any] = {
    "access_token": "1000.token",
    "api_domain": "https://www.zohoapis.eu",
    "expires_in": 3600,
}
WHO = Credentials("id", "secret", "refresh", "https://accounts.zoho.eu", None, "eu")
SET: dict[str, Any] = {
    "zoho_client_id": "id",
    "zoho_client_secret": "secret",
    "zoho_refresh_token": "refresh",
    "zoho_data_centre": "eu",
}


def answering(handle: Callable[[httpx2.Request], httpx2.Response]) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.MockTransport(handle))


def saying(status: int = 200, **body: Any) -> httpx2.AsyncClient:
    """An accounts server that always answers so."""
    return answering(lambda _: httpx2.Response(status, json=body))


async def test_a_token_comes_with_its_address_and_its_life() -> None:
    """The address is what Zoho says, the life what `expires_in` says, in seconds."""
    asked: list[httpx2.Request] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return httpx2.Response(200, json=GIVEN)

    async with answering(handle) as http:
        got = await fetch_token(WHO, http)
    assert (got.value, got.api_url) == ("1000.token", "https://www.zohoapis.eu")
    assert got.expires_in == 3600
    assert "1000.token" not in repr(got)
    assert str(asked[0].url) == "https://accounts.zoho.eu/oauth/v2/token"
    form = parse_qs(asked[0].content.decode())
    assert form == {
        "grant_type": ["refresh_token"], "client_id": ["id"], "client_secret": ["secret"],
        "refresh_token": ["refresh"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        ({"expires_in": 3600}, 3600),
        ({"expires_in": 3_600_000, "expires_in_sec": 3600}, 3600),
        ({"expires_in": 3_600_000}, 3600),
        ({}, 3600),
        ({"expires_in": "soon"}, 3600),
    ],
)
async def test_how_long_a_token_lives(body: dict[str, Any], seconds: float) -> None:
    """Never a thousandth of it, and never a crash for want of it."""
    given = {name: value for name, value in GIVEN.items() if name != "expires_in"}
    async with saying(**given, **body) as http:
        assert (await fetch_token(WHO, http)).expires_in == seconds


@pytest.mark.parametrize(
    ("body", "error", "said"),
    [
        ({"error": "invalid_client"}, CrmAuthError, "or of another data centre"),
        ({"error": "invalid_code"}, CrmAuthError, "refresh token or code is wrong"),
        ({"error": "general_error"}, CrmAuthError, "general_error"),
        (
            {"error": "Access Denied", "error_description": "You have made too many requests"},
            CrmRateLimitedError,
            "too many access tokens",
        ),
        ({"access_token": ""}, CrmUnavailableError, "without an access token"),
        ({"access_token": "t", "api_domain": "https://evil.example"}, CrmAuthError, "no data"),
        ({"access_token": "t", "api_domain": "http://www.zohoapis.eu"}, CrmAuthError, "no data"),
    ],
)
async def test_a_success_that_is_none(body: dict[str, Any], error: Any, said: str) -> None:
    """The body of a 200 is looked at first, and a token goes to Zoho's hosts alone."""
    async with saying(**body) as http:
        with pytest.raises(error, match=said) as caught:
            await fetch_token(WHO, http)
    assert "secret" not in str(caught.value).replace("client id or secret", "")
    assert "refresh" not in str(caught.value).replace("refresh token", "")


@pytest.mark.parametrize(
    ("body", "error", "said"),
    [
        ({"error": "invalid_code"}, BadInputError, "does not take the code: it is wrong, used up"),
        ({"error": "invalid_redirect_uri"}, BadInputError, "made for another redirect URI"),
        ({"access_token": "t"}, BadInputError, "no refresh token for the code"),
        ({"error": "invalid_client_secret"}, CrmAuthError, "the client secret is wrong"),
        ({"error": "invalid_client"}, CrmAuthError, "or of another data centre"),
    ],
)
async def test_a_wrong_code_is_a_wrong_input_and_wrong_credentials_are_not(
    body: dict[str, Any], error: Any, said: str
) -> None:
    async with saying(**body) as http:
        with pytest.raises(error, match=said) as caught:
            await exchange_code(WHO, "nonsense", None, http)
    assert type(caught.value) is error


@pytest.mark.parametrize(
    ("response", "error", "said"),
    [
        (httpx2.Response(500), CrmUnavailableError, "answers 500"),
        (httpx2.Response(200, text="<html>Sign in</html>"), CrmUnavailableError, "no JSON object"),
        (httpx2.Response(200, text=""), CrmUnavailableError, "no JSON object"),
        (httpx2.Response(200, json=[1]), CrmUnavailableError, "no JSON object"),
        (httpx2.Response(400, json={}), CrmAuthError, "status 400"),
        (httpx2.Response(429), CrmRateLimitedError, "too many"),
    ],
)
async def test_answers_that_are_none(response: httpx2.Response, error: Any, said: str) -> None:
    async with answering(lambda _: response) as http:
        with pytest.raises(error, match=said):
            await fetch_token(WHO, http)


async def test_an_accounts_server_that_cannot_be_reached() -> None:
    def handle(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("no route", request=request)

    async with answering(handle) as http:
        with pytest.raises(CrmUnavailableError, match="sign-in cannot be reached"):
            await fetch_token(WHO, http)


async def test_ten_tokens_in_ten_minutes_and_no_more() -> None:
    """The eleventh is told as what it is, with how long to wait."""
    app = stage().app
    async with client_of(app) as http:
        for _ in range(10):
            await fetch_token(credentials(app), http)
        with pytest.raises(CrmRateLimitedError) as caught:
            await fetch_token(credentials(app), http)
    assert caught.value.retry_after == 600


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"zoho_refresh_token": None}, "REVIEWS_ZOHO_REFRESH_TOKEN is not set"),
        ({"zoho_client_id": None}, "REVIEWS_ZOHO_CLIENT_ID is not set"),
        ({"zoho_client_secret": None}, "REVIEWS_ZOHO_CLIENT_SECRET is not set"),
        ({"zoho_data_centre": None}, "the region of the org is asked, never guessed"),
        ({"zoho_data_centre": "de"}, "is 'de', which is no data centre of Zoho"),
        ({"zoho_api_url": "http://crm.example"}, "is 'http://crm.example', but must be https"),
        ({"zoho_accounts_url": "ftp://x"}, "REVIEWS_ZOHO_ACCOUNTS_URL is 'ftp://x'"),
        ({"zoho_api_url": "https://me:pass@x"}, "is an address with a name or password"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInputError, match=said) as caught:
        credentials_of(Settings(data_dir=tmp_path, **{**SET, **settings}))
    assert "pass@" not in caught.value.message


def test_addresses_follow_from_the_data_centre(tmp_path: Path) -> None:
    """Both hosts of each; an address of one's own comes before it, http on this machine alone."""
    for centre, hosts in DATA_CENTRES.items():
        who = credentials_of(Settings(data_dir=tmp_path, **{**SET, "zoho_data_centre": centre}))
        assert (who.accounts_url, who.api_url) == (hosts.accounts, None)
    own = {"zoho_accounts_url": "http://127.0.0.1:9", "zoho_api_url": "http://localhost:9/"}
    who = credentials_of(Settings(data_dir=tmp_path, **{**SET, **own, "zoho_data_centre": None}))
    assert (who.accounts_url, who.api_url) == ("http://127.0.0.1:9", "http://localhost:9")
    assert "secret" not in repr(who).replace("client_secret", "")


async def test_a_consent_is_stored_for_its_owner_alone(tmp_path: Path) -> None:
    """The code within the address is exchanged; what is stored is used when no variable is set."""
    app = stage().app
    env = app.env("http://localhost:8999")
    settings = Settings(
        data_dir=tmp_path,
        zoho_client_id=env["REVIEWS_ZOHO_CLIENT_ID"],
        zoho_client_secret=env["REVIEWS_ZOHO_CLIENT_SECRET"],
        zoho_accounts_url="http://localhost:8999",
    )
    begun = consent.begin(settings, "eu", None)
    asked = parse_qs(urlsplit(begun.url).query)
    assert asked["access_type"] == ["offline"]
    assert "ZohoCRM.coql.READ" in asked["scope"][0]
    back = f"{consent.REDIRECT_URI}?state={begun.state}&code={app.state.tokens.code}"
    async with client_of(app) as http:
        made = await consent.finish(begun, f" {back} ", by_url=True, http=http)
    assert made.stored.stat().st_mode & 0o777 == 0o600
    stored = read_connection(settings)
    assert stored["refresh_token"] == env["REVIEWS_ZOHO_REFRESH_TOKEN"]
    who = credentials_of(settings)
    assert (who.refresh_token, who.data_centre) == (stored["refresh_token"], "eu")


@pytest.mark.parametrize(
    ("pasted", "said"),
    [
        ("", "that is no code"),
        ("two words", "that is no code"),
        ("http://localhost:8977/zoho?state=x&code=1", "is of another consent"),
        ("http://localhost:8977/zoho?error=access_denied", "did not allow it: access_denied"),
        ("http://localhost:8977/zoho", "holds no code"),
        (
            "http://localhost:8977/zoho?code=1&accounts-server=https%3A%2F%2Faccounts.zoho.in",
            "lives in the data centre in, not in eu",
        ),
    ],
)
async def test_what_is_pasted_and_is_no_code(tmp_path: Path, pasted: str, said: str) -> None:
    begun = consent.begin(Settings(data_dir=tmp_path, **SET), "eu", None)
    with pytest.raises(BadInputError, match=said):
        await consent.finish(begun, pasted, by_url=True)


def test_a_stored_connection_that_cannot_be_read(tmp_path: Path) -> None:
    """It is named, with what to do."""
    (tmp_path / "zoho-connection.json").write_text("{")
    with pytest.raises(BadInputError, match="cannot be read: it is no JSON"):
        credentials_of(Settings(data_dir=tmp_path, **{**SET, "zoho_refresh_token": None}))
