"""Signing in at Zoho: data centres, credentials, access tokens for a refresh token."""

import asyncio
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import httpx2

from account_reviews.config.service_addresses import service_url
from account_reviews.config.settings import Settings
from account_reviews.crm.http.answers import broken, read_raw, wait_of
from account_reviews.crm.http.client import open_http
from account_reviews.crm.http.token_store import Fetched
from account_reviews.domain.errors import (
    BadInputError,
    CrmAuthError,
    CrmError,
    CrmRateLimitedError,
    CrmUnavailableError,
)

SERVICE: Final = "Zoho CRM"
SCHEME: Final = "Zoho-oauthtoken"


@dataclass(frozen=True)
class DataCentre:
    """Where accounts of one region sign in, and where their CRM answers."""

    accounts: str
    api: str


DATA_CENTRES: Final = {
    "com": DataCentre("https://accounts.zoho.com", "https://www.zohoapis.com"),
    "eu": DataCentre("https://accounts.zoho.eu", "https://www.zohoapis.eu"),
    "in": DataCentre("https://accounts.zoho.in", "https://www.zohoapis.in"),
    "com.au": DataCentre("https://accounts.zoho.com.au", "https://www.zohoapis.com.au"),
    "jp": DataCentre("https://accounts.zoho.jp", "https://www.zohoapis.jp"),
    "com.cn": DataCentre("https://accounts.zoho.com.cn", "https://www.zohoapis.com.cn"),
    "sa": DataCentre("https://accounts.zoho.sa", "https://www.zohoapis.sa"),
    "ca": DataCentre("https://accounts.zohocloud.ca", "https://www.zohoapis.ca"),
}
SCOPES: Final = (
    "ZohoCRM.modules.ALL",
    "ZohoCRM.coql.READ",
    "ZohoCRM.users.READ",
    "ZohoCRM.settings.fields.READ",
    "ZohoCRM.notifications.ALL",
)
"""What `crm connect` asks for."""
_CONNECTION: Final = "zoho-connection.json"
_SECONDS: Final = 15.0
_LARGEST: Final = 2**20
_TOKEN_SECONDS: Final = 3600.0
_LONGEST_TOKEN: Final = 86_400.0
"""A lifetime beyond it was told in milliseconds, as older accounts servers do."""
_BLOCKED_SECONDS: Final = 600.0
_MEANINGS: Final = {
    "invalid_client": "the client id or secret is wrong, or of another data centre",
    "invalid_client_secret": "the client secret is wrong",
    "invalid_code": "the refresh token or code is wrong, was revoked or is used up",
    "invalid_token": "the refresh token is wrong or was revoked",
    "invalid_redirect_uri": "the redirect URI is not the one of the client",
    "access_denied": "access was denied",
}
_OF_CODES: Final = {
    "invalid_code": "it is wrong, used up, or older than the few minutes that it is good for",
    "invalid_redirect_uri": "it was made for another redirect URI",
}
"""What Zoho has against a code, by its word: somebody typed it, and can type another one."""
_ANOTHER_CODE: Final = "consent anew; a code of a self client needs no `--redirect-uri`"


@dataclass(frozen=True)
class Credentials:
    """What signs in. Secrets are never shown."""

    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)
    accounts_url: str
    api_url: str | None
    """Set by REVIEWS_ZOHO_API_URL: it comes before what Zoho calls its address."""
    data_centre: str | None

    @property
    def together(self) -> str:
        """All that a token depends on, as one secret: whoever changes any of it gets another."""
        parts = (self.accounts_url, self.api_url or "", self.client_id, self.client_secret)
        return "\n".join((*parts, self.refresh_token))


def credentials_of(settings: Settings) -> Credentials:
    """The credentials that the settings name, or that `crm connect` has stored.

    BadInputError names the variable that is missing or does not fit.
    """
    stored = read_connection(settings)
    refresh_token = settings.secret("zoho_refresh_token") or stored.get("refresh_token")
    client_id = settings.zoho_client_id or stored.get("client_id")
    centre = settings.zoho_data_centre or stored.get("data_centre")
    if not refresh_token:
        raise BadInputError(
            "Zoho CRM is not connected: REVIEWS_ZOHO_REFRESH_TOKEN is not set",
            hint="connect it with `reviews crm connect zoho`, or set the variable",
        )
    return Credentials(
        client_id=needed(client_id, "CLIENT_ID"),
        client_secret=needed(settings.secret("zoho_client_secret"), "CLIENT_SECRET"),
        refresh_token=refresh_token,
        accounts_url=accounts_url_of(settings, centre),
        api_url=_own_url(settings.zoho_api_url, "API_URL"),
        data_centre=centre,
    )


