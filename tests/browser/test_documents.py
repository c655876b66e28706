"""Documents as a browser shows them: on a desk, on a phone, in the dark, and on paper."""

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from account_reviews.presentation.brief import brief_mail, render_brief
from account_reviews.presentation.cycle_documents import render_cycle
from account_reviews.presentation.digest import render_digest
from account_reviews.presentation.words import Words
from tests.support.browser import DESKTOP, PHONE, Checker, Opener, scrolls_sideways
from tests.support.build import AS_OF
from tests.support.documents import (
    HOSTILE,
    beside,
    busy_brief,
    busy_digest,
    document,
    empty_brief,
    hostile_brief,
)

WORDS = Words(now=AS_OF, currency="GBP")
PAPER = 680
"""Of a sheet of A4 between its margins, in pixels of a style sheet."""


def rich_document() -> dict[str, Any]:
    """A portfolio of sums that fill half a phone."""
    rich = document()
    sums = ("revenue", "pipeline", "at_risk_value", "at_risk_pipeline")
    rich["portfolio"] |= dict.fromkeys(sums, "1234567890")
    return rich


PAGES = {
    "brief": lambda: render_brief(busy_brief(), "html", WORDS, beside()),
    "brief, hostile": lambda: render_brief(hostile_brief(), "html", WORDS, beside("x" * 90)),
    "brief, empty": lambda: render_brief(empty_brief(), "html", WORDS, beside(past=())),
    "brief, mail": lambda: brief_mail(busy_brief(), WORDS, beside()).html,
    "report": lambda: render_cycle(document(), "html", WORDS, beside()),
    "report, rich": lambda: render_cycle(rich_document(), "html", WORDS, beside()),
    "report, hostile": lambda: render_cycle(document(HOSTILE), "html", WORDS, beside()),
    "owner": lambda: render_cycle(document(owners=1), "html", WORDS, beside()),
    "digest": lambda: render_digest(busy_digest(), "html", WORDS, beside()),
    "digest, hostile": lambda: render_digest(busy_digest(HOSTILE), "html", WORDS, beside()),
}
_BROKEN_WORDS = """() => [...document.querySelectorAll('th, td, .tiles b, .bars .value')].filter(
  cell => getComputedStyle(cell.parentNode.parentNode).position !== 'absolute').flatMap(cell => {
  const range = document.createRange(), found = [];
  const walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode());)
    for (const word of node.data.matchAll(/[\\p{L}\\d]{1,20}/gu)) {
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      if (new Set([...range.getClientRects()].map(one => Math.round(one.top))).size > 1)
        found.push(word[0]);
    }
  return found;
})"""
_OUT_OF_SIGHT = """() => [...document.querySelectorAll('details *')].filter(
  one => !['title', 'desc', 'defs', 'pattern', 'rect'].includes(one.tagName)
    && !one.checkVisibility({contentVisibilityAuto: true})).map(one => one.outerHTML)"""


@pytest.fixture(params=PAGES)
def page_file(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of one of the documents, stored as a file."""
    file = tmp_path / "page.html"
    file.write_text(PAGES[request.param](), encoding="utf-8")
    return file.as_uri()


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
async def test_no_page_scrolls_sideways(page_file: str, open_page: Opener, width: int) -> None:
    page = await open_page(width=width)
    await page.goto(page_file)
    assert not await scrolls_sideways(page)
    assert await page.evaluate(_BROKEN_WORDS) == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_every_page_can_be_read_by_everybody(
    page_file: str, open_page: Opener, violations: Checker, dark: bool
) -> None:
    page = await open_page(dark=dark)
    await page.goto(page_file)
    assert await violations(page) == []


async def test_paper_shows_all_and_is_white(page_file: str, open_page: Opener) -> None:
    page = await open_page(width=PAPER, dark=True)
    await page.goto(page_file)
    await page.emulate_media(media="print")
    assert await page.evaluate(_OUT_OF_SIGHT) == []
    assert await background(page) == "rgb(255, 255, 255)"
    assert not await scrolls_sideways(page)


async def test_a_dark_screen_gets_a_dark_page(open_page: Opener) -> None:
    light, dark = await open_page(), await open_page(dark=True)
    for page in (light, dark):
        await page.set_content(PAGES["brief"]())
    assert await background(light) == "rgb(255, 255, 255)"
    assert await background(dark) == "rgb(18, 22, 27)"


@pytest.mark.parametrize("name", ["brief", "report", "owner", "digest"])
async def test_the_button_stands_on_the_first_screen_of_a_phone(
    name: str, open_page: Opener
) -> None:
    page = await open_page(width=PHONE)
    await page.set_content(PAGES[name]())
    box = await page.locator("a.button").first.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= 844
    assert box["height"] >= 44


async def test_each_account_begins_a_sheet_of_paper(open_page: Opener) -> None:
    page = await open_page(width=PAPER)
    await page.set_content(PAGES["report"]())
    await page.emulate_media(media="print")
    breaks = await page.evaluate(
        "() => [...document.querySelectorAll('.sheet + .sheet, .account + .account')]"
        ".map(one => getComputedStyle(one).breakBefore)"
    )
    assert len(breaks) >= 2
    assert set(breaks) == {"page"}


async def background(page: Page) -> str:
    found: str = await page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    return found
