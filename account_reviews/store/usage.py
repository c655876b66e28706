"""What the work at hand uses: counted where it is done, handed over where it was begun.

Whoever begins it calls `metered`; what counts need not know by whom, and outside of one nothing is
counted. Work that is split into tasks counts together.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class Meter:
    """Of one piece of work, such as one attempt of an activity."""

    calls: int = 0
    cache_hits: int = 0
    cache_misses: int = 0
    tokens: int = 0


_meter: ContextVar[Meter | None] = ContextVar("meter", default=None)


@contextmanager
def metered() -> Iterator[Meter]:
    """Count what is done inside."""
    meter = Meter()
    token = _meter.set(meter)
    try:
        yield meter
    finally:
        _meter.reset(token)


def count_call(calls: int = 1) -> None:
    """A backend was asked: a CRM, a memory, a model."""
    if (meter := _meter.get()) is not None:
        meter.calls += calls


def count_cache(*, hit: bool) -> None:
    """A document was looked for in the memory of this process."""
    if (meter := _meter.get()) is not None:
        meter.cache_hits += hit
        meter.cache_misses += not hit


def count_tokens(tokens: int) -> None:
    """A model read and wrote so many."""
    if (meter := _meter.get()) is not None:
        meter.tokens += tokens
