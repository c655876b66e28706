"""The account risk score and the priority score. Only what is known counts."""

from collections.abc import Iterator

from account_reviews.domain.analysis.evidence import cite, ref
from account_reviews.domain.analysis.facts import Facts
from account_reviews.domain.analysis.model import (
    Contribution,
    DetectedChange,
    Evidence,
    PreviousRisk,
    Risk,
    RiskLevel,
)
from account_reviews.domain.analysis.risk_signals import RiskSignals
from account_reviews.domain.policy.boundaries import crosses
from account_reviews.domain.policy.model import Policy
from account_reviews.domain.records import AccountStatus

FULL = 100

REASONS = {
    "inactive": "no contact for more than {0.risk.inactivity_days} days",
    "inactive_attention": "no contact for more than {0.attention.inactivity_days} days",
    "no_deal_value": "no open deal of any value",
    "low_deal_value": "open deals worth less than {0.risk.score.low_deal_value_below}",
    "status_at_risk": 'the status is "At Risk"',
    "status_inactive": 'the status is "Inactive"',
    "owner_change": "a new owner",
    "inactivity": "no contact for {0.risk.inactivity_days} days or more",
    "deal_stalled": "stalled deals",
    "engagement_drop": "much less contact than before",
    "many_interactions": "frequent contact",
    "some_interactions": "regular contact",
    "few_interactions": "little contact",
    "no_interactions": "no contact in {0.health.lookback_days} days",
    "base": "where every account starts",
}
"""What a contribution means, in words that stay the same from day to day."""


def reason(rule: str, policy: Policy) -> str:
    """A contribution in words."""
    return REASONS[rule].format(policy)


def assess_risk(
    facts: Facts,
    changes: tuple[DetectedChange, ...],
    risk_signals: RiskSignals,
    previous: PreviousRisk | None,
) -> Risk:
    """The risk by the rule the policy names."""
    if facts.policy.risk.rule == "signals":
        return _by_risk_signals(facts.policy, risk_signals, previous)
    return account_score(facts, changes, previous)


def account_score(
    facts: Facts, changes: tuple[DetectedChange, ...], previous: PreviousRisk | None = None
) -> Risk:
    """Points for inactivity, deal value, status and a new owner, at most 100.

    The score counts the known inputs. With nothing counted, the level is `none` only when every
    input is known; otherwise score and level are unknown.
    """
    contributions = tuple(item for item in _contributions(facts, changes) if item.points > 0)
    unknown = tuple(_unknown(facts))
    known_points = min(FULL, sum(item.points for item in contributions))
    nothing_known = len(unknown) == len(_INPUTS)
    score = None if nothing_known or (unknown and not known_points) else known_points
    return Risk(
        score=score,
        level=risk_level(score, facts.policy),
        rule="account_score",
        contributions=contributions,
        unknown=unknown,
        previous=previous,
    )


def risk_level(score: int | None, policy: Policy) -> RiskLevel:
    """The band of a score."""
    if score is None:
        return RiskLevel.UNKNOWN
    for level in (RiskLevel.CRITICAL, RiskLevel.HIGH, RiskLevel.MEDIUM, RiskLevel.LOW):
        if crosses(f"risk_{level}", score, policy):
            return level
    return RiskLevel.NONE


def priority_score(facts: Facts, risk: Risk, changes: int) -> int:
    """How early a person should look at the account, 0 to 100."""
    policy = facts.policy
    points = policy.priority
    by_level = {
        RiskLevel.CRITICAL: points.risk_critical,
        RiskLevel.HIGH: points.risk_high,
        RiskLevel.MEDIUM: points.risk_medium,
        RiskLevel.LOW: points.risk_low,
        RiskLevel.NONE: 0,
        RiskLevel.UNKNOWN: points.risk_unknown,
    }
    total = by_level[risk.level] + min(points.changes_max, points.per_change * changes)
    for name, worth in (
        ("large_deals", points.large_points),
        ("medium_deals", points.medium_points),
        ("small_deals", points.small_points),
    ):
        if crosses(name, facts.known_deal_value, policy):
            total += worth
            break
    for name, worth in (("busy", points.busy_points), ("active", points.some_points)):
        if crosses(name, len(facts.recent), policy):
            total += worth
            break
    return min(FULL, total)


