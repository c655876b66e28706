"""Health score: how alive the relation is. 0 to 100, unknown when contact is not recorded.

Interactions are the CRM's activities of the look-back, and what people noted or promised in the
account memory in the same time, unless it comes from one of these activities. The formula adds up
to at most 70 with the shipped points, which is therefore where the band `healthy` begins.
"""

from collections.abc import Iterator

from account_reviews.domain.analysis.evidence import cite_count, cite_memory
from account_reviews.domain.analysis.facts import Facts
from account_reviews.domain.analysis.model import Contribution, Health, HealthBand
from account_reviews.domain.analysis.risk_signals import RiskSignals
from account_reviews.domain.memory import MemoryHit, MemoryKind
from account_reviews.domain.policy.boundaries import crosses
from account_reviews.domain.policy.model import Policy

CONTACT_KINDS = (MemoryKind.NOTE, MemoryKind.COMMITMENT)
"""Memories of contact. Reviews, decisions and risks are our own words, facts are not contact."""


def assess_health(
    facts: Facts, risk_signals: RiskSignals, memory: tuple[MemoryHit, ...] | None
) -> Health:
    """Base, points for interactions, points off for each risk signal that fired."""
    missing = () if memory is not None else ("memory",)
    interactions = facts.interactions
    if interactions is None:
        return Health(score=None, band=HealthBand.UNKNOWN, unknown=("interactions", *missing))
    remembered = remembered_contacts(facts, memory or ())
    contributions = (
        Contribution(rule="base", points=facts.policy.health.base),
        *_interaction_points(facts, interactions, remembered),
        *_risk_signal_points(facts.policy, risk_signals),
    )
    score = max(0, min(100, sum(item.points for item in contributions)))
    return Health(
        score=score,
        band=health_band(score, facts.policy),
        contributions=contributions,
        unknown=missing,
    )


def health_band(score: int | None, policy: Policy) -> HealthBand:
    """The band of a score."""
    if score is None:
        return HealthBand.UNKNOWN
    for band in (HealthBand.HEALTHY, HealthBand.MODERATE, HealthBand.AT_RISK):
        if crosses(f"health_{band}", score, policy):
            return band
    return HealthBand.CRITICAL


def remembered_contacts(facts: Facts, memory: tuple[MemoryHit, ...]) -> tuple[MemoryHit, ...]:
    """Contacts that only the memory knows of."""
    known = {mark.id for mark in facts.marks}
    return tuple(
        hit
        for hit in memory
        if hit.kind in CONTACT_KINDS
        and hit.source.record_id not in known
        and hit.occurred_at <= facts.as_of
        and crosses("in_lookback", facts.as_of - hit.occurred_at, facts.policy)
    )


def _interaction_points(
    facts: Facts, counted: int, remembered: tuple[MemoryHit, ...]
) -> Iterator[Contribution]:
    points = facts.policy.health
    total = counted + len(remembered)
    evidence = (
        cite_count(facts.account, "interactions", total, facts.as_of),
        *(cite_memory(hit) for hit in remembered),
    )
    if crosses("many_interactions", total, facts.policy):
        yield Contribution(rule="many_interactions", points=points.many_points, evidence=evidence)
    elif crosses("some_interactions", total, facts.policy):
        yield Contribution(rule="some_interactions", points=points.some_points, evidence=evidence)
    elif total == 0:
        yield Contribution(
            rule="no_interactions", points=-points.no_interactions_points, evidence=evidence
        )
    else:
        yield Contribution(rule="few_interactions", points=0, evidence=evidence)


def _risk_signal_points(policy: Policy, risk_signals: RiskSignals) -> Iterator[Contribution]:
    for risk_signal in risk_signals.fired:
        yield Contribution(
            rule=risk_signal.kind,
            points=-policy.health.indicator_points,
            evidence=risk_signal.evidence,
        )
