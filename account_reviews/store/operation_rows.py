"""Rows of the ledger of operations. Pure."""

from typing import Any, NamedTuple

from account_reviews.domain.operations import Operation
from account_reviews.domain.proposals import ProposedChange
from account_reviews.domain.review.steps import ApplyResult


class Intent(NamedTuple):
    """What is about to be sent."""

    operation_id: str
    tenant: str
    change: ProposedChange
    expected_version: str | None

    def row(self) -> dict[str, Any]:
        """Of the ledger, as far as it is known before the call."""
        change = self.change
        return {
            "operation_id": self.operation_id,
            "tenant": self.tenant,
            "account_id": change.account_id,
            "change_id": change.change_id,
            "action": change.action.value,
            "change": change.model_dump(mode="json"),
            "expected_version": self.expected_version,
            "after": change.after,
        }


def operation_of(row: Any) -> Operation:
    """A row whose outcome is not known, as a backend looks it up."""
    return Operation(
        operation_id=row.operation_id,
        tenant=row.tenant,
        change=ProposedChange.model_validate(row.change),
        expected_version=row.expected_version,
        begun_at=row.begun_at,
        tried_at=row.tried_at,
        tries=row.tries,
    )


def outcome_row(result: ApplyResult) -> dict[str, Any]:
    """The columns that say what was written."""
    stored = result.model_copy(update={"status": "applied", "usage": None})
    document = stored.model_dump(mode="json")
    return {"record": document["record"], "before": document["before"], "result": document}


def repeated(result: Any) -> ApplyResult:
    """What a repeat answers: the stored result of the try that wrote."""
    return ApplyResult.model_validate({**(result or {}), "status": "already_applied"})
