"""What an analysis says: evidence, findings, risk, health, recommendations."""

from enum import StrEnum
from typing import Final, Literal

from pydantic import Field

from account_reviews.domain.base import Model, Scalar, Timestamp
from account_reviews.domain.proposals import Deferral, ProposedChange
from account_reviews.domain.records import RecordRef


class RiskLevel(StrEnum):
    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    NONE = "none"
    UNKNOWN = "unknown"


GRAVE: Final = (RiskLevel.CRITICAL, RiskLevel.HIGH)
"""Levels of which people want to hear first."""


class Severity(StrEnum):
    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class HealthBand(StrEnum):
    HEALTHY = "healthy"
    MODERATE = "moderate"
    AT_RISK = "at_risk"
    CRITICAL = "critical"
    UNKNOWN = "unknown"


class ConfidenceLevel(StrEnum):
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Evidence(Model):
    """One cited fact: the record, its field, the value (or before and after) and its time."""

    record: RecordRef
    field: str
    before: Scalar = None
    after: Scalar = None
    value: Scalar = None
    at: Timestamp | None = None


class Finding(Model):
    kind: str
    """Of a risk signal or change: owner_change, inactivity_threshold, unknown_last_activity ..."""
    severity: Severity
    title: str
    requires_attention: bool = False
    evidence: tuple[Evidence, ...] = ()


class Contribution(Model):
    rule: str
    points: int
    evidence: tuple[Evidence, ...] = ()


class PreviousRisk(Model):
    score: int | None
    level: RiskLevel


class Risk(Model):
    """`score` 0 to 100 or None; `unknown` names the inputs the CRM does not hold."""

    score: int | None
    level: RiskLevel
    rule: str
    contributions: tuple[Contribution, ...] = ()
    unknown: tuple[str, ...] = ()
    previous: PreviousRisk | None = None


class Health(Model):
    score: int | None
    band: HealthBand
    contributions: tuple[Contribution, ...] = ()
    unknown: tuple[str, ...] = ()


class Confidence(Model):
    """All 0 to 1. `formula` names which of the models was used."""

    overall: float
    level: ConfidenceLevel
    data_recency: float
    pattern_strength: float
    evidence_quality: float
    historical_accuracy: float
    formula: str = "evidence"
    notes: tuple[str, ...] = ()


class Reference(Model):
    """A source behind a recommendation; `fresh` within 30 days."""

    source_type: str
    source_id: str | None
    entity_type: str
    entity_id: str | None
    field: str | None = None
    timestamp: Timestamp | None = None
    fresh: bool | None = None
    evidence: Evidence | None = None
    """What was seen there; None in an analysis of before it was kept."""


class NextStep(Model):
    description: str
    timeline: str
    owner: str | None = None


class Recommendation(Model):
    id: str
    """`<account>-eng-001` and so on: stable per account."""
    type: str
    rule: str
    title: str = Field(max_length=150)
    rationale: str = Field(min_length=20)
    priority: Severity
    urgency: float
    confidence: Confidence
    references: tuple[Reference, ...] = Field(min_length=1)
    next_steps: tuple[NextStep, ...] = ()
    generated_at: Timestamp
    expires_at: Timestamp
    estimated_effort_minutes: int
    change_ids: tuple[str, ...] = ()
    deferred: Deferral | None = None


class PriorOutcome(Model):
    """How an earlier review's proposed change of this account ended."""

    change_id: str
    rule: str
    recommendation_type: str
    state: str
    """An ItemState value."""
    by: str | None = None
    at: Timestamp
    clock_at: Timestamp | None = None
    """The same moment by the clock of the rules, which `as_of` is compared with; None in outcomes
    from before this was noted."""
    reason: str | None = None
    risk_level: RiskLevel
    evidence_hash: str
    on_timeout: Literal["reject", "defer"] | None = None
    """What an expired one is taken for, fixed when it was asked; None: as the policy says now."""


class DetectedChange(Model):
    """One field that differs from the baseline."""

    type: str
    """A change type of the domain: owner_change, status_change, ..."""
    record: RecordRef
    field: str
    before: Scalar = None
    after: Scalar = None
    at: Timestamp | None = None
    requires_attention: bool = False


def is_news(change_type: str) -> bool:
    """Whether a change is told: that an account is reviewed for the first time is no news of it."""
    return change_type != "new_account"


class OpenTask(Model):
    """A task that stands open in the CRM, so that it is not proposed once more."""

    record: RecordRef
    subject: str
    due_at: Timestamp | None = None
    owner_id: str | None = None
    change_id: str
    """Of the change that would have made it again."""


class Analysis(Model):
    """The whole result of the rules for one account at one moment."""

    account_id: str
    account_name: str
    owner_id: str | None
    owner_name: str | None
    as_of: Timestamp
    baseline_at: Timestamp | None
    """When the snapshot this one is compared with was taken; None on first sight."""
    changes_detected: bool
    changes: tuple[DetectedChange, ...]
    requires_attention: bool
    risk: Risk
    signal_level: RiskLevel
    health: Health
    engagement: float | None
    findings: tuple[Finding, ...]
    recommendations: tuple[Recommendation, ...]
    proposed_changes: tuple[ProposedChange, ...]
    quiet: tuple[str, ...] = ()
    """Titles left out because a person rejected them lately."""
    open_tasks: tuple[OpenTask, ...] = ()
    """What would be proposed, and stands in the CRM as an open task already."""
    priority_score: int
    needs_review: bool
    degraded: bool = False
    missing_sources: tuple[str, ...] = ()
    stale_seconds: int | None = None
    """Age of the CRM data when an old snapshot had to be used."""
    currency: str | None = None
    """ISO 4217, of the account's amounts, where the CRM says so."""
    policy_hash: str
    policy_version: str
