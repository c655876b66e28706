"""Briefs of owners and the portfolio report as Markdown and HTML.

What comes from a CRM is always escaped. The HTML is one page without scripts and without anything
from elsewhere; its charts are drawn in SVG.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal

from jinja2 import Environment, Template

from account_reviews.domain.reports.owner_brief import UNASSIGNED, OwnerBrief, UpdateChange
from account_reviews.presentation import charts
from account_reviews.presentation.brief import html_templates, markdown_templates, shown
from account_reviews.presentation.charts import Chart

Form = Literal["md", "html"]

_MOVES: Final = {
    "newly_at_risk": "Newly at risk",
    "recovered": "Recovered",
    "risk_up": "Risk up",
    "risk_down": "Risk down",
    "new_accounts": "New accounts",
    "gone_accounts": "Gone accounts",
}


@dataclass(frozen=True)
class Page:
    """What a page shows beside the documents."""

    title: str
    report: bool
    """False: only briefs."""
    charts: tuple[Chart, ...]
    moves: tuple[tuple[str, list[Any]], ...]

    @property
    def moved(self) -> bool:
        return bool(self.moves)


def render_page(
    cycle: Mapping[str, Any],
    portfolio: Mapping[str, Any] | None,
    briefs: Sequence[OwnerBrief],
    form: Form,
) -> str:
    """A cycle with its report and its briefs.

    `cycle` and `portfolio` as `cycles show` gives them. When some briefs were left out on
    purpose, the page is these briefs and nothing else.
    """
    owners = len(portfolio["owners"]) if portfolio else len(briefs)
    page = _page(cycle, portfolio, briefs, report=not briefs or len(briefs) >= owners)
    return template("cycle", form).render(
        page=page,
        cycle=cycle,
        portfolio=portfolio,
        briefs=[(brief, _brief_charts(brief, n)) for n, brief in enumerate(briefs)],
    )


def form_of(word: str) -> Form:
    """`markdown` is `md`."""
    return "html" if word == "html" else "md"


def owner_name(one: Any) -> str:
    """How a brief or a line of an owner calls him or her."""
    values = one if isinstance(one, Mapping) else one.model_dump(include={"owner_id", "owner_name"})
    if values["owner_id"] == UNASSIGNED:
        return "Accounts nobody owns"
    return str(values["owner_name"] or values["owner_id"])


def moved(change: UpdateChange) -> str:
    """How a value changed; only the new one when there was none."""
    new = shown(change.new)
    return new if change.old is None else f"{shown(change.old)} → {new}"


def _page(
    cycle: Mapping[str, Any],
    portfolio: Mapping[str, Any] | None,
    briefs: Sequence[OwnerBrief],
    *,
    report: bool,
) -> Page:
    if not report:
        only = briefs[0] if len(briefs) == 1 else None
        title = f"Brief for {owner_name(only)}" if only else "Briefs"
        return Page(title=title, report=False, charts=(), moves=())
    title = f"Portfolio report: {cycle['kind']} cycle"
    if portfolio is None:
        return Page(title=title, report=True, charts=(), moves=())
    since = portfolio["since_last"]
    moves = tuple((words, since[name]) for name, words in _MOVES.items() if since[name])
    drawn = (
        charts.health_chart(portfolio["health_distribution"]),
        charts.value_chart(portfolio["owners"]),
        charts.risk_chart(portfolio["risk_distribution"], since["risk_before"]),
        charts.uptake_chart(portfolio["uptake"]),
    )
    return Page(title=title, report=True, charts=drawn, moves=moves)


def _brief_charts(brief: OwnerBrief, number: int) -> tuple[Chart, ...]:
    return (
        charts.health_chart(brief.figures.health_distribution, f"health-{number}"),
        charts.account_chart(brief.accounts, f"accounts-{number}"),
    )


def template(name: str, form: Form) -> Template:
    """One of the templates of this family of pages."""
    return _environment(form).get_template(f"{name}.{form}.j2")


@cache
def _environment(form: Form) -> Environment:
    environment = (html_templates() if form == "html" else markdown_templates()).overlay()
    environment.filters.update({"owner_name": owner_name, "moved": moved})
    return environment