def needs_review(risk: Risk, priority: int, *, attention: bool, policy: Policy) -> bool:
    """Whether the account belongs on a person's desk."""
    grave = risk.level in (RiskLevel.CRITICAL, RiskLevel.HIGH)
    return attention or grave or crosses("needs_review", priority, policy)


_INPUTS = ("last_activity", "deal_value", "status")


def _unknown(facts: Facts) -> Iterator[str]:
    if facts.idle is None:
        yield "last_activity"
    if not facts.deal_value_is_whole and not _is_large_enough(facts):
        yield "deal_value"
    if facts.account.status is None:
        yield "status"


def _is_large_enough(facts: Facts) -> bool:
    """What is known of the deals is worth enough, whatever the rest is worth."""
    return not crosses("low_deal_value", facts.known_deal_value, facts.policy)


def _contributions(facts: Facts, changes: tuple[DetectedChange, ...]) -> Iterator[Contribution]:
    yield from _idle_points(facts)
    yield from _deal_points(facts)
    points = facts.policy.risk.score
    account = facts.account
    status = cite(account, "status", at=account.modified_at)
    if account.status is AccountStatus.AT_RISK:
        yield _points("status_at_risk", points.status_at_risk, status)
    if account.status is AccountStatus.INACTIVE:
        yield _points("status_inactive", points.status_inactive, status)
    for change in changes:
        if change.type == "owner_change":
            cited = Evidence(
                record=ref(account), field=change.field, before=change.before,
                after=change.after, value=change.after, at=change.at,
            )  # fmt: skip
            yield _points("owner_change", points.owner_change, cited)


def _idle_points(facts: Facts) -> Iterator[Contribution]:
    idle, last = facts.idle, facts.last_activity
    points = facts.policy.risk.score
    if idle is None or last is None:
        return
    if crosses("idle_score", idle, facts.policy):
        yield _points("inactive", points.inactive, last)
    elif crosses("idle_attention", idle, facts.policy):
        yield _points("inactive_attention", points.inactive_attention, last)


def _deal_points(facts: Facts) -> Iterator[Contribution]:
    value = facts.deal_value
    points = facts.policy.risk.score
    if value is None:
        return
    cited = tuple(cite(deal, "amount", at=deal.modified_at) for deal in facts.open_deals) or (
        Evidence(record=ref(facts.account), field="open_deals", value=0, at=facts.as_of),
    )
    if crosses("no_deal_value", value, facts.policy):
        yield _points("no_deal_value", points.no_deal_value, *cited)
    elif crosses("low_deal_value", value, facts.policy):
        yield _points("low_deal_value", points.low_deal_value, *cited)


def _points(rule: str, points: int, *evidence: Evidence) -> Contribution:
    return Contribution(rule=rule, points=points, evidence=evidence)


def _by_risk_signals(
    policy: Policy, risk_signals: RiskSignals, previous: PreviousRisk | None
) -> Risk:
    """The worst risk signal gives the level; the score is the lowest one of that level."""
    level = risk_signals.level
    bands = policy.risk.bands
    lowest = {
        RiskLevel.CRITICAL: bands.critical,
        RiskLevel.HIGH: bands.high,
        RiskLevel.MEDIUM: bands.medium,
        RiskLevel.LOW: 1,
        RiskLevel.NONE: 0,
    }
    contributions = tuple(
        Contribution(
            rule=risk_signal.kind,
            points=lowest[RiskLevel(risk_signal.severity.value)],
            evidence=risk_signal.evidence,
        )
        for risk_signal in risk_signals.fired
    )
    return Risk(
        score=lowest.get(level),
        level=level,
        rule="signals",
        contributions=contributions,
        unknown=risk_signals.unknown,
        previous=previous,
    )
