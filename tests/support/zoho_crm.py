"""Zoho CRM over its fake: the backend as a worker has it, in the process of a test."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2

from account_reviews.crm.field_mapping import FieldMapping, load_field_mapping
from account_reviews.crm.http.breaker import LocalBreaker
from account_reviews.crm.http.budget import LocalBudget
from account_reviews.crm.http.client import ApiClient
from account_reviews.crm.http.limits import Limits
from account_reviews.crm.http.tokens import Token
from account_reviews.crm.zoho.backend import ZohoCrm
from account_reviews.crm.zoho.client import lacks_scope
from account_reviews.crm.zoho.oauth import SCHEME, Credentials, fetch_token
from account_reviews.crm.zoho.writes import Clocks
from account_reviews.fakes.framework import FakeApp
from tests.support.fake_zoho import make_zoho
from tests.support.fakes import FAKE_URL, client_of


@dataclass
class Tokens:
    """What a shared store of tokens is, for one process."""

    fetch: Callable[[], Awaitable[Any]]
    last: Token | None = None
    fetched: int = 0

    async def token(self) -> Token:
        if self.last is None:
            got = await self.fetch()
            self.fetched += 1
            self.last = Token(got.value, got.api_url)
        return self.last

    async def renewed(self, refused: Token) -> Token:
        if self.last is refused:
            self.last = None
        return await self.token()

    def header(self, token: Token) -> Mapping[str, str]:
        return {"authorization": f"{SCHEME} {token.value}"}


def credentials(app: FakeApp, **changed: Any) -> Credentials:
    """What the fake takes."""
    env = app.env(FAKE_URL)
    values: dict[str, Any] = {
        "client_id": env["REVIEWS_ZOHO_CLIENT_ID"],
        "client_secret": env["REVIEWS_ZOHO_CLIENT_SECRET"],
        "refresh_token": env["REVIEWS_ZOHO_REFRESH_TOKEN"],
        "accounts_url": FAKE_URL,
        "api_url": FAKE_URL,
        "data_centre": "com",
    }
    return Credentials(**{**values, **changed})


@dataclass
class Patience:
    """Clocks of which nobody waits: a pause moves them, and the fake's own."""

    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    slept: float = 0.0

    def now(self) -> datetime:
        """What the fake and the backend take for the time."""
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.at += timedelta(seconds=seconds)

    def clocks(self) -> Clocks:
        def seconds() -> float:
            return self.at.timestamp()

        return Clocks(monotonic=seconds, sleep=self.sleep, now=self.now)


@dataclass
class ZohoStage:
    """A fake org, the backend on it, and their clock."""

    app: FakeApp
    crm: ZohoCrm
    clock: Patience
    http: httpx2.AsyncClient
    tokens: Tokens

    @property
    def org(self) -> Any:
        return self.app.state.org

    def paths(self, method: str | None = None) -> list[str]:
        """What was asked of the CRM."""
        return [
            line.path.removeprefix("/crm/v8")
            for line in self.app.log.lines
            if line.path.startswith("/crm/v8") and method in (None, line.method)
        ]


def stage(
    *rules: dict[str, Any],
    accounts: int = 3,
    mapping: FieldMapping | None = None,
    tenant: str = "default",
    who: Mapping[str, Any] | None = None,
    **extra: Any,
) -> ZohoStage:
    """A fake with these faults, and the backend on it."""
    clock = Patience()
    app = make_zoho(*rules, accounts=accounts, now=clock.now, **extra)
    http = client_of(app)
    signed_in = credentials(app, **(who or {}))
    tokens = Tokens(lambda: fetch_token(signed_in, http))
    client = ApiClient(
        service="Zoho CRM",
        tokens=tokens,
        budget=LocalBudget(Limits(key="test", concurrency=10)),
        breaker=LocalBreaker("zoho"),
        http=http,
        lacks_right=lacks_scope,
    )
    found = mapping or load_field_mapping(None, shipped="zoho")
    crm = ZohoCrm(client, found, tenant=tenant, clocks=clock.clocks())
    return ZohoStage(app, crm, clock, http, tokens)


def ids_of(rows: Iterable[Any]) -> list[str]:
    return [row.id for row in rows]
