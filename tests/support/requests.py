"""Approval requests by the rules of today, for tests and benchmarks."""

from datetime import UTC, datetime
from typing import Any

from account_reviews.domain.proposals import Action, ProposedChange, change_id, proposal_hash
from account_reviews.domain.records import RecordRef, RecordType
from account_reviews.domain.review.approvals import ApprovalRequest, Terms, open_request
from account_reviews.domain.review.messages import SubmitDecision

NOW = datetime(2026, 10, 1, tzinfo=UTC)
OWNER = "owner-1"


def task(subject: str = "Call", **more: Any) -> ProposedChange:
    """A task to create under the account."""
    record, after = RecordRef(type=RecordType.TASK), {"subject": subject, "priority": "high"}
    return ProposedChange(
        change_id=change_id(Action.CREATE_TASK, record, "acme", "engagement", dict(after)),
        action=Action.CREATE_TASK,
        account_id="acme",
        record=record,
        after=dict(after),
        hash=proposal_hash(Action.CREATE_TASK, record, {}, dict(after)),
        rule="engagement",
        title=subject,
        rationale="Nobody has spoken to them for a while.",
        **more,
    )


def contact_change(field: str = "email", value: str = "new@example.com") -> ProposedChange:
    """Another value for what is known of a person."""
    record = RecordRef(type=RecordType.CONTACT, id="c-1", name="Conny", version="3")
    before, after = {field: "old"}, {field: value}
    return ProposedChange(
        change_id=change_id(Action.UPDATE_CONTACT, record, "acme", "contacts", dict(after)),
        action=Action.UPDATE_CONTACT,
        account_id="acme",
        record=record,
        before=dict(before),
        after=dict(after),
        hash=proposal_hash(Action.UPDATE_CONTACT, record, dict(before), dict(after)),
        rule="contacts",
        title="Update the contact",
        rationale="They wrote from another address.",
    )


def opened(
    *changes: ProposedChange, terms: Terms | None = None, risk: int | None = 60, **more: Any
) -> ApprovalRequest:
    """A pending request; one task when no change is given."""
    given = {"approvers": (OWNER,), "started_by": "starter", "risk_score": risk, **more}
    return open_request(
        "r1", "review/acme", changes or (task(),), terms or Terms(), NOW, logic=3, **given
    )


def message(decision: str, by: str = "ann", **fields: Any) -> SubmitDecision:
    body = {"request_id": "r1", "decision": decision, "approver": by, **fields}
    return SubmitDecision.model_validate(body)
