"""Connections of the server: on which nothing is answered gives way to others before it is late."""

import asyncio
import resource
import time
from typing import ClassVar, Final

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from account_reviews.domain.errors import LimitReachedError, ReviewsError
from account_reviews.web.middleware import refusal

HEAD_SECONDS: Final = 15.0
"""Until the head of a request must have come."""
_JUST_SECONDS: Final = 1.0
"""Who came later than that may be of a crowd that asks at once."""
_CROWD: Final = 4
"""So many times as many as usual are a crowd; of more each new one takes the place of another."""
_BUSY_SECONDS: Final = 5


class BusyError(LimitReachedError):
    """As many requests are being answered as this process answers at a time."""

    code = "busy"


class UnreadableError(ReviewsError):
    """This is no HTTP request, or its head is too large."""

    code = "unreadable"


class Idle:
    """Connections that hold a place while nothing is answered on them: nothing came yet, or half a
    request, or no second one. Where there are too many the one that waits longest is hung up on, so
    whoever opens thousands takes the places of his own. Who has just come has time to say what he
    wants, as long as there is room."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._since: dict[ImpatientProtocol, float] = {}

    def add(self, one: "ImpatientProtocol") -> None:
        """It waits from now on, if it did not before."""
        now = time.monotonic()
        self._since.setdefault(one, now)
        while self._is_crowded(now):
            oldest = next(iter(self._since))
            del self._since[oldest]
            oldest.transport.abort()

    def discard(self, one: "ImpatientProtocol") -> None:
        """It waits no more."""
        self._since.pop(one, None)

    def _is_crowded(self, now: float) -> bool:
        many = len(self._since)
        is_late = many > self._most and now - next(iter(self._since.values())) >= _JUST_SECONDS
        return is_late or many > self._most * _CROWD


class ImpatientProtocol(H11Protocol):
    """Hangs up on whoever does not send the head of a request: he would hold his place for ever."""

    _idle: ClassVar[Idle]
    _hanging_up: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for_head()
        self._idle.add(self)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._has_head:
            self._stop_waiting()
        elif self._hanging_up is None:
            self._wait_for_head()
        self._keep_place()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._keep_place()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._idle.discard(self)
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  uvicorn's
        """What cannot be read is refused as everything is, unless an answer is on its way."""
        if not (self._has_head and self.cycle.response_started):
            answer = refusal(400, UnreadableError())
            headers = [*answer.raw_headers, (b"connection", b"close")]
            lines = [b"HTTP/1.1 400 Bad Request", *(b": ".join(header) for header in headers)]
            self.transport.write(b"\r\n".join([*lines, b"", bytes(answer.body)]))
        self.transport.close()

    @property
    def _has_head(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _keep_place(self) -> None:
        """A request that has come whole is answered, and takes no place from others."""
        if self._has_head and not self.cycle.more_body:
            self._idle.discard(self)
        elif not self.transport.is_closing():
            self._idle.add(self)

    def _wait_for_head(self) -> None:
        self._hanging_up = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._hanging_up is not None:
            self._hanging_up.cancel()
            self._hanging_up = None


def impatient(most_idle: int) -> type[ImpatientProtocol]:
    """The protocol of one server, on whose connections nothing is answered so often at most."""

    class OfOneServer(ImpatientProtocol):
        _idle = Idle(most_idle)

    return OfOneServer


def make_room(most: int) -> None:
    """Let this process have so many connections open, as far as it may: some systems give 1,024
    files to a process that does not ask."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < most:
        wanted = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class AtMost:
    """Answers so many requests at a time; others hear at once to come again."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most
        self._answering = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if self._answering >= self._most:
            await refusal(503, BusyError(), retry_after=_BUSY_SECONDS)(scope, receive, send)
            return
        self._answering += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._answering -= 1
