"""Risk signals: what makes an account a risk by itself. The worst one gives the level."""

from collections.abc import Iterable, Iterator

from account_reviews.domain.analysis.evidence import cite, cite_change, cite_count
from account_reviews.domain.analysis.facts import Facts, stage_since
from account_reviews.domain.analysis.model import DetectedChange, Evidence, RiskLevel, Severity
from account_reviews.domain.base import Model
from account_reviews.domain.policy.boundaries import crosses
from account_reviews.domain.records import AccountStatus, RecordType

SEVERITIES = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW)
"""Worst first."""


class RiskSignal(Model):
    """One condition that holds now. `requires_action` is false for what is only worth watching."""

    kind: str
    severity: Severity
    description: str
    evidence: tuple[Evidence, ...]
    requires_action: bool = True


class RiskSignals(Model):
    """What fired, and what could not be judged."""

    fired: tuple[RiskSignal, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def level(self) -> RiskLevel:
        """The worst one; without one `none`, or `unknown` when one could not be judged."""
        found = worst(one.severity for one in self.fired)
        if found is not None:
            return RiskLevel(found.value)
        return RiskLevel.UNKNOWN if self.unknown else RiskLevel.NONE

    def of(self, kind: str) -> RiskSignal | None:
        """The one of that kind, when it fired."""
        return next((one for one in self.fired if one.kind == kind), None)


def worst(severities: Iterable[Severity]) -> Severity | None:
    """The gravest of some severities."""
    return min(severities, key=SEVERITIES.index, default=None)


def detect_risk_signals(facts: Facts, changes: tuple[DetectedChange, ...]) -> RiskSignals:
    """Judge every risk signal on the facts; a new owner is in `changes`."""
    unknown: list[str] = []
    if facts.idle is None:
        unknown.append("last_activity")
    if not facts.has(RecordType.DEAL):
        unknown.append("deals")
    elif facts.undated:
        unknown.append("deal_stage_since")
    if facts.account.status is None:
        unknown.append("status")
    fired = (
        *_inactivity(facts),
        *_stalled(facts),
        *_engagement_drop(facts),
        *_owner_change(facts, changes),
        *_status(facts),
    )
    return RiskSignals(fired=fired, unknown=tuple(unknown))


def activity_drop(facts: Facts) -> float | None:
    """Share of activities lost from one window to the next; None when there was nothing before.

    No activity in the whole look-back, where an earlier one is known, is a complete drop. No
    activity ever is unknown: there is nothing to drop from.
    """
    if not facts.has(RecordType.ACTIVITY):
        return None
    if facts.interactions == 0:
        return 1.0 if facts.idle is not None else None
    before, now = len(facts.previous), len(facts.recent)
    return None if before == 0 else (before - now) / before


def _inactivity(facts: Facts) -> Iterator[RiskSignal]:
    idle, last = facts.idle, facts.last_activity
    if idle is None or last is None or not crosses("idle_signal", idle, facts.policy):
        return
    critical = crosses("idle_critical", idle, facts.policy)
    yield RiskSignal(
        kind="inactivity",
        severity=Severity.CRITICAL if critical else Severity.HIGH,
        description="there was no contact for a long time",
        evidence=(last,),
    )


def _stalled(facts: Facts) -> Iterator[RiskSignal]:
    if not facts.stalled:
        return
    evidence = tuple(
        cite(item.deal, "stage", at=stage_since(item.deal, facts.as_of)) for item in facts.stalled
    )
    yield RiskSignal(
        kind="deal_stalled",
        severity=Severity.HIGH,
        description="open deals do not move",
        evidence=evidence,
    )


def _engagement_drop(facts: Facts) -> Iterator[RiskSignal]:
    drop = activity_drop(facts)
    if drop is None or not crosses("engagement_drop", drop, facts.policy):
        return
    account, at = facts.account, facts.as_of
    counts = {"recent_activities": len(facts.recent), "previous_activities": len(facts.previous)}
    if not any(counts.values()):  # both are empty: what counts is that the whole look-back is
        counts = {"interactions": 0}
    yield RiskSignal(
        kind="engagement_drop",
        severity=Severity.MEDIUM,
        description="there was much less contact than before",
        evidence=tuple(cite_count(account, name, count, at) for name, count in counts.items()),
        requires_action=False,
    )


def _owner_change(facts: Facts, changes: tuple[DetectedChange, ...]) -> Iterator[RiskSignal]:
    for change in changes:
        if change.type == "owner_change":
            yield RiskSignal(
                kind="owner_change",
                severity=Severity.HIGH,
                description="the account has a new owner",
                evidence=(
                    cite_change(facts.account, "owner_id", change.before, change.after, change.at),
                ),
            )


def _status(facts: Facts) -> Iterator[RiskSignal]:
    if facts.account.status is AccountStatus.AT_RISK:
        yield RiskSignal(
            kind="status_at_risk",
            severity=Severity.CRITICAL,
            description="the CRM calls the account at risk",
            evidence=(cite(facts.account, "status", at=facts.account.modified_at),),
        )
