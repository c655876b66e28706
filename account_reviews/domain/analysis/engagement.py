"""Engagement score: how recent, how frequent and how weighty the contact is. 0 to 1."""

from datetime import timedelta

from account_reviews.domain.analysis.facts import Facts
from account_reviews.domain.records import RecordType


def engagement_score(facts: Facts) -> float | None:
    """Recency, volume and high-value share of the last window. None when activities are unknown.

    No activity at all is 0: the CRM holds activities and there are none.
    """
    if not facts.has(RecordType.ACTIVITY):
        return None
    policy = facts.policy.engagement
    window = timedelta(days=policy.window_days)
    idle = facts.idle
    recency = 0.0 if idle is None else max(0.0, 1 - idle / window)
    volume = min(1.0, len(facts.recent) / policy.full_activities)
    weighty = sum(1 for mark in facts.recent if mark.type.is_high_value)
    score = (
        policy.recency_weight * recency
        + policy.volume_weight * volume
        + policy.high_value_weight * min(1.0, weighty / policy.full_high_value)
    )
    return round(min(1.0, score), 4)
