"""The portfolio report of a cycle and the briefs of its owners, as pages.

The HTML is one page without scripts and without anything from elsewhere; its charts are drawn in
SVG, with words beside them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from account_reviews.domain.analysis.model import GRAVE
from account_reviews.domain.reports.owner_brief import OwnerBrief
from account_reviews.presentation import charts
from account_reviews.presentation.charts import Chart
from account_reviews.presentation.claims import moved_score
from account_reviews.presentation.cycle_table import counts_in_words
from account_reviews.presentation.mail import Mail, mail_of
from account_reviews.presentation.owner_view import (
    AccountView,
    OwnerView,
    account_view,
    by_danger,
    owner_title,
    owner_view,
    said_of_changes,
    worth,
)
from account_reviews.presentation.surroundings import Decide, Surroundings, decisions
from account_reviews.presentation.templating import form_of, render
from account_reviews.presentation.terms import UNKNOWN
from account_reviews.presentation.words import Words

MOVES: Final = {
    "newly_at_risk": "Newly of high or critical risk",
    "recovered": "No longer of high or critical risk",
    "risk_up": "Risk went up",
    "risk_down": "Risk went down",
    "new_accounts": "New accounts",
    "gone_accounts": "Gone accounts",
}
LISTED: Final = 20
"""Accounts that are named one by one; of more it says how many."""


@dataclass(frozen=True, slots=True)
class Moved:
    """An account that is not where it was. `how` is None for one that came or went."""

    name: str
    account_id: str
    how: str | None


@dataclass(frozen=True, slots=True)
class OwnerRow:
    name: str
    accounts: int
    changed: int
    grave: int
    value: str
    open: int
    overdue: int
    uptake: str


@dataclass(frozen=True, slots=True)
class Report:
    """What the report says of all owners."""

    how: str
    trend: str
    grave: tuple[AccountView, ...]
    grave_more: int
    changed: str
    decide: tuple[Decide, ...]
    decide_more: int
    waiting: str
    notices: tuple[str, ...]
    tiles: tuple[tuple[str, str], ...]
    charts: tuple[Chart, ...]
    compared: str
    moves: tuple[tuple[str, int, tuple[Moved, ...]], ...]
    owners: tuple[OwnerRow, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """One page. `report` is None for briefs alone, and while the results are not made."""

    title: str
    made: str
    progress: str | None
    unmade: bool
    report: Report | None
    briefs: tuple[OwnerView, ...]
    left_out: str | None = None


def render_page(
    cycle: Mapping[str, Any],
    portfolio: Mapping[str, Any] | None,
    briefs: Sequence[OwnerBrief],
    form: str,
    words: Words,
    beside: Surroundings,
) -> str:
    """A cycle with its report and its briefs.

    `cycle` and `portfolio` as `cycles show` gives them. When some briefs were left out on
    purpose, the page is these briefs and nothing else.
    """
    page = cycle_view(cycle, portfolio, briefs, words, beside)
    return render("cycle", form_of(form), page=page, words=words)


def cycle_mail(
    cycle: Mapping[str, Any],
    portfolio: Mapping[str, Any] | None,
    briefs: Sequence[OwnerBrief],
    words: Words,
    beside: Surroundings,
) -> Mail:
    """The same as a mail: the report alone, or the briefs that were asked for.

    Mail programs cut a mail of more than a hundred kilobytes, and each owner has a brief.
    """
    page = cycle_view(cycle, portfolio, briefs, words, beside)
    if page.report is not None and page.briefs:
        said = words.count(len(page.briefs), "brief of an owner is", "briefs of owners are")
        page = replace(page, briefs=(), left_out=f"{said} not part of this mail.")
    subject = f"{page.title}, {words.day(_time(cycle['as_of']))}"
    return mail_of("cycle", subject, page=page, words=words)


def cycle_view(
    cycle: Mapping[str, Any],
    portfolio: Mapping[str, Any] | None,
    briefs: Sequence[OwnerBrief],
    words: Words,
    beside: Surroundings,
) -> Page:
    names = {one.owner_id: one.owner_name for one in briefs if one.owner_name}
    words = replace(words, people={**words.people, **names})
    whole = not briefs or len(briefs) >= (len(portfolio["owners"]) if portfolio else len(briefs))
    kind = words.term(cycle["kind"])
    title = f"Portfolio report: {kind} cycle"
    if not whole:
        title = f"Brief for {owner_title(briefs[0], words)}" if len(briefs) == 1 else "Briefs"
    status = words.term(cycle["status"])
    because = f" ({cycle['reason']})" if cycle["reason"] else ""
    return Page(
        title=title,
        made=f"As of {words.when(_time(cycle['as_of']))}. The cycle is {status}{because}.",
        progress=f"{counts_in_words(cycle)}." if whole else None,
        unmade=whole and portfolio is None,
        report=_Maker(portfolio, briefs, words, beside).report() if whole and portfolio else None,
        briefs=tuple(owner_view(one, words, beside, n) for n, one in enumerate(briefs)),
    )


class _Maker:
    def __init__(
        self,
        portfolio: Mapping[str, Any],
        briefs: Sequence[OwnerBrief],
        words: Words,
        beside: Surroundings,
    ) -> None:
        self._portfolio = portfolio
        self._since = portfolio["since_last"]
        self._briefs = briefs
        self._unvalued = {one.owner_id: one.figures.at_risk_of_unknown_value for one in briefs}
        self._words = words
        self._beside = beside

    def report(self) -> Report:
        portfolio, words = self._portfolio, self._words
        grave = self._grave()
        lines = (line for brief in self._briefs for line in brief.accounts)
        names = {
            line.account_id: line.account_name for line in by_danger(lines, self._beside.values)
        }
        decide = decisions(self._beside.asked, words, self._beside.web_url, names)
        return Report(
            how=self._how(),
            trend=self._trend(),
            grave=tuple(grave[:LISTED]),
            grave_more=max(0, portfolio["accounts_at_risk"] - min(len(grave), LISTED)),
            changed=said_of_changes(
                words,
                sum(brief.accounts_with_news for brief in self._briefs),
                sum(brief.first_reviews for brief in self._briefs),
            ),
            decide=decide[:LISTED],
            decide_more=len(decide) - min(len(decide), LISTED),
            waiting=self._waiting(),
            notices=tuple(self._notices()),
            tiles=tuple(self._tiles()),
            charts=self._charts(),
            compared=self._compared(),
            moves=tuple(self._moves()),
            owners=tuple(self._owners()),
        )

    def _how(self) -> str:
        portfolio, words = self._portfolio, self._words
        what = words.count(portfolio["total_accounts"], "account")
        grave = portfolio["accounts_at_risk"]
        money = worth(portfolio["at_risk_value"], sum(self._unvalued.values()), words)
        doubtful = portfolio["risk_distribution"].get(UNKNOWN, 0)
        more = f" Of {words.count(doubtful, 'account')} the risk is unknown." if doubtful else ""
        return f"{grave} of {what} with high or critical risk{money if grave else ''}.{more}"

    def _trend(self) -> str:
        before = self._since["risk_before"]
        if before is None:
            return ""
        was = sum(before.get(level, 0) for level in GRAVE)
        now = self._portfolio["accounts_at_risk"]
        if was == now:
            return f"At the last cycle it was {was} as well."
        return f"At the last cycle it was {was}: {'more' if now > was else 'fewer'} now."

    def _grave(self) -> list[AccountView]:
        """Accounts of high and critical risk, the largest annual revenue first."""
        owners = {line.account_id: brief for brief in self._briefs for line in brief.accounts}
        lines = [
            line for brief in self._briefs for line in brief.accounts if line.risk_level in GRAVE
        ]
        moved = {
            one["account_id"]: one
            for kind in ("newly_at_risk", "risk_up", "risk_down", "new_accounts")
            for one in self._since[kind]
        }
        why: dict[str, str] = {}
        for brief in self._briefs:
            for one in brief.recommendations:  # the most urgent one first
                why.setdefault(one.account_id, self._words.prose(one.rationale))
        found = []
        for line in by_danger(lines, self._beside.values):
            view = account_view(line, self._words, self._beside)
            trend = self._trend_of(line.account_id, line.risk_score, moved)
            found.append(
                replace(
                    view,
                    owner=owner_title(owners[line.account_id], self._words),
                    risk=replace(view.risk, trend=trend),
                    why=why.get(line.account_id),
                    decide=decisions(
                        self._beside.of_account(line.account_id),
                        self._words,
                        self._beside.web_url,
                    ),
                )
            )
        return found

    def _trend_of(self, account_id: str, score: int | None, moved: Mapping[str, Any]) -> str | None:
        """Against the last cycle; None without one."""
        if not self._since["cycle_id"]:
            return None
        move = moved.get(account_id)
        if move is None:
            return "as before"
        before = move["before"]
        if before is None:
            return "new"
        if before["score"] is None or score is None:
            return f"{self._words.term(before['level'])} before"
        return moved_score(score, before["score"])

    def _waiting(self) -> str:
        portfolio, words = self._portfolio, self._words
        if not portfolio["open_approvals"]:
            return "Nothing waits for a decision."
        late = portfolio["overdue_approvals"]
        what = words.count(portfolio["open_approvals"], "request waits", "requests wait")
        return f"{what} for a decision" + (f", {late} of them overdue." if late else ".")

    def _notices(self) -> Iterator[str]:
        portfolio, words = self._portfolio, self._words
        if portfolio["missing_sources"]:
            names = ", ".join(words.term(name) for name in portfolio["missing_sources"])
            yield f"Not everything could be read: {names} missing."
        failed = portfolio["failed_accounts"]
        for one in failed[:LISTED]:
            who = words.account(one["account_name"], one["account_id"])
            yield f"{who} could not be reviewed: {one['reason']}"
        if len(failed) > LISTED:
            yield f"And {len(failed) - LISTED} more could not be reviewed."

    def _tiles(self) -> Iterator[tuple[str, str]]:
        portfolio = self._portfolio
        yield str(portfolio["total_accounts"]), "accounts"
        yield str(portfolio["accounts_at_risk"]), "with high or critical risk"
        for name, what in (
            ("at_risk_value", "annual revenue of these"),
            ("revenue", "annual revenue"),
            ("pipeline", "open deals"),
        ):
            unknown = portfolio[f"{name}_unknown_accounts"]
            if name == "at_risk_value":
                unknown = sum(self._unvalued.values())
            more = f", of {unknown} {UNKNOWN}" if unknown else ""
            yield self._words.money(portfolio[name]), f"{what}{more}"
        yield (
            str(portfolio["open_approvals"]),
            f"open approvals, {portfolio['overdue_approvals']} overdue",
        )

    def _charts(self) -> tuple[Chart, ...]:
        portfolio, words = self._portfolio, self._words
        return (
            charts.health_chart(words, portfolio["health_distribution"]),
            charts.value_chart(words, portfolio["owners"], self._unvalued),
            charts.risk_chart(words, portfolio["risk_distribution"], self._since["risk_before"]),
            charts.uptake_chart(words, portfolio["uptake"]),
        )

    def _compared(self) -> str:
        if not self._since["cycle_id"]:
            return "There is no earlier cycle to compare with."
        moved = any(self._since[name] for name in MOVES)
        at = self._words.when(_time(self._since["as_of"]))
        return f"Compared with the cycle of {at}.{'' if moved else ' Nothing moved.'}"

    def _moves(self) -> Iterator[tuple[str, int, tuple[Moved, ...]]]:
        for name, title in MOVES.items():
            found = self._since[name]
            if found:
                yield title, len(found), tuple(self._moved(one) for one in found[:LISTED])

    def _moved(self, one: Mapping[str, Any]) -> Moved:
        before, after, how = one["before"], one["after"], None
        if before and after:
            how = f"{self._risk(before)} → {self._risk(after)}"
        return Moved(one["account_name"], one["account_id"], how)

    def _risk(self, risk: Mapping[str, Any]) -> str:
        score = "" if risk["score"] is None else f" {risk['score']}"
        return f"{self._words.term(risk['level'])}{score}"

    def _owners(self) -> Iterator[OwnerRow]:
        portfolio, words = self._portfolio, self._words
        uptake = {one["owner_id"]: one["acceptance_rate"] for one in portfolio["uptake"]}
        changed = {brief.owner_id: brief.accounts_with_news for brief in self._briefs}
        for one in portfolio["owners"]:
            rate, unknown = uptake.get(one["owner_id"]), self._unvalued.get(one["owner_id"], 0)
            value = words.money(one["at_risk_value"]) if one["accounts_at_risk"] else "–"
            yield OwnerRow(
                name=owner_title(one, words),
                accounts=one["accounts"],
                changed=changed.get(one["owner_id"], 0),
                grave=one["accounts_at_risk"],
                value=f"{value} ({unknown} {UNKNOWN})" if unknown and value != UNKNOWN else value,
                open=one["open_approvals"],
                overdue=one["overdue_approvals"],
                uptake="–" if rate is None else words.percent(rate),
            )


def _time(value: datetime | str) -> datetime:
    return datetime.fromisoformat(value) if isinstance(value, str) else value
