"""The policy: every number the rules use, read from TOML and checked key by key.

Fields have defaults and unknown ones are ignored when a policy travels in a message, as with
every model; `load_policy` reads files, which people edit, and there an unknown key is an error.
"""

import json
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import Field, ValidationError

from account_reviews.domain.canonical import content_hash
from account_reviews.domain.durations import Span
from account_reviews.domain.errors import PolicyError
from account_reviews.domain.money import is_currency
from account_reviews.domain.policy.access import Access, check_users
from account_reviews.domain.policy.approvals import Approvals, check_approvals, check_names
from account_reviews.domain.policy.error_texts import refuse_unknown_keys, sentence
from account_reviews.domain.policy.notifications import Notifications, check_notifications
from account_reviews.domain.policy.numbers import (
    Amount,
    Count,
    Days,
    Factor,
    Hours,
    Long,
    Points,
    Share,
    Some,
)
from account_reviews.domain.policy.section import Section
from account_reviews.domain.records import AccountStatus, DealStage

SHIPPED = Path(__file__).resolve().parents[2] / "policy.toml"


class Attention(Section):
    """From where on a fact is worth a person's look."""

    inactivity_days: Days = 14


class RiskScore(Section):
    """Points of the account risk score."""

    inactive: Points = 40
    inactive_attention: Points = 20
    no_deal_value: Points = 30
    low_deal_value: Points = 15
    low_deal_value_below: Amount = 10_000
    status_at_risk: Points = 30
    status_inactive: Points = 25
    owner_change: Points = 20


class RiskBands(Section):
    """Lowest score of each level."""

    critical: Points = 80
    high: Points = 50
    medium: Points = 25


class RiskPolicy(Section):
    """Thresholds of the risk signals and of the score."""

    rule: Literal["account_score", "signals"] = "account_score"
    inactivity_days: Days = 30
    critical_days: Days = 60
    stalled_days: Days = 30
    stalled_critical_days: Days = 45
    engagement_drop: Share = 0.5
    stalled_by_stage: dict[DealStage, Days] = Field(default_factory=dict)
    score: RiskScore = Field(default_factory=RiskScore)
    bands: RiskBands = Field(default_factory=RiskBands)


class HealthBands(Section):
    """Lowest score of each band."""

    healthy: Points = 70
    moderate: Points = 60
    at_risk: Points = 40


class HealthPolicy(Section):
    """Points of the health score. `lookback_days` is at most what a snapshot holds."""

    base: Points = 50
    lookback_days: Annotated[int, Field(strict=True, ge=1, le=90)] = 90
    many_interactions: Count = 10
    many_points: Points = 20
    some_interactions: Count = 5
    some_points: Points = 10
    no_interactions_points: Points = 20
    indicator_points: Points = 10
    bands: HealthBands = Field(default_factory=HealthBands)


class EngagementPolicy(Section):
    """Weights of the engagement score; two windows must fit into a snapshot's look-back."""

    window_days: Annotated[int, Field(strict=True, ge=1, le=45)] = 30
    recency_weight: Share = 0.4
    volume_weight: Share = 0.3
    high_value_weight: Share = 0.3
    full_activities: Some = 10
    full_high_value: Some = 5


class PriorityPolicy(Section):
    """Points of the priority score."""

    risk_critical: Points = 40
    risk_high: Points = 30
    risk_medium: Points = 20
    risk_low: Points = 10
    risk_unknown: Points = 20
    per_change: Points = 5
    changes_max: Points = 30
    large_deals: Amount = 100_000
    large_points: Points = 20
    medium_deals: Amount = 50_000
    medium_points: Points = 15
    small_deals: Amount = 10_000
    small_points: Points = 10
    busy_activities: Count = 5
    busy_points: Points = 10
    some_activities: Count = 2
    some_points: Points = 5
    needs_review: Points = 60


class ConfidencePolicy(Section):
    """Weights and scales of the evidence model."""

    recency_weight: Share = 0.25
    pattern_weight: Share = 0.25
    evidence_weight: Share = 0.30
    history_weight: Share = 0.20
    half_life_days: Days = 14
    fresh_days: Days = 30
    full_occurrences: Some = 6
    full_sources: Some = 2
    full_types: Some = 3
    few_outcomes: Count = 5
    wilson_z: Factor = 1.645
    unknown: Share = 0.5
    high: Share = 0.8
    medium: Share = 0.6


