"""Proposed changes: exact CRM writes that wait for a person."""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum

from pydantic import Field

from account_reviews.domain.base import Model, Scalar, Timestamp
from account_reviews.domain.canonical import canonical_json, content_hash, rfc3339
from account_reviews.domain.durations import format_duration
from account_reviews.domain.records import RecordRef, RecordType


class Action(StrEnum):
    """The writes a review can propose."""

    CREATE_TASK = "create_task"
    ADD_NOTE = "add_note"
    UPDATE_ACCOUNT = "update_account"
    UPDATE_DEAL_STAGE = "update_deal_stage"
    CHANGE_OWNER = "change_owner"
    UPDATE_CONTACT = "update_contact"

    @property
    def creates(self) -> bool:
        """True when the write makes a new record under the account."""
        return self in (Action.CREATE_TASK, Action.ADD_NOTE)


class ItemState(StrEnum):
    PROPOSED = "proposed"
    APPROVED = "approved"
    ADJUSTED = "adjusted"
    REJECTED = "rejected"
    DEFERRED = "deferred"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    EXECUTED = "executed"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNDONE = "undone"


class Deferral(Model):
    """Who put this off in an earlier review, and when."""

    by: str
    at: Timestamp
    reason: str | None = None


class ProposedChange(Model):
    """One exact write: `before` -> `after` on `record`.

    For creates `record` has no id, `before` is empty and `account_id` is the parent.
    """

    change_id: str
    action: Action
    account_id: str
    record: RecordRef
    before: dict[str, Scalar] = Field(default_factory=dict)
    after: dict[str, Scalar]
    hash: str
    rule: str
    recommendation_id: str | None = None
    title: str
    rationale: str
    evidence_hash: str = ""
    """Of the evidence behind it: a rejected change stays quiet while this is unchanged."""
    deferred: Deferral | None = None
    due_in_seconds: int | None = None
    """From the writing of a task to its due date. `after.due_at` is then what it would be if it
    were written at once; None when a person chose the date."""
    author: str | None = None
    """Who proposed it by `propose` or `undo`; None: the rules. Neither part of its id nor of its
    hash: the content is the same, whoever wants it."""
    confidence: float | None = None
    """Of the recommendation behind it, 0 to 1. None: nobody knows."""

    @property
    def exact(self) -> dict[str, Scalar]:
        """The fields of `after` that are written to the letter, whenever that is."""
        counted = () if self.due_in_seconds is None else COMPUTED_FIELDS
        return {name: value for name, value in self.after.items() if name not in counted}

    @property
    def shown(self) -> dict[str, Scalar]:
        """`after` as people read it."""
        if self.due_in_seconds is None or "due_at" not in self.after:
            return self.after
        return {**self.after, "due_at": due_in_words(self.due_in_seconds)}

    def as_written(self, fields: Mapping[str, Scalar]) -> "ProposedChange":
        """The same once it is written: a due date that was counted from the write is a date then.

        `fields` are those that were written.
        """
        if self.due_in_seconds is None or fields.get("due_at") is None:
            return self
        after = {**self.after, "due_at": fields["due_at"]}
        return self.model_copy(update={"after": after, "due_in_seconds": None})

    def written_at(self, moment: Timestamp) -> dict[str, Scalar]:
        """What is written at that moment. A due date falls on a whole second."""
        if self.due_in_seconds is None or "due_at" not in self.after:
            return self.after
        due = moment + timedelta(seconds=self.due_in_seconds)
        if due.microsecond:
            due = due.replace(microsecond=0) + timedelta(seconds=1)
        return {**self.after, "due_at": rfc3339(due)}


def due_in_words(seconds: int) -> str:
    """A due date that is counted from the write: "24h after it is written"."""
    return f"{format_duration(timedelta(seconds=seconds), 'h')} after it is written"


COMPUTED_FIELDS = frozenset({"due_at"})
"""Fields whose value is computed from now, and therefore not part of a change id."""


def change_id(
    action: Action, record: RecordRef, account_id: str, rule: str, after: dict[str, Scalar]
) -> str:
    """The name of a change: equal facts give the same id tomorrow. 16 hex digits."""
    target = {"type": RecordType.ACCOUNT, "id": account_id} if action.creates else {
        "type": record.type, "id": record.id,
    }  # fmt: skip
    facts = {name: value for name, value in after.items() if name not in COMPUTED_FIELDS}
    return content_hash({"action": action, "record": target, "rule": rule, "after": facts})[:16]


def proposal_hash(
    action: Action, record: RecordRef, before: dict[str, Scalar], after: dict[str, Scalar]
) -> str:
    """The content that is approved: what is shown is what is written."""
    return content_hash(
        {
            "action": action,
            "record": {"type": record.type, "id": record.id, "version": record.version},
            "before": before,
            "after": after,
        }
    )


def same(left: Scalar, right: Scalar) -> bool:
    """Equality of two field values as JSON, so that 1 and True differ."""
    return canonical_json(left) == canonical_json(right)
