"""What every answer and every request goes through: headers, addresses, bounds of a body."""

import re
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from account_reviews.config.ports import HERE
from account_reviews.domain.errors import BadInputError, ReviewsError
from account_reviews.web.api.pace import TooFastError
from account_reviews.web.errors import answer, answer_anything, status_of
from account_reviews.web.identity import (
    SAFE,
    BadTokenError,
    ForgedError,
    NotSignedInError,
    Recogniser,
    TurnedAwayError,
    carries,
    recognised,
)
from account_reviews.web.middleware import GoneError, TooLargeError, TooSlowError, read_body
from account_reviews.web.places import KEYS

POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""No script and no style stands in a page itself."""
HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cache-control": "no-store",
}
"""An answer that sets one of them itself keeps its own."""
_SECURE: Final = {"strict-transport-security": "max-age=31536000"}
_HOST: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?")
_ANY_HOST: Final = ("/webhooks/", "/healthz")
"""What programs of others call by whatever name they know us by; who they are is proven."""
_NUL_IN_FORM: Final = BadInputError("the form holds a NUL character, which cannot be stored")


class WrongHostError(TurnedAwayError):
    """This is not reached under that name; set REVIEWS_WEB_URL to the address people use."""

    code = "wrong_host"
    action = "host"


def known_hosts(web_url: str | None, bound: Iterable[str] = ()) -> frozenset[str]:
    """The names of a Host header that are ours, without ports."""
    names = {*HERE, *bound, "localhost"}
    if web_url is not None:
        names.add(urlsplit(web_url).hostname or "")
    return frozenset(name.strip("[]").lower() for name in names if name)


class Guarded:
    """Wraps the app. `hosts`: names that are ours; `secure`: whether people come by https."""

    def __init__(self, app: ASGIApp, *, hosts: frozenset[str], secure: bool) -> None:
        self._app = app
        self._hosts = hosts
        self._headers = {**HEADERS, **(_SECURE if secure else {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "HEAD":  # whatever can be read can be asked for so
            scope, send = {**scope, "method": "GET"}, _without_body(send)

        begun = False

        async def headed(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                if scope["path"].startswith(KEYS):  # also of what was refused
                    headers["referrer-policy"] = "no-referrer"
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        request = Request(scope, receive)
        try:
            await self._answered(request, headed)
        except Exception as error:
            if begun:
                raise
            response = await answer_anything(request, error)
            await response(scope, receive, headed)

    async def _answered(self, request: Request, headed: Send) -> None:
        scope, receive = request.scope, request.receive
        if scope["path"].startswith(_ANY_HOST):
            await self._app(scope, receive, headed)
        elif not self._is_ours(request):
            response = await answer(request, WrongHostError(), 421)
            await response(scope, receive, headed)
        elif (refusal := await self._refused(request) or _unstorable(request)) is not None:
            response = await answer(request, refusal, status_of(refusal))
            await response(scope, receive, headed)
        else:
            await self._bounded(request, headed)

    async def _refused(self, request: Request) -> ReviewsError | None:
        """Why a program is not let in: it hears that before anything else of its request. People
        hear it from their page, unless what they show did not hold too often."""
        path = request.url.path
        if not path.startswith("/api/"):
            return None if path.startswith("/static/") else await self._guessing(request)
        try:  # an address is counted before anything is looked up for it
            _count(request, "address")
            who = await recognised(request)
        except ReviewsError as error:
            return error
        if who is None:
            return NotSignedInError()
        forged = request.method not in SAFE and who.csrf and not carries(request, who.csrf)
        return ForgedError() if forged else None

    async def _guessing(self, request: Request) -> ReviewsError | None:
        """TooFastError for an address from which tokens and sign-ins come that do not hold. Those
        that hold are not counted: many people may come from one address."""
        recogniser: Recogniser = request.app.state.recogniser
        if not recogniser.is_shown(request):
            return None
        try:
            if await recognised(request) is not None:
                return None
        except BadTokenError:
            pass
        except ReviewsError:  # the page says it, as far as it needs to know
            return None
        try:
            _count(request, "guesses from")
        except TooFastError as error:
            request.scope["state"]["principal"] = None  # not looked up for the page of the error
            return error
        return None

    def _is_ours(self, request: Request) -> bool:
        found = _HOST.fullmatch(request.headers.get("host", ""))
        return found is not None and found[1].strip("[]").lower() in self._hosts

    async def _bounded(self, request: Request, send: Send) -> None:
        """With all of its body read, where there is one."""
        scope, receive = request.scope, request.receive
        headers = request.headers
        if "content-length" not in headers and "transfer-encoding" not in headers:
            await self._app(scope, receive, send)
            return
        try:
            body = await read_body(request)
        except (TooLargeError, TooSlowError) as error:
            status = 413 if isinstance(error, TooLargeError) else 408
            response = await answer(Request(scope), error, status)
            await response(scope, receive, send)
            return
        except GoneError:
            return
        if _holds_nul(headers.get("content-type", ""), body):
            response = await answer(Request(scope), _NUL_IN_FORM, 422)
            await response(scope, receive, send)
            return
        await self._app(scope, _replayed(body, receive), send)


def _count(request: Request, what: str) -> None:
    """TooFastError when that comes too often from there."""
    state = request.app.state
    state.pace.check(f"{what} {state.doors.address_of(request)}", state.pace.of_address)


def _unstorable(request: Request) -> ReviewsError | None:
    """Why no page can be asked so: the database takes no NUL."""
    scope = request.scope
    holds = "\x00" in scope["path"] or b"%00" in scope["query_string"]
    return BadInputError("the address holds a NUL character") if holds else None


def _without_body(send: Send) -> Send:
    """Only the head is sent; of a stream that ends it."""
    ended = False

    async def head_of(message: Message) -> None:
        nonlocal ended
        if message["type"] == "http.response.body" and not ended:
            ended = True
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        elif not ended:
            await send(message)

    return head_of


def _holds_nul(kind: str, body: bytes) -> bool:
    """Whether a form does. What is no form is looked at where it is read."""
    if "form" not in kind:
        return False
    return b"\x00" in body or ("urlencoded" in kind and b"%00" in body)


def _replayed(body: bytes, receive: Receive) -> Receive:
    given: list[Any] = []

    async def again() -> Message:
        if given:
            return await receive()
        given.append(body)
        return {"type": "http.request", "body": body, "more_body": False}

    return again
