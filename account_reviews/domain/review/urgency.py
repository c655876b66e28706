"""Which request a person is shown first. Pure."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final, NamedTuple

from account_reviews.domain.review.bounds import person

_LEVELS: Final = ("critical", "high", "medium", "low")


class Waiting(NamedTuple):
    """A pending request, as far as its place in the line depends on it."""

    request_id: str
    deadline: datetime
    risk_level: str | None
    approvers: tuple[str, ...]


def in_order(requests: Iterable[Waiting], names: Iterable[str]) -> list[Waiting]:
    """Those first that ask for the person of these names; then by the hour of the deadline, the
    risk, the deadline.

    By the hour, since what one cycle asks for is due within seconds of each other.
    """
    me = {person(name) for name in names}

    def place(one: Waiting) -> tuple[bool, datetime, int, datetime, str]:
        asked = not me.isdisjoint(map(person, one.approvers))
        hour = one.deadline.replace(minute=0, second=0, microsecond=0)
        level = one.risk_level or ""
        risk = _LEVELS.index(level) if level in _LEVELS else len(_LEVELS)
        return not asked, hour, risk, one.deadline, one.request_id

    return sorted(requests, key=place)
