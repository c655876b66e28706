"""Passwords of local users: argon2id, worked out beside the event loop."""

import asyncio
import unicodedata
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from account_reviews.domain.errors import BadInputError

LEAST: Final = 8
MOST: Final = 1000
"""Characters."""
_AT_ONCE: Final = 2
"""Each takes 64 MiB and all of a core."""
_HASHER: Final = PasswordHasher()


def checked_password(text: str) -> str:
    """A password that may be set. BadInputError, which does not repeat it."""
    if not LEAST <= len(text) <= MOST:
        raise BadInputError(f"a password has {LEAST} to {MOST:,} characters")
    if len(set(text)) < 3:
        raise BadInputError("a password has at least three different characters")
    return text


def hash_of(password: str) -> str:
    """What is stored of it."""
    return _HASHER.hash(_spelled(password))


class Passwords:
    """Compares passwords, a few at a time."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(_AT_ONCE)

    async def match(self, stored: str | None, given: str) -> bool:
        """Whether it is the one. It takes as long where there is none to compare with, so that
        nobody learns who has one."""
        if len(given) > MOST:
            return False
        async with self._turn:
            return await asyncio.to_thread(_match, stored, given)


def _match(stored: str | None, given: str) -> bool:
    try:
        found = _HASHER.verify(stored or _nobodys(), _spelled(given))
    except (VerificationError, InvalidHashError):
        return False
    return found and bool(stored)


@cache
def _nobodys() -> str:
    return hash_of("the password of nobody")


def _spelled(password: str) -> str:
    """The same whatever keyboard it was typed on."""
    return unicodedata.normalize("NFKC", password)
