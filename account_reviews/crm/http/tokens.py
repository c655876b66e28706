"""What calls are authorised with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from account_reviews.domain.errors import CrmAuthError


@dataclass(frozen=True)
class Token:
    """What a call is authorised with. Never shown."""

    value: str = field(repr=False)
    api_url: str
    """Where calls with it go, without a slash at the end."""
    expires_at: datetime | None = None
    """None: it does not expire."""


class TokenSource(Protocol):
    """Gives the token of a service; one is shared by all workers."""

    async def token(self) -> Token:
        """A token that is good for the next minute. CrmAuthError, CrmUnavailableError,
        CrmRateLimitedError when the service must not be asked for another one yet."""
        ...

    async def renewed(self, refused: Token) -> Token:
        """Another one in place of `refused`, which the service did not take. The same errors."""
        ...

    def header(self, token: Token) -> Mapping[str, str]:
        """What a request carries."""
        ...


class StaticToken:
    """A key that a person made and that stays as it is. None: the service asks for none."""

    def __init__(
        self,
        value: str | None,
        api_url: str,
        *,
        header: str = "authorization",
        scheme: str = "",
        service: str | None = None,
        hint: str | None = None,
    ) -> None:
        """`scheme` stands before the value, as `Bearer`. `service`: what people call it, its
        address unless given. `hint`: what to do about a key that it does not take."""
        self._token = Token(value or "", api_url.rstrip("/"))
        self._header = header
        self._scheme = f"{scheme} " if scheme else ""
        self._service = service
        self._hint = hint

    async def token(self) -> Token:
        return self._token

    async def renewed(self, refused: Token) -> Token:
        """CrmAuthError: there is no other."""
        where = self._service or refused.api_url
        raise CrmAuthError(f"{where} does not accept our key", hint=self._hint)

    def header(self, token: Token) -> Mapping[str, str]:
        return {self._header: f"{self._scheme}{token.value}"} if token.value else {}
