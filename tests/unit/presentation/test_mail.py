"""Documents as mails: read by a mail parser, with nothing a mail program cannot show."""

import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import cache
from html.parser import HTMLParser

import pytest

from account_reviews.notifications.protocol import Message
from account_reviews.presentation.brief import render_brief
from account_reviews.presentation.cycle_documents import render_cycle
from account_reviews.presentation.digest import render_digest
from account_reviews.presentation.inline_css import inlined
from account_reviews.presentation.notice_mail import with_page
from account_reviews.presentation.words import Words
from tests.support.build import AS_OF
from tests.support.documents import (
    HOSTILE,
    beside,
    busy_brief,
    busy_digest,
    document,
    hostile_brief,
)

WORDS = Words(now=AS_OF)
STYLE = """
:root { --ink: #111111; --gap: 1rem; }
@media (prefers-color-scheme: dark) { :root { --ink: #eeeeee; } }
p { color: var(--ink); margin: var(--gap); }
.card { padding: 1px; }
.card p { margin: 0; }
.card > p, p:hover { padding: 9px; }
@media (max-width: 10rem) { .card { padding: 0; } }
@media print { p { color: #000000; } }
"""


NAMES = ("brief", "hostile", "cycle", "owner", "digest")


@cache
def mails() -> dict[str, str]:
    return {
        "brief": render_brief(busy_brief(), "mail", WORDS, beside()),
        "hostile": render_brief(hostile_brief(), "mail", WORDS, beside("x" * 90)),
        "cycle": render_cycle(document(), "mail", WORDS, beside()),
        "owner": render_cycle(document(owners=1), "mail", WORDS, beside()),
        "digest": render_digest(busy_digest(HOSTILE), "mail", WORDS, beside()),
    }


def parsed(text: str) -> EmailMessage:
    found = message_from_bytes(text.encode(), policy=policy.default)
    assert isinstance(found, EmailMessage)
    return found


def part(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body((kind,))
    assert body is not None
    return str(body.get_content())


class Balance(HTMLParser):
    """Whether every element that is opened is closed, innermost first."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "br", "wbr"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)


@pytest.mark.parametrize("name", NAMES)
def test_a_mail_has_a_part_of_text_and_one_of_html(name: str) -> None:
    mail = parsed(mails()[name])
    assert mail.defects == []
    assert mail.get_content_type() == "multipart/alternative"
    assert [one.get_content_type() for one in mail.iter_parts()] == ["text/plain", "text/html"]
    assert mail["Subject"]
    assert max(map(len, mails()[name].splitlines())) <= 998
    text, page = part(mail, "plain"), part(mail, "html")
    assert "<" not in re.sub(r"<https?://[^>]*>|<script>alert\(1\)</script>", "", text)
    assert page.startswith("<!doctype html>")


@pytest.mark.parametrize("name", NAMES)
def test_html_of_a_mail_is_what_mail_programs_show(name: str) -> None:
    page = part(parsed(mails()[name]), "html")
    for what in ("var(", "<svg", "<details", "<script", "<link", "<img", "url(", "http-equiv"):
        assert what not in page, what
    balance = Balance()
    balance.feed(page)
    assert (balance.open, balance.faults) == ([], [])
    styled = re.findall(r"<(h1|p|li|a|span)\b[^>]*>", page)
    assert len(styled) > 5
    assert all('style="' in found for found in re.findall(r"<h1\b[^>]*>", page))
    assert "prefers-color-scheme: dark" in page
    assert "(max-width: 43.99rem)" in page


def test_both_parts_of_a_mail_say_the_same() -> None:
    mail = parsed(mails()["brief"])
    for kind in ("plain", "html"):
        said = part(mail, kind)
        for what in ("Acme Corporation", "No contact for 65 days", "https://reviews.example"):
            assert what in said
    assert mail["Subject"] == (
        "Brief of Acme Corporation: 8 changes wait for Ben Ray until Thu 3 Jul, in 3 days"
    )


def test_a_report_goes_without_the_briefs_of_owners() -> None:
    whole, mine = (part(parsed(mails()[name]), "html") for name in ("cycle", "owner"))
    assert "3 briefs of owners are not part of this mail." in whole
    assert "Accounts with something to tell" not in whole
    assert "Accounts with something to tell" in mine


def test_a_hostile_name_makes_no_header_of_its_own() -> None:
    brief = busy_brief().model_copy(update={"account_name": "A\r\nBcc: evil@example.com\r\n\r\nB"})
    mail = parsed(render_brief(brief, "mail", WORDS, beside()))
    assert mail["Bcc"] is None
    assert "Bcc: evil@example.com" in mail["Subject"]


def test_rules_go_where_they_apply() -> None:
    page = inlined(
        "<html><head></head><body><p>a</p>"
        "<div class='card x'><p class='y'>b</p></div></body></html>",
        STYLE,
    )
    assert '<p style="color: #111111; margin: 1rem">a</p>' in page
    assert '<div class="card x" style="padding: 1px">' in page
    assert '<p class="y" style="color: #111111; margin: 1rem; margin: 0">b</p>' in page
    assert "9px" not in page
    assert "p { color: #eeeeee !important }" in page
    assert ".card { padding: 0 !important }" in page
    assert "#000000" not in page


def test_what_mail_programs_do_not_know_becomes_what_they_do() -> None:
    page = inlined(
        "<html><head></head><body><details><summary>More</summary><p>it &amp; &#39;all&#39;</p>"
        "</details><svg><text>drawn</text></svg><form><b>x</b></form><p>after</p></body></html>",
        STYLE,
    )
    assert "<div><p>More</p><p style" in page
    assert "it &amp; &#39;all&#39;" in page
    assert "drawn" not in page
    assert "<b>" not in page
    assert "after</p>" in page


def test_a_notice_gets_a_page_with_a_button() -> None:
    message = Message(
        key="k", kind="request", recipient="ann", subject="Decide <b>now</b>", at=AS_OF,
        text="2 changes wait.\nRisk: high.\n\n  Status\n    Why: x\n\n"
        "  reviews approvals show a-1\n"
        "Decide: https://r.example/requests/a-1\n",
        data={"url": "https://r.example/requests/a-1"},
    )  # fmt: skip
    page = with_page(message).html or ""
    assert "Decide &lt;b&gt;now&lt;/b&gt;" in page
    assert re.search(r'<a class="button main" href="https://r.example/requests/a-1" style="', page)
    assert "Decide: " not in page
    assert re.search(r"<h1[^>]*>2 changes wait.</h1>", page)
    assert re.search(r"<p[^>]*><strong>Status</strong></p><p[^>]*>Why: x</p>", page)
    assert re.search(r"<code[^>]*>reviews approvals show a-1</code>", page)
    assert with_page(with_page(message)).html == page


def test_a_notice_without_an_inbox_has_no_button() -> None:
    message = Message(
        key="k", kind="expired", recipient="ann", subject="Expired", at=AS_OF,
        text="Gone.\n", data={"url": "javascript:alert(1)"},
    )  # fmt: skip
    page = with_page(message).html or ""
    assert "<a" not in page
    assert "Gone." in page
