"""A real HTTP receiver of webhooks on loopback."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from account_reviews.config.ports import LOOPBACK


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes


@dataclass
class Receiver:
    """What came, and what is answered: the answers of the list first, one each."""

    port: int = 0
    requests: list[Request] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    answer: str = "204 No Content"
    silent: bool = False

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}/hooks/s3cret-path"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)
        }
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        method, path, _ = first.split(" ")
        self.requests.append(Request(method, path, headers, body))
        if self.silent:
            await reader.read()  # until the sender goes away
        else:
            answer = self.answers.pop(0) if self.answers else self.answer
            status, _, more = answer.partition("\r\n")
            extra = f"{more}\r\n" if more else ""
            head = f"HTTP/1.1 {status}\r\n{extra}content-length: 0\r\nconnection: close\r\n\r\n"
            writer.write(head.encode())
        writer.close()


@asynccontextmanager
async def webhook_receiver() -> AsyncIterator[Receiver]:
    """One that runs until the end, on a port of its own."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, LOOPBACK, 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