def accounts_url_of(settings: Settings, centre: str | None) -> str:
    """Where to sign in. BadInputError for a data centre that there is not, or none."""
    own = _own_url(settings.zoho_accounts_url, "ACCOUNTS_URL")
    if centre is not None:
        check_data_centre(centre)
    if own is not None:
        return own
    if centre is None:
        raise BadInputError(
            "REVIEWS_ZOHO_DATA_CENTRE is not set: the region of the org is asked, never guessed",
            hint=f"set it to one of {', '.join(DATA_CENTRES)}; the address of your CRM ends so",
        )
    return DATA_CENTRES[centre].accounts


def check_data_centre(centre: str) -> None:
    """BadInputError for one that there is not."""
    if centre not in DATA_CENTRES:
        raise BadInputError(
            f"REVIEWS_ZOHO_DATA_CENTRE is {centre!r}, which is no data centre of Zoho",
            hint=f"use one of {', '.join(DATA_CENTRES)}",
        )


def consent_url(accounts_url: str, client_id: str, redirect_uri: str, state: str) -> str:
    """Where a person allows us to use the CRM."""
    query = {
        "response_type": "code",
        "client_id": client_id,
        "scope": ",".join(SCOPES),
        "redirect_uri": redirect_uri,
        "access_type": "offline",
        "prompt": "consent",
        "state": state,
    }
    return f"{accounts_url}/oauth/v2/auth?{urlencode(query)}"


async def fetch_token(who: Credentials, http: httpx2.AsyncClient | None = None) -> Fetched:
    """An access token for the refresh token, with the address it is good for.

    CrmAuthError when Zoho refuses, also within a success; CrmUnavailableError;
    CrmRateLimitedError when it has given too many.
    """
    form = {
        "grant_type": "refresh_token",
        "client_id": who.client_id,
        "client_secret": who.client_secret,
        "refresh_token": who.refresh_token,
    }
    body = await _ask(who.accounts_url, form, http)
    token = body.get("access_token")
    if not isinstance(token, str) or not token:
        raise CrmUnavailableError("Zoho gave an answer without an access token")
    return Fetched(value=token, api_url=_api_url(who, body), expires_in=_lifetime(body))


async def exchange_code(
    who: Credentials, code: str, redirect_uri: str | None, http: httpx2.AsyncClient | None = None
) -> str:
    """The refresh token for the code of a consent. Errors as of `fetch_token`; BadInputError for a
    code that Zoho does not take."""
    form = {
        "grant_type": "authorization_code",
        "client_id": who.client_id,
        "client_secret": who.client_secret,
        "code": code,
    }
    if redirect_uri is not None:
        form["redirect_uri"] = redirect_uri
    body = await _ask(who.accounts_url, form, http)
    token = body.get("refresh_token")
    if not isinstance(token, str) or not token:
        raise BadInputError("Zoho gave no refresh token for the code", hint=_ANOTHER_CODE)
    return token


def connection_file(settings: Settings) -> Path:
    """Where `crm connect` stores what it got. BadInputError when others may write there."""
    return settings.own_data_dir / _CONNECTION


