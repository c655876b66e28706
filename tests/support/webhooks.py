"""Webhooks as the services send them, and an app that takes them in."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2
from standardwebhooks import Webhook

from account_reviews.domain.audit.events import AuditEvent
from account_reviews.store.event_intake import EventIntake
from account_reviews.store.transactions import Transactions
from account_reviews.web.crm_webhooks import CrmWebhooks, Refusals
from account_reviews.web.proofs import Secrets
from account_reviews.web.webhook_app import create_webhook_app

HOUR = timedelta(hours=1)
SECRETS = Secrets(
    zoho_token="zoho-token",
    zoho_secret="zoho-secret",
    hubspot_secret="hubspot-secret",
    crm_secret="whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode(),
    web_url="https://reviews.example",
)


def zoho_body(
    *ids: str,
    module: str = "Accounts",
    operation: str = "update",
    token: str | None = "zoho-token",
    **more: Any,
) -> bytes:
    """A notification of a channel."""
    document = {
        "server_time": 1795000000000,
        "affected_values": [],
        "query_params": {},
        "module": module,
        "resource_uri": f"https://www.zohoapis.example/crm/v8/{module}",
        "ids": list(ids),
        "operation": operation,
        "channel_id": "1000000068001",
        **more,
    }
    if token is not None:
        document["token"] = token
    return json.dumps(document, ensure_ascii=False).encode()


def zoho_signature(body: bytes, secret: str = "zoho-secret") -> dict[str, str]:
    made = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Zoho-Signature": made}


def hubspot_event(
    object_id: int, subscription: str = "company.propertyChange", **more: Any
) -> dict[str, Any]:
    return {
        "eventId": int(uuid4().int % 10**9),
        "subscriptionId": 25,
        "portalId": 62515,
        "appId": 54321,
        "occurredAt": 1795000000123,
        "subscriptionType": subscription,
        "attemptNumber": 0,
        "objectId": object_id,
        "changeSource": "CRM_UI",
        **more,
    }


def hubspot_signature(
    body: bytes,
    at: datetime,
    *,
    secret: str = "hubspot-secret",
    uri: str = "https://reviews.example/webhooks/hubspot",
) -> dict[str, str]:
    stamp = str(int(at.timestamp() * 1000))
    made = hmac.digest(secret.encode(), b"POST" + uri.encode() + body + stamp.encode(), "sha256")
    return {
        "X-HubSpot-Signature-v3": base64.b64encode(made).decode(),
        "X-HubSpot-Request-Timestamp": stamp,
    }


def standard_headers(
    body: bytes, *, at: datetime | None = None, webhook_id: str | None = None
) -> dict[str, str]:
    at, webhook_id = at or datetime.now(UTC), webhook_id or f"msg_{uuid4().hex}"
    assert SECRETS.crm_secret is not None
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(SECRETS.crm_secret).sign(webhook_id, at, body.decode()),
    }


@dataclass
class Door:
    """The app, asked without a network."""

    http: httpx2.AsyncClient
    tenant: str
    database_url: str
    entries: list[AuditEvent] = field(default_factory=list)

    async def post(self, path: str, body: Any, headers: dict[str, str] | None = None) -> Any:
        return await self.http.post(
            f"/webhooks/{path}", content=body, headers=_encoded(headers or {})
        )


@asynccontextmanager
async def open_door(
    database_url: str,
    tenant: str | None = None,
    *,
    secrets: Secrets = SECRETS,
    most: int = 10_000,
    kept: timedelta = HOUR,
) -> AsyncIterator[Door]:
    """An app on that database, of a tenant of its own unless one is named."""
    tenant = tenant or f"t-{uuid4().hex[:8]}"
    transactions = Transactions(database_url, application_name="tests")
    entries: list[AuditEvent] = []
    refusals = Refusals(tenant, entries.append)
    intake = EventIntake(transactions, tenant, most=most, kept=kept)
    app = create_webhook_app(CrmWebhooks(intake, secrets, refusals))
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=True)
    try:
        async with httpx2.AsyncClient(transport=transport, base_url="http://x.example") as http:
            yield Door(http, tenant, database_url, entries)
    finally:
        refusals.close()
        await transactions.close()


def _encoded(headers: dict[str, str]) -> dict[bytes, bytes]:
    """As a client that does not care sends them."""
    return {name.encode(): value.encode("latin-1") for name, value in headers.items()}
