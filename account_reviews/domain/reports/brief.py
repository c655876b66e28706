"""The brief of one account: what its owner reads before deciding.

Source: the analysis, and the states the proposed changes have reached since.
"""

from collections.abc import Iterable, Mapping

from pydantic import Field

from account_reviews.domain.analysis.model import (
    Analysis,
    DetectedChange,
    Evidence,
    Finding,
    Health,
    OpenTask,
    Recommendation,
    Risk,
    RiskLevel,
    Severity,
)
from account_reviews.domain.analysis.risk import reason
from account_reviews.domain.base import Model, Scalar, Timestamp
from account_reviews.domain.counting import counted
from account_reviews.domain.policy.boundaries import crosses
from account_reviews.domain.policy.model import Policy
from account_reviews.domain.proposals import Action, Deferral, ItemState, ProposedChange
from account_reviews.domain.records import RecordRef
from account_reviews.domain.vocabulary import term_of


class Reason(Model):
    """One part of a score in words."""

    rule: str
    text: str
    points: int
    evidence: tuple[Evidence, ...] = ()


class BriefItem(Model):
    """A proposed change and where it stands. `before` and `after` are field -> value."""

    change_id: str
    action: Action
    record: RecordRef
    before: dict[str, Scalar]
    after: dict[str, Scalar]
    state: ItemState
    title: str
    rationale: str
    recommendation_id: str | None = None
    deferred: Deferral | None = None
    shown: dict[str, Scalar] = Field(default_factory=dict)
    """`after` as people read it: a due date is counted from the write."""


class BriefMetrics(Model):
    stalled_deals: int = 0
    overdue_follow_ups: int = 0


class Brief(Model):
    """One account, one review. Times in UTC, estimated time in minutes."""

    review_id: str | None = None
    account_id: str
    account_name: str
    owner_id: str | None
    owner_name: str | None
    generated_at: Timestamp
    baseline_at: Timestamp | None
    summary: str
    no_updates: bool
    """True when nothing changed since the last review; the brief is produced all the same."""
    changes: tuple[DetectedChange, ...]
    requires_attention: bool
    needs_review: bool
    high_priority: bool
    risk: Risk
    risk_reasons: tuple[Reason, ...]
    signal_level: RiskLevel
    health: Health
    health_reasons: tuple[Reason, ...]
    engagement: float | None
    unknown: tuple[str, ...]
    findings: tuple[Finding, ...]
    recommendations: tuple[Recommendation, ...]
    """All, most urgent first; the first `shown` are shown in full."""
    shown: int
    total_recommendations: int
    critical_recommendations: int
    items: tuple[BriefItem, ...]
    quiet: tuple[str, ...]
    open_tasks: tuple[OpenTask, ...] = ()
    """What would be proposed, and stands in the CRM as an open task already."""
    degraded: bool
    missing_sources: tuple[str, ...]
    stale_seconds: int | None
    estimated_review_time_minutes: int
    metrics: BriefMetrics
    currency: str | None = None
    """ISO 4217, of the account's amounts, where the CRM says so."""
    policy_version: str
    policy_hash: str


_AS_ANALYSED = tuple(Brief.model_fields.keys() & Analysis.model_fields.keys() - {"recommendations"})


def build_brief(
    analysis: Analysis,
    policy: Policy,
    *,
    states: Mapping[str, ItemState] | None = None,
    changes: Iterable[ProposedChange] | None = None,
    review_id: str | None = None,
) -> Brief:
    """The brief of an analysis.

    `states` is change id -> state, `proposed` where it is silent. `changes` are the changes in
    their newest form (adjusted, or added by others); None takes those of the analysis.
    """
    ranked = sorted(analysis.recommendations, key=lambda item: (-item.urgency, item.id))
    grave = (Severity.CRITICAL, Severity.HIGH)
    score = analysis.risk.score
    shared = {name: getattr(analysis, name) for name in _AS_ANALYSED}
    return Brief(
        **shared,
        review_id=review_id,
        generated_at=analysis.as_of,
        summary=summarise(analysis),
        no_updates=not analysis.changes_detected,
        high_priority=score is not None and crosses("high_priority", score, policy),
        risk_reasons=_reasons(analysis.risk, policy),
        health_reasons=_reasons(analysis.health, policy),
        unknown=_unknown(analysis),
        recommendations=tuple(ranked),
        shown=policy.recommendations.shown,
        total_recommendations=len(ranked),
        critical_recommendations=sum(item.priority in grave for item in ranked),
        items=_items(analysis.proposed_changes if changes is None else changes, states or {}),
        estimated_review_time_minutes=review_minutes(analysis, policy),
        metrics=count_metrics(analysis),
    )


def review_minutes(analysis: Analysis, policy: Policy) -> int:
    """How long reading takes: more for an account with changes."""
    minutes = policy.brief
    return minutes.minutes_changed if analysis.changes_detected else minutes.minutes_unchanged


def summarise(analysis: Analysis) -> str:
    """The brief in two or three sentences."""
    count = len(analysis.changes)
    first = "No updates since the last review."
    if analysis.baseline_at is None:
        first = "This account is reviewed for the first time."
    elif count:
        first = f"{counted(count, 'change')} since the last review."
    risk, health = analysis.risk, analysis.health
    levels = f"Risk is {risk.level}{_of_100(risk.score)}, health is {term_of(health.band)}"
    parts = [first, f"{levels}{_of_100(health.score)}."]
    proposed = len(analysis.proposed_changes)
    if proposed:
        parts.append(f"{counted(proposed, 'CRM change')} proposed.")
    return " ".join(parts)


def _of_100(score: int | None) -> str:
    return "" if score is None else f" ({score} of 100)"


def _reasons(score: Risk | Health, policy: Policy) -> tuple[Reason, ...]:
    return tuple(
        Reason(
            rule=part.rule,
            text=reason(part.rule, policy),
            points=part.points,
            evidence=part.evidence,
        )
        for part in score.contributions
    )


def _unknown(analysis: Analysis) -> tuple[str, ...]:
    found = (
        *analysis.risk.unknown,
        *analysis.health.unknown,
        *(
            finding.kind.removeprefix("unknown_")
            for finding in analysis.findings
            if finding.kind.startswith("unknown_")
        ),
    )
    return tuple(dict.fromkeys(found))


def _items(
    changes: Iterable[ProposedChange], states: Mapping[str, ItemState]
) -> tuple[BriefItem, ...]:
    return tuple(
        BriefItem(
            change_id=change.change_id,
            action=change.action,
            record=change.record,
            before=change.before,
            after=change.after,
            state=states.get(change.change_id, ItemState.PROPOSED),
            title=change.title,
            rationale=change.rationale,
            recommendation_id=change.recommendation_id,
            deferred=change.deferred,
            shown=change.shown,
        )
        for change in changes
    )


def count_metrics(analysis: Analysis) -> BriefMetrics:
    """Stalled deals, and promises and tasks that are overdue."""
    stalled = sum(finding.kind == "deal_stalled" for finding in analysis.findings)
    overdue = sum(
        len(finding.evidence)
        for finding in analysis.findings
        if finding.kind == "overdue_follow_ups"
    )
    return BriefMetrics(stalled_deals=stalled, overdue_follow_ups=overdue)
