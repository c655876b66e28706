"""Every boundary of the rules in one table: on which side of a limit the limit itself lies.

The rules ask `crosses`, the tests walk the table and `docs/rules.md` shows it. Ages are exact
differences: 30 days sharp is 30 and not more than 30.
"""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, Literal

from account_reviews.domain.policy.model import Policy

Unit = Literal["days", "points", "money", "count", "share"]
Test = Literal[">", ">=", "<", "<="]
Measure = int | float | Decimal | timedelta

_TESTS: dict[Test, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


@dataclass(frozen=True, slots=True)
class Boundary:
    """`measure` `test` the number under policy key `limit` gives `effect`. A number is fixed."""

    name: str
    measure: str
    unit: Unit
    test: Test
    limit: str
    effect: str

    def at(self, policy: Policy) -> float:
        """The limit under this policy."""
        return float(self.limit) if self.limit.isdecimal() else policy.number(self.limit)

    def holds(self, value: Measure, limit: float) -> bool:
        """Whether `value` lies on the side of the effect. Durations are compared in days."""
        bound = timedelta(days=limit) if isinstance(value, timedelta) else limit
        return _TESTS[self.test](value, bound)


_IDLE = "days since the last activity"
_STAGE = "days in the deal's stage"
_VALUE = "value of the open deals"
_RISK = "risk score"
_HEALTH = "health score"
_PRIORITY = "priority score"
_SCORED = "points to the risk score"

TABLE: tuple[Boundary, ...] = (
    Boundary(
        "idle_attention", _IDLE, "days", ">", "attention.inactivity_days",
        "finding inactivity_threshold, medium; risk.score.inactive_attention " + _SCORED,
    ),
    Boundary(
        "idle_signal", _IDLE, "days", ">=", "risk.inactivity_days",
        "signal inactivity, high; rule engagement",
    ),
    Boundary(
        "idle_score", _IDLE, "days", ">", "risk.inactivity_days",
        "risk.score.inactive " + _SCORED,
    ),
    Boundary(
        "idle_critical", _IDLE, "days", ">", "risk.critical_days",
        "signal inactivity, critical; rule engagement, critical",
    ),
    Boundary("stalled", _STAGE, "days", ">", "risk.stalled_days", "deal_stalled, high"),
    Boundary(
        "stalled_critical", _STAGE, "days", ">", "risk.stalled_critical_days",
        'deal_stalled, critical; stage "Stalled" is proposed',
    ),
    Boundary(
        "engagement_drop", "share of activities lost", "share", ">", "risk.engagement_drop",
        "signal engagement_drop, medium",
    ),
    Boundary("recent", "age of an activity", "days", "<=", "engagement.window_days",
             "it counts as recent"),
    Boundary("in_lookback", "age of an activity", "days", "<=", "health.lookback_days",
             "it counts as an interaction"),
    Boundary("no_deal_value", _VALUE, "money", "<=", "0", "risk.score.no_deal_value " + _SCORED),
    Boundary("low_deal_value", _VALUE, "money", "<", "risk.score.low_deal_value_below",
             "risk.score.low_deal_value " + _SCORED),
    Boundary("risk_critical", _RISK, "points", ">=", "risk.bands.critical", "level critical"),
    Boundary("risk_high", _RISK, "points", ">=", "risk.bands.high", "level high"),
    Boundary("risk_medium", _RISK, "points", ">=", "risk.bands.medium", "level medium"),
    Boundary("risk_low", _RISK, "points", ">", "0", "level low"),
    Boundary("many_interactions", "interactions", "count", ">", "health.many_interactions",
             "health.many_points to the health score"),
    Boundary("some_interactions", "interactions", "count", ">", "health.some_interactions",
             "health.some_points to the health score"),
    Boundary("health_healthy", _HEALTH, "points", ">=", "health.bands.healthy", "band healthy"),
    Boundary("health_moderate", _HEALTH, "points", ">=", "health.bands.moderate", "band moderate"),
    Boundary("health_at_risk", _HEALTH, "points", ">=", "health.bands.at_risk", "band at_risk"),
    Boundary("health_low", _HEALTH, "points", "<", "recommendations.health_low", "rule risk"),
    Boundary("upsell_health", _HEALTH, "points", ">=", "recommendations.upsell_health",
             "rule expansion, with enough revenue"),
    Boundary("upsell_revenue", "annual revenue", "money", ">=", "recommendations.upsell_revenue",
             "rule expansion, with enough health"),
    Boundary("contract_running", "days to the contract's end", "days", ">", "0",
             "rule retention, when the end is near"),
    Boundary("contract_near", "days to the contract's end", "days", "<=",
             "recommendations.renewal_days", "rule retention, while the contract runs"),
    Boundary("large_deals", _VALUE, "money", ">", "priority.large_deals",
             "priority.large_points to the priority score"),
    Boundary("medium_deals", _VALUE, "money", ">", "priority.medium_deals",
             "priority.medium_points to the priority score"),
    Boundary("small_deals", _VALUE, "money", ">", "priority.small_deals",
             "priority.small_points to the priority score"),
    Boundary("busy", "recent activities", "count", ">", "priority.busy_activities",
             "priority.busy_points to the priority score"),
    Boundary("active", "recent activities", "count", ">", "priority.some_activities",
             "priority.some_points to the priority score"),
    Boundary("needs_review", _PRIORITY, "points", ">", "priority.needs_review", "needs_review"),
    Boundary("confidence_high", "confidence", "share", ">=", "confidence.high", "level high"),
    Boundary("confidence_medium", "confidence", "share", ">=", "confidence.medium",
             "level medium, below it low"),
    Boundary("confident_enough", "confidence", "share", ">=", "recommendations.min_confidence",
             "the recommendation is kept"),
    Boundary("fresh", "age of a source", "days", "<=", "confidence.fresh_days",
             "the reference is fresh"),
    Boundary("quiet", "days since a change was rejected", "days", "<",
             "recommendations.quiet_days", "it is not proposed again"),
    Boundary("high_priority", _RISK, "points", ">", "brief.high_priority_risk",
             "the brief calls the account high priority"),
)  # fmt: skip

BOUNDARIES = {boundary.name: boundary for boundary in TABLE}

STEPS: dict[Unit, float] = {"days": 1, "points": 1, "money": 1, "count": 1, "share": 0.01}


def crosses(name: str, value: Measure, policy: Policy) -> bool:
    """Whether `value` has crossed the boundary `name`. KeyError for an unknown name."""
    boundary = BOUNDARIES[name]
    return boundary.holds(value, boundary.at(policy))


def crosses_at(name: str, value: Measure, limit: float) -> bool:
    """Like `crosses`, against a limit that stands in for the policy's (a stage's own days)."""
    return BOUNDARIES[name].holds(value, limit)


def render_table(policy: Policy) -> str:
    """The table as Markdown, with what holds one step below, at and one step above the limit."""
    lines = [
        "| boundary | measure | test | limit | policy key | below | at | above | effect |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for boundary in TABLE:
        limit = boundary.at(policy)
        step = STEPS[boundary.unit]
        sides = [
            f"{value:g}: {'yes' if boundary.holds(value, limit) else 'no'}"
            for value in (round(limit - step, 4), limit, round(limit + step, 4))
        ]
        key = "fixed" if boundary.limit.isdecimal() else f"`{boundary.limit}`"
        cells = (
            f"`{boundary.name}`", boundary.measure, f"`{boundary.test}`", f"{limit:.10g}", key,
            *sides, boundary.effect,
        )  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
