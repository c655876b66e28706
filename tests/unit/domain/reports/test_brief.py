"""The brief: complete, honest about what is missing, and safe to show."""

import json
import re

import pytest

from account_reviews.domain.analysis.model import Analysis, PreviousRisk, RiskLevel
from account_reviews.domain.proposals import ItemState
from account_reviews.domain.records import RecordType, Task
from account_reviews.domain.reports.brief import Brief, BriefItem, build_brief
from account_reviews.presentation.brief import render_brief
from account_reviews.presentation.templating import web_link
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
        assert "No updates since the last review." in render_brief(brief, form)


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
        "Owner: Ben Ray",
        "The owner changed from Anna Lee to Ben Ray",
        "+40: No contact for more than 30 days",
        "Risk is high (60 of 100, up from 20)",
        "No contact for 65 days",
        "### 1: Find out what blocks the stalled deals",
        "Stage: Negotiation → Stalled",
        "(proposed)",
    ):
        assert piece in text, piece
    for item in analysis.recommendations:
        assert item.title in text
    assert text.count("(proposed)") == len(analysis.proposed_changes)


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
    assert render_brief(brief, "md").count("(approved with changes)") == 1


def test_what_was_put_off_says_by_whom() -> None:
    first = busy()
    prior = tuple(
        outcome(change, ItemState.DEFERRED, first.risk.level) for change in first.proposed_changes
    )
    now = idle(65, deals=(deal(1, 50),))
    text = render_brief(brief_of(again(now, prior=prior)), "md")
    assert "put off by Anna Lee on Sat 28 Jun" in text


def test_missing_sources_are_named() -> None:
    brief = brief_of(again(snapshot(), memory=None, stale_seconds=90_000))
    text = render_brief(brief, "md")
    assert "The CRM could not be reached. Its data here is 1 day old." in text
    assert "account memory could not be reached" in text
    assert "What is missing" not in render_brief(brief_of(again(snapshot())), "md")


def test_unknown_is_named() -> None:
    modules = frozenset({RecordType.DEAL})
    brief = brief_of(again(snapshot(activity_marks=(), modules=modules)))
    assert "last_activity" in brief.unknown
    text = render_brief(brief, "md")
    assert "### Risk: unknown\n" in text
    assert "### Health: unknown\n" in text
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
    assert '<html lang="en-GB">' in page
    assert "@media print" in page
    assert not re.search(r"<(script|link|img|iframe)\b", page)
    assert page.count("<h1>") == 1
    assert page.count("<section") == page.count("</section>")


def test_json_is_the_model() -> None:
    brief = brief_of(busy())
    document = json.loads(render_brief(brief, "json"))
    assert document["account_id"] == "ACC-1"
    assert document["generated_at"] == "2025-06-30T12:00:00Z"
    assert Brief.model_validate(document) == brief
    assert set(document["items"][0]) == set(BriefItem.model_fields)
