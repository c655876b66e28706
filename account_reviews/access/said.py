"""What is said to a review, held against the policy and the table of people."""

from collections.abc import Sequence
from typing import Protocol

from account_reviews.access.guard import Guard
from account_reviews.domain.access.people import Known
from account_reviews.domain.errors import ReviewsError
from account_reviews.domain.review.checks import Checked, CheckSaid


class Finds(Protocol):
    """The table of people."""

    async def find(self, names: Sequence[str]) -> list[Known]:
        """Those of these names who count now."""


async def check_said(guard: Guard, people: Finds, call: CheckSaid) -> Checked:
    """Whether it may be applied. It never raises: whom nobody can look up is not known, and while
    the policy cannot be read the guard refuses everything."""
    said = call.decision
    names = [call.by, call.on_behalf_of]
    names += [] if said is None else [said.approver, said.on_behalf_of]
    try:
        known = await people.find(guard.unknown(*names))
    except ReviewsError:
        known = []
    return guard.check(call, known)
