"""A write to the CRM as a row: what stood there before and after, and who approved it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from account_reviews.domain.audit.events import (
    UNKNOWN_ACTOR,
    AuditEvent,
    EventType,
    JsonValue,
    Source,
    trace_of_run,
    write_id,
)
from account_reviews.domain.audit.redaction import Rules, redact
from account_reviews.temporal import names


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One write that was made. `record` is a `RecordRef` as plain JSON."""

    operation_id: str
    change_id: str
    action: str
    account_id: str
    tenant: str
    record: Mapping[str, Any]
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    at: datetime
    approved_by: str | None
    trace: str | None = None
    review_id: str | None = None
    """None: that of the account."""
    version_check: str | None = None
    """`atomic` or `compared`, see `ApplyResult`; None: nobody says."""


def write_row(write: Write, rules: Rules) -> AuditEvent:
    """The row of a write; the ledger and whoever made it give the same id and time."""
    run_id = write.operation_id.partition(":")[0]
    review_id = write.review_id or names.review_id(write.account_id, write.tenant)
    kind, name = write.record.get("type") or "record", write.record.get("id") or "unknown"
    details: dict[str, JsonValue] = {
        "operation_id": write.operation_id,
        "change_id": write.change_id,
        "before": redact(write.before, rules),
        "after": redact(write.after, rules),
        "version": write.record.get("version"),
    }
    if write.version_check is not None:
        details["version_check"] = write.version_check
    return AuditEvent(
        event_id=write_id(write.operation_id),
        at=write.at,
        source=Source.FACT,
        event_type=EventType.CRM_WRITE,
        tenant=write.tenant,
        actor=write.approved_by or UNKNOWN_ACTOR,
        action=write.action,
        resource=f"{kind}/{name}",
        review_id=review_id,
        account_id=write.account_id,
        workflow_id=review_id,
        run_id=run_id,
        trace_id=write.trace or trace_of_run(run_id),
        details=details,
    )
