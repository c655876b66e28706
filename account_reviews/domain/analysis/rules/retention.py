"""Retention: a contract that ends soon."""

from account_reviews.domain.analysis.model import Severity
from account_reviews.domain.analysis.rules.base import Context, Draft, steps, task
from account_reviews.domain.counting import counted
from account_reviews.domain.memory import MemoryKind
from account_reviews.domain.policy.boundaries import crosses

TITLE = "Initiate Renewal Discussion"


def propose(context: Context) -> list[Draft]:
    """When the contract runs and ends within `recommendations.renewal_days`."""
    days, cited = context.facts.contract_days, context.facts.contract_end
    if days is None or cited is None:
        return []
    running = crosses("contract_running", days, context.policy)
    if not (running and crosses("contract_near", days, context.policy)):
        return []
    why = f"The contract ends on {cited.value}, in {counted(days, 'day')}."
    return [
        Draft(
            number=1,
            type="renewal_reminder",
            title=TITLE,
            rationale=why,
            priority=Severity.HIGH,
            evidence=(cited,),
            memory=context.remembered(MemoryKind.COMMITMENT),
            minutes=60,
            steps=steps(
                context,
                ("Check use, open issues and promises made", "this week"),
                ("Ask the main contact about the renewal", "within 2 weeks"),
                ("Send the renewal offer", "30 days before the end"),
            ),
            writes=(
                task(
                    context,
                    TITLE,
                    f"The contract ends on {cited.value}. Talk about its renewal in time.",
                    Severity.HIGH,
                    why=why,
                    evidence=(cited,),
                ),
            ),
        )
    ]
