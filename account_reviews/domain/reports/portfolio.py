"""The portfolio report of a cycle: health, risk, money, approvals and uptake of all owners.

It is summed up from the briefs: `PortfolioParts` of any accounts add up in any order and grouping,
so owners are taken one at a time.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from pydantic import Field

from account_reviews.domain.analysis.model import HealthBand, PreviousRisk, RiskLevel
from account_reviews.domain.base import Model, Timestamp
from account_reviews.domain.cycle.state import CycleScope, start_rank
from account_reviews.domain.reports.figures import AT_RISK, NO_FIGURES, Amount, Figures
from account_reviews.domain.reports.owner_brief import CycleFacts, FailedAccount, OwnerBrief

UPTAKE_DAYS: Final = 30
"""Decisions of this many days make the uptake."""

_ACCEPTED: Final = frozenset({"approved", "adjusted", "executed", "failed", "skipped", "undone"})
_REFUSED: Final = frozenset({"rejected", "deferred", "expired"})


class MakeResults(Model):
    """Make the briefs and the report of a cycle whose reviews work no more."""

    run_id: str
    """First execution run id of the cycle."""
    tenant: str
    as_of: Timestamp
    missing_sources: tuple[str, ...] = ()
    scope: CycleScope = CycleScope()


class ResultsMade(Model):
    owners: int
    """Owners who got a brief."""
    accounts: int
    degraded: bool


class OwnerLine(Model):
    """One owner of a portfolio in one line."""

    owner_id: str
    owner_name: str | None
    figures: Figures
    accounts_reviewed: int
    accounts_with_changes: int
    high_priority_accounts: int
    critical_recommendations: int
    estimated_review_time_minutes: int

    def __add__(self, other: "OwnerLine") -> "OwnerLine":
        names = {self.owner_name, other.owner_name} - {None}
        return OwnerLine(
            owner_id=self.owner_id,
            owner_name=min(filter(None, names), default=None),
            figures=self.figures + other.figures,
            **{name: getattr(self, name) + getattr(other, name) for name in _COUNTS},
        )


_COUNTS: Final = (
    "accounts_reviewed", "accounts_with_changes", "high_priority_accounts",
    "critical_recommendations", "estimated_review_time_minutes",
)  # fmt: skip


class PortfolioParts(Model):
    """What can be summed up. Addition is associative and does not mind the order."""

    owners: dict[str, OwnerLine] = Field(default_factory=dict)
    missing_sources: frozenset[str] = frozenset()
    failed_accounts: frozenset[FailedAccount] = frozenset()

    def __add__(self, other: "PortfolioParts") -> "PortfolioParts":
        owners = dict(self.owners)
        for owner, line in other.owners.items():
            owners[owner] = owners[owner] + line if owner in owners else line
        return PortfolioParts(
            owners=owners,
            missing_sources=self.missing_sources | other.missing_sources,
            failed_accounts=self.failed_accounts | other.failed_accounts,
        )


class Waiting(Model):
    """An owner's approval requests that nobody has decided."""

    open: int = 0
    overdue: int = 0
    """The deadline has passed."""
    unanswered: int = 0
    """Open for longer than the policy's `approvals.reminder`, or its time-out without one."""

    def __add__(self, other: "Waiting") -> "Waiting":
        return Waiting(
            open=self.open + other.open,
            overdue=self.overdue + other.overdue,
            unanswered=self.unanswered + other.unanswered,
        )


class DecidedItems(Model):
    """How many items of an owner have one fate."""

    owner_id: str
    state: str
    """An ItemState value."""
    adjusted: bool
    by_person: bool
    count: int


class Uptake(Model):
    """What became of the changes proposed to one owner, as decided in the last 30 days."""

    owner_id: str
    owner_name: str | None
    decided: int
    """By people: approved, adjusted, rejected or deferred."""
    approved: int
    adjusted: int
    rejected: int
    deferred: int
    expired: int
    """Nobody decided in time. Not part of `decided`."""
    acceptance_rate: float | None
    """(approved + adjusted) / decided, None before there is a decision."""


class RiskMove(Model):
    """An account that is not where it was. `before` is None when it was not there."""

    account_id: str
    account_name: str
    owner_id: str
    before: PreviousRisk | None
    after: PreviousRisk | None


