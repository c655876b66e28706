"""The digest as a page, as Markdown and as a mail."""

import json
from datetime import date

from account_reviews.presentation.digest import ORDER, render_digest
from tests.support.digests import digest_of
from tests.support.documents import busy_digest

EVIL = '<script>alert("x")</script>'


def test_a_digest_shows_its_four_parts() -> None:
    page = render_digest(busy_digest(), "markdown")
    for head in ("Look at these first", "What changed", "What waits for you", "decisions did"):
        assert head in page
    assert ORDER in page
    first = busy_digest().first_accounts[0]
    assert f"priority {first.priority_score} of 100" in page
    assert "OVERDUE: 1 change waits for Anna Lee overdue since Mon 30 Jun, 1 hour ago" in page
    assert "written: Call them; the CRM shows it; decided by Anna Lee" in page
    assert "Active → At Risk" in page
    assert json.loads(render_digest(busy_digest(), "json"))["day"] == "2025-06-30"


def test_a_digest_escapes_what_comes_from_the_crm() -> None:
    assert "<script" not in render_digest(busy_digest(EVIL), "html")
    assert "<script" not in render_digest(busy_digest(EVIL), "md")
    assert "&lt;script&gt;" in render_digest(busy_digest(EVIL), "html")


def test_a_name_from_right_to_left_stands_alone_on_a_page() -> None:
    assert "\u2068شرکت 24\u2069" in render_digest(busy_digest("شرکت 24"), "html")


def test_a_digest_without_news_is_one_line() -> None:
    quiet = digest_of(day=date(2025, 7, 1))
    assert render_digest(quiet, "md") == "Nothing new for Anna Lee on Tue 1 Jul."
    page = render_digest(quiet, "html")
    assert page.count("<p>") == 1
    assert "<h2>" not in page
