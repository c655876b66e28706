"""HubSpot as a process opens it: its token stands in the database, for all workers."""

from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.fakes.hubspot_access import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN
from tests.support.hubspot import make_fake, opened

OAUTH: dict[str, Any] = {
    "hubspot_client_id": CLIENT_ID, "hubspot_client_secret": CLIENT_SECRET,
    "hubspot_refresh_token": REFRESH_TOKEN,
}  # fmt: skip


async def test_oauth_renews_a_token_that_was_revoked(engine: AsyncEngine) -> None:
    revoke = {"action": "revoke", "times": 1, "after": 1, "match": {"path": "/crm/*"}}
    app = make_fake(revoke)
    async with opened(app, engine, **OAUTH) as crm:
        assert (await crm.health()).ok
        assert (await crm.health()).ok
        assert await crm.has_owner("70000001")
    statuses = [(line.path.split("/")[1], line.status) for line in app.log.lines]
    assert statuses[:5] == [
        ("oauth", 200), ("crm", 200), ("crm", 401), ("oauth", 200), ("crm", 200),
    ]  # fmt: skip
    assert app.service.access.issued == 2  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["hubspot_client_secret", "hubspot_client_id"])
async def test_credentials_that_changed_are_tried(engine: AsyncEngine, name: str) -> None:
    """A token of before that is still good says nothing of them."""
    app = make_fake()
    here = {**OAUTH, "hubspot_api_url": f"https://{name.replace('_', '-')}.example"}
    async with opened(app, engine, **here) as crm:
        assert (await crm.health()).ok
    async with opened(app, engine, **{**here, name: "wrong"}) as crm:
        assert not (await crm.health()).ok
