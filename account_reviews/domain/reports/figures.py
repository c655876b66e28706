"""Sums over accounts: they merge in any order, and what is unknown is counted, never zero."""

from decimal import Context, Decimal
from typing import Final

from account_reviews.domain.analysis.facts import Facts
from account_reviews.domain.analysis.model import HealthBand, RiskLevel
from account_reviews.domain.base import Model
from account_reviews.domain.policy.model import Policy
from account_reviews.domain.records import AccountSnapshot

AT_RISK: Final = (RiskLevel.CRITICAL, RiskLevel.HIGH)
"""The risk levels whose money counts as at risk."""

_EXACT: Final = Context(prec=400)
"""Sums must not depend on their order, so nothing may be rounded."""


class Amount(Model):
    """A sum of money over accounts, of which some may be unknown.

    `value` is what is known and so a lower bound while `unknown` is above 0. It is None when
    nothing is known of any account, and 0 when there is no account to know of.
    """

    value: Decimal | None = Decimal()
    known: int = 0
    """Accounts that add something known."""
    unknown: int = 0
    """Accounts of which the amount is not, or not wholly, known."""

    def __add__(self, other: "Amount") -> "Amount":
        known, unknown = self.known + other.known, self.unknown + other.unknown
        total = _EXACT.add(self.value or Decimal(), other.value or Decimal())
        nothing = known == 0 and unknown > 0
        return Amount(value=None if nothing else total, known=known, unknown=unknown)


NOTHING_KNOWN: Final = Amount(value=None, unknown=1)


class Figures(Model):
    """The figures of some accounts; those of one account are the smallest."""

    accounts: int = 0
    health_distribution: dict[HealthBand, int]
    risk_distribution: dict[RiskLevel, int]
    revenue: Amount = Amount()
    """Annual revenue, as the CRM holds it."""
    pipeline: Amount = Amount()
    """Open deals."""
    at_risk_value: Amount = Amount()
    """Annual revenue of the accounts at risk; unknown for those of unknown risk."""
    at_risk_pipeline: Amount = Amount()
    """Open deals of the accounts at risk, likewise."""

    @property
    def at_risk(self) -> int:
        """Accounts at risk."""
        return sum(self.risk_distribution[level] for level in AT_RISK)

    @property
    def at_risk_of_unknown_value(self) -> int:
        """Accounts at risk of which the annual revenue is not known."""
        return self.at_risk - self.at_risk_value.known

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(
            accounts=self.accounts + other.accounts,
            health_distribution={
                band: self.health_distribution[band] + other.health_distribution[band]
                for band in HealthBand
            },
            risk_distribution={
                level: self.risk_distribution[level] + other.risk_distribution[level]
                for level in RiskLevel
            },
            revenue=self.revenue + other.revenue,
            pipeline=self.pipeline + other.pipeline,
            at_risk_value=self.at_risk_value + other.at_risk_value,
            at_risk_pipeline=self.at_risk_pipeline + other.at_risk_pipeline,
        )


NO_FIGURES: Final = Figures(
    health_distribution=dict.fromkeys(HealthBand, 0),
    risk_distribution=dict.fromkeys(RiskLevel, 0),
)


def figures_of(
    level: RiskLevel, band: HealthBand, snapshot: AccountSnapshot | None, policy: Policy
) -> Figures:
    """The figures of one account; without a snapshot its money is unknown."""
    revenue = _revenue(snapshot)
    pipeline = _pipeline(snapshot, policy)
    return Figures(
        accounts=1,
        health_distribution={one: int(one is band) for one in HealthBand},
        risk_distribution={one: int(one is level) for one in RiskLevel},
        revenue=revenue,
        pipeline=pipeline,
        at_risk_value=_at_risk(level, revenue),
        at_risk_pipeline=_at_risk(level, pipeline),
    )


def _at_risk(level: RiskLevel, money: Amount) -> Amount:
    """How much of the money is at risk; nobody knows while the risk is unknown."""
    if level in AT_RISK:
        return money
    nothing = money.value == 0 and not money.unknown
    return NOTHING_KNOWN if level is RiskLevel.UNKNOWN and not nothing else Amount()


def _revenue(snapshot: AccountSnapshot | None) -> Amount:
    if snapshot is None or snapshot.account.annual_revenue is None:
        return NOTHING_KNOWN
    return Amount(value=snapshot.account.annual_revenue, known=1)


def _pipeline(snapshot: AccountSnapshot | None, policy: Policy) -> Amount:
    if snapshot is None:
        return NOTHING_KNOWN
    facts = Facts(snapshot, snapshot.as_of, policy)
    if facts.deal_value_is_whole:
        return Amount(value=facts.known_deal_value, known=1)
    if any(deal.amount is not None for deal in facts.open_deals):
        return Amount(value=facts.known_deal_value, known=1, unknown=1)
    return NOTHING_KNOWN
