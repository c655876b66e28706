"""What a run that was reset had written already. Pure."""

from account_reviews.domain.base import Timestamp
from account_reviews.domain.proposals import ItemState
from account_reviews.domain.review.state import ReviewState, WrittenChange
from account_reviews.domain.review.steps import ApplyResult

_REASON = "written before the review was reset"
_DECIDED_OTHERWISE = (ItemState.REJECTED, ItemState.DEFERRED)


def unwritten(state: ReviewState) -> tuple[str, ...]:
    """The items that this run did not write, each once."""
    every = (item.item_id for request in state.requests for item in request.items)
    return tuple(one for one in dict.fromkeys(every) if one not in state.written)


def note(
    state: ReviewState,
    item_id: str,
    result: ApplyResult,
    now: Timestamp,
    *,
    reason: str = _REASON,
) -> None:
    """The write of an item stands in the CRM although this run did not make it.

    An item that somebody has rejected or deferred since stays so, and needs attention.
    """
    state.written[item_id] = WrittenChange(
        change_id=item_id,
        state=ItemState.EXECUTED,
        record=result.record,
        written=result.current,
        reason=reason,
        at=result.applied_at or now,
    )
    for request in state.requests:
        item = next((one for one in request.items if one.item_id == item_id), None)
        if item is None or item.state is ItemState.SUPERSEDED:
            continue
        if item.state in _DECIDED_OTHERWISE:
            state.error_count += 1
            state.last_error = f"{item.change.title}: {reason}, and {item.state} since"
            state.record(now, "not_verified", state.last_error)
            continue
        state.replace_request(request.mark(item_id, ItemState.EXECUTED, reason))
        state.record(now, "item_executed", f"{item.change.title} ({reason})", item.decided_by)
