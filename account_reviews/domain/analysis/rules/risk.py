"""Risk: poor health, and a risk level that calls for a person now."""

from account_reviews.domain.analysis.evidence import cite
from account_reviews.domain.analysis.model import Evidence, RiskLevel, Severity
from account_reviews.domain.analysis.risk import reason
from account_reviews.domain.analysis.rules.base import (
    Context,
    Draft,
    Write,
    note,
    steps,
    task,
    update,
)
from account_reviews.domain.memory import MemoryKind
from account_reviews.domain.policy.boundaries import crosses
from account_reviews.domain.proposals import Action
from account_reviews.domain.records import AccountStatus

PROTOCOL = "Initiate Churn Prevention Protocol"
CALL = "Call the customer within 48 hours"

PASSING = frozenset({"owner_change"})
"""Contributions that are gone at the next review; what is written does not rest on them."""


def propose(context: Context) -> list[Draft]:
    """Churn prevention for low health; a call, a note and the status for a high risk."""
    return [*_protocol(context), *_call(context)]


def _protocol(context: Context) -> list[Draft]:
    score = context.health.score
    if score is None or not crosses("health_low", score, context.policy):
        return []
    evidence = _causes_of_health(context)
    why = f"Health is {score} of 100: {_words(context, _falling(context))}."
    return [
        Draft(
            number=1,
            type="risk_mitigation",
            title=PROTOCOL,
            rationale=why,
            priority=Severity.CRITICAL,
            evidence=evidence,
            memory=context.remembered(MemoryKind.RISK, MemoryKind.COMMITMENT),
            minutes=90,
            steps=steps(
                context,
                ("List what went wrong lately, with the people concerned", "today"),
                ("Agree on a rescue plan with the manager", "within 1 day"),
                ("Offer the customer a meeting with a decision maker", "within 2 days"),
                ("Look at the account weekly until it recovers", "for 4 weeks"),
            ),
            writes=(
                task(
                    context,
                    PROTOCOL,
                    "The health of this account is low. Find the causes, agree on a plan with "
                    "the manager and offer the customer a meeting.",
                    Severity.CRITICAL,
                    why=why,
                    evidence=evidence,
                ),
            ),
        )
    ]


def _call(context: Context) -> list[Draft]:
    risk = context.risk
    if risk.level not in (RiskLevel.CRITICAL, RiskLevel.HIGH):
        return []
    priority = Severity(risk.level.value)
    reasons = _words(context, [item.rule for item in risk.contributions])
    why = f"The risk is {risk.level} ({risk.score} of 100): {reasons}."
    evidence = tuple(item for part in risk.contributions for item in part.evidence)
    standing = _standing(context)
    return [
        Draft(
            number=2,
            type="risk_mitigation",
            title=CALL,
            rationale=why,
            priority=priority,
            evidence=evidence,
            memory=context.remembered(MemoryKind.RISK),
            minutes=30,
            steps=steps(
                context,
                ("Call the main contact and ask how things are", "within 48 hours"),
                ("Record what was said in the CRM", "the same day"),
            ),
            writes=(
                task(
                    context,
                    CALL,
                    "This account may be lost. Ask the main contact how things are and record it.",
                    priority,
                    why=why,
                    evidence=standing,
                ),
                *_status(context, why, standing),
                _note(context, why, standing),
            ),
        )
    ]


def _status(context: Context, why: str, evidence: tuple[Evidence, ...]) -> list[Write]:
    account = context.account
    if account.status is not AccountStatus.ACTIVE:
        return []
    return [
        update(
            Action.UPDATE_ACCOUNT,
            account,
            {"status": AccountStatus.AT_RISK.value},
            title=f'Set the status of {account.name} to "{AccountStatus.AT_RISK}"',
            why=why,
            evidence=(cite(account, "status", at=account.modified_at), *evidence),
        )
    ]


def _note(context: Context, why: str, evidence: tuple[Evidence, ...]) -> Write:
    rules = [item.rule for item in context.risk.contributions]
    lasting = [rule for rule in rules if rule not in PASSING] or rules
    content = (
        f"Account review: the risk is {context.risk.level}. Reasons: {_words(context, lasting)}."
    )
    return note("Account review: what makes the risk", content, why=why, evidence=evidence)


def _standing(context: Context) -> tuple[Evidence, ...]:
    """Evidence that is still there tomorrow, so that a rejected change stays quiet."""
    parts = context.risk.contributions
    lasting = [part for part in parts if part.rule not in PASSING] or list(parts)
    return tuple(item for part in lasting for item in part.evidence)


def _falling(context: Context) -> list[str]:
    return [part.rule for part in context.health.contributions if part.points < 0]


def _causes_of_health(context: Context) -> tuple[Evidence, ...]:
    """Evidence of what lowers the health, lasting causes first."""
    parts = context.health.contributions
    falling = [part for part in parts if part.points < 0] or list(parts)
    lasting = [part for part in falling if part.rule not in PASSING] or falling
    return tuple(item for part in lasting for item in part.evidence)


def _words(context: Context, rules: list[str]) -> str:
    return "; ".join(reason(rule, context.policy) for rule in rules) or "too little contact"
