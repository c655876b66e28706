"""How often somebody may ask: so much at once, and then so much a second."""

import math
import time
from dataclasses import dataclass, field
from typing import ClassVar, Final

from cachetools import TTLCache
from fastapi import Request

from account_reviews.domain.errors import LimitReachedError, ReviewsError
from account_reviews.web.identity import recognised

_KNOWN: Final = 10_000
"""Who is counted; the one who asked longest ago is forgotten first."""
_REMEMBERED_SECONDS: Final = 600.0


class TooFastError(LimitReachedError):
    """Too many requests at once."""

    code: ClassVar[str] = "too_fast"

    def __init__(self, seconds: float) -> None:
        self.retry_after = max(1, math.ceil(seconds))
        super().__init__(hint=f"come again in {self.retry_after} s")


@dataclass
class Bucket:
    """Fills by `rate` a second up to `most`; each request takes one."""

    most: float
    rate: float
    left: float
    at: float

    def take(self, now: float) -> float:
        """0 when it may pass, else the seconds until it may."""
        self.left = min(self.most, self.left + (now - self.at) * self.rate)
        self.at = now
        if self.left >= 1:
            self.left -= 1
            return 0.0
        return (1 - self.left) / self.rate


def _cache() -> "TTLCache[str, Bucket]":
    return TTLCache(_KNOWN, _REMEMBERED_SECONDS, timer=time.monotonic)


@dataclass
class Pace:
    """Of one process. An address counts all that comes from it, also without a sign-in."""

    of_who: tuple[float, float] = (300, 20)
    of_address: tuple[float, float] = (600, 40)
    """At once, and a second."""
    _buckets: "TTLCache[str, Bucket]" = field(default_factory=_cache)

    def check(self, key: str, bounds: tuple[float, float], now: float | None = None) -> None:
        """TooFastError."""
        at = time.monotonic() if now is None else now
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = Bucket(bounds[0], bounds[1], left=bounds[0], at=at)
        self._buckets[key] = bucket  # also when it was there: it is remembered from now on
        seconds = bucket.take(at)
        if seconds:
            raise TooFastError(seconds)


async def paced(request: Request) -> None:
    """TooFastError for who asks too often. Addresses are counted before: `security.Guarded`."""
    pace: Pace = request.app.state.pace
    try:
        who = await recognised(request)
    except ReviewsError:  # said where a sign-in is needed
        return
    if who is not None:
        pace.check(f"who {who.how} {who.name}", pace.of_who)