class UrgencyFactors(Section):
    """Factor per recommendation type; 1 for all others."""

    escalation: Factor = 1.2
    risk_mitigation: Factor = 1.15
    renewal_reminder: Factor = 1.1
    upsell_opportunity: Factor = 0.95
    re_engagement: Factor = 0.9


class UrgencyPolicy(Section):
    """Weights of the order of recommendations."""

    priority_weight: Share = 0.4
    confidence_weight: Share = 0.3
    time_weight: Share = 0.3
    factors: UrgencyFactors = Field(default_factory=UrgencyFactors)


class Expiry(Section):
    """How long a recommendation stands, by priority."""

    critical: Hours = timedelta(hours=24)
    high: Long = timedelta(days=3)
    medium: Long = timedelta(days=7)
    low: Long = timedelta(days=14)


class TaskDue(Section):
    """How soon a task is due, by priority."""

    critical: Hours = timedelta(hours=24)
    high: Long = timedelta(days=2)
    medium: Long = timedelta(days=7)
    low: Long = timedelta(days=14)


class RecommendationPolicy(Section):
    """When a recommendation is made, kept and repeated."""

    max: Annotated[int, Field(strict=True, ge=0, le=50)] = 5
    shown: Annotated[int, Field(strict=True, ge=0, le=50)] = 3
    min_confidence: Share = 0.5
    quiet_days: Annotated[int, Field(strict=True, ge=0, le=3650)] = 30
    health_low: Points = 50
    upsell_health: Points = 70
    upsell_revenue: Amount = 50_000
    upsell_share: Share = 0.3
    renewal_days: Days = 90
    max_writes: Annotated[int, Field(strict=True, ge=1, le=50)] = 3
    expiry: Expiry = Field(default_factory=Expiry)
    task_due: TaskDue = Field(default_factory=TaskDue)


class Gather(Section):
    """How old a snapshot may be that a review works on, and how long it waits for a new one."""

    max_age: Annotated[timedelta, Span("1m", "365d", "h")] = timedelta(hours=24)
    """Of one that a cycle hands over; an older one is read again."""
    max_stale: Annotated[timedelta, Span("1m", "365d")] = timedelta(days=7)
    """Of one that stands in for a CRM that cannot be reached."""
    give_up_after: Annotated[timedelta, Span("1s", "1d")] = timedelta(minutes=10)
    """How long a review that is no cycle's waits for a CRM that is away."""


class BriefPolicy(Section):
    """What a brief counts."""

    minutes_changed: Annotated[int, Field(strict=True, ge=0, le=120)] = 3
    minutes_unchanged: Annotated[int, Field(strict=True, ge=0, le=120)] = 1
    high_priority_risk: Points = 70


class Resume(Section):
    """Whether a paused review can be taken up again."""

    context_max_age: Annotated[timedelta | None, Span("1m", "3650d", off=True)] = None
    max_errors: Count = 3


class Idle(Section):
    """When an interactive review is abandoned."""

    timeout: Annotated[timedelta | None, Span("1s", "365d", "h", off=True)] = timedelta(hours=1)


class Admission(Section):
    """How many reviews may be open at once."""

    max_open: Annotated[int, Field(strict=True, ge=1, le=100_000)] = 100


class CycleKind(Section):
    """Which accounts a cycle of this kind takes."""

    changed_within: Annotated[timedelta | None, Span("1m", "3650d", off=True)] = None
    statuses: tuple[AccountStatus, ...] = ()
    """Empty: every status."""


_REVIEWED = (AccountStatus.ACTIVE, AccountStatus.AT_RISK)


class Cycle(Section):
    """How a cycle works through its accounts."""

    window: Annotated[int, Field(strict=True, ge=1, le=50)] = 10
    max_failed_share: Share = 0.3
    min_finished: Some = 10
    silent_after: Annotated[timedelta, Span("1s", "1d")] = timedelta(minutes=15)
    give_up_after: Annotated[timedelta, Span("1s", "1d")] = timedelta(minutes=60)
    kinds: dict[str, CycleKind] = Field(
        default_factory=lambda: {
            "daily": CycleKind(changed_within=timedelta(hours=24), statuses=_REVIEWED),
            "weekly": CycleKind(changed_within=timedelta(days=7), statuses=_REVIEWED),
            "on_demand": CycleKind(),
        }
    )


