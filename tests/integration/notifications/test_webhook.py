"""Webhooks against a real receiver, which checks signatures with the library of the standard."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from account_reviews.config.ports import LOOPBACK, any_free
from account_reviews.domain.errors import (
    BadInputError,
    ChannelUnavailableError,
    NoticeRefusedError,
)
from account_reviews.notifications import webhook
from account_reviews.notifications.protocol import Message
from account_reviews.notifications.webhook import WebhookNotifier
from tests.support.webhook_receiver import Request, webhook_receiver

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OTHER = "whsec_" + base64.b64encode(bytes(range(1, 33))).decode()
MESSAGE = Message(
    key="0123456789abcdef0123456789abcdef",
    kind="reminder",
    recipient="owner-1",
    name="Ann Smith",
    address="ann@example.com",
    subject="Reminder, decide by Thu 1 Oct 2026, 09:00 (Europe/Berlin): 1 change for Zürich AG",
    text="1 proposed change for Zürich AG still waits.\n",
    at=datetime(2026, 10, 1, 7, tzinfo=UTC),
    data={"request_id": "r-1", "items": 1},
)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def verified(request: Request, secret: str = SECRET) -> Any:
    return Webhook(secret).verify(request.body, request.headers)


async def test_a_receiver_can_verify_what_it_gets() -> None:
    async with webhook_receiver() as receiver:
        await WebhookNotifier(receiver.url, SECRET).send(MESSAGE)
    (request,) = receiver.requests
    assert (request.method, request.path) == ("POST", "/hooks/s3cret-path")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["webhook-id"] == MESSAGE.key
    assert verified(request) == {
        "type": "approval.reminder",
        "timestamp": "2026-10-01T07:00:00Z",
        "data": {
            "recipient": "owner-1",
            "subject": MESSAGE.subject,
            "text": MESSAGE.text,
            "request_id": "r-1",
            "items": 1,
        },
    }


async def test_neither_another_secret_nor_another_body_is_believed() -> None:
    async with webhook_receiver() as receiver:
        await WebhookNotifier(receiver.url, SECRET).send(MESSAGE)
    (request,) = receiver.requests
    with pytest.raises(WebhookVerificationError):
        verified(request, OTHER)
    with pytest.raises(WebhookVerificationError):
        verified(replace(request, body=request.body.replace(b"r-1", b"r-2")))
    with pytest.raises(WebhookVerificationError):
        verified(replace(request, headers={**request.headers, "webhook-id": "another"}))


async def test_each_try_is_signed_anew_and_keeps_its_id() -> None:
    """Receivers take a signature for five minutes: a later try must not carry the old one."""
    first = datetime.now(UTC) - timedelta(hours=1)
    async with webhook_receiver() as receiver:
        receiver.answers = ["503 Service Unavailable"]
        channel = WebhookNotifier(receiver.url, SECRET, now=lambda: first)
        with pytest.raises(ChannelUnavailableError, match="503"):
            await channel.send(MESSAGE)
        await WebhookNotifier(receiver.url, SECRET).send(MESSAGE)
    early, late = receiver.requests
    with pytest.raises(WebhookVerificationError, match="too old"):
        verified(early)
    verified(late)
    assert early.headers["webhook-id"] == late.headers["webhook-id"]
    assert early.headers["webhook-signature"] != late.headers["webhook-signature"]


@pytest.mark.parametrize("minutes", [-6, 6])
async def test_a_clock_that_is_wrong_is_seen_by_the_receiver(minutes: int) -> None:
    wrong = datetime.now(UTC) + timedelta(minutes=minutes)
    async with webhook_receiver() as receiver:
        await WebhookNotifier(receiver.url, SECRET, now=lambda: wrong).send(MESSAGE)
    with pytest.raises(WebhookVerificationError, match=r"too (old|new)"):
        verified(receiver.requests[0])


@pytest.mark.parametrize(
    ("answer", "error", "wait"),
    [
        ("400 Bad Request", NoticeRefusedError, None),
        ("404 Not Found", NoticeRefusedError, None),
        ("410 Gone", NoticeRefusedError, None),
        ("401 Unauthorized", ChannelUnavailableError, None),
        ("403 Forbidden", ChannelUnavailableError, None),
        ("408 Request Timeout", ChannelUnavailableError, None),
        ("429 Too Many Requests\r\nretry-after: 90", ChannelUnavailableError, 90.0),
        ("429 Too Many Requests\r\nretry-after: 999999", ChannelUnavailableError, 3600.0),
        ("429 Too Many Requests\r\nretry-after: soon", ChannelUnavailableError, None),
        ("500 Internal Server Error", ChannelUnavailableError, None),
        ("502 Bad Gateway", ChannelUnavailableError, None),
    ],
)
async def test_what_is_tried_again_and_when(
    answer: str, error: type[Exception], wait: float | None
) -> None:
    async with webhook_receiver() as receiver:
        receiver.answer = answer
        with pytest.raises(error, match=answer[:3]) as caught:
            await WebhookNotifier(receiver.url, SECRET).send(MESSAGE)
    assert len(receiver.requests) == 1
    assert getattr(caught.value, "retry_after", None) == wait
    assert "s3cret" not in str(caught.value)


async def test_a_redirect_is_not_followed() -> None:
    """Whoever answers for the address may not send our notices to an inner one."""
    async with webhook_receiver() as inner, webhook_receiver() as receiver:
        receiver.answer = f"307 Temporary Redirect\r\nlocation: {inner.url}"
        with pytest.raises(NoticeRefusedError, match="redirects, which is not followed"):
            await WebhookNotifier(receiver.url, SECRET).send(MESSAGE)
    assert inner.requests == []


async def test_a_receiver_that_hangs_is_given_up_for_now() -> None:
    async with webhook_receiver() as receiver:
        receiver.silent = True
        with pytest.raises(ChannelUnavailableError, match="did not answer in time"):
            await WebhookNotifier(receiver.url, SECRET, seconds=0.2).send(MESSAGE)
        with pytest.raises(ChannelUnavailableError, match="did not answer in time"):
            await WebhookNotifier(receiver.url, SECRET, most_seconds=0.2).send(MESSAGE)


async def test_nobody_is_there() -> None:
    channel = WebhookNotifier(f"http://{LOOPBACK}:{any_free()}/hook?token=s3cret", SECRET)
    with pytest.raises(ChannelUnavailableError) as caught:
        await channel.send(MESSAGE)
    assert "s3cret" not in str(caught.value)
    health = await channel.health()
    assert not health.ok


async def test_health_posts_nothing() -> None:
    async with webhook_receiver() as receiver:
        health = await WebhookNotifier(receiver.url, SECRET).health()
    assert health.ok
    assert [request.method for request in receiver.requests] == ["OPTIONS"]


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        base64.b64encode(bytes(32)).decode(),
        "whsec_" + base64.b64encode(bytes(23)).decode(),
        "whsec_" + base64.b64encode(bytes(65)).decode(),
        "whsec_not base64 at all, though long enough for anybody",
    ],
)
def test_a_weak_secret_is_refused_without_being_said(secret: str) -> None:
    with pytest.raises(BadInputError, match="REVIEWS_WEBHOOK_SECRET cannot be used") as caught:
        WebhookNotifier("https://hooks.example.com/x", secret)
    assert not secret.removeprefix("whsec_") or secret not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["", "hooks.example.com", "ftp://hooks.example.com", "file:///etc/passwd", "https://",
     "https://user:s3cret@hooks.example.com", "https://hooks.example.com:99999/"],
)  # fmt: skip
def test_a_url_that_does_not_fit_is_said(url: str) -> None:
    with pytest.raises(BadInputError, match="REVIEWS_WEBHOOK_URL cannot be used") as caught:
        WebhookNotifier(url, SECRET)
    assert "s3cret" not in str(caught.value)


def test_every_kind_has_a_type() -> None:
    for kind in ("request", "reminder", "escalation", "expired", "digest"):
        body = json.dumps(webhook.document_of(replace(MESSAGE, kind=kind)))
        assert json.loads(body)["type"].count(".") == 1