class SinceLast(Model):
    """What moved since the last cycle of the same kind and schedule."""

    cycle_id: str | None = None
    """None: there is none to compare with."""
    as_of: Timestamp | None = None
    newly_at_risk: tuple[RiskMove, ...] = ()
    recovered: tuple[RiskMove, ...] = ()
    risk_up: tuple[RiskMove, ...] = ()
    risk_down: tuple[RiskMove, ...] = ()
    new_accounts: tuple[RiskMove, ...] = ()
    gone_accounts: tuple[RiskMove, ...] = ()
    risk_before: dict[RiskLevel, int] | None = None
    """The risk distribution then; None when the cycles do not take the same accounts."""


class PreviousCycle(Model):
    """The cycle to compare with."""

    cycle_id: str
    run_id: str
    as_of: Timestamp
    risk_distribution: dict[RiskLevel, int]


class Portfolio(Model):
    """The report of one cycle. Money as decimals, None when nothing is known of it."""

    cycle_id: str
    kind: str
    scope: CycleScope
    as_of: Timestamp
    generated_at: Timestamp
    total_accounts: int
    accounts_reviewed: int
    accounts_with_changes: int
    accounts_at_risk: int
    health_distribution: dict[HealthBand, int]
    risk_distribution: dict[RiskLevel, int]
    revenue: Amount
    pipeline: Amount
    at_risk_value: Amount
    at_risk_pipeline: Amount
    open_approvals: int
    overdue_approvals: int
    unanswered_approvals: int
    owners: tuple[OwnerLine, ...]
    approvals: dict[str, Waiting]
    """By owner id; owners without open requests are left out."""
    uptake: tuple[Uptake, ...]
    since_last: SinceLast
    degraded: bool
    missing_sources: tuple[str, ...]
    failed_accounts: tuple[FailedAccount, ...]

    def document(self) -> dict[str, object]:
        """As it is stored and shown: each sum as one number with the count of unknown accounts."""
        fields: dict[str, object] = {
            name: getattr(self, name) for name in type(self).model_fields if name not in _SUMS
        }
        fields |= spelled_sums({name: getattr(self, name) for name in _SUMS})
        fields["owners"] = [owner_document(line, self.approvals) for line in self.owners]
        del fields["approvals"]
        return fields


_SUMS: Final = ("revenue", "pipeline", "at_risk_value", "at_risk_pipeline")


def spelled_sums(sums: Mapping[str, Amount]) -> dict[str, object]:
    """`revenue` and `revenue_unknown_accounts`, and so on."""
    values: dict[str, object] = {name: amount.value for name, amount in sums.items()}
    counts = {f"{name}_unknown_accounts": amount.unknown for name, amount in sums.items()}
    return values | counts


def owner_document(line: OwnerLine, approvals: Mapping[str, Waiting]) -> dict[str, object]:
    """One owner of the report."""
    figures, waiting = line.figures, approvals.get(line.owner_id, Waiting())
    return {
        **line.model_dump(exclude={"figures"}),
        "accounts": figures.accounts,
        "accounts_at_risk": figures.at_risk,
        "health_distribution": figures.health_distribution,
        "risk_distribution": figures.risk_distribution,
        **spelled_sums({name: getattr(figures, name) for name in _SUMS}),
        "open_approvals": waiting.open,
        "overdue_approvals": waiting.overdue,
        "unanswered_approvals": waiting.unanswered,
    }


def parts_of(brief: OwnerBrief) -> PortfolioParts:
    """What one brief adds to the portfolio."""
    line = OwnerLine(
        owner_id=brief.owner_id,
        owner_name=brief.owner_name,
        figures=brief.figures,
        accounts_reviewed=brief.accounts_reviewed,
        accounts_with_changes=brief.accounts_with_changes,
        high_priority_accounts=len(brief.high_priority_accounts),
        critical_recommendations=brief.critical_recommendations,
        estimated_review_time_minutes=brief.estimated_review_time_minutes,
    )
    return PortfolioParts(
        owners={brief.owner_id: line},
        missing_sources=frozenset(brief.missing_sources),
        failed_accounts=frozenset(brief.failed_accounts),
    )


