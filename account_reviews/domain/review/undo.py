"""Taking an executed write back: what would have to be written, or why it cannot be. Pure.

An undo is a review of its own with one item, which is approved as any other. It restores what stood
before, field by field, and only while each of these fields still stands as it was written.
"""

from typing import Final

from account_reviews.domain.base import Model, Scalar, Timestamp
from account_reviews.domain.errors import BadInputError
from account_reviews.domain.fields import check_fields, missing_field
from account_reviews.domain.proposals import (
    Action,
    ItemState,
    ProposedChange,
    change_id,
    proposal_hash,
    same,
)
from account_reviews.domain.records import RecordRef
from account_reviews.domain.review.approvals import ApprovalRequest, Item
from account_reviews.domain.review.bounds import cut
from account_reviews.domain.review.state import ReviewState, UndoOf

RULE: Final = "undo"
"""Stands where other changes have the rule that proposed them."""
_LONGEST_TITLE: Final = 150


class Recorded(Model):
    """A write as it was made: `before` and `written` hold the same fields."""

    before: dict[str, Scalar]
    written: dict[str, Scalar]

    @property
    def changed(self) -> dict[str, Scalar]:
        """The fields that the write changed, as it left them."""
        return {
            name: value
            for name, value in self.written.items()
            if name in self.before and not same(self.before[name], value)
        }


class Undone(Model):
    """Who took a write back: `by` asked for it, `approved_by` approved it."""

    by: str
    approved_by: str
    at: Timestamp
    reason: str | None = None
    review_id: str
    run_id: str


def item_of(state: ReviewState, change: str) -> Item | None:
    """The newest item of that id."""
    items = (item for request in state.requests for item in request.items)
    return next((item for item in reversed(tuple(items)) if item.item_id == change), None)


def why_not(state: ReviewState, change: str) -> str | None:
    """Why that change of a review cannot be taken back, as far as the review knows."""
    item = item_of(state, change)
    if item is None:
        return f"the review {state.review_id} has no item {change!r}"
    title = f"{item.change.title!r}"
    if item.state is ItemState.UNDONE:
        return f"{title} is undone already: {item.reason}" if item.reason else f"{title} is undone"
    if item.state is not ItemState.EXECUTED or change not in state.written:
        return f"{title} was not written: it is {item.state}"
    return why_never(item.change)


def why_never(change: ProposedChange) -> str | None:
    """Why a write of this kind is never taken back."""
    made = {Action.CREATE_TASK: "task", Action.ADD_NOTE: "note"}.get(change.action)
    if made is None:
        return None
    return (
        f"{change.title!r} made a {made}, and nothing here deletes what stands in the CRM; "
        f"close or delete the {made} there"
    )


def recorded_by(state: ReviewState, change: str) -> Recorded:
    """The write as the review remembers it, where the CRM's own record of it is gone."""
    item = item_of(state, change)
    assert item is not None
    return Recorded(before=item.change.before, written=state.written[change].written)


def propose_undo(
    original: ProposedChange,
    recorded: Recorded,
    record: RecordRef,
    now: dict[str, Scalar],
    *,
    by: str,
    reason: str | None,
) -> ProposedChange | str:
    """The write that takes `original` back, else the sentence that says why it cannot be.

    `record` is the record as it is now, `now` the fields of the write as they stand.
    """
    changed = recorded.changed
    if not changed:
        return f"{original.title!r} changed nothing"
    before = recorded.before
    left = {name: value for name, value in changed.items() if not same(now.get(name), before[name])}
    if not left:
        return f"{original.title!r} is taken back already: the CRM shows what stood before"
    why = changed_since(left, now)
    if why is not None:
        return why
    after = {name: before[name] for name in left}
    try:
        after = check_fields(original.action, after)
    except BadInputError as error:
        return f"what stood before cannot be written: {error.message}"
    missing = missing_field(original.action, after)
    if missing is not None:
        return f"{missing} was empty before, and {original.action} cannot empty it"
    shown = {name: now.get(name) for name in after}
    rationale = f"{by} wants it taken back: {reason}" if reason else f"{by} wants it taken back."
    return ProposedChange(
        change_id=change_id(original.action, record, original.account_id, RULE, after),
        action=original.action,
        account_id=original.account_id,
        record=record,
        before=shown,
        after=after,
        hash=proposal_hash(original.action, record, shown, after),
        rule=RULE,
        title=f"Undo: {original.title}"[:_LONGEST_TITLE],
        rationale=rationale,
        author=by,
    )


def changed_since(written: dict[str, Scalar], now: dict[str, Scalar]) -> str | None:
    """The sentence that names the first field that does not stand as it was written."""
    for name, value in written.items():
        if not same(now.get(name), value):
            return (
                f"{name} has changed since: {value!r} was written, and the CRM shows "
                f"{now.get(name)!r}"
            )
    return None


def mark_undone(state: ReviewState, change: str, undone: Undone) -> ReviewState:
    """The review as it is shown once one of its writes was taken back.

    Twice the same changes nothing. Its version stays: the review itself said nothing new. One that
    goes on tells its own lines first: the line of this comes when it is closed.
    """
    item = item_of(state, change)
    if item is None:
        return state
    is_told = state.closed_at is None or any(
        line.kind == "item_undone" and line.at == undone.at for line in state.timeline
    )
    if item.state is ItemState.UNDONE and is_told:
        return state
    reason = cut(describe(undone))
    marked = state.model_copy(deep=True)
    version, updated_at = marked.version, marked.updated_at
    marked.requests = tuple(_marked(request, change, reason) for request in marked.requests)
    write = marked.written.get(change)
    if write is not None:
        fields = {"state": ItemState.UNDONE, "reason": reason}
        marked.written = {**marked.written, change: write.model_copy(update=fields)}
    if not is_told:
        marked.record(undone.at, "item_undone", f"{item.change.title}: {reason}", undone.by)
    marked.version, marked.updated_at = version, updated_at
    return marked


def describe(undone: Undone) -> str:
    """Who took it back, when and why."""
    because = f": {undone.reason}" if undone.reason else ""
    at = f"{undone.at:%Y-%m-%d %H:%M}Z"
    return f"undone by {undone.by} at {at}, approved by {undone.approved_by}{because}"


def what_it_undid(state: ReviewState) -> tuple[UndoOf, Undone] | None:
    """Of a review that has taken a write back: which one, and who did."""
    if state.undo is None or state.closed_at is None:
        return None
    for request in state.requests:
        for item in request.items:
            written = item.state in (ItemState.EXECUTED, ItemState.UNDONE)
            if written and item.original is None:  # an adjusted one wrote something else
                return state.undo, Undone(
                    by=state.started_by,
                    approved_by=item.decided_by or "unknown",
                    at=state.closed_at,
                    reason=state.undo.reason,
                    review_id=state.review_id,
                    run_id=state.run_id,
                )
    return None


def _marked(request: ApprovalRequest, change: str, reason: str) -> ApprovalRequest:
    known = [item for item in request.items if item.item_id == change]
    if not known or known[0].state is not ItemState.EXECUTED:
        return request
    return request.mark(change, ItemState.UNDONE, reason)
