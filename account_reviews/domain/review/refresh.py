"""What reading the account again does to a review that waits. Pure."""

from account_reviews.domain.base import Timestamp
from account_reviews.domain.clock import why_too_far
from account_reviews.domain.proposals import ItemState, ProposedChange
from account_reviews.domain.review.approvals import Item
from account_reviews.domain.review.bounds import MOVES
from account_reviews.domain.review.decisions import record_malformed
from account_reviews.domain.review.messages import Malformed, Refresh
from account_reviews.domain.review.state import ReviewState

_LIVE = (ItemState.PROPOSED, ItemState.APPROVED, ItemState.ADJUSTED)


def ask(state: ReviewState, message: Refresh, now: Timestamp) -> None:
    """Note that the account is to be read again; the newest message counts.

    A cycle that asks hears of the review from now on, whatever becomes of the reading.
    """
    why = why_too_far(message.as_of, now) if message.as_of is not None else None
    if why is not None:
        record_malformed(state, "refresh", Malformed(why=f"as_of: {why}"), now)
        return
    if state.undo is not None:
        state.record(now, "refresh_refused", "an undo reads nothing but its record", message.by)
        return
    if message.cycle_id is not None:
        state.cycle_id, state.reported = message.cycle_id, None
    if state.follows(2) and len(state.history) >= MOVES:
        state.record(
            now, "refresh_refused", "read again too often; the next review will", message.by
        )
        return
    state.refresh = message
    state.record(now, "refresh_requested", message.cycle_id or "read the account again", message.by)


def settle(state: ReviewState, now: Timestamp) -> None:
    """A closing review reads nothing any more: the next one will."""
    if state.refresh is not None:
        by, state.refresh = state.refresh.by, None
        state.record(now, "refresh_too_late", "the review is ending", by)


def _is_of_the_rules(item: Item) -> bool:
    """What a person or an agent proposed goes on as he wants it; the gate before the write looks at
    the record again."""
    return item.state in _LIVE and item.change.author is None


def reconcile(
    state: ReviewState,
    changes: tuple[ProposedChange, ...],
    now: Timestamp,
    *,
    supersede: bool = True,
) -> tuple[ProposedChange, ...]:
    """Keep what was proposed again, supersede what was not, give what is new.

    Without `supersede` nothing goes: what was read is not fresh and whole, so that a proposal may
    be missing for no other reason. An item with the same change id keeps its request, its
    decisions and its deadline. What this review has decided already is not proposed a second time.
    """
    again = {change.change_id for change in changes}
    known: set[str] = set()
    gone = 0
    for request in state.requests:
        known |= {one.item_id for one in request.items if one.state is not ItemState.SUPERSEDED}
        stale = [one for one in request.items if _is_of_the_rules(one) and one.item_id not in again]
        if stale and supersede:
            gone += len(stale)
            ids = frozenset(one.item_id for one in stale)
            state.replace_request(request.supersede(ids, now, "the account changed"))
    fresh = tuple(change for change in changes if change.change_id not in known)
    kept = len(again & known)
    state.record(now, "refreshed", f"{kept} kept, {gone} superseded, {len(fresh)} new")
    return fresh
