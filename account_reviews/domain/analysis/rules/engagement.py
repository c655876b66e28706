"""Engagement: an account nobody spoke to for a month."""

from account_reviews.domain.analysis.facts import whole_days
from account_reviews.domain.analysis.model import Severity
from account_reviews.domain.analysis.rules.base import Context, Draft, steps, task
from account_reviews.domain.counting import counted
from account_reviews.domain.memory import MemoryKind
from account_reviews.domain.policy.boundaries import crosses

TITLE = "Schedule Executive Business Review"


def propose(context: Context) -> list[Draft]:
    """When the last activity is `risk.inactivity_days` old or older."""
    idle, last = context.facts.idle, context.facts.last_activity
    if idle is None or last is None or not crosses("idle_signal", idle, context.policy):
        return []
    critical = crosses("idle_critical", idle, context.policy)
    priority = Severity.CRITICAL if critical else Severity.HIGH
    silent = counted(whole_days(idle), "day")
    why = f"The last activity was {silent} ago. Silence this long precedes churn."
    drop = context.risk_signals.of("engagement_drop")
    return [
        Draft(
            number=1,
            type="schedule_meeting",
            title=TITLE,
            rationale=why,
            priority=priority,
            evidence=(last, *(drop.evidence if drop else ())),
            memory=context.remembered(MemoryKind.COMMITMENT, MemoryKind.NOTE),
            minutes=60,
            steps=steps(
                context,
                ("Read the history of the account and its open deals", "today"),
                ("Propose two dates to the main contact", "within 2 days"),
                ("Agree on an agenda with goals and open points", "before the meeting"),
                ("Record the outcome in the CRM", "after the meeting"),
            ),
            writes=(
                task(
                    context,
                    TITLE,
                    "Nobody has spoken to this account for a long time. Invite the main contact "
                    "to a business review: goals, open points, next steps.",
                    priority,
                    why=why,
                    evidence=(last,),
                ),
            ),
        )
    ]
