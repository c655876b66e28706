"""Bar charts as data: lengths in per mille of the axis, and the words beside them.

The template draws them. What a bar says is written beside it, as text of the page: it is never cut,
and colour is never alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from account_reviews.domain.analysis.model import HealthBand, RiskLevel
from account_reviews.presentation.claims import moved_score
from account_reviews.presentation.terms import UNKNOWN
from account_reviews.presentation.words import Words

FULL: Final = 1000
"""The length of the axis."""
OWNERS: Final = 12
"""Owners one chart shows; the others are summed up in words."""
ACCOUNTS: Final = 10


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar. `tone` is the name of a colour; `before` marks where it was."""

    label: str
    text: str
    length: int
    tone: str = "plain"
    before: int | None = None
    then: bool = False
    """The bar shows the past: it is drawn hatched."""


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart. `description` says in words what it shows, where nothing is drawn."""

    name: str
    """Part of the ids within the page."""
    title: str
    description: str
    bars: tuple[Bar, ...]
    note: str | None = None


_TONES: Final = {
    "healthy": "good", "none": "good", "low": "cool", "moderate": "cool", "medium": "warm",
    "at_risk": "hot", "high": "hot", "critical": "worst", "unknown": "plain",
}  # fmt: skip


def health_chart(
    words: Words,
    distribution: Mapping[HealthBand, int] | Mapping[str, int],
    name: str = "health",
) -> Chart:
    """Accounts by health band."""
    counts = {str(band): count for band, count in distribution.items()}
    total = sum(counts.values())
    bars = tuple(
        Bar(
            label=words.term(band),
            text=_share(counts.get(band, 0), total),
            length=_scaled(counts.get(band, 0), total),
            tone=_TONES[band],
        )
        for band in HealthBand
    )
    return Chart(name, "Health", _sentence("Accounts by health", bars), bars)


def risk_chart(
    words: Words, now: Mapping[str, int], before: Mapping[str, int] | None, name: str = "risk"
) -> Chart:
    """Accounts by risk level, each beside the number of the cycle before."""
    most = max([*now.values(), *(before or {}).values(), 1])
    bars: list[Bar] = []
    for level in RiskLevel:
        count = now.get(level, 0)
        bars.append(
            Bar(words.term(level), f"{count} now", _scaled(count, most), tone=_TONES[level])
            if before is not None
            else Bar(words.term(level), str(count), _scaled(count, most), tone=_TONES[level])
        )
        if before is not None:
            old = before.get(level, 0)
            bars.append(Bar("", f"{old} before", _scaled(old, most), _TONES[level], then=True))
    title = "Risk" if before is None else "Risk, now and at the last cycle"
    note = None if before is None else "Hatched: the last cycle."
    told = "; ".join(_level(words, level, now, before) for level in RiskLevel)
    return Chart(name, title, f"Accounts by risk level: {told}.", tuple(bars), note)


def value_chart(
    words: Words, owners: Iterable[Mapping[str, Any]], unknown: Mapping[str, int]
) -> Chart:
    """Annual revenue of accounts with a high or critical risk per owner, largest first.

    `unknown`: owner id -> how many of these accounts have a revenue that nobody knows.
    """
    found = [owner for owner in owners if owner["accounts_at_risk"]]
    found.sort(key=lambda one: (-_money(one["at_risk_value"]), one["owner_id"]))
    most = max((_money(one["at_risk_value"]) for one in found), default=Decimal())
    bars = tuple(
        Bar(
            label=owner_name(one),
            text=_value_text(words, one, unknown.get(one["owner_id"], 0)),
            length=_scaled(_money(one["at_risk_value"]), most),
            tone="hot",
        )
        for one in found[:OWNERS]
    )
    title = "Annual revenue of high or critical risk"
    return Chart("value", title, _sentence(title, bars), bars, _left_out(len(found)))


def uptake_chart(words: Words, uptake: Sequence[Mapping[str, Any]]) -> Chart:
    """Share of decisions that accepted what was proposed, per owner."""
    found = sorted(uptake, key=lambda one: (-one["decided"], one["owner_id"]))
    bars = tuple(
        Bar(
            label=owner_name(one),
            text=_uptake_text(words, one),
            length=round((one["acceptance_rate"] or 0) * FULL),
            tone="cool",
        )
        for one in found[:OWNERS]
    )
    title = "Uptake in the last 30 days"
    return Chart("uptake", title, _sentence("Accepted", bars), bars, _left_out(len(found)))


def account_chart(words: Words, lines: Sequence[Any], name: str) -> Chart:
    """Risk scores of the accounts most at risk; a mark shows the score of the last review."""
    shown = [line for line in lines if line.risk_score][:ACCOUNTS]
    bars = tuple(
        Bar(
            label=line.account_name,
            text=_score_text(words, line),
            length=_scaled(line.risk_score, 100),
            tone=_TONES[line.risk_level],
            before=_before(line),
        )
        for line in shown
    )
    marked = any(bar.before is not None for bar in bars)
    note = "The mark is the score of the last review." if marked else None
    return Chart(name, "Risk by account", _sentence("Risk of 100", bars), bars, note)


def owner_name(one: Mapping[str, Any]) -> str:
    """How an owner is called."""
    name = one["owner_name"] or one["owner_id"]
    return str("no owner" if name == "unassigned" else name)


def _score_text(words: Words, line: Any) -> str:
    before, said = line.previous_risk, f"{line.risk_score} {words.term(line.risk_level)}"
    if before is None or before.score is None or before.score == line.risk_score:
        return said
    return f"{said}, {moved_score(line.risk_score, before.score)}"


def _before(line: Any) -> int | None:
    before = line.previous_risk
    return None if before is None or before.score is None else _scaled(before.score, 100)


def _level(
    words: Words, level: RiskLevel, now: Mapping[str, int], before: Mapping[str, int] | None
) -> str:
    said = f"{words.term(level)} {now.get(level, 0)}"
    return said if before is None else f"{said} (before {before.get(level, 0)})"


def _value_text(words: Words, one: Mapping[str, Any], unknown: int) -> str:
    if one["at_risk_value"] is None:
        return f"{UNKNOWN} ({one['accounts_at_risk']})"
    return words.money(one["at_risk_value"]) + (f" + {unknown} unknown" if unknown else "")


def _uptake_text(words: Words, one: Mapping[str, Any]) -> str:
    if not one["decided"]:
        return "nothing decided"
    accepted = one["approved"] + one["adjusted"]
    return f"{words.percent(one['acceptance_rate'])} ({accepted} of {one['decided']})"


def _share(count: int, total: int) -> str:
    return f"{count} ({count / total:.0%})" if total else str(count)


def _scaled(value: Decimal | int, most: Decimal | int) -> int:
    return 0 if not most else max(0, min(FULL, round(value * FULL / most)))


def _money(value: Any) -> Decimal:
    """For the order and the lengths only: what is unknown has no length."""
    return Decimal(value) if value is not None else Decimal()


def _left_out(count: int) -> str | None:
    return f"{count - OWNERS} more owners are in the table." if count > OWNERS else None


def _sentence(what: str, bars: Iterable[Bar]) -> str:
    said = "; ".join(f"{bar.label} {bar.text}".strip() for bar in bars)
    return f"{what}: {said or 'nothing to show'}."
