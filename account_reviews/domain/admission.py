"""How many interactive reviews of a tenant may be open at once. Pure.

Whoever starts one takes a place first, as a reservation, and the review carries it. A closed review
has given its place back. What became of a reservation that nobody answers for, such as that of a
command that died, Temporal knows: `judge` says what follows from its answer.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Final

from account_reviews.domain.base import Model
from account_reviews.domain.errors import LimitReachedError

GRACE: Final = timedelta(seconds=2)
"""How long a request of a starter that died may be on its way to Temporal."""
MEMO: Final = "reservation_id"
"""The key of a review's memo in Temporal that holds its reservation."""


class Reservation(Model):
    """A place that is taken. `run_id` is there once its review has saved for the first time."""

    reservation_id: str
    workflow_id: str
    run_id: str | None = None
    alone: timedelta | None = None
    """Since when it is known that its starter is not at work any more; None while it is."""


class Execution(Model):
    """The newest execution of a workflow id in Temporal."""

    run_id: str
    """The first run of its review."""
    reservation_id: str | None
    is_open: bool


class Verdict(StrEnum):
    KEEP = "keep"
    FREE = "free"
    LATER = "later"
    """It cannot be said before GRACE is over."""


def has_place(taken: int, most: int) -> bool:
    """Whether one more may be open."""
    return taken < most


def judge(reservation: Reservation, newest: Execution | None) -> Verdict:
    """What becomes of a reservation, by what Temporal said after it was read.

    A workflow id is had by one open review at a time: where another has it, ours is closed, or was
    never started, or never will be once its starter is gone.
    """
    if newest is not None and _is_of(reservation, newest):
        return Verdict.KEEP if newest.is_open else Verdict.FREE
    if reservation.run_id is not None:
        return Verdict.FREE
    if reservation.alone is None:
        return Verdict.KEEP
    return Verdict.FREE if reservation.alone >= GRACE else Verdict.LATER


def full(most: int) -> LimitReachedError:
    """What the next one is told."""
    return LimitReachedError(
        f"Maximum concurrent reviews ({most}) reached",
        hint="close one with `reviews close`, or set admission.max_open in the policy",
    )


def _is_of(reservation: Reservation, newest: Execution) -> bool:
    if reservation.run_id is not None:
        return newest.run_id == reservation.run_id
    return newest.reservation_id == reservation.reservation_id