def build_portfolio(
    cycle: CycleFacts,
    scope: CycleScope,
    parts: PortfolioParts,
    *,
    approvals: Mapping[str, Waiting],
    decided: Iterable[DecidedItems],
    since_last: SinceLast,
) -> Portfolio:
    """The report. `approvals` and `decided` of owners without a brief are left out."""
    lines = tuple(parts.owners[owner] for owner in sorted(parts.owners))
    total = sum((line.figures for line in lines), NO_FIGURES)
    known = {owner: one for owner, one in approvals.items() if owner in parts.owners}
    waiting = sum(known.values(), Waiting())
    missing = parts.missing_sources | frozenset(cycle.missing_sources)
    return Portfolio(
        cycle_id=cycle.cycle_id,
        kind=cycle.kind,
        scope=scope,
        as_of=cycle.as_of,
        generated_at=cycle.generated_at,
        total_accounts=total.accounts,
        accounts_reviewed=sum(line.accounts_reviewed for line in lines),
        accounts_with_changes=sum(line.accounts_with_changes for line in lines),
        accounts_at_risk=total.at_risk,
        health_distribution=total.health_distribution,
        risk_distribution=total.risk_distribution,
        **{name: getattr(total, name) for name in _SUMS},
        open_approvals=waiting.open,
        overdue_approvals=waiting.overdue,
        unanswered_approvals=waiting.unanswered,
        owners=lines,
        approvals=known,
        uptake=count_uptake(lines, decided),
        since_last=since_last,
        degraded=bool(missing),
        missing_sources=tuple(sorted(missing)),
        failed_accounts=tuple(sorted(parts.failed_accounts, key=lambda one: one.account_id)),
    )


def count_uptake(lines: Iterable[OwnerLine], decided: Iterable[DecidedItems]) -> tuple[Uptake, ...]:
    """One row per owner, also of those who had nothing to decide.

    What the policy approved by itself is nobody's decision and is left out.
    """
    counts: dict[str, dict[str, int]] = {}
    for items in decided:
        word = _fate(items)
        if word is not None:
            of_owner = counts.setdefault(items.owner_id, {})
            of_owner[word] = of_owner.get(word, 0) + items.count
    return tuple(_uptake(line, counts.get(line.owner_id, {})) for line in lines)


def compare(previous: PreviousCycle | None, moves: Iterable[RiskMove], *, whole: bool) -> SinceLast:
    """What the moves of risk mean.

    `whole`: both cycles took all accounts of their scope. When they took only what had changed,
    an account in one of them alone is neither new nor gone.
    """
    if previous is None:
        return SinceLast()
    found: dict[str, list[RiskMove]] = {}
    for move in sorted(moves, key=lambda one: one.account_id):
        for kind in _kinds(move, whole=whole):
            found.setdefault(kind, []).append(move)
    return SinceLast(
        cycle_id=previous.cycle_id,
        as_of=previous.as_of,
        risk_before=previous.risk_distribution if whole else None,
        **{kind: tuple(moved) for kind, moved in found.items()},
    )


def _kinds(move: RiskMove, *, whole: bool) -> list[str]:
    before, after = move.before, move.after
    if before is None or after is None:
        if before is None:
            return ["new_accounts"]
        return ["gone_accounts"] if whole else []
    kinds = []
    if RiskLevel.UNKNOWN not in (before.level, after.level):
        if after.level in AT_RISK and before.level not in AT_RISK:
            kinds.append("newly_at_risk")
        if before.level in AT_RISK and after.level not in AT_RISK:
            kinds.append("recovered")
        direction = _direction(before, after)
        if direction:
            kinds.append("risk_up" if direction > 0 else "risk_down")
    elif after.level in AT_RISK:
        kinds.append("newly_at_risk")
    return kinds


def _direction(before: PreviousRisk, after: PreviousRisk) -> int:
    """Above 0 when the risk grew. Scores say so, or the levels where a score is unknown."""
    if before.score is not None and after.score is not None and before.score != after.score:
        return after.score - before.score
    return start_rank(before.level) - start_rank(after.level)


def _fate(items: DecidedItems) -> str | None:
    if items.state in _REFUSED:
        return items.state
    if items.state in _ACCEPTED and items.by_person:
        return "adjusted" if items.adjusted else "approved"
    return None


def _uptake(line: OwnerLine, counts: Mapping[str, int]) -> Uptake:
    words = ("approved", "adjusted", "rejected", "deferred")
    decided = sum(counts.get(word, 0) for word in words)
    accepted = counts.get("approved", 0) + counts.get("adjusted", 0)
    return Uptake(
        owner_id=line.owner_id,
        owner_name=line.owner_name,
        decided=decided,
        expired=counts.get("expired", 0),
        acceptance_rate=round(accepted / decided, 4) if decided else None,
        **{word: counts.get(word, 0) for word in words},
    )


def _portfolio_keys() -> tuple[str, ...]:
    names: list[str] = []
    for name in Portfolio.model_fields:
        if name != "approvals":
            names += [name, f"{name}_unknown_accounts"] if name in _SUMS else [name]
    return tuple(names)


PORTFOLIO_KEYS: Final = _portfolio_keys()
"""The keys of a report in the order in which people read them."""
