"""The whole review of one account as one pure function: same inputs, same analysis."""

from datetime import timedelta

from account_reviews.domain.analysis.changes import detect_changes
from account_reviews.domain.analysis.engagement import engagement_score
from account_reviews.domain.analysis.facts import Facts
from account_reviews.domain.analysis.findings import collect_findings
from account_reviews.domain.analysis.health import assess_health
from account_reviews.domain.analysis.model import (
    Analysis,
    DetectedChange,
    PreviousRisk,
    PriorOutcome,
    Risk,
)
from account_reviews.domain.analysis.own_writes import OwnWrite, with_own_writes
from account_reviews.domain.analysis.recommendations import compose
from account_reviews.domain.analysis.risk import assess_risk, needs_review, priority_score
from account_reviews.domain.analysis.risk_signals import detect_risk_signals
from account_reviews.domain.analysis.rules.base import Context
from account_reviews.domain.base import Model, Timestamp
from account_reviews.domain.memory import MemoryHit
from account_reviews.domain.policy.model import Policy
from account_reviews.domain.records import AccountSnapshot


class AnalysisInputs(Model):
    """Everything the rules read. `as_of` is the only now."""

    snapshot: AccountSnapshot
    baseline: AccountSnapshot | None = None
    """The snapshot of the last review; None on first sight."""
    memory: tuple[MemoryHit, ...] | None = ()
    """None: the memory could not be reached."""
    prior: tuple[PriorOutcome, ...] = ()
    previous_risk: PreviousRisk | None = None
    own_writes: tuple[OwnWrite, ...] = ()
    """Updates of ours since the baseline, and all tasks that we made."""
    as_of: Timestamp
    stale_seconds: int | None = None
    """Age of the snapshot in seconds, when the CRM was down and an old one is used."""


def analyse(inputs: AnalysisInputs, policy: Policy) -> Analysis:
    """Changes, risk, health, findings, recommendations and exact writes for one account."""
    changes = _told(inputs, policy)
    context = _read(inputs, policy, changes)
    facts = context.facts
    findings = collect_findings(facts, changes, context.risk_signals, inputs.own_writes)
    composed = compose(context, inputs.prior, _observed_at(inputs))
    attention = any(finding.requires_attention for finding in findings)
    priority = priority_score(facts, context.risk, len(changes))
    missing = _missing_sources(inputs)
    account, owner = facts.account, facts.snapshot.owner
    return Analysis(
        account_id=account.id,
        account_name=account.name,
        owner_id=account.owner_id,
        owner_name=owner.name if owner is not None and owner.id == account.owner_id else None,
        as_of=inputs.as_of,
        baseline_at=inputs.baseline.as_of if inputs.baseline is not None else None,
        changes_detected=bool(changes),
        changes=changes,
        requires_attention=attention,
        risk=context.risk,
        signal_level=context.risk_signals.level,
        health=context.health,
        engagement=context.engagement,
        findings=findings,
        recommendations=composed.recommendations,
        proposed_changes=composed.changes,
        quiet=composed.quiet,
        open_tasks=composed.open_tasks,
        priority_score=priority,
        needs_review=needs_review(context.risk, priority, attention=attention, policy=policy),
        degraded=bool(missing),
        missing_sources=missing,
        stale_seconds=inputs.stale_seconds,
        currency=facts.currency,
        policy_hash=policy.hash,
        policy_version=policy.version,
    )


def starting_risk(snapshot: AccountSnapshot, policy: Policy) -> Risk:
    """The risk as the account alone shows it, to decide who is reviewed first."""
    inputs = AnalysisInputs(snapshot=snapshot, as_of=snapshot.as_of)
    return _read(inputs, policy).risk


def _read(
    inputs: AnalysisInputs, policy: Policy, told: tuple[DetectedChange, ...] | None = None
) -> Context:
    facts = Facts(inputs.snapshot, inputs.as_of, policy)
    told = _told(inputs, policy) if told is None else told
    changes = (*_given_away(inputs, policy, told), *told)
    risk_signals = detect_risk_signals(facts, changes)
    return Context(
        facts=facts,
        changes=changes,
        risk_signals=risk_signals,
        risk=assess_risk(facts, changes, risk_signals, inputs.previous_risk),
        health=assess_health(facts, risk_signals, inputs.memory),
        engagement=engagement_score(facts),
        memory=inputs.memory or (),
        previous_owners=_previous_owners(inputs),
        own_writes=inputs.own_writes,
    )


def _told(inputs: AnalysisInputs, policy: Policy) -> tuple[DetectedChange, ...]:
    """What others changed since the last review."""
    facts, baseline = Facts(inputs.snapshot, inputs.as_of, policy), inputs.baseline
    if baseline is None:
        return detect_changes(facts, None)
    left = with_own_writes(baseline, inputs.own_writes)
    return detect_changes(facts, Facts(left, baseline.as_of, policy))


def _given_away(
    inputs: AnalysisInputs, policy: Policy, told: tuple[DetectedChange, ...]
) -> tuple[DetectedChange, ...]:
    """A new owner whom we gave the account to: no news, and yet new to it for the rules."""
    baseline = inputs.baseline
    if baseline is None or not inputs.own_writes or _of_owner(told):
        return ()
    facts = Facts(inputs.snapshot, inputs.as_of, policy)
    return _of_owner(detect_changes(facts, Facts(baseline, baseline.as_of, policy)))


def _of_owner(changes: tuple[DetectedChange, ...]) -> tuple[DetectedChange, ...]:
    return tuple(change for change in changes if change.type == "owner_change")


def _previous_owners(inputs: AnalysisInputs) -> frozenset[str]:
    """Whoever owned the account before, by the CRM or by the last review."""
    named = (
        inputs.snapshot.previous_owner.id if inputs.snapshot.previous_owner else None,
        inputs.baseline.account.owner_id if inputs.baseline else None,
    )
    return frozenset(owner for owner in named if owner) - {inputs.snapshot.account.owner_id or ""}


def _observed_at(inputs: AnalysisInputs) -> Timestamp:
    """When the CRM's answer was true."""
    if inputs.stale_seconds is None:
        return inputs.snapshot.fetched_at
    return inputs.as_of - timedelta(seconds=inputs.stale_seconds)


def _missing_sources(inputs: AnalysisInputs) -> tuple[str, ...]:
    crm = () if inputs.stale_seconds is None else ("crm",)
    return crm if inputs.memory is not None else (*crm, "memory")
