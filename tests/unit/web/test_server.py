"""The server of the webhooks: who says nothing, and who says too little."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from account_reviews.config.settings import Settings
from account_reviews.domain.errors import BadInputError
from account_reviews.web import connections
from account_reviews.web.server import listen, serve
from account_reviews.web.webhook_app import create_webhook_app

WHOLE = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


async def _hello(request: Request) -> PlainTextResponse:
    await request.body()
    return PlainTextResponse("hello")


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """A server that hangs up soon."""
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.2)
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


@asynccontextmanager
async def _serving(most_at_once: int, *routes: Route) -> AsyncIterator[int]:
    """The port of a server that answers so many requests at a time."""
    bound, ready = listen("127.0.0.1", 0), asyncio.Event()
    app = Starlette(routes=[Route("/", _hello, methods=["GET", "POST"]), *routes])
    serving = asyncio.create_task(serve(app, bound, ready.set, most_at_once=most_at_once))
    await ready.wait()
    try:
        yield bound.getsockname()[1]
    finally:
        signal.raise_signal(signal.SIGTERM)
        await serving
        bound.close()


@pytest.mark.parametrize(
    "piece",
    [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n",
     b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"],
)  # fmt: skip
async def test_half_requests_of_somebody_take_no_place_from_others(piece: bytes) -> None:
    async with _serving(20) as port:
        half = [await asyncio.open_connection("127.0.0.1", port) for _ in range(120)]
        for _, writer in half:
            writer.write(piece)
            await writer.drain()
        for _ in range(3):
            assert b"hello" in await _left(port, WHOLE)
        for reader, writer in half[:100]:  # the newest wait on
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
            writer.close()
        for _, writer in half[100:]:
            writer.close()


async def test_what_is_being_answered_is_never_hung_up_on() -> None:
    begun, go_on = asyncio.Semaphore(0), asyncio.Event()

    async def slow(_: Any) -> PlainTextResponse:
        begun.release()
        await go_on.wait()
        return PlainTextResponse("slow")

    async with _serving(8, Route("/slow", slow)) as port:  # more than may be idle, at once
        waiting = [asyncio.create_task(_left(port, WHOLE.replace(b"/", b"/slow", 1)))
                   for _ in range(8)]  # fmt: skip
        for _ in waiting:
            await begun.acquire()
        head, _, body = (await _left(port, WHOLE)).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 5" in head
        assert json.loads(body)["error"]["code"] == "busy"
        go_on.set()
        assert all(b"slow" in answer for answer in await asyncio.gather(*waiting))
        assert b"hello" in await _left(port, WHOLE)


def test_a_process_that_was_given_few_files_asks_for_more() -> None:
    script = (
        "import resource; from account_reviews.web.connections import make_room\n"
        "hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard)); make_room(150)\n"
        "assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 150\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (100, 120)); make_room(150); make_room(50)\n"
        "assert resource.getrlimit(resource.RLIMIT_NOFILE) == (120, 120)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET /" + b"a" * 70_000,
        b"GET / HTTP/1.1\r\nA\0: b\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_what_is_no_request_is_refused_as_everything_is(sent: bytes) -> None:
    async with _serving(8) as port:
        head, _, body = (await _left(port, sent)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert set(json.loads(body)["error"]) == {"code", "message", "hint"}


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
