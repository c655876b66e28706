"""One write of a request, and what people said of it. Pure."""

from enum import StrEnum

from account_reviews.domain.base import Model, Scalar, Timestamp
from account_reviews.domain.canonical import rfc3339
from account_reviews.domain.errors import BadInputError
from account_reviews.domain.fields import check_fields, missing_field
from account_reviews.domain.proposals import ItemState, ProposedChange, proposal_hash
from account_reviews.domain.review.messages import Refusal, RefusalCode
from account_reviews.domain.review.quorum import Vote


class RequestState(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    DEFERRED = "deferred"
    MIXED = "mixed"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"


class Item(Model):
    """One write and what people said of it. `change` is what will be written."""

    item_id: str
    change: ProposedChange
    original: ProposedChange | None = None
    """The proposal before an adjustment."""
    state: ItemState = ItemState.PROPOSED
    approvals: tuple[str, ...] = ()
    """Who approved the present content: of a delegate's approval the person who is away."""
    votes: tuple[Vote, ...] = ()
    """All that was said to the present content, from logic 3 on."""
    groups: tuple[str, ...] = ()
    """Of each of these a member must approve."""
    decided_by: str | None = None
    decided_at: Timestamp | None = None
    reason: str | None = None

    @property
    def is_open(self) -> bool:
        return self.state is ItemState.PROPOSED

    @property
    def is_approved(self) -> bool:
        return self.state in (ItemState.APPROVED, ItemState.ADJUSTED)


def adjust(item: Item, changes: dict[str, Scalar], *, complete: bool) -> Item | Refusal:
    """The item with new values. What was said to the old ones is void."""
    change = item.change
    unknown = sorted(set(changes) - set(change.after))
    if unknown and not change.action.creates:
        fields = ", ".join(change.after)
        return refuse(
            RefusalCode.BAD_ADJUSTMENT, f"{unknown[0]} is not part of this change ({fields})"
        )
    try:
        after = {**change.after, **check_fields(change.action, changes)}
    except BadInputError as error:
        return refuse(RefusalCode.BAD_ADJUSTMENT, error.message)
    missing = missing_field(change.action, after) if complete else None
    if missing is not None:
        return refuse(RefusalCode.BAD_ADJUSTMENT, f"{change.action} needs a value for {missing}")
    if after == change.after:
        return refuse(RefusalCode.BAD_ADJUSTMENT, "the adjustment changes nothing")
    chosen = {"due_in_seconds": None} if "due_at" in changes else {}
    adjusted = change.model_copy(
        update={
            **chosen,
            "after": after,
            "hash": proposal_hash(change.action, change.record, change.before, after),
        }
    )
    return item.model_copy(
        update={
            "change": adjusted,
            "original": item.original or change,
            "approvals": (),
            "votes": (),
        }
    )


def closed_state(items: tuple[Item, ...]) -> RequestState:
    """What a request is once none of its items is open."""
    states = {_decided_state(item) for item in items}
    if states == {ItemState.APPROVED}:
        return RequestState.APPROVED
    if len(states) == 1:
        only = states.pop()
        return {
            ItemState.REJECTED: RequestState.REJECTED,
            ItemState.DEFERRED: RequestState.DEFERRED,
            ItemState.EXPIRED: RequestState.EXPIRED,
            ItemState.SUPERSEDED: RequestState.SUPERSEDED,
            ItemState.SKIPPED: RequestState.CANCELLED,
        }.get(only, RequestState.MIXED)
    return RequestState.MIXED


_AFTER_APPROVAL = (
    *(ItemState.APPROVED, ItemState.ADJUSTED, ItemState.EXECUTED, ItemState.FAILED),
    ItemState.UNDONE,
)


def _decided_state(item: Item) -> ItemState:
    """An executed, failed or undone item was approved."""
    return ItemState.APPROVED if item.state in _AFTER_APPROVAL else item.state


def decided_sentence(item: Item) -> str:
    by = f" by {item.decided_by}" if item.decided_by else ""
    at = f" at {rfc3339(item.decided_at)}" if item.decided_at else ""
    return f"item {item.item_id} is already {item.state}{by}{at}"


def refuse(code: RefusalCode, message: str) -> Refusal:
    return Refusal(code=code, message=message)
