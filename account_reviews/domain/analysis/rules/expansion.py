"""Expansion: a healthy account with the revenue to grow."""

from decimal import Decimal

from account_reviews.domain.analysis.evidence import cite
from account_reviews.domain.analysis.model import Severity
from account_reviews.domain.analysis.rules.base import Context, Draft, steps, task
from account_reviews.domain.memory import MemoryKind
from account_reviews.domain.money import amount_in_words
from account_reviews.domain.policy.boundaries import crosses

TITLE = "Present Upsell Opportunity"


def propose(context: Context) -> list[Draft]:
    """When health and revenue are known and both high enough."""
    score, revenue = context.health.score, context.account.annual_revenue
    if score is None or revenue is None:
        return []
    policy = context.policy
    if not (crosses("upsell_health", score, policy) and crosses("upsell_revenue", revenue, policy)):
        return []
    share = policy.recommendations.upsell_share
    potential = (revenue * Decimal(str(share))).quantize(Decimal("0.01"))
    worth, more = (amount_in_words(it, context.facts.currency) for it in (revenue, potential))
    why = (
        f"Health is {score} of 100 and the account is worth {worth} a year, with a potential worth"
        f" {more}."
    )
    cited = cite(context.account, "annual_revenue", at=context.account.modified_at)
    counted = [item for part in context.health.contributions for item in part.evidence][:1]
    what = "The account is healthy and large enough to grow. Prepare and present an offer for more."
    write = task(context, TITLE, what, Severity.MEDIUM, why=why, evidence=(cited,))
    return [
        Draft(
            number=1,
            type="upsell_opportunity",
            title=TITLE,
            rationale=why,
            priority=Severity.MEDIUM,
            evidence=(cited, *counted),
            memory=context.remembered(MemoryKind.FACT, MemoryKind.NOTE),
            minutes=60,
            steps=steps(
                context,
                ("Compare what the account uses with what it could use", "this week"),
                ("Prepare an offer", "within 2 weeks"),
                ("Present it to the main contact", "within 3 weeks"),
            ),
            writes=(write,),
        )
    ]
