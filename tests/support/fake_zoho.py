"""A small fake Zoho, and a client that is signed in to it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2

from account_reviews.fakes.faults import FaultPlan, FaultRule
from account_reviews.fakes.framework import FakeApp, FakeOptions
from account_reviews.fakes.zoho import create_zoho
from account_reviews.fakes.zoho.service import ZohoState
from tests.support.fakes import FAKE_URL, client_of

NOW = datetime(2026, 10, 1, 12, 0, 0, 250_000, tzinfo=UTC)


class Clock:
    """The fake's clock; it stands until it is moved."""

    def __init__(self, at: datetime = NOW) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def pass_(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


def make_zoho(
    *rules: dict[str, Any],
    accounts: int = 3,
    now: Callable[[], datetime] | None = None,
    window_s: float = 86_400,
    latency_ms: int = 0,
    **extra: Any,
) -> FakeApp:
    """A fake with these faults."""
    plan = FaultPlan(rules=tuple(FaultRule.model_validate(rule) for rule in rules))
    return create_zoho(
        FakeOptions(
            accounts=accounts, faults=plan, window_s=window_s, latency_ms=latency_ms,
            extra=extra, now=now or Clock(),
        )
    )  # fmt: skip


def state_of(app: FakeApp) -> ZohoState:
    found = app.state
    assert isinstance(found, ZohoState)
    return found


async def ask_token(app: FakeApp, client: httpx2.AsyncClient, **changed: str) -> dict[str, Any]:
    """What the accounts server says to a refresh."""
    env = app.env(FAKE_URL)
    form = {
        "grant_type": "refresh_token",
        "client_id": env["REVIEWS_ZOHO_CLIENT_ID"],
        "client_secret": env["REVIEWS_ZOHO_CLIENT_SECRET"],
        "refresh_token": env["REVIEWS_ZOHO_REFRESH_TOKEN"],
        **changed,
    }
    answer = await client.post("/oauth/v2/token", data=form)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


@asynccontextmanager
async def signed_in(app: FakeApp) -> AsyncIterator[httpx2.AsyncClient]:
    """A client whose paths begin after `/crm/v8/`."""
    async with client_of(app) as client:
        token = (await ask_token(app, client))["access_token"]
        client.headers["Authorization"] = f"Zoho-oauthtoken {token}"
        client.base_url = httpx2.URL(f"{FAKE_URL}/crm/v8/")
        yield client
