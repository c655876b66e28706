"""The portfolio as people look at it: accounts at risk first, summed up by owner and manager."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from account_reviews.bootstrap import Parts
from account_reviews.domain.analysis.model import HealthBand, RiskLevel
from account_reviews.domain.reports.figures import AT_RISK
from account_reviews.domain.reports.owner_brief import UNASSIGNED
from account_reviews.store.portfolio_queries import AccountLine, PortfolioReader

SORTS: Final = ("risk", "value", "name", "health", "renewal", "reviewed")
"""Orders of a list of accounts."""
_LEVELS: Final = {level: place for place, level in enumerate(RiskLevel)}
BANDS: Final = {
    HealthBand.CRITICAL: 0,
    HealthBand.AT_RISK: 1,
    HealthBand.MODERATE: 2,
    HealthBand.HEALTHY: 3,
    HealthBand.UNKNOWN: 4,
}
"""The weakest first."""


@dataclass(frozen=True)
class Figures:
    """Accounts summed up. `value` counts those whose value is known; `unknown` are the others.

    `risen` and `fallen` count accounts whose risk is not what their review before found.
    """

    accounts: int = 0
    levels: Counter[str] = field(default_factory=Counter)
    bands: Counter[str] = field(default_factory=Counter)
    value: Decimal = Decimal()
    value_unknown: int = 0
    at_risk: int = 0
    at_risk_value: Decimal = Decimal()
    at_risk_unknown: int = 0
    risen: int = 0
    fallen: int = 0
    pending: int = 0
    overdue: int = 0
    unanswered: int = 0


@dataclass(frozen=True)
class Group:
    """The accounts of one owner or manager. `id` is `unassigned` where there is nobody."""

    id: str
    name: str | None
    figures: Figures
    lines: tuple[AccountLine, ...]

    @property
    def is_nobody(self) -> bool:
        return self.id == UNASSIGNED


async def account_lines(parts: Parts, *, owner: str | None = None) -> list[AccountLine]:
    """Every account that was reviewed, at risk and of large value first; or those of one owner
    (an id, `unassigned`)."""
    now = datetime.now(UTC)
    found = await _reader(parts).accounts(now=now, reminded=now - _patience(parts), owner=owner)
    return ranked(found)


async def account_line(parts: Parts, account_id: str) -> AccountLine | None:
    """One account as its newest review has found it; None before there is one."""
    now = datetime.now(UTC)
    found = await _reader(parts).accounts(
        now=now, reminded=now - _patience(parts), account=account_id
    )
    return found[0] if found else None


def portfolio_reader(parts: Parts) -> PortfolioReader:
    """Queries of pages, which keep nobody else waiting."""
    return _reader(parts)


def _reader(parts: Parts) -> PortfolioReader:
    return PortfolioReader(parts.slow_statements, parts.settings.tenant)


def _patience(parts: Parts) -> timedelta:
    approvals = parts.policy.approvals
    return approvals.reminder or approvals.timeout


def is_at_risk(line: AccountLine) -> bool:
    """Whether its money counts as at risk."""
    return line.risk_level in AT_RISK


def ranked(lines: Iterable[AccountLine]) -> list[AccountLine]:
    """At risk first, the largest value first among them; an unknown value comes last."""
    return sorted(
        lines,
        key=lambda one: (not is_at_risk(one), -(one.value or Decimal(-1)), _name(one)),
    )


def in_order(lines: Iterable[AccountLine], sort: str) -> list[AccountLine]:
    """By one of SORTS; what is not known comes last."""
    keys: dict[str, Callable[[AccountLine], tuple[object, ...]]] = {
        "value": lambda one: (one.value is None, -(one.value or Decimal()), _name(one)),
        "name": lambda one: (_name(one),),
        "health": lambda one: (
            one.health_score is None,
            one.health_score or 0,
            BANDS.get(HealthBand(one.health_band), 9),
            _name(one),
        ),
        "renewal": lambda one: (one.renewal is None, one.renewal, _name(one)),
        "reviewed": lambda one: (-one.reviewed_at.timestamp(), _name(one)),
        "risk": lambda one: (
            _LEVELS.get(RiskLevel(one.risk_level), 9),
            -(one.risk_score or 0),
            _name(one),
        ),
    }
    return sorted(lines, key=keys[sort])


def matching(
    lines: Iterable[AccountLine],
    *,
    text: str = "",
    owner: str = "",
    level: str = "",
    band: str = "",
    waiting: bool = False,
) -> list[AccountLine]:
    """Those whose name, id or owner holds the text, and that have what else is asked for."""
    words = text.casefold().split()

    def fits(one: AccountLine) -> bool:
        known = " ".join((one.account_id, one.account_name or "", one.owner_name or "")).casefold()
        return (
            all(word in known for word in words)
            and (not owner or (one.owner_id or UNASSIGNED) == owner)
            and (not level or one.risk_level == level)
            and (not band or one.health_band == band)
            and (not waiting or one.pending > 0)
        )

    return [one for one in lines if fits(one)]


def figures_of(lines: Sequence[AccountLine]) -> Figures:
    """The accounts summed up."""
    danger = [one for one in lines if is_at_risk(one)]
    moves = [move_of(one) for one in lines]
    return Figures(
        accounts=len(lines),
        levels=Counter(one.risk_level for one in lines),
        bands=Counter(one.health_band for one in lines),
        value=sum((one.value or Decimal() for one in lines), Decimal()),
        value_unknown=sum(one.value is None for one in lines),
        at_risk=len(danger),
        at_risk_value=sum((one.value or Decimal() for one in danger), Decimal()),
        at_risk_unknown=sum(one.value is None for one in danger),
        risen=sum(move > 0 for move in moves),
        fallen=sum(move < 0 for move in moves),
        pending=sum(one.pending for one in lines),
        overdue=sum(one.overdue for one in lines),
        unanswered=sum(one.unanswered for one in lines),
    )


def move_of(line: AccountLine) -> int:
    """By how many points the risk has risen since the review before; 0 where nobody knows."""
    if line.risk_score is None or line.previous_score is None:
        return 0
    return line.risk_score - line.previous_score


def by_owner(lines: Iterable[AccountLine]) -> list[Group]:
    """A group for each owner, the most value at risk first."""
    return _grouped(lines, lambda one: one.owner_id, lambda one: one.owner_name)


def by_manager(lines: Iterable[AccountLine], names: dict[str, str | None]) -> list[Group]:
    """A group for each manager of owners. `names`: id -> name."""
    return _grouped(lines, lambda one: one.manager_id, lambda one: names.get(one.manager_id or ""))


def _grouped(
    lines: Iterable[AccountLine],
    id_of: Callable[[AccountLine], str | None],
    name_of: Callable[[AccountLine], str | None],
) -> list[Group]:
    found: dict[str, list[AccountLine]] = {}
    for one in lines:
        found.setdefault(id_of(one) or UNASSIGNED, []).append(one)
    groups = [
        Group(
            key,
            next((name for name in map(name_of, members) if name), None),
            figures_of(members),
            tuple(ranked(members)),
        )
        for key, members in found.items()
    ]
    return sorted(
        groups,
        key=lambda one: (
            one.is_nobody,
            -one.figures.at_risk_value,
            -one.figures.at_risk,
            (one.name or one.id).casefold(),
        ),
    )


async def manager_names(parts: Parts, lines: Iterable[AccountLine]) -> dict[str, str | None]:
    """The names of the managers, as far as the CRM or our reviews know them."""
    from account_reviews.services.lookup import owner_names

    wanted = {one.manager_id for one in lines if one.manager_id}
    found: dict[str, str | None] = {}
    for manager in sorted(wanted):
        if manager not in found:
            names, _ = await owner_names(parts, manager)
            found |= {one: names.get(one) for one in wanted if one in names}
    return found


def _name(line: AccountLine) -> str:
    return (line.account_name or line.account_id).casefold()
