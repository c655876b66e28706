"""Messages to a review: one JSON object each, parsed here and nowhere else."""

import json
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar

from pydantic import AliasChoices, Field, ValidationError, field_validator

from account_reviews.domain.base import Model, Scalar, Timestamp, first_fault
from account_reviews.domain.proposals import ItemState
from account_reviews.domain.records import SnapshotRef
from account_reviews.domain.review.bounds import MESSAGE_BYTES, clean_name, fault_of, person
from account_reviews.domain.review.commands import Said
from account_reviews.domain.review.phases import Outcome, Phase, Status


class Verdict(StrEnum):
    APPROVE = "approve"
    ADJUST = "adjust"
    REJECT = "reject"
    DEFER = "defer"


class SubmitDecision(Model):
    """A person's answer to a request. Without `item_ids` it is about every undecided item."""

    decision_id: str | None = None
    request_id: str = Field(min_length=1)
    decision: Verdict
    approver: str = Field(min_length=1, max_length=200)
    item_ids: tuple[str, ...] | None = None
    changes: dict[str, Scalar] = Field(default_factory=dict)
    reason: str | None = Field(default=None, max_length=5000)
    proposal_hash: str | None = None
    shown_hash: str | None = None
    """Of the rendered request, as the person saw it."""
    token: str | None = None
    on_behalf_of: str | None = Field(default=None, max_length=200)
    """Whose delegate decides, in his own name."""
    decided_at: Timestamp | None = None
    """When the person decided, as the sender says: only what is past the deadline is refused."""

    @field_validator("decision", mode="before")
    @classmethod
    def _aliases(cls, value: object) -> object:
        return "adjust" if value in ("modify", "modified", "adjusted") else value


class CancelReview(Model):
    by: str = Field(
        default="unknown", max_length=200, validation_alias=AliasChoices("by", "requested_by")
    )
    reason: str | None = Field(default=None, max_length=5000)


class Refresh(Model):
    """Read the account again. Decisions on what does not change are kept."""

    by: str = Field(default="unknown", max_length=200)
    cycle_id: str | None = None
    """A cycle that wants to hear of this review from now on."""
    snapshot_ref: SnapshotRef | None = None
    """What the cycle has read of the account; it is checked before it is used."""
    as_of: Timestamp | None = None
    """The clock of the rules from now on, which never goes back. None: what a start without one
    would take."""


class ReviewProgress(Model):
    """What a review notifies its cycle of when it waits and when it closes."""

    review_id: str
    run_id: str | None = None
    account_id: str
    phase: Phase
    status: Status
    outcome: Outcome | None = None
    was: Status | None = None
    """What this cycle was notified of before."""


class CycleCommand(Model):
    """Pause, resume or cancel a cycle."""

    by: str = Field(default="unknown", max_length=200)
    reason: str | None = Field(default=None, max_length=5000)


class Malformed(Model):
    """A message that cannot be used, and why."""

    why: str


class RefusalCode(StrEnum):
    UNKNOWN_REQUEST = "unknown_request"
    REQUEST_CLOSED = "request_closed"
    EXPIRED = "expired"
    UNKNOWN_ITEM = "unknown_item"
    ALREADY_DECIDED = "already_decided"
    DUPLICATE = "duplicate"
    STALE_HASH = "stale_hash"
    REASON_REQUIRED = "reason_required"
    BAD_ADJUSTMENT = "bad_adjustment"
    NOT_ALLOWED = "not_allowed"
    REVIEW_CLOSED = "review_closed"
    NOT_AN_APPROVER = "not_an_approver"
    BAD_TOKEN = "bad_token"  # noqa: S105
    """Missing where it is required, not signed by a key of ours, or signed for something else."""
    TOKEN_EXPIRED = "token_expired"  # noqa: S105
    TOKEN_USED = "token_used"  # noqa: S105


class Refusal(Model):
    code: RefusalCode
    message: str


class ItemAnswer(Model):
    item_id: str
    state: ItemState
    applied: bool
    message: str | None = None


class DecisionAnswer(Model):
    """What became of a decision: the state of each item it was about."""

    request_id: str
    review_id: str
    state: str
    items: tuple[ItemAnswer, ...]


class QueuedAnswer(DecisionAnswer):
    """A decision that was sent and waits: nobody can say yet what becomes of it."""

    queued: bool = True


class TimelineEntry(Model):
    """One line of the review's own story."""

    at: Timestamp
    kind: str
    text: str
    by: str | None = None


_M = TypeVar("_M", bound=Model)


def parse(model: type[_M], encoding: str, data: bytes, *, bounded: bool = True) -> _M | Malformed:
    """Decode one payload. Never raises: what cannot be used comes back as Malformed.

    Not `bounded` are the messages of reviews from before there were bounds.
    """
    if encoding == "binary/null":
        return Malformed(why="it has no argument")
    if encoding != "json/plain":
        return Malformed(why=f"its encoding is {encoding or 'not given'}, not json/plain")
    try:
        value = json.loads(data, parse_constant=_no_constant)
        spelled = json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return Malformed(why="its argument is not JSON")
    if b"\\u0000" in spelled:
        return Malformed(why="it holds a NUL character, which cannot be stored")
    if not isinstance(value, dict):
        return Malformed(why=f"its argument is {_kind(value)}, not a JSON object")
    if bounded and len(data) > MESSAGE_BYTES:
        return Malformed(why=f"it is {len(data):,} bytes long; at most {MESSAGE_BYTES:,} are taken")
    return checked(model, value) if bounded else _validated(model, value)


def checked(model: type[_M], fields: Mapping[str, Any]) -> _M | Malformed:
    """A message within its bounds, with names as people read them."""
    why = fault_of(fields, _names(model))
    if why is not None:
        return Malformed(why=why)
    message = _validated(model, fields)
    if isinstance(message, SubmitDecision):
        approver = clean_name(message.approver)
        if not person(approver):
            return Malformed(why="approver: it is blank; say who decides")
        of = clean_name(message.on_behalf_of) if message.on_behalf_of is not None else None
        if of is not None and not person(of):
            return Malformed(why="on_behalf_of: it is blank; say for whom")
        return message.model_copy(update={"approver": approver, "on_behalf_of": of})
    if isinstance(message, CancelReview | Refresh | CycleCommand | Said):
        return message.model_copy(update={"by": clean_name(message.by) or "unknown"})
    return message


def _validated(model: type[_M], fields: Mapping[str, Any]) -> _M | Malformed:
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        return Malformed(why=first_fault(error))


@cache
def _names(model: type[Model]) -> frozenset[str]:
    """The fields of a message under every name they are read by."""
    names = set(model.model_fields)
    for field in model.model_fields.values():
        if isinstance(field.validation_alias, AliasChoices):
            names |= {str(choice) for choice in field.validation_alias.choices}
    return frozenset(names)


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case _:
            return "a list"
