"""The token of a service in a row of our database, fetched by one worker for all."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.crm.http.limits import key_of
from account_reviews.crm.http.tokens import Token


@dataclass(frozen=True)
class Fetched:
    """What a service gave for a refresh token. `expires_in`: seconds."""

    value: str = field(repr=False)
    api_url: str
    expires_in: float


Fetch = Callable[[], Awaitable[Fetched]]
"""Asks the service for a token, once. CrmAuthError when it refuses, also by an error in a 200;
CrmUnavailableError, CrmRateLimitedError. It may take FETCH_SECONDS, then it is given up."""


class SharedTokens:
    """A TokenSource of all workers that have the same `secret` (the refresh token)."""

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        service: str,
        secret: str,
        fetch: Fetch,
        scheme: str = "Bearer",
    ) -> None:
        """`scheme` stands before the value in the header."""
        self._engine = engine
        self._service = service
        self._key = key_of(secret)
        self._fetch = fetch
        self._scheme = scheme
        self._last: Token | None = None

    async def token(self) -> Token:
        if self._last is None:
            got = await self._fetch()
            self._last = Token(got.value, got.api_url.rstrip("/"))
        return self._last

    async def renewed(self, refused: Token) -> Token:
        if self._last is refused:
            self._last = None
        return await self.token()

    def header(self, token: Token) -> Mapping[str, str]:
        return {"authorization": f"{self._scheme} {token.value}"}
