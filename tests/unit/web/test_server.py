"""The server of the webhooks: who says nothing, and who says too little."""

import asyncio
import signal
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from account_reviews.config.settings import Settings
from account_reviews.domain.errors import BadInputError
from account_reviews.web import server
from account_reviews.web.server import listen, serve
from account_reviews.web.webhook_app import create_webhook_app


async def _hello(_: Any) -> PlainTextResponse:
    return PlainTextResponse("hello")


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """A server that hangs up soon."""
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.2)
    bound, ready = listen("127.0.0.1", 0), asyncio.Event()
    serving = asyncio.create_task(serve(Starlette(routes=[Route("/", _hello)]), bound, ready.set))
    await ready.wait()
    yield bound.getsockname()[1]
    signal.raise_signal(signal.SIGTERM)
    await serving
    bound.close()


async def _left(port: int, *pieces: bytes) -> bytes:
    """What is answered until the other side hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize("pieces", [(), (b"POST / HT",), (b"GET / HTTP/1.1\r\n", b"Host: x\r\n")])
async def test_who_sends_no_head_is_hung_up_on(port: int, pieces: tuple[bytes, ...]) -> None:
    assert await asyncio.wait_for(_left(port, *pieces), 30) == b""


async def test_a_second_head_must_come_too(port: int) -> None:
    whole = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    answered = await asyncio.wait_for(_left(port, whole, b"GET / HT"), 30)
    assert answered.count(b"hello") == 1


async def test_a_path_with_a_slash_too_many_leads_nowhere() -> None:
    class Hooks:
        def routes(self) -> list[Route]:
            return [Route("/webhooks/hubspot", _hello, methods=["POST"])]

    transport = httpx2.ASGITransport(app=create_webhook_app(Hooks()))  # type: ignore[arg-type]
    async with httpx2.AsyncClient(transport=transport, base_url="http://evil.example") as client:
        answer = await client.post("/webhooks/hubspot/")
    assert answer.status_code == 404
    assert "location" not in answer.headers


@pytest.mark.parametrize("url", ["foo", "ftp://x", "https://", "http://[", "https://me:pw@host"])
def test_an_address_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("REVIEWS_WEB_URL", url)
    with pytest.raises(BadInputError, match="REVIEWS_WEB_URL is") as caught:
        Settings.load()
    assert "pw" not in caught.value.message


def test_an_inner_address_may_be_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVIEWS_WEB_URL", "http://reviews.internal:8080/base/")
    assert Settings.load().web_url == "http://reviews.internal:8080/base"