def read_connection(settings: Settings) -> dict[str, str]:
    """What `crm connect` stored; empty when it did not. BadInputError when it cannot be read."""
    path = settings.data_dir / _CONNECTION
    try:
        if not path.is_file():
            return {}
        found = json.loads(connection_file(settings).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no JSON"
        raise BadInputError(
            f"{path} cannot be read: {why}", hint="connect anew with `reviews crm connect zoho`"
        ) from None
    return {name: value for name, value in dict(found).items() if isinstance(value, str)}


def store_connection(settings: Settings, values: dict[str, str]) -> Path:
    """Keep what was got, readable for nobody else. BadInputError when it cannot be written."""
    path = connection_file(settings)
    fresh = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(values, file, indent=2)
        fresh.replace(path)
    except OSError as error:
        raise BadInputError(f"{path} cannot be written: {error.strerror}") from None
    return path


async def _ask(accounts_url: str, form: dict[str, str], http: httpx2.AsyncClient | None) -> Any:
    """The JSON object of an answer without an error."""
    own = http is None
    client = http or open_http()
    try:
        async with asyncio.timeout(_SECONDS):
            async with client.stream("POST", f"{accounts_url}/oauth/v2/token", data=form) as answer:
                raw = await read_raw(answer, _LARGEST)
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        raise broken("Zoho's sign-in", error) from None
    finally:
        if own:
            await client.aclose()
    if raw.status == 429:
        raise _blocked(wait_of(raw))
    if raw.status >= 500 and raw.status != 530:
        raise CrmUnavailableError(f"Zoho's sign-in answers {raw.status}")
    try:
        body = json.loads(raw.content)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        where = urlsplit(accounts_url).hostname
        raise CrmUnavailableError(
            f"{where} answers {raw.status} with what is no JSON object",
            hint="see REVIEWS_ZOHO_DATA_CENTRE, and what stands between",
        )
    _check_refused(body, raw.status, of_code="code" in form)
    return body


def _check_refused(body: dict[str, Any], status: int, *, of_code: bool) -> None:
    """Zoho says a refusal in the body, whatever the status. `of_code`: a person gave a code."""
    found = body.get("error")
    if found is None and status < 400:
        return
    code = str(found or f"status {status}").strip()
    said = f"{code} {body.get('error_description', '')}".casefold()
    if "too many" in said or code.casefold() == "access denied":
        raise _blocked(None)
    word = code.casefold().replace(" ", "_")
    if of_code and word in _OF_CODES:
        raise BadInputError(f"Zoho does not take the code: {_OF_CODES[word]}", hint=_ANOTHER_CODE)
    meaning = _MEANINGS.get(word)
    shown = f"Zoho refuses our credentials and says {code[:60]}"
    raise CrmAuthError(
        f"{shown}: {meaning}" if meaning else shown,
        hint="see REVIEWS_ZOHO_CLIENT_ID, _CLIENT_SECRET, _REFRESH_TOKEN and _DATA_CENTRE; "
        "`reviews crm connect zoho` gets a new refresh token",
    )


def _blocked(seconds: float | None) -> CrmError:
    return CrmRateLimitedError(
        "Zoho has given too many access tokens for this refresh token and gives no more for now",
        retry_after=seconds or _BLOCKED_SECONDS,
    )


def _lifetime(body: dict[str, Any]) -> float:
    """Seconds, from `expires_in`."""
    for name in ("expires_in_sec", "expires_in"):
        try:
            seconds = float(body[name])
        except (KeyError, TypeError, ValueError):
            continue
        if 0 < seconds <= _LONGEST_TOKEN:
            return seconds
        if seconds > _LONGEST_TOKEN:
            return seconds / 1000
    return _TOKEN_SECONDS


def _api_url(who: Credentials, body: dict[str, Any]) -> str:
    """Where the token goes. CrmAuthError for an address that is no data centre's."""
    if who.api_url is not None:
        return who.api_url
    said = body.get("api_domain")
    if said is None and who.data_centre is not None:
        return DATA_CENTRES[who.data_centre].api
    known = {centre.api for centre in DATA_CENTRES.values()}
    address = str(said).rstrip("/")
    if address not in known:
        raise CrmAuthError(
            f"Zoho names {address[:100]!r} as the address of the CRM, which is no data centre's: "
            "the token is not sent there",
            hint="set REVIEWS_ZOHO_API_URL if that address is right",
        )
    return address


def needed(value: str | None, name: str) -> str:
    """The value of a variable that there has to be. BadInputError."""
    if not value:
        raise BadInputError(
            f"REVIEWS_ZOHO_{name} is not set", hint="see docs/zoho.md for where to get it"
        )
    return value


def _own_url(value: str | None, name: str) -> str | None:
    """An address that was set."""
    return None if value is None else service_url(value, f"REVIEWS_ZOHO_{name}")
