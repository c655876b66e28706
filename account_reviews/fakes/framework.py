"""What the fakes share: a request comes, meets a fault or not, is handled, logged and answered.

A fake is a `Service`: state and a function from call to reply, without I/O. Everything that has to
do with time and connections is done here. `FakeApp.asgi` runs under `fakes.server` or inside a
test; there a dropped connection is a `ConnectionDroppedError`, since no transport can be cut.
"""

import asyncio
import json
import urllib.request
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from time import monotonic
from typing import Any, Final
from urllib.parse import parse_qsl

from account_reviews.fakes.faults import FaultAction, FaultEngine, FaultPlan, FaultRule
from account_reviews.fakes.request_log import LogLine, RequestLog

DROP: Final = "reviews.drop"
"""The extension of a scope whose value ends the connection without an answer."""
_SECRETS: Final = ("token", "secret", "password", "code", "key")
_DROPS: Final = (FaultAction.DROP_BEFORE, FaultAction.DROP_AFTER, FaultAction.COMMIT_LATE)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class ConnectionDroppedError(ConnectionError):
    """The fake has cut the connection, in a process where there is none to cut."""


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class FakeOptions:
    """What a fake is made from. The same seed gives the same records and ids."""

    seed: int = 1
    accounts: int = 20
    latency_ms: int = 0
    """What each request takes at least: half of it before it is done, half after."""
    window_s: float = 86_400
    """Over how many seconds daily limits count."""
    faults: FaultPlan = field(default_factory=FaultPlan)
    request_log: Path | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    """What one service alone knows, by name."""
    now: Callable[[], datetime] = utc_now
    """The fake's clock."""


@dataclass
class Call:
    """One request, and what its handling has noted for the log."""

    method: str
    path: str
    """Decoded, without the query."""
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    base_url: str
    """What the caller calls this fake, without a slash at the end."""
    now: datetime
    in_flight: int = 1
    fault: FaultRule | None = None
    token_id: str | None = None
    operation_id: str | None = None
    records: Sequence[str] = ()
    committed: bool = False
    credits: int = 0

    def json(self) -> Any:
        """The body as JSON. ValueError."""
        return json.loads(self.body)

    def form(self) -> dict[str, str]:
        """The body as a form, and what stands in the query."""
        pairs = parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True)
        return {**self.query, **dict(pairs)}

    def meets(self, action: FaultAction) -> bool:
        return self.fault is not None and self.fault.action is action


