"""From the consent of a person to a stored connection."""

import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2

from account_reviews.config.settings import Settings
from account_reviews.crm.zoho.oauth import (
    DATA_CENTRES,
    Credentials,
    accounts_url_of,
    check_data_centre,
    consent_url,
    exchange_code,
    needed,
    store_connection,
)
from account_reviews.domain.errors import BadInputError

REDIRECT_URI = "http://localhost:8977/zoho"
"""Nothing answers there: the address of the browser holds the code."""


@dataclass(frozen=True)
class Consent:
    """One walk through the consent."""

    settings: Settings
    data_centre: str
    redirect_uri: str | None
    state: str

    @property
    def url(self) -> str:
        """Where the person allows it."""
        client_id = needed(self.settings.zoho_client_id, "CLIENT_ID")
        accounts = accounts_url_of(self.settings, self.data_centre)
        return consent_url(accounts, client_id, self.redirect_uri or REDIRECT_URI, self.state)


@dataclass(frozen=True)
class Connection:
    """What came of it. `settings` are those to work with from now on."""

    stored: Path
    settings: Settings


def begin(settings: Settings, data_centre: str, redirect_uri: str | None) -> Consent:
    """Begin one. BadInputError names the variable that is missing or does not fit."""
    check_data_centre(data_centre)
    needed(settings.zoho_client_id, "CLIENT_ID")
    needed(settings.secret("zoho_client_secret"), "CLIENT_SECRET")
    return Consent(settings, data_centre, redirect_uri, secrets.token_urlsafe(16))


async def finish(
    consent: Consent, pasted: str, *, by_url: bool, http: httpx2.AsyncClient | None = None
) -> Connection:
    """Exchange what was pasted, the code or the address that holds it, and store what came of it.

    `by_url`: the code came of our URL, so its redirect URI has to be told again. BadInputError,
    CrmAuthError, CrmUnavailableError.
    """
    settings = consent.settings
    code = _code_of(pasted, consent)
    who = Credentials(
        client_id=needed(settings.zoho_client_id, "CLIENT_ID"),
        client_secret=needed(settings.secret("zoho_client_secret"), "CLIENT_SECRET"),
        refresh_token="",
        accounts_url=accounts_url_of(settings, consent.data_centre),
        api_url=None,
        data_centre=consent.data_centre,
    )
    redirect = consent.redirect_uri or (REDIRECT_URI if by_url else None)
    token = await exchange_code(who, code, redirect, http)
    stored = store_connection(
        settings,
        {
            "client_id": who.client_id,
            "data_centre": consent.data_centre,
            "refresh_token": token,
        },
    )
    return Connection(
        stored,
        replace(
            settings,
            crm_url="zoho://",
            crm_write_url=None,
            zoho_data_centre=consent.data_centre,
            zoho_refresh_token=token,
            zoho_refresh_token_file=None,
        ),
    )


def _code_of(pasted: str, consent: Consent) -> str:
    """The code within what a person pasted."""
    text = pasted.strip()
    if "://" not in text:
        if not text or any(char.isspace() for char in text):
            raise BadInputError(
                "that is no code", hint="paste the code, or the whole address the browser went to"
            )
        return text
    query = parse_qs(urlsplit(text).query)
    said = {name: values[0] for name, values in query.items()}
    if "error" in said:
        raise BadInputError(f"Zoho did not allow it: {said['error'][:60]}")
    if "code" not in said:
        raise BadInputError("the address holds no code", hint="paste the address after the consent")
    if said.get("state", consent.state) != consent.state:
        raise BadInputError(
            "the address is of another consent", hint="open the URL that was printed last"
        )
    _check_place(said.get("accounts-server"), consent)
    return said["code"]


def _check_place(server: str | None, consent: Consent) -> None:
    """Zoho says where the account lives that consented."""
    found = next((name for name, one in DATA_CENTRES.items() if one.accounts == server), None)
    if found is not None and found != consent.data_centre:
        raise BadInputError(
            f"the account lives in the data centre {found}, not in {consent.data_centre}",
            hint=f"connect with `--data-centre {found}`",
        )
