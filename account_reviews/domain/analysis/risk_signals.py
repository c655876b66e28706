"""Signals: the conditions that make an account a risk by themselves. The level is the worst one."""

from collections.abc import Iterable, Iterator

from account_reviews.domain.analysis.evidence import cite, cite_change, cite_count
from account_reviews.domain.analysis.facts import Facts, stage_since
from account_reviews.domain.analysis.model import DetectedChange, Evidence, RiskLevel, Severity
from account_reviews.domain.base import Model
from account_reviews.domain.policy.boundaries import crosses
from account_reviews.domain.records import AccountStatus, RecordType

SEVERITIES = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW)
"""Worst first."""


class Signal(Model):
    """One condition that holds now. `requires_action` is false for what is only worth watching."""

    kind: str
    severity: Severity
    description: str
    evidence: tuple[Evidence, ...]
    requires_action: bool = True


class Signals(Model):
    """What fired, and what could not be judged."""

    fired: tuple[Signal, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def level(self) -> RiskLevel:
        """The worst signal; without one `none`, or `unknown` when a signal could not be judged."""
        found = worst(signal.severity for signal in self.fired)
        if found is not None:
            return RiskLevel(found.value)
        return RiskLevel.UNKNOWN if self.unknown else RiskLevel.NONE

    def of(self, kind: str) -> Signal | None:
        """The signal of that kind, when it fired."""
        return next((signal for signal in self.fired if signal.kind == kind), None)


def worst(severities: Iterable[Severity]) -> Severity | None:
    """The gravest of some severities."""
    return min(severities, key=SEVERITIES.index, default=None)


def detect_signals(facts: Facts, changes: tuple[DetectedChange, ...]) -> Signals:
    """Judge every signal on the facts; `changes` tells of a new owner."""
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
    return Signals(fired=fired, unknown=tuple(unknown))


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


def _inactivity(facts: Facts) -> Iterator[Signal]:
    idle, last = facts.idle, facts.last_activity
    if idle is None or last is None or not crosses("idle_signal", idle, facts.policy):
        return
    critical = crosses("idle_critical", idle, facts.policy)
    yield Signal(
        kind="inactivity",
        severity=Severity.CRITICAL if critical else Severity.HIGH,
        description="there was no contact for a long time",
        evidence=(last,),
    )


def _stalled(facts: Facts) -> Iterator[Signal]:
    if not facts.stalled:
        return
    evidence = tuple(
        cite(item.deal, "stage", at=stage_since(item.deal, facts.as_of)) for item in facts.stalled
    )
    yield Signal(
        kind="deal_stalled",
        severity=Severity.HIGH,
        description="open deals do not move",
        evidence=evidence,
    )


def _engagement_drop(facts: Facts) -> Iterator[Signal]:
    drop = activity_drop(facts)
    if drop is None or not crosses("engagement_drop", drop, facts.policy):
        return
    account, at = facts.account, facts.as_of
    yield Signal(
        kind="engagement_drop",
        severity=Severity.MEDIUM,
        description="there was much less contact than before",
        evidence=(
            cite_count(account, "recent_activities", len(facts.recent), at),
            cite_count(account, "previous_activities", len(facts.previous), at),
        ),
        requires_action=False,
    )


def _owner_change(facts: Facts, changes: tuple[DetectedChange, ...]) -> Iterator[Signal]:
    for change in changes:
        if change.type == "owner_change":
            yield Signal(
                kind="owner_change",
                severity=Severity.HIGH,
                description="the account has a new owner",
                evidence=(
                    cite_change(facts.account, "owner_id", change.before, change.after, change.at),
                ),
            )


def _status(facts: Facts) -> Iterator[Signal]:
    if facts.account.status is AccountStatus.AT_RISK:
        yield Signal(
            kind="status_at_risk",
            severity=Severity.CRITICAL,
            description="the CRM calls the account at risk",
            evidence=(cite(facts.account, "status", at=facts.account.modified_at),),
        )
