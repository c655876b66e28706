"""Small records for rule tests. Everything is known and calm unless a test says otherwise."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from account_reviews.domain.analysis.analysis import AnalysisInputs, analyse
from account_reviews.domain.analysis.model import Analysis, Finding, PriorOutcome, RiskLevel
from account_reviews.domain.memory import MemoryHit, MemoryKind, MemorySource
from account_reviews.domain.policy.model import Policy, load_policy
from account_reviews.domain.proposals import Action, ItemState, ProposedChange
from account_reviews.domain.records import (
    Account,
    AccountSnapshot,
    AccountStatus,
    Activity,
    ActivityMark,
    ActivityType,
    Contact,
    Deal,
    DealStage,
    Owner,
    RecordType,
)

AS_OF = datetime(2025, 6, 30, 12, tzinfo=UTC)
POLICY = load_policy()
ALL = frozenset(RecordType)

ANNA = Owner(id="anna", version="1", name="Anna Lee", manager_id="max")
BEN = Owner(id="ben", version="1", name="Ben Ray", manager_id="max")


def ago(days: float = 0, *, as_of: datetime = AS_OF, **more: float) -> datetime:
    return as_of - timedelta(days=days, **more)


def account(**fields: Any) -> Account:
    values: dict[str, Any] = {
        "id": "ACC-1",
        "version": "7",
        "url": "https://crm.example/accounts/ACC-1",
        "name": "Acme Corporation",
        "owner_id": "anna",
        "status": AccountStatus.ACTIVE,
        "annual_revenue": Decimal(40_000),
        "contract_end": date(2027, 1, 1),
        "modified_at": ago(3),
    }
    return Account(**{**values, **fields})


def deal(number: int = 1, days: float = 5, **fields: Any) -> Deal:
    values: dict[str, Any] = {
        "id": f"D-{number}",
        "version": "1",
        "account_id": "ACC-1",
        "name": f"Deal {number}",
        "stage": DealStage.NEGOTIATION,
        "amount": Decimal(20_000),
        "created_at": ago(200),
        "stage_changed_at": ago(days),
        "owner_id": "anna",
    }
    return Deal(**{**values, **fields})


def contact(number: int = 1, **fields: Any) -> Contact:
    values: dict[str, Any] = {
        "id": f"C-{number}",
        "version": "1",
        "account_id": "ACC-1",
        "name": f"Contact {number}",
        "owner_id": "anna",
        "created_at": ago(300),
    }
    return Contact(**{**values, **fields})


def activity(days: float, kind: ActivityType = ActivityType.CALL, name: str = "") -> Activity:
    return Activity(
        id=name or f"A-{days:g}-{kind}",
        version="1",
        account_id="ACC-1",
        type=kind,
        subject=f"{kind} with Acme",
        at=ago(days),
        created_at=ago(days),
    )


def marks(*ages: float, kind: ActivityType = ActivityType.CALL) -> tuple[ActivityMark, ...]:
    return tuple(
        ActivityMark(id=f"M-{place}-{days:g}", type=kind, at=ago(days))
        for place, days in enumerate(ages)
    )


BUSY = (2, 4, 7, 9, 12, 15, 20, 28, 33, 36, 44, 51)
"""Ages in days of twelve activities without a drop."""


def snapshot(**fields: Any) -> AccountSnapshot:
    """Twelve activities, one deal that moves, an active owner."""
    values: dict[str, Any] = {
        "account": account(),
        "owner": ANNA,
        "contacts": (contact(),),
        "deals": (deal(),),
        "activity_marks": marks(*BUSY),
        "modules": ALL,
        "fetched_at": AS_OF,
        "as_of": AS_OF,
    }
    return AccountSnapshot(**{**values, **fields})


def earlier(now: AccountSnapshot, days: float = 7, **fields: Any) -> AccountSnapshot:
    """The same account at the last review, some days ago."""
    return now.model_copy(update={"as_of": ago(days), "fetched_at": ago(days), **fields})


def idle(days: float, *, since: timedelta = timedelta(0), **fields: Any) -> AccountSnapshot:
    """An account whose last activity was `days` (and `since` more) ago."""
    values: dict[str, Any] = {"activity_marks": (), **fields}
    last = ago(days) - since
    return snapshot(account=account(last_activity_at=last), **values)


def review(
    now: AccountSnapshot,
    baseline: AccountSnapshot | None = None,
    *,
    policy: Policy = POLICY,
    **inputs: Any,
) -> Analysis:
    values: dict[str, Any] = {"snapshot": now, "baseline": baseline, "memory": (), "as_of": AS_OF}
    return analyse(AnalysisInputs(**{**values, **inputs}), policy)


def again(now: AccountSnapshot, **inputs: Any) -> Analysis:
    """A review after an earlier one that saw the same."""
    return review(now, earlier(now), **inputs)


def hit(kind: MemoryKind = MemoryKind.NOTE, days: float = 3, name: str = "mem-1") -> MemoryHit:
    return MemoryHit(
        id=name,
        kind=kind,
        text="They asked about the new product.",
        source=MemorySource(system="crm", record_id=f"R-{name}"),
        occurred_at=ago(days),
    )


def outcome(
    change: ProposedChange, state: ItemState, level: RiskLevel, **more: Any
) -> PriorOutcome:
    values: dict[str, Any] = {
        "change_id": change.change_id,
        "rule": change.rule,
        "recommendation_type": "risk_mitigation",
        "state": state,
        "by": "anna",
        "at": ago(2),
        "risk_level": level,
        "evidence_hash": change.evidence_hash,
    }
    return PriorOutcome(**{**values, **more})


def kinds(analysis: Analysis) -> set[str]:
    return {finding.kind for finding in analysis.findings}


def finding(analysis: Analysis, kind: str) -> Finding:
    return next(item for item in analysis.findings if item.kind == kind)


def ids(analysis: Analysis) -> list[str]:
    return [item.id for item in analysis.recommendations]


def written(analysis: Analysis, action: Action) -> list[ProposedChange]:
    return [change for change in analysis.proposed_changes if change.action is action]


def policy_with(**changes: Any) -> Policy:
    """The shipped policy with other values: dots are written as double underscores."""
    document = POLICY.model_dump(mode="json")
    for path, value in changes.items():
        *tables, key = path.split("__")
        table: dict[str, Any] = document
        for name in tables:
            table = table[name]
        table[key] = value
    return Policy.model_validate(document)
