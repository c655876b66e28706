"""Writes to the fake Zoho, and what was sent."""

import json
from datetime import timedelta
from typing import Any

from account_reviews.domain.operations import Operation
from account_reviews.domain.proposals import Action, ProposedChange
from account_reviews.domain.records import RecordRef, RecordType, SnapshotLimits
from account_reviews.domain.review.steps import ApplyResult
from account_reviews.fakes.faults import FaultPlan, FaultRule
from tests.support.crm import change
from tests.support.zoho_crm import ZohoStage

LIMITS = SnapshotLimits()
OPERATION = "01a22aae-3165-723d-a4b8-b057c573bb25:47fc1814d55c386b"
WRITE = "/crm/v8/[A-Z]*"


def account_of(on: ZohoStage) -> str:
    return str(next(iter(on.org.rows["Accounts"])))


async def phone(on: ZohoStage, number: str = "+99 2") -> tuple[ProposedChange, str]:
    """A change of the first account's phone, and its version now."""
    account = account_of(on)
    found = await on.crm.snapshot(account, as_of=on.clock.now(), limits=LIMITS)
    record = RecordRef(type=RecordType.ACCOUNT, id=account, version=found.account.version)
    made = change(Action.UPDATE_ACCOUNT, {"phone": number}, record, account_id=account)
    return made, found.account.version


def note(on: ZohoStage, text: str = "Hello") -> ProposedChange:
    return change(Action.ADD_NOTE, {"content": text}, None, account_id=account_of(on))


def task(on: ZohoStage, **more: Any) -> ProposedChange:
    after = {"subject": "Call", "due_at": "2026-12-03T15:30:00Z", **more}
    return change(Action.CREATE_TASK, after, None, account_id=account_of(on))


async def apply(
    on: ZohoStage, made: ProposedChange, version: str | None = None, operation: str = OPERATION
) -> ApplyResult:
    return await on.crm.apply(made, expected_version=version, operation_id=operation)


def begun(
    on: ZohoStage, made: ProposedChange, version: str | None = None, *, ago: float = 0
) -> Operation:
    tried = on.clock.now() - timedelta(seconds=ago)
    return Operation(
        operation_id=OPERATION, tenant="default", change=made, expected_version=version,
        begun_at=tried, tried_at=tried,
    )  # fmt: skip


def fault(action: str, method: str = "*", **more: Any) -> dict[str, Any]:
    match = {"path": WRITE} if method == "*" else {"path": WRITE, "method": method}
    return {"match": match, "times": 1, "action": action, **more}


def plan_of(*rules: dict[str, Any]) -> FaultPlan:
    return FaultPlan(rules=tuple(FaultRule.model_validate(rule) for rule in rules))


def capture(on: ZohoStage) -> list[tuple[str, dict[str, str], dict[str, Any]]]:
    """The writes as they are sent: path, headers, body."""
    sent: list[tuple[str, dict[str, str], dict[str, Any]]] = []
    handle = on.app.service.handle

    def recording(call: Any) -> Any:
        if (
            call.method in ("POST", "PUT")
            and call.path.startswith("/crm/v8/")
            and ("coql" not in call.path)
        ):
            sent.append((call.path, dict(call.headers), json.loads(call.body)))
        return handle(call)

    on.app.service.handle = recording  # type: ignore[method-assign]
    return sent
