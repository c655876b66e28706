"""For whom a call is made: people come before schedules where calls are rationed."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum


class Priority(StrEnum):
    PEOPLE = "people"
    """Somebody waits for it: a review on demand, an approved write, a command."""
    SCHEDULES = "schedules"
    """Cycles, scheduled reviews, syncs."""


_priority: ContextVar[Priority] = ContextVar("priority", default=Priority.PEOPLE)


@contextmanager
def calling_for(priority: Priority) -> Iterator[None]:
    """All calls inside are made for these; tasks begun inside too."""
    token = _priority.set(priority)
    try:
        yield
    finally:
        _priority.reset(token)


def priority_now() -> Priority:
    """For whom the call at hand is made."""
    return _priority.get()
