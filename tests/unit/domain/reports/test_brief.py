"""The brief: complete, honest about what is missing, and safe to show."""

import json
import re

import pytest

from account_reviews.domain.analysis.model import Analysis, PreviousRisk, RiskLevel
from account_reviews.domain.proposals import ItemState
from account_reviews.domain.records import RecordType, Task
from account_reviews.domain.reports.brief import Brief, BriefItem, build_brief
from account_reviews.presentation.brief import age, render_brief, web_link
from tests.support.build import (
    ANNA,
    BEN,
    POLICY,
    account,
    again,
    ago,
    contact,
    deal,
    earlier,
    idle,
    outcome,
    review,
    snapshot,
)

EVIL = 'Acme <script>alert(1)</script> [x](javascript:alert(1)) | *bold* "quote"\n# heading'


def brief_of(analysis: Analysis) -> Brief:
    return build_brief(analysis, POLICY)


def busy() -> Analysis:
    now = idle(65, owner=BEN, previous_owner=ANNA, deals=(deal(1, 50),))
    named = now.account.model_copy(update={"owner_id": "ben"})
    return review(
        now.model_copy(update={"account": named}),
        earlier(snapshot()),
        previous_risk=PreviousRisk(score=20, level=RiskLevel.LOW),
    )


def test_no_updates_is_said_and_the_brief_is_there() -> None:
    brief = brief_of(again(snapshot()))
    assert brief.no_updates
    assert brief.estimated_review_time_minutes == 1
    assert brief.summary.startswith("No updates since the last review.")
    for form in ("md", "html"):
        assert "No updates." in render_brief(brief, form)


def test_everything_is_in_it() -> None:
    analysis = busy()
    brief = build_brief(analysis, POLICY, review_id="review/ACC-1")
    assert brief.estimated_review_time_minutes == 3
    assert brief.total_recommendations == len(analysis.recommendations) == 5
    assert brief.critical_recommendations == 5
    assert brief.shown == 3
    assert brief.metrics.stalled_deals == 1
    text = render_brief(brief, "md")
    for piece in (
        "review/ACC-1",
        "Ben Ray",
        "owner id: anna → ben",
        "+40: no contact for more than 30 days",
        "Before: low, 20 of 100.",
        "No contact for 65 days (needs attention)",
        "### 1: Find out what blocks the stalled deals",
        "stage: Negotiation → Stalled",
        "proposed: ",
    ):
        assert piece in text, piece
    assert "### 4" not in text
    for item in analysis.recommendations:
        assert item.title in text
    for change in analysis.proposed_changes:
        assert change.change_id in text


def test_states_and_changed_changes_are_shown() -> None:
    analysis = busy()
    first, *rest = analysis.proposed_changes
    brief = build_brief(
        analysis,
        POLICY,
        states={first.change_id: ItemState.ADJUSTED},
        changes=(first.model_copy(update={"title": "Adjusted title"}), *rest),
    )
    assert brief.items[0].state is ItemState.ADJUSTED
    assert {item.state for item in brief.items[1:]} == {ItemState.PROPOSED}
    assert "adjusted: Adjusted title" in render_brief(brief, "md")


def test_what_was_put_off_says_by_whom() -> None:
    first = busy()
    prior = tuple(
        outcome(change, ItemState.DEFERRED, first.risk.level) for change in first.proposed_changes
    )
    now = idle(65, deals=(deal(1, 50),))
    text = render_brief(brief_of(again(now, prior=prior)), "md")
    assert "Put off by anna on 2025-06-28 12:00 UTC" in text


def test_missing_sources_are_named() -> None:
    brief = brief_of(again(snapshot(), memory=None, stale_seconds=90_000))
    text = render_brief(brief, "md")
    assert "The CRM could not be reached. Its data here is 1 day old." in text
    assert "account memory could not be reached" in text
    assert "Missing sources" not in render_brief(brief_of(again(snapshot())), "md")


def test_unknown_is_named() -> None:
    modules = frozenset({RecordType.DEAL})
    brief = brief_of(again(snapshot(activity_marks=(), modules=modules)))
    assert "last_activity" in brief.unknown
    text = render_brief(brief, "md")
    assert "## Risk: unknown\n" in text
    assert "## Health: unknown\n" in text
    assert "Engagement: unknown" in text
    assert "last activity" in text


