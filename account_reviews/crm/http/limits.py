"""What a service allows to all who call it with one credential."""

import hashlib
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

from account_reviews.domain.errors import BadInputError

_KEY_BYTES: Final = 16


@dataclass(frozen=True)
class Window:
    """At most `credits` in any `seconds`."""

    credits: int
    seconds: float


@dataclass(frozen=True)
class Limits:
    """`key`: what shares them, never a credential itself, see `key_of`.

    `patience`: seconds that a call waits for a place before it is CrmRateLimitedError.
    """

    key: str
    concurrency: int
    windows: tuple[Window, ...] = ()
    patience: float = 10.0

    def __post_init__(self) -> None:
        if self.concurrency < 1 or any(w.credits < 1 or w.seconds <= 0 for w in self.windows):
            raise BadInputError("a limit is at least 1")


@runtime_checkable
class HasLimits(Protocol):
    """What a backend behind HTTP also is."""

    @property
    def calls(self) -> tuple[str, Limits]:
        """The service, as its budget is called, and what it allows."""
        ...


def key_of(*parts: str) -> str:
    """A name for a credential, or an account of a service, that tells nothing of it."""
    digest = hashlib.sha256("\0".join(parts).encode())
    return digest.hexdigest()[: 2 * _KEY_BYTES]
