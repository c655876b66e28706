"""Who decided what on an account before. Pure."""

from collections.abc import Iterable
from typing import NamedTuple

from account_reviews.domain.base import Timestamp
from account_reviews.domain.proposals import ItemState
from account_reviews.domain.review.approvals import ApprovalRequest
from account_reviews.domain.review.items import Item


class PastDecision(NamedTuple):
    """What came of a change that was proposed for the account before."""

    title: str
    state: str
    """An ItemState value."""
    by: str | None
    at: Timestamp | None
    reason: str | None = None


def past_decisions(requests: Iterable[ApprovalRequest], most: int = 5) -> tuple[PastDecision, ...]:
    """What became of the items of these requests, the newest first."""
    found = [
        PastDecision(
            item.change.title,
            str(item.state),
            item.decided_by,
            item.decided_at or request.closed_at,
            item.reason,
        )
        for request in requests
        for item in request.items
        if not item.is_open and not _left_undone(item)
    ]
    known = [one for one in found if one.at is not None]
    return tuple(sorted(known, key=lambda one: str(one.at), reverse=True)[:most])


def _left_undone(item: Item) -> bool:
    """Nobody decided on it: the review was ended before."""
    return item.state is ItemState.SKIPPED and item.decided_by is None