class Events(Section):
    """What the CRM says has changed, and how soon it is followed."""

    settle: Annotated[timedelta, Span("1s", "1h", "s")] = timedelta(seconds=2)
    quiet: Annotated[timedelta, Span("1s", "1d", "m")] = timedelta(minutes=1)
    duplicates: Annotated[timedelta, Span("1m", "7d", "h")] = timedelta(hours=1)


class SchedulePolicy(Section):
    """How late a scheduled cycle may start."""

    grace: Annotated[timedelta, Span("1s", "7d", "s")] = timedelta(seconds=300)


class Retention(Section):
    """How long closed reviews and the audit are kept."""

    closed: Long = timedelta(days=7)
    archives: Annotated[timedelta, Span("1d", "36500d")] = timedelta(days=2555)
    """Of reviews whose rows are gone."""
    outcomes: Annotated[timedelta, Span("1d", "36500d")] = timedelta(days=1095)
    """How proposals ended, which later reviews go by; never shorter than `quiet_days`."""
    audit: Annotated[timedelta, Span("1d", "36500d")] = timedelta(days=2555)
    legal_hold: tuple[Annotated[str, Field(strict=True, min_length=1, max_length=500)], ...] = ()
    """Account ids: nothing of them is removed, by age or by wish."""


class Money(Section):
    """In what amounts are counted."""

    currency: Annotated[str, Field(strict=True, max_length=50)] = ""
    """ISO 4217, of amounts whose record and mapping name none. Empty: the number stands alone."""


class AuditPolicy(Section):
    """What the audit trail and the logs may hold."""

    values: Literal["hash", "masked"] = "hash"
    mask_personal: Annotated[bool, Field(strict=True)] = True
    redact_keys: tuple[Annotated[str, Field(strict=True, min_length=2, max_length=100)], ...] = ()


class Policy(Section):
    """The whole policy. Source: `policy.toml`, or the file REVIEWS_POLICY_FILE names."""

    version: Annotated[str, Field(strict=True, min_length=1, max_length=50)] = "1"
    approvals: Approvals = Field(default_factory=Approvals)
    access: Access = Field(default_factory=Access)
    gather: Gather = Field(default_factory=Gather)
    attention: Attention = Field(default_factory=Attention)
    risk: RiskPolicy = Field(default_factory=RiskPolicy)
    health: HealthPolicy = Field(default_factory=HealthPolicy)
    engagement: EngagementPolicy = Field(default_factory=EngagementPolicy)
    priority: PriorityPolicy = Field(default_factory=PriorityPolicy)
    confidence: ConfidencePolicy = Field(default_factory=ConfidencePolicy)
    urgency: UrgencyPolicy = Field(default_factory=UrgencyPolicy)
    recommendations: RecommendationPolicy = Field(default_factory=RecommendationPolicy)
    brief: BriefPolicy = Field(default_factory=BriefPolicy)
    resume: Resume = Field(default_factory=Resume)
    idle: Idle = Field(default_factory=Idle)
    admission: Admission = Field(default_factory=Admission)
    cycle: Cycle = Field(default_factory=Cycle)
    events: Events = Field(default_factory=Events)
    schedules: SchedulePolicy = Field(default_factory=SchedulePolicy)
    retention: Retention = Field(default_factory=Retention)
    notifications: Notifications = Field(default_factory=Notifications)
    audit: AuditPolicy = Field(default_factory=AuditPolicy)
    money: Money = Field(default_factory=Money)

    @cached_property
    def hash(self) -> str:
        """Content hash: equal policies have equal hashes, however they are written."""
        return content_hash(self.model_dump(mode="json"))

    def number(self, key: str) -> float:
        """The number under a dotted key, such as "risk.inactivity_days". KeyError without one."""
        found: object = self
        for part in key.split("."):
            if not isinstance(found, Section) or part not in type(found).model_fields:
                raise KeyError(key)
            found = getattr(found, part)
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise KeyError(key)
        return found