def test_overdue_follow_ups_are_counted() -> None:
    late = Task(id="T-1", version="1", account_id="ACC-1", subject="Send offer", due_at=ago(1))
    done = late.model_copy(update={"id": "T-2", "status": "Completed"})
    later = late.model_copy(update={"id": "T-3", "due_at": ago(-1)})
    brief = brief_of(again(snapshot(tasks=(late, done, later))))
    assert brief.metrics.overdue_follow_ups == 1
    assert "task_status" not in brief.unknown


def test_a_task_whose_status_nobody_knows_is_unknown_and_not_overdue() -> None:
    late = Task(id="T-1", version="1", account_id="ACC-1", subject="Send offer", due_at=ago(1))
    tasks = tuple(
        late.model_copy(update={"id": f"T-{number}", "status": status})
        for number, status in enumerate(("Erledigt", "COMPLETED", "Finished", "NOT_STARTED"))
    )
    analysis = again(snapshot(tasks=tasks))
    assert brief_of(analysis).metrics.overdue_follow_ups == 1
    unknown = [item for item in analysis.findings if item.kind == "unknown_task_status"]
    assert [[cited.record.id for cited in item.evidence] for item in unknown] == [["T-0", "T-2"]]


def test_refused_titles_are_listed() -> None:
    first = again(idle(40))
    prior = tuple(
        outcome(change, ItemState.REJECTED, first.risk.level) for change in first.proposed_changes
    )
    text = render_brief(brief_of(again(idle(40), prior=prior)), "md")
    assert "Left out because they were refused lately: " in text


def test_html_escapes_what_comes_from_the_crm() -> None:
    now = snapshot(
        account=account(name=EVIL, url="javascript:alert(1)"), contacts=(contact(name=EVIL),)
    )
    page = render_brief(brief_of(review(now, earlier(snapshot(contacts=())))), "html")
    assert "<script" not in page
    assert 'href="javascript' not in page
    assert "&lt;script&gt;" in page


def test_markdown_escapes_what_comes_from_the_crm() -> None:
    now = snapshot(account=account(name=EVIL, url="https://crm.example/a(b)|c"))
    text = render_brief(brief_of(review(now, earlier(snapshot()))), "md")
    assert "<script" not in text
    assert "[x](javascript" not in text
    assert "*bold*" not in text.replace("\\*", "")
    assert "\n# heading" not in text
    assert "https://crm.example/a%28b%29%7Cc" in text


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://crm.example/1", True),
        ("http://crm.example/1", True),
        ("javascript:alert(1)", False),
        ('https://x"onclick="a', False),
        ("https://x y", False),
        (None, False),
    ],
)
def test_only_web_addresses_become_links(url: str | None, *, safe: bool) -> None:
    assert (web_link(url) is not None) is safe


def test_html_stands_alone() -> None:
    page = render_brief(brief_of(busy()), "html")
    assert page.startswith("<!doctype html>")
    assert '<html lang="en">' in page
    assert "@media print" in page
    assert not re.search(r"<(script|link|img|iframe)\b", page)
    assert page.count("<h1>") == 1
    assert page.count("<section>") == page.count("</section>") == 6


def test_html_colours_reach_wcag_aa() -> None:
    """Every badge has white text, the body dark text: at least 4.5 to 1."""
    style = render_brief(brief_of(busy()), "html").split("<style>")[1].split("@media")[0]
    badges = re.findall(r"background: (#[0-9a-f]{6}); *}", style)
    assert len(badges) == 5
    for colour in badges:
        assert contrast("#ffffff", colour) >= 4.5, colour
    for text in re.findall(r"[^-]color: (#[0-9a-f]{6})", style):
        if text != "#ffffff":
            assert contrast(text, "#ffffff") >= 4.5, text
            assert contrast(text, "#fff6e5") >= 4.5, text


def contrast(one: str, other: str) -> float:
    """WCAG 2 contrast ratio of two colours."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_json_is_the_model() -> None:
    brief = brief_of(busy())
    document = json.loads(render_brief(brief, "json"))
    assert document["account_id"] == "ACC-1"
    assert document["generated_at"] == "2025-06-30T12:00:00Z"
    assert Brief.model_validate(document) == brief
    assert set(document["items"][0]) == set(BriefItem.model_fields)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (90, "1 minutes"),
        (3600, "1 hour"),
        (7300, "2 hours"),
        (86_400, "1 day"),
        (200_000, "2 days"),
    ],
)
def test_ages_in_words(seconds: int, text: str) -> None:
    assert age(seconds) == text
