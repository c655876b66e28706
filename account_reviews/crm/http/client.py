"""One HTTP call to a service, within its budget, behind its breaker, with its token.

Backends say what they ask; this says what an answer can be. Nothing is retried here but once after
a token was refused: Temporal retries.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol


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


@dataclass(frozen=True)
class Answer:
    """What a service said. `body` is the JSON document, None when there was none (204, 304)."""

    status: int
    body: Any
    headers: Mapping[str, str]
    """Names in lower case."""
    date: datetime | None
    """The service's own clock when it answered."""
