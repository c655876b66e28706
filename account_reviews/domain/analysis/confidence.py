"""Confidence in a recommendation by the evidence model: recency, pattern, evidence, history."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from account_reviews.domain.analysis.model import (
    Confidence,
    ConfidenceLevel,
    PriorOutcome,
    Reference,
    Severity,
)
from account_reviews.domain.base import Timestamp
from account_reviews.domain.policy.boundaries import crosses
from account_reviews.domain.policy.model import ConfidencePolicy, Policy
from account_reviews.domain.proposals import ItemState

DAY_SECONDS = 86_400

SUCCESSES = frozenset({ItemState.APPROVED, ItemState.ADJUSTED, ItemState.EXECUTED})
FAILURES = frozenset({ItemState.REJECTED, ItemState.EXPIRED, ItemState.FAILED, ItemState.UNDONE})
"""Other states say nothing of the recommendation: deferred, superseded, skipped."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """Something seen more than once. `consistency` and `confidence` are 0 to 1."""

    occurrences: int
    consistency: float
    confidence: float


def assess_confidence(
    kind: str,
    priority: Severity,
    references: tuple[Reference, ...],
    pattern: Pattern | None,
    *,
    prior: tuple[PriorOutcome, ...],
    as_of: Timestamp,
    policy: Policy,
) -> Confidence:
    """How far a recommendation of type `kind` can be trusted. All parts 0 to 1."""
    model = policy.confidence
    recency = data_recency(references, as_of, model)
    strength = pattern_strength(pattern, model)
    evidence = evidence_quality(references, recency, model)
    history = historical_accuracy(kind, prior, model)
    overall = round(
        model.recency_weight * recency
        + model.pattern_weight * strength
        + model.evidence_weight * evidence
        + model.history_weight * history,
        4,
    )
    level = confidence_level(overall, policy)
    return Confidence(
        overall=overall,
        level=level,
        data_recency=round(recency, 4),
        pattern_strength=round(strength, 4),
        evidence_quality=round(evidence, 4),
        historical_accuracy=round(history, 4),
        notes=tuple(_notes(level, priority)),
    )


def confidence_level(overall: float, policy: Policy) -> ConfidenceLevel:
    """The band of a confidence."""
    if crosses("confidence_high", overall, policy):
        return ConfidenceLevel.HIGH
    if crosses("confidence_medium", overall, policy):
        return ConfidenceLevel.MEDIUM
    return ConfidenceLevel.LOW


def data_recency(
    references: tuple[Reference, ...], as_of: Timestamp, model: ConfidencePolicy
) -> float:
    """Mean over the dated references of 2^(-age / half-life); a later date counts as now."""
    ages = [
        (as_of - item.timestamp).total_seconds() / DAY_SECONDS
        for item in references
        if item.timestamp is not None
    ]
    if not ages:
        return 0.0
    halves = (max(0.0, age) / model.half_life_days for age in ages)
    return sum(math.exp2(-count) for count in halves) / len(ages)


def pattern_strength(pattern: Pattern | None, model: ConfidencePolicy) -> float:
    """Occurrences on a log scale, consistency and the pattern's own confidence."""
    if pattern is None:
        return model.unknown
    times = math.log(1 + max(0, pattern.occurrences)) / math.log(1 + model.full_occurrences)
    return 0.4 * min(1.0, times) + 0.3 * pattern.consistency + 0.3 * pattern.confidence


def evidence_quality(
    references: tuple[Reference, ...], recency: float, model: ConfidencePolicy
) -> float:
    """How many systems and kinds of records agree, and how recent they are."""
    if not references:
        return 0.0
    sources = len({item.source_type for item in references})
    types = len({item.entity_type for item in references})
    return (
        0.4 * min(1.0, sources / model.full_sources)
        + 0.2 * min(1.0, types / model.full_types)
        + 0.4 * recency
    )


def historical_accuracy(kind: str, prior: Iterable[PriorOutcome], model: ConfidencePolicy) -> float:
    """How often earlier ones of this type were taken up; few give the lower Wilson bound."""
    states = Counter(item.state for item in prior if item.recommendation_type == kind)
    good = sum(states[state] for state in SUCCESSES)
    total = good + sum(states[state] for state in FAILURES)
    if total == 0:
        return model.unknown
    share = good / total
    return share if total >= model.few_outcomes else wilson_lower(share, total, model.wilson_z)


def wilson_lower(share: float, total: int, z: float) -> float:
    """The lower end of the Wilson interval of `share` in `total` cases."""
    square = z * z
    centre = share + square / (2 * total)
    spread = z * math.sqrt(share * (1 - share) / total + square / (4 * total * total))
    return max(0.0, (centre - spread) / (1 + square / total))


def _notes(level: ConfidenceLevel, priority: Severity) -> Iterable[str]:
    if priority is Severity.CRITICAL and level is not ConfidenceLevel.HIGH:
        yield "may require additional validation"
    if priority is Severity.LOW and level is ConfidenceLevel.LOW:
        yield "exploratory"
    if level is ConfidenceLevel.LOW:
        yield "confidence is low: the manager should look at it too"
