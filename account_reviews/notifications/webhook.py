"""Notices as signed HTTP requests, by Standard Webhooks."""

import asyncio
import base64
import binascii
import json
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

import httpx2
from pydantic import JsonValue
from standardwebhooks import Webhook

from account_reviews.domain.audit.masks import mask_personal_data, mask_secrets
from account_reviews.domain.backends import Health
from account_reviews.domain.canonical import rfc3339
from account_reviews.domain.characters import written_on_one_line
from account_reviews.domain.errors import (
    BadInputError,
    ChannelUnavailableError,
    NoticeRefusedError,
)
from account_reviews.notifications.protocol import Message

SECONDS: Final = 10.0
"""Until the connection stands, and between two pieces of an answer."""
MOST_SECONDS: Final = 30.0
"""For all of one request."""
HEALTH_SECONDS: Final = 2.5
LEAST_SECRET: Final = 24
MOST_SECRET: Final = 64
"""Bytes, as the specification has them."""
MOST_WAIT: Final = 3600.0
"""Of what a receiver asks by `Retry-After`."""
_PREFIX: Final = "whsec_"
_NEVER: Final = frozenset({400, 404, 405, 410, 411, 413, 414, 415, 422, 501})
"""Answers that are about the request and stay the same; credentials may be put right."""
_TYPES: Final = {
    "request": "approval.requested",
    "reminder": "approval.reminder",
    "escalation": "approval.escalated",
    "expired": "approval.expired",
    "digest": "digest.ready",
}


class WebhookNotifier:
    """Posts each notice to one URL, signed anew at each try.

    `webhook-id` is the key of the notice: a receiver takes each once. Redirects are not followed:
    what is sent goes where the operator said, through the proxy that HTTPS_PROXY names, if any.
    """

    channel = "webhook"

    def __init__(
        self,
        url: str,
        secret: str,
        *,
        seconds: float = SECONDS,
        most_seconds: float = MOST_SECONDS,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """BadInputError for a URL or a secret that cannot be used."""
        self._url = checked_url(url)
        self._signer = Webhook(checked_secret(secret))
        self._timeout = httpx2.Timeout(seconds)
        self._trusted = ssl.create_default_context()
        self._most_seconds = most_seconds
        self._now = now

    async def send(self, message: Message) -> None:
        """Return once the receiver has answered with 2xx.

        ChannelUnavailableError, NoticeRefusedError.
        """
        body = json.dumps(document_of(message), ensure_ascii=False, separators=(",", ":"))
        now = self._now().astimezone(UTC)  # the library takes any zone for UTC
        headers = {
            "content-type": "application/json",
            "user-agent": "reviews (Standard Webhooks)",
            "webhook-id": message.key,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._signer.sign(message.key, now, body),
        }
        try:
            async with asyncio.timeout(self._most_seconds), self._client() as client:
                async with client.stream(
                    "POST", self._url, content=body.encode(), headers=headers
                ) as answer:
                    status, wait = answer.status_code, answer.headers.get("retry-after")
        except (TimeoutError, httpx2.TimeoutException):
            raise ChannelUnavailableError(f"{self._place} did not answer in time") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise ChannelUnavailableError(
                f"{self._place} cannot be used: {_plain(error)}"
            ) from None
        self._judge(status, wait)

    def _judge(self, status: int, wait: str | None) -> None:
        if 200 <= status < 300:
            return
        if 300 <= status < 400:
            raise NoticeRefusedError(
                f"{self._place} answers {status}: it redirects, which is not followed",
                hint="set REVIEWS_WEBHOOK_URL to where it leads",
            )
        if status in _NEVER:
            raise NoticeRefusedError(f"{self._place} does not take the notice: it answers {status}")
        raise ChannelUnavailableError(
            f"{self._place} answers {status}", retry_after=_seconds_of(wait)
        )

    async def health(self) -> Health:
        """Whether somebody answers there; nothing is posted."""
        try:
            async with asyncio.timeout(HEALTH_SECONDS), self._client() as client:
                await client.request("OPTIONS", self._url)
        except (TimeoutError, httpx2.HTTPError, OSError) as error:
            detail = f"{self._place} cannot be reached: {_plain(error) or 'no answer in time'}"
            return Health(ok=False, detail=detail, hint="see REVIEWS_WEBHOOK_URL")
        return Health(ok=True, detail=f"{self._place} answers")

    @property
    def _place(self) -> str:
        """Where it goes, without what may be secret in the URL."""
        return f"the webhook at {urlsplit(self._url).hostname}"

    def _client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            timeout=self._timeout, verify=self._trusted, follow_redirects=False, http2=False
        )


def document_of(message: Message) -> dict[str, JsonValue]:
    """The body: `type`, `timestamp` and `data`, as the specification recommends."""
    return {
        "type": _TYPES[message.kind],
        "timestamp": rfc3339(message.at),
        "data": {
            "recipient": message.recipient,
            "subject": written_on_one_line(message.subject),
            "text": message.text,
            **message.data,
        },
    }


def checked_url(url: str) -> str:
    """The URL. BadInputError unless it is an HTTP address, without what may be secret in it."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  read to be checked
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadInputError(
            "REVIEWS_WEBHOOK_URL cannot be used: it is no HTTP address",
            hint="such as https://hooks.example.com/account-reviews",
        )
    if parts.username or parts.password:
        raise BadInputError(
            "REVIEWS_WEBHOOK_URL cannot be used: it holds a password",
            hint="requests are signed with REVIEWS_WEBHOOK_SECRET; no password is needed",
        )
    return url


def checked_secret(secret: str) -> str:
    """The secret. BadInputError unless it is `whsec_` and base64 of 24 to 64 bytes."""
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(_PREFIX) or not LEAST_SECRET <= len(key) <= MOST_SECRET:
        raise BadInputError(
            "REVIEWS_WEBHOOK_SECRET cannot be used: it must be whsec_ and then base64 of "
            f"{LEAST_SECRET} to {MOST_SECRET} bytes",
            hint='make one with: echo "whsec_$(openssl rand -base64 32)"',
        )
    return secret


def _seconds_of(wait: str | None) -> float | None:
    """A `Retry-After` in seconds; None for a date or nonsense: then our own delays hold."""
    if wait is None or not wait.strip().isdecimal():
        return None
    return min(float(wait), MOST_WAIT)


def _plain(error: BaseException) -> str:
    """What went wrong, on one line, without addresses and secrets."""
    said = str(error) or ("" if isinstance(error, TimeoutError) else type(error).__name__)
    return mask_personal_data(mask_secrets(written_on_one_line(said)))[:300]
