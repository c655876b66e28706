"""Pages of briefs, portfolios and digests: escaped, alone, readable without colours."""

import json
import re
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from account_reviews.domain.canonical import plain
from account_reviews.domain.cycle.state import CycleStatus
from account_reviews.domain.reports.portfolio import (
    SinceLast,
)
from account_reviews.presentation import charts
from account_reviews.presentation.cycle_documents import cycle_document, render_cycle
from account_reviews.presentation.digest import render_digest
from account_reviews.presentation.words import Words
from tests.support.accounts import brief_of, reviewed
from tests.support.build import AS_OF
from tests.support.documents import busy_digest, document, row

WORDS = Words(now=AS_OF)
EVIL = '<script>alert("x")</script>'
FIGURE = re.compile(r"<figure.*?</figure>", re.DOTALL)
KEYS = (
    "cycle_id", "kind", "status", "reason", "accounts", "done", "running", "waiting", "failed",
    "joined", "started_at", "closed_at", "briefs", "portfolio",
)  # fmt: skip
BRIEF_KEYS = (
    "owner_id", "owner_name", "owner_email", "cycle_id", "kind", "period_start", "period_end",
    "generated_at", "accounts_reviewed", "accounts_with_changes", "high_priority_accounts",
    "updates", "recommendations", "total_recommendations", "critical_recommendations",
    "estimated_review_time_minutes", "degraded", "missing_sources", "failed_accounts",
    "stalled_deals", "overdue_follow_ups", "summary", "status",
)  # fmt: skip
PORTFOLIO_KEYS = (
    "total_accounts", "health_distribution", "risk_distribution", "revenue", "at_risk_value",
    "pipeline", "overdue_approvals", "open_approvals", "uptake", "since_last", "degraded",
    "missing_sources", "failed_accounts",
)  # fmt: skip


def test_the_document_has_the_keys_of_the_contract() -> None:
    shown = document()
    assert tuple(shown)[:12] == KEYS[:12]
    assert set(KEYS) <= set(shown)
    for brief in shown["briefs"]:
        assert set(BRIEF_KEYS) <= set(brief)
    assert set(PORTFOLIO_KEYS) <= set(shown["portfolio"])
    assert shown["portfolio"]["overdue_approvals"] == 1
    assert json.loads(render_cycle(shown, "json")) == shown


def test_a_cycle_without_results_is_shown_too() -> None:
    shown = cycle_document(row(status=CycleStatus.RUNNING, closed_at=None), [], None)
    assert shown["portfolio"] is None
    for form in ("md", "html"):
        assert "The results are made when its reviews work no more" in render_cycle(shown, form)


@pytest.mark.parametrize("owners", [1, 3])
def test_html_escapes_what_comes_from_the_crm(owners: int) -> None:
    page = render_cycle(document(EVIL, owners=owners), "html")
    assert "<script" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize("owners", [1, 3])
def test_markdown_shows_what_comes_from_the_crm_as_it_is(owners: int) -> None:
    page = render_cycle(document(f"{EVIL}\n# Head | *bold*", owners=owners), "markdown")
    assert "<script" not in page
    assert "\\# Head \\| \\*bold\\*" in page
    assert not re.search(r"^# Head", page, re.MULTILINE)


def test_html_stands_alone() -> None:
    page = render_cycle(document(), "html")
    assert page.startswith("<!doctype html>")
    assert "default-src 'none'" in page
    for what in ("<script", "<img", "<link", "src=", "@import", "http://", "https://fonts"):
        assert what not in page


def test_every_bar_has_its_words_beside_it() -> None:
    page = render_cycle(document(), "html")
    figures = [ET.fromstring(one) for one in FIGURE.findall(page)]
    assert len(figures) >= 4
    ids: list[str] = []
    for chart in figures:
        assert chart.findtext("figcaption")
        for bar in chart.iter("li"):
            assert [one.get("class") for one in bar if one.tag == "span"][-1] == "value"
            assert bar.findtext("span[@class='value']")
            (drawn,) = bar.iter("svg")
            assert drawn.get("aria-hidden") == "true"
            assert not list(drawn.iter("text"))
        ids += [one.get("id") or "" for one in chart.iter() if one.get("id")]
    assert len(ids) == len(set(ids))
    assert "style=" not in page


def test_no_name_of_a_chart_is_cut() -> None:
    name = "Wendel Ashgrove-Featherstonehaugh of the Northern Lights"
    page = render_cycle(document(name, owners=3), "html")
    labels = [
        "".join(one.itertext()).replace("\u200b", "")
        for chart in FIGURE.findall(page)
        for one in ET.fromstring(chart).iter("span")
        if one.get("class") == "label"
    ]
    assert any(name in label for label in labels)
    assert not any("…" in label for label in labels)


