"""The nonces of signed decisions that were used: each counts once. Pure.

A nonce begins with the second in which its token expires, so that what nobody can use again need
not be kept: `1791234567.N1dY3...`.
"""

from typing import Final

from account_reviews.domain.base import Timestamp

MOST: Final = 1000
"""Nonces that a review keeps; while as many are in force no further one is taken."""
_SLACK: Final = 86_400
"""Seconds that a used nonce is kept beyond its time: clocks differ."""


def nonce_of(expires: int, unique: str) -> str:
    """The nonce of a token that expires in the second `expires` (since 1970)."""
    return f"{expires}.{unique}"


def in_force(nonces: tuple[str, ...], now: Timestamp) -> tuple[str, ...]:
    """Those whose tokens somebody could still send."""
    return tuple(one for one in nonces if _expires(one) + _SLACK > now.timestamp())


def used(nonces: tuple[str, ...], nonce: str, now: Timestamp) -> tuple[str, ...]:
    """With this one; those that expired long ago go."""
    return tuple(dict.fromkeys((*in_force(nonces, now), nonce)))


def is_full(nonces: tuple[str, ...], now: Timestamp) -> bool:
    """Whether no further one can be kept, so that no further token may be taken."""
    return len(in_force(nonces, now)) >= MOST


def _expires(nonce: str) -> int:
    head = nonce.partition(".")[0]
    return int(head) if head.isdecimal() and len(head) < 12 else 10**12