@dataclass(frozen=True)
class Reply:
    """`body`: None for none, text and bytes as they are, anything else as JSON."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def encoded(self) -> tuple[bytes, str]:
        """The bytes and their content type."""
        if self.body is None:
            return b"", ""
        if isinstance(self.body, bytes):
            return self.body, "application/octet-stream"
        if isinstance(self.body, str):
            kind = "text/html" if self.body.lstrip().startswith("<") else "text/plain"
            return self.body.encode(), f"{kind};charset=utf-8"
        text = json.dumps(self.body, ensure_ascii=False, separators=(",", ":"))
        return text.encode(), "application/json;charset=utf-8"


@dataclass(frozen=True)
class Notice:
    """What the service posts to somebody by itself."""

    url: str
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


class Service:
    """What one fake is. No method waits; what `handle` does is done at once."""

    name = "service"
    state: Any = None

    def handle(self, call: Call) -> Reply:
        """Do what is asked."""
        raise NotImplementedError

    def refuse(self, call: Call) -> Reply | None:
        """What is turned away as it comes, as for too many at a time. None: nothing."""
        del call
        return None

    def counts(self, call: Call) -> bool:
        """Whether the request counts among those under way."""
        del call
        return True

    def error(self, call: Call, status: int, code: str | None) -> Any:
        """The body of an error that a fault wants."""
        del call
        return {"code": code or "ERROR", "message": f"status {status}"}

    def revoke(self, call: Call) -> None:
        """Make the token of the call invalid."""

    def edit(self, call: Call) -> None:
        """Change the record that the call is about, as somebody else would."""

    def notices(self) -> Sequence[Notice]:
        """What is to be posted now; each is given once."""
        return ()

    def env(self, url: str) -> dict[str, str]:
        """What a worker needs in its environment, credentials included."""
        raise NotImplementedError


@dataclass
class FakeApp:
    """A fake, ready to be asked."""

    service: Service
    options: FakeOptions
    log: RequestLog
    faults: FaultEngine
    deliver: Callable[[Notice], Awaitable[None]]
    """Posts a notice; a test may put its own here."""
    in_flight: int = 0
    most_in_flight: int = 0
    _number: int = 0
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    @classmethod
    def of(cls, service: Service, options: FakeOptions) -> "FakeApp":
        log = RequestLog(options.request_log)
        return cls(service, options, log, FaultEngine(options.faults), post_notice)

    @property
    def state(self) -> Any:
        return self.service.state

    def env(self, url: str) -> dict[str, str]:
        return self.service.env(url.rstrip("/"))

    async def asgi(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] != "http":
            return
        began, at = monotonic(), self.options.now()
        self._number += 1
        number = self._number
        call = await _call_of(scope, receive, at)
        call.fault = self.faults.next(call.method, call.path)
        counted = self.service.counts(call)
        self.in_flight += counted
        call.in_flight = self.in_flight
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        reply: Reply | None = None
        try:
            reply = await self._answer(call)
        finally:
            self.in_flight -= counted
            self.log.add(_line(number, call, reply, monotonic() - began))
        self._post_notices()
        if reply is None:
            await _drop(scope)
            return
        await _send(send, reply, self.options.now())

    async def finish(self) -> None:
        """Wait for what is still to be committed or posted, then close the log."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        self.log.close()

    async def _answer(self, call: Call) -> Reply | None:
        """The reply; None when the connection is to be dropped."""
        refused = self.service.refuse(call)
        half = self.options.latency_ms / 2000
        if half:
            await asyncio.sleep(half)
        reply = refused or self._do(call)
        fault = call.fault
        if fault is not None and fault.action is FaultAction.DELAY:
            await asyncio.sleep(fault.delay_ms / 1000)
        if half:
            await asyncio.sleep(half)
        return reply

    def _do(self, call: Call) -> Reply | None:
        fault = call.fault
        if fault is None:
            return self.service.handle(call)
        match fault.action:
            case FaultAction.STATUS:
                body = fault.body
                if body is None:
                    body = self.service.error(call, fault.status, fault.code)
                return Reply(fault.status, body, fault.headers)
            case FaultAction.COMMIT_LATE:
                self._spawn(self._handle_later(call, fault.delay_ms))
                return None
            case FaultAction.DROP_BEFORE:
                return None
            case FaultAction.REVOKE:
                self.service.revoke(call)
            case FaultAction.EDIT:
                self.service.edit(call)
            case _:
                pass
        reply = self.service.handle(call)
        if fault.action is FaultAction.MALFORMED:
            return _malformed(reply, fault)
        return None if fault.action in _DROPS else reply

    async def _handle_later(self, call: Call, delay_ms: int) -> None:
        await asyncio.sleep(delay_ms / 1000)
        call.now = self.options.now()
        self.service.handle(call)
        self._post_notices()

    def _post_notices(self) -> None:
        for notice in self.service.notices():
            self._spawn(self.deliver(notice))

    def _spawn(self, work: Awaitable[None]) -> None:
        async def do() -> None:
            await work

        task = asyncio.get_running_loop().create_task(do())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def post_notice(notice: Notice) -> None:
    """Post it once; nobody is told when that fails, as with the real services."""
    headers = {"Content-Type": "application/json", **notice.headers}
    text = notice.body if isinstance(notice.body, bytes) else json.dumps(notice.body).encode()
    if not notice.url.startswith(("http://", "https://")):
        return
    request = urllib.request.Request(  # noqa: S310  the scheme was looked at
        notice.url, data=text, headers=headers, method="POST"
    )

    def post() -> None:
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310
            pass

    try:
        await asyncio.to_thread(post)
    except (OSError, ValueError):
        return


async def _call_of(scope: Scope, receive: Receive, at: datetime) -> Call:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            break
    headers = {name.decode().lower(): value.decode("latin-1") for name, value in scope["headers"]}
    query = dict(parse_qsl(scope.get("query_string", b"").decode(), keep_blank_values=True))
    base = f"{scope.get('scheme', 'http')}://{headers.get('host', 'localhost')}"
    return Call(scope["method"], scope["path"], query, headers, bytes(body), base, at)


def _line(number: int, call: Call, reply: Reply | None, seconds: float) -> LogLine:
    few = tuple(call.records) if call.committed or len(call.records) <= 10 else ()
    return LogLine(
        n=number,
        at=call.now.isoformat(timespec="milliseconds"),
        method=call.method,
        path=call.path,
        query={
            name: "***" if any(word in name.lower() for word in _SECRETS) else value
            for name, value in call.query.items()
        },
        status=None if reply is None else reply.status,
        token_id=call.token_id,
        operation_id=call.operation_id,
        records=few,
        fault=None if call.fault is None else call.fault.action.value,
        committed=call.committed,
        in_flight=call.in_flight,
        credits=call.credits,
        ms=round(seconds * 1000, 1),
    )


def _malformed(reply: Reply, fault: FaultRule) -> Reply:
    if fault.body is not None:
        return Reply(reply.status, fault.body, {**reply.headers, **fault.headers})
    content, kind = reply.encoded()
    half = content[: len(content) // 2] or b'{"data": ['
    headers = {**reply.headers, "Content-Type": kind or "application/json", **fault.headers}
    return Reply(200 if reply.status in (204, 304) else reply.status, half, headers)


async def _drop(scope: Scope) -> None:
    drop = (scope.get("extensions") or {}).get(DROP)
    if drop is None:
        raise ConnectionDroppedError("the service has closed the connection without an answer")
    drop()


async def _send(send: Send, reply: Reply, now: datetime) -> None:
    content, kind = reply.encoded()
    headers = {
        "Date": format_datetime(now.astimezone(UTC), usegmt=True),
        **({"Content-Type": kind} if kind else {}),
        **({} if reply.status in (204, 304) else {"Content-Length": str(len(content))}),
        **reply.headers,
    }
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": raw})
    await send({"type": "http.response.body", "body": content})