def test_the_past_is_hatched_and_not_only_coloured() -> None:
    chart = charts.risk_chart(WORDS, {"high": 3}, {"high": 1})
    now, before = chart.bars[2], chart.bars[3]
    assert (now.text, now.then) == ("3 now", False)
    assert (before.text, before.then) == ("1 before", True)
    assert "high 3 (before 1)" in chart.description


def test_unknown_money_is_said_and_has_no_bar() -> None:
    owner = {
        "owner_id": "ben",
        "owner_name": None,
        "accounts_at_risk": 2,
        "at_risk_value": None,
        "at_risk_value_unknown_accounts": 2,
    }
    (bar,) = charts.value_chart(WORDS, [owner], {"ben": 2}).bars
    assert (bar.label, bar.text, bar.length) == ("ben", "unknown (2)", 0)
    page = render_cycle(document(), "md")
    assert "- 120,000 annual revenue, of 1 unknown" in page


def test_of_the_accounts_at_risk_the_report_says_why_and_what_is_not_known() -> None:
    for form in ("md", "html"):
        page = render_cycle(document(), form)
        told = document()["briefs"]
        grave = {
            line["account_id"]
            for brief in told
            for line in brief["accounts"]
            if line["risk_level"] in ("high", "critical")
        }
        reasons = [
            one["rationale"]
            for brief in told
            for one in brief["recommendations"]
            if one["account_id"] in grave
        ]
        assert grave
        assert any(WORDS.prose(one).split(":")[0] in page for one in reasons)


def test_many_owners_are_cut_and_it_is_said() -> None:
    uptake = [
        {"owner_id": f"o{n}", "owner_name": None, "decided": 0, "acceptance_rate": None}
        for n in range(20)
    ]
    chart = charts.uptake_chart(WORDS, uptake)
    assert len(chart.bars) == charts.OWNERS
    assert chart.note == "8 more owners are in the table."
    assert chart.bars[0].text == "nothing decided"


def luminance(colour: str) -> float:
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_colours_reach_wcag_aa_in_both_themes(theme: int) -> None:
    style = render_cycle(document(), "html").split("<style>")[1]
    root = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[theme]
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", root))
    for text in ("ink", "soft", "link"):
        for ground in ("paper", "panel"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    assert contrast(colours["ink"], colours["notice"]) >= 4.5
    for tone in ("good", "cool", "warm", "hot", "worst", "plain"):
        assert contrast(colours[tone], colours["on"]) >= 4.5, tone
        assert contrast(colours[tone], colours["panel"]) >= 3, tone


def test_one_owner_gets_his_brief_and_nothing_of_others() -> None:
    for form in ("md", "html"):
        page = render_cycle(document(owners=1), form)
        assert "Amber Works" in page
        assert "memory" in page
        assert "ACC-3" not in page
        assert "Accounts nobody owns" not in page


def test_a_brief_without_changes_says_so() -> None:
    stored: Any = plain(brief_of(reviewed()))
    for form in ("md", "html"):
        assert "No updates" in render_cycle(cycle_document(row(), [stored], None), form)


@pytest.mark.parametrize("form", ["md", "html"])
def test_a_first_review_is_told_as_one_and_not_as_a_change(form: str) -> None:
    stored: Any = plain(brief_of(reviewed("A", "silent", first=True)))
    page = render_cycle(cycle_document(row(), [stored], None), form)
    assert "For 1 account it is the first review." in page
    assert "This account is reviewed for the first time." in page
    assert "with changes since" not in page
    assert "No updates" not in page


@pytest.mark.parametrize("form", ["md", "html"])
def test_no_name_turns_its_line_around_or_acts_on_a_terminal(form: str) -> None:
    name = "abc\u202egnp\x1b[2K\x9b8m\u2066"
    pages = (render_digest(busy_digest(name), form), render_cycle(document(name), form))
    for page in pages:
        assert "abc\N{REPLACEMENT CHARACTER}gnp\N{REPLACEMENT CHARACTER}[2K" in page.replace(
            "\\", ""
        )
        assert not set(page) & set("\u202e\u2066\x1b\x9b")


@pytest.mark.parametrize("name", ["1. FC Beispiel", "+ Plus GmbH", "- Minus GmbH"])
def test_a_name_stays_whole_where_a_list_begins_with_it(name: str) -> None:
    from markdown_it import MarkdownIt

    for page in (render_digest(busy_digest(name), "md"), render_cycle(document(name), "md")):
        assert f"<li>{name} (" in MarkdownIt().render(page)


def test_nothing_to_compare_with_is_said() -> None:
    shown = document()
    shown["portfolio"]["since_last"] = plain(SinceLast())
    assert "There is no earlier cycle to compare with." in render_cycle(shown, "md")
    assert "There is no earlier cycle to compare with." in render_cycle(shown, "html")
