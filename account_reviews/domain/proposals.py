"""Proposed changes: exact CRM writes that wait for a person."""

from enum import StrEnum

from pydantic import Field

from account_reviews.domain.base import Model, Scalar, Timestamp
from account_reviews.domain.canonical import canonical_json, content_hash
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
