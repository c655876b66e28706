"""One HTTP call to a service, within its budget, behind its breaker, with its token.

Backends say what they ask; this says what an answer can be. Nothing is retried here but once after
a token was refused: Temporal retries.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx2
import orjson

from account_reviews.crm.http.answers import (
    TOO_MANY,
    UNAUTHORIZED,
    Answer,
    Raw,
    broken,
    judge,
    read_raw,
    wait_of,
)
from account_reviews.crm.http.breaker import Breaker
from account_reviews.crm.http.budget import Budget, Place
from account_reviews.crm.http.limits import Limits
from account_reviews.crm.http.service_names import service_name
from account_reviews.crm.http.tokens import Token, TokenSource
from account_reviews.domain.errors import CrmAuthError, CrmRateLimitedError

__all__ = ["Answer", "ApiClient", "Token", "TokenSource"]

LARGEST: Final = 20 * 2**20
SECONDS: Final = 30.0
REMAINING: Final = "x-api-credits-remaining"
_BRIEF_PAUSE: Final = 1.0

# It logs every URL at INFO, and URLs hold what people searched for.
logging.getLogger("httpx2").setLevel(logging.WARNING)


@dataclass(frozen=True)
class _Call:
    """One request but for its token."""

    method: str
    path: str
    url: str | None
    params: Mapping[str, Any] | None
    body: bytes | None
    headers: Mapping[str, str]
    credits: int


class ApiClient:
    """One per service and process."""

    def __init__(
        self,
        *,
        service: str,
        tokens: TokenSource,
        budget: Budget,
        breaker: Breaker,
        http: httpx2.AsyncClient | None = None,
        timeout: float = SECONDS,
        largest: int = LARGEST,
        wait: Callable[[Raw], float | None] = wait_of,
        lacks_right: Callable[[Raw], bool] = lambda _: False,
    ) -> None:
        """`timeout`: seconds for one whole request. `largest`: bytes of an answer. `wait`: the
        seconds that an answer 429 asks for, None when it does not say. `lacks_right`: whether a 401
        is about a right, which no new token has; it comes back as an Answer. A given `http` stays
        open."""
        self._service = service
        self._tokens = tokens
        self.budget = budget
        self.breaker = breaker
        self._timeout = timeout
        self._largest = largest
        self._wait = wait
        self._lacks_right = lacks_right
        self._own = http is None
        self._http = http or open_http()

    @property
    def calls(self) -> tuple[str, Limits]:
        """The service, as its budget is called, and what it allows."""
        return self._service, self.budget.limits

    async def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        credits: int = 1,
        operation_id: str | None = None,
        url: str | None = None,
    ) -> Answer:
        """Ask once, and once more when the token was refused.

        `path` begins with a slash and goes to the address of the token; `url` is taken in its
        place. `credits`: what the call costs. `operation_id` goes along as a header, for the
        service's own log. Any status but 401, 429, 530 and 5xx comes back as an Answer.

        CrmUnavailableError: no connection, no answer in time, 5xx, a web page, a body that was
        cut short, is no JSON or is too large; an open breaker, with `sent` False and `retry_after`.
        CrmRateLimitedError: 429, and a budget that has no place. CrmAuthError: 401 also with a
        new token, 530.
        """
        carried = dict(headers or {})
        if operation_id is not None:
            carried["x-operation-id"] = operation_id
        body = None if json is None else orjson.dumps(json)
        if body is not None:
            carried.setdefault("content-type", "application/json")
        call = _Call(method, path, url, params, body, carried, credits)
        await self.breaker.check()
        token = await self._tokens.token()
        raw = await self._ask(call, token)
        if raw.status == UNAUTHORIZED and not self._lacks_right(raw):
            raw = await self._ask(call, await self._tokens.renewed(token))
        if raw.status == UNAUTHORIZED and not self._lacks_right(raw):
            name = service_name(self._service)
            raise CrmAuthError(f"{name} does not accept our credentials, also with a new token")
        return judge(self._service, raw)

    async def _ask(self, call: _Call, token: Token) -> Raw:
        async with self.budget.place(call.credits) as place, self.breaker.call():
            raw = await self._exchange(call, token, place)
            _learn(place, raw)
            if raw.status == TOO_MANY:
                place.refused = True
                place.refused_for = self._wait(raw)
                raise CrmRateLimitedError(
                    f"{service_name(self._service)} asks us to slow down",
                    retry_after=place.refused_for or _BRIEF_PAUSE,
                )
            if raw.status >= 500:
                judge(self._service, raw)  # raises, within the breaker
            return raw

    async def _exchange(self, call: _Call, token: Token, place: Place) -> Raw:
        target = call.url or f"{token.api_url}{call.path}"
        try:
            async with asyncio.timeout(self._timeout):
                async with self._http.stream(
                    call.method,
                    target,
                    params=call.params,
                    content=call.body,
                    headers={**self._tokens.header(token), **call.headers},
                ) as response:
                    raw = await read_raw(response, self._largest)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            slow = isinstance(error, TimeoutError | httpx2.TimeoutException)
            place.answered = not slow  # a connection that broke is at its end on both sides
            raise broken(self._service, error) from None
        place.answered = True
        return raw

    async def close(self) -> None:
        """Close the connections, and give back what is free of the budget."""
        await self.budget.close()
        if self._own:
            await self._http.aclose()


def open_http() -> httpx2.AsyncClient:
    """Connections for a service: HTTP/1.1, no redirect is followed, through the proxy that the
    environment names, if any. Times are bounded by whoever asks."""
    return httpx2.AsyncClient(
        timeout=None,
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=100),
        headers={"user-agent": "reviews", "accept": "application/json"},
    )


def _learn(place: Place, raw: Raw) -> None:
    said = raw.headers.get(REMAINING, "").strip()
    if said.isdecimal():
        place.remaining = int(said)
