"""The brief of an account: the first screen, the sources, and nothing of the program in it."""

import re
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser

import pytest
from babel import Locale

from account_reviews.domain.analysis.model import HealthBand, RiskLevel
from account_reviews.domain.proposals import Action
from account_reviews.domain.records import RecordRef, RecordType
from account_reviews.domain.reports.brief import Brief
from account_reviews.presentation.brief import render_brief
from account_reviews.presentation.brief_view import brief_view
from account_reviews.presentation.surroundings import Surroundings, TakenBack, request_url
from account_reviews.presentation.words import Words
from tests.support.build import AS_OF
from tests.support.documents import (
    HOSTILE,
    beside,
    busy_brief,
    empty_brief,
    hostile_brief,
)
from tests.support.review_states import task_change

WORDS = Words(now=AS_OF, currency="GBP")
QUESTIONS = ("How is it?", "Why?", "What changed?", "What to decide?")
FORMS = ("md", "text", "html")


class Text(HTMLParser):
    """What a person reads of a page, element by element."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._hidden = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in ("style", "head")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("style", "head")

    def handle_data(self, data: str) -> None:
        if not self._hidden and data.strip():
            self.parts.append(data.strip())


def read(page: str) -> str:
    return " ".join(Text(page).parts)


@pytest.mark.parametrize("form", FORMS)
def test_the_first_screen_answers_the_four_questions_in_their_order(form: str) -> None:
    page = render_brief(busy_brief(), form, WORDS, beside())
    said = read(page) if form == "html" else page
    places = [said.index(question) for question in QUESTIONS]
    assert places == sorted(places)
    end = said.index("What is recommended")
    assert places[-1] < end
    first = said[:end]
    for answer in (
        "60 of 100",
        "up from 20",
        "No contact for 65 days",
        "8 changes wait for Ben Ray",
    ):
        assert answer in first
    assert "until Thu 3 Jul, in 3 days" in first


def test_the_button_leads_to_the_request_by_its_short_id() -> None:
    page = render_brief(busy_brief(), "html", WORDS, beside())
    assert 'href="https://reviews.example/requests/ACC-1-1"' in page
    alone = render_brief(busy_brief(), "html", WORDS, beside(web_url=None))
    assert 'class="button' not in alone
    assert "reviews approvals show ACC-1-1" in alone


def test_a_deadline_that_has_passed_is_said() -> None:
    (asked,) = beside().asked
    late = replace(asked, deadline=AS_OF)
    assert "overdue since Mon 30 Jun" in render_brief(
        busy_brief(), "md", WORDS, beside(asked=(late,))
    )


def test_every_claim_of_the_crm_ends_in_its_source() -> None:
    view = brief_view(busy_brief(), WORDS, beside())
    claims = [*view.why, *view.changed, *view.risk, *view.findings]
    claims += [one.rationale for one in view.advice]
    claims += [one for one in view.health if one.text != "Where every account starts"]
    assert len(claims) > 10
    for claim in claims:
        assert claim.sources, claim.text
        for source in claim.sources:
            assert source.record
            assert source.field
            assert source.value
    mine = [one for claim in claims for one in claim.sources if "Acme" in one.record]
    assert {one.url for one in mine} == {"https://crm.example/accounts/ACC-1"}
    idle = next(one for one in view.risk if "No contact" in one.text)
    assert idle.sources[0].value == "Sat 26 Apr, 12:00"
    owner = next(one for one in view.risk if "owner" in one.text)
    assert owner.sources[0].when == "Fri 27 Jun, 12:00"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("brief", [busy_brief(), empty_brief()], ids=["busy", "empty"])
def test_nothing_of_the_program_is_read(form: str, brief: Brief) -> None:
    page = render_brief(brief, form, WORDS, beside())
    said = read(page) if form == "html" else re.sub(r"\(https?://[^)]*\)", "", page)
    for word in ("_", "None", "nothing ->", "review/ACC-1", "T12:00", "ealth at risk", "0.0"):
        assert word not in said, word
    for item in brief.items:
        assert item.change_id not in said


@pytest.mark.parametrize("form", FORMS)
def test_bands_and_levels_have_words_of_their_own(form: str) -> None:
    brief = busy_brief()
    health = brief.health.model_copy(update={"band": HealthBand.AT_RISK})
    fragile = brief.model_copy(update={"health": health})
    page = render_brief(fragile, form, WORDS, beside())
    assert "fragile" in (read(page) if form == "html" else page)


@pytest.mark.parametrize(("locale", "tag"), [("en_US", "en-US"), ("de_AT", "en")])
def test_a_page_says_in_which_language_its_sentences_are(locale: str, tag: str) -> None:
    words = Words(now=AS_OF, locale=Locale.parse(locale))
    page = render_brief(busy_brief(), "html", words, beside())
    assert f'<html lang="{tag}">' in page


def test_money_has_its_currency() -> None:
    page = render_brief(busy_brief(), "md", WORDS, beside())
    assert "Annual revenue: £40,000" in page
    assert "worth £20,000" in page


def test_a_page_of_hostile_names_holds_no_element_of_theirs() -> None:
    page = render_brief(hostile_brief(), "html", WORDS, beside("x" * 90))
    assert "<script" not in page
    assert "\u202e" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<wbr>" in page
    assert HOSTILE[:20] in read(page).replace("\u2068", "")


def test_markdown_of_hostile_names_has_no_marks_of_theirs() -> None:
    page = render_brief(hostile_brief(), "md", WORDS, beside("x" * 90))
    assert "<script" not in page
    assert "\\_under\\_score\\_" in page
    assert "\\*b\\*" in page


def test_plain_text_shows_names_as_they_are() -> None:
    page = render_brief(hostile_brief(), "text", WORDS, beside("x" * 90))
    assert "_under_score_ `c` | *b*" in page
    assert "\\" not in page
    assert "&lt;" not in page


def test_what_is_not_known_is_never_well() -> None:
    page = render_brief(empty_brief(), "md", WORDS, Surroundings())
    assert "Risk is unknown, health is unknown." in page
    assert "Too little is known: last activity, deal value, status, interactions, owner." in page
    assert "Nothing counts against" not in page
    assert "Nothing is proposed." in page


def test_what_is_folded_up_on_screen_is_there_for_print_and_mail() -> None:
    page = render_brief(busy_brief(), "html", WORDS, beside())
    assert page.count("<details") == page.count("</details>") >= 2
    assert "details::details-content" in page
    assert busy_brief().recommendations[-1].title in page


def test_an_account_without_a_value_says_so() -> None:
    account = beside().account
    assert account is not None
    poor = account.model_copy(update={"annual_revenue": None})
    assert "Annual revenue: unknown" in render_brief(
        busy_brief(), "md", WORDS, beside(account=poor)
    )


def test_level_and_value_come_from_the_brief_and_not_from_elsewhere() -> None:
    brief = busy_brief()
    risk = brief.risk.model_copy(update={"score": None, "level": RiskLevel.UNKNOWN})
    page = render_brief(brief.model_copy(update={"risk": risk}), "md", WORDS, beside())
    assert "Risk is unknown" in page


def test_the_address_of_a_request_is_one_segment() -> None:
    assert request_url("https://r.example/", "a/b-1") == "https://r.example/requests/a%2Fb-1"
    assert request_url(None, "a-1") is None


def test_values_stand_beside_without_a_currency_too() -> None:
    page = render_brief(busy_brief(), "md", Words(now=AS_OF), beside(values={"ACC-1": Decimal(1)}))
    assert "Annual revenue: 40,000" in page


def test_what_was_taken_back_since_stands_where_changes_are_told() -> None:
    change = task_change("ACC-1").model_copy(
        update={
            "action": Action.UPDATE_ACCOUNT,
            "record": RecordRef(type=RecordType.ACCOUNT, id="ACC-1"),
            "before": {"status": "At Risk"},
            "after": {"status": "Active"},
        }
    )
    back = TakenBack(WORDS.now, change)
    for form in ("md", "html"):
        page = render_brief(empty_brief(), form, WORDS, Surroundings(taken_back=(back,)))
        told = page.index("Taken back since, ")
        assert "Status: At Risk \N{RIGHTWARDS ARROW} Active." in page[told : told + 80]
        assert page.index("What changed?") < told < page.index("What to decide?")