_ASCENDING = (
    ("attention.inactivity_days", "risk.inactivity_days"),
    ("risk.inactivity_days", "risk.critical_days"),
    ("risk.stalled_days", "risk.stalled_critical_days"),
    ("risk.bands.medium", "risk.bands.high"),
    ("risk.bands.high", "risk.bands.critical"),
    ("health.some_interactions", "health.many_interactions"),
    ("health.bands.at_risk", "health.bands.moderate"),
    ("health.bands.moderate", "health.bands.healthy"),
    ("priority.small_deals", "priority.medium_deals"),
    ("priority.medium_deals", "priority.large_deals"),
    ("priority.some_activities", "priority.busy_activities"),
    ("confidence.medium", "confidence.high"),
)
"""Pairs in which the second must be larger, or a level could never be reached."""

_SUMS = {
    "engagement": ("recency_weight", "volume_weight", "high_value_weight"),
    "confidence": ("recency_weight", "pattern_weight", "evidence_weight", "history_weight"),
    "urgency": ("priority_weight", "confidence_weight", "time_weight"),
}
"""Weights that add up to 1."""


def load_policy(path: Path | None = None) -> Policy:
    """The policy of a TOML file, None for the shipped one. PolicyError names key and range."""
    source = path or SHIPPED
    try:
        text = source.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise PolicyError(f"the policy file {source} cannot be read: {reason}") from None
    return parse_policy(text, name=str(source))


def parse_policy(text: str, *, name: str = "the policy") -> Policy:
    """The policy of a TOML text. PolicyError names the key, its value and what is allowed."""
    try:
        values = tomllib.loads(text)
    except ValueError as error:  # a number of too many digits too
        raise PolicyError(f"{name} is not valid TOML: {error}") from None
    except RecursionError:
        raise PolicyError(f"{name} is nested too deeply") from None
    return policy_from(values)


def policy_from(values: dict[str, Any]) -> Policy:
    """The policy of a parsed TOML document, checked like a file's. PolicyError as above."""
    refuse_unknown_keys(values, Policy)
    check_users(values)
    check_names(values)
    try:
        policy = Policy.model_validate(values)
    except ValidationError as error:
        raise PolicyError(sentence(error, values, Policy)) from None
    _check_together(policy)
    _check_currency(policy.money.currency)
    check_notifications(policy.notifications)
    check_approvals(policy.approvals)
    return policy


def _check_together(policy: Policy) -> None:
    for smaller, larger in _ASCENDING:
        low, high = policy.number(smaller), policy.number(larger)
        if low >= high:
            raise PolicyError(
                f"{larger} is {high:g}, but must be above {smaller}, which is {low:g}"
            )
    if policy.risk.score.inactive < policy.risk.score.inactive_attention:
        raise PolicyError(
            f"risk.score.inactive is {policy.risk.score.inactive}, but must be at least "
            f"risk.score.inactive_attention, which is {policy.risk.score.inactive_attention}"
        )
    for section, names in _SUMS.items():
        total = sum(policy.number(f"{section}.{name}") for name in names)
        if abs(total - 1) > 1e-9:
            weights = ", ".join(f"{section}.{name}" for name in names)
            raise PolicyError(f"{weights} add up to {total:g}, but must add up to 1")


def _check_currency(code: str) -> None:
    if code and not is_currency(code):
        raise PolicyError(
            f"money.currency is {code!r}, but must be the code of a currency such as EUR, or empty"
        )


def as_document(policy: Policy) -> dict[str, object]:
    """The policy as plain JSON values with its hash, for people and programs."""
    values = cast("Mapping[str, object]", policy.model_dump(mode="json"))
    return {"version": policy.version, "hash": policy.hash, **values}


def flat(policy: Policy) -> list[tuple[str, str]]:
    """Every dotted key with its value as TOML-like text."""
    rows: list[tuple[str, str]] = []

    def walk(values: Mapping[str, object], path: str) -> None:
        for key, value in values.items():
            if isinstance(value, dict) and value:
                walk(value, f"{path}{key}.")
            else:
                rows.append((f"{path}{key}", json.dumps(value, ensure_ascii=False)))

    walk(policy.model_dump(mode="json"), "")
    return rows
