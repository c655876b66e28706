"""Portfolio, accounts and reviews in a browser."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.support.browser import DESKTOP, PHONE, Checker, Opener, scrolls_sideways
from tests.support.web import StackWeb

NORA = "Nora Lind"
PAGES = (
    "/portfolio",
    "/portfolio?by=manager",
    "/owners/Oren Salvat",
    "/accounts",
    "/accounts?q=optics&risk=high",
    "/accounts/ac-034",
    "/accounts/ac-001",
    "/reviews/ac-034",
    "/reviews/ac-034/brief",
    "/reviews/ac-034/audit?check=yes",
)


@pytest.fixture(scope="module")
async def reviewed(web: StackWeb) -> StackWeb:
    """Two accounts were reviewed; of one all was approved and written."""
    name = web.ask("ac-034")
    web.reviews.json("approvals", "approve", name, "--as", "Oren Salvat")
    web.reviews.closed("ac-034")
    web.ask("ac-040")
    return web


async def signed_in(web: StackWeb, open_page: Opener, role: str = "admin", **how: object) -> Page:
    page = await open_page(**how)
    await web.sign_in(page, NORA if role == "admin" else f"{role} one", role)
    return page


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [DESKTOP, PHONE])
async def test_every_page_can_be_read_by_everybody(
    reviewed: StackWeb, open_page: Opener, violations: Checker, width: int, dark: bool
) -> None:
    page = await signed_in(reviewed, open_page, width=width, dark=dark)
    for path in PAGES:
        answer = await page.goto(reviewed.url + path)
        assert answer is not None
        assert answer.status == 200, path
        assert await violations(page) == [], path
        assert not await scrolls_sideways(page), path
        text = await page.locator("main").inner_text()
        assert not re.search(
            r"\bNone\b(?! yet|\.)|_to_do|on_demand|at_risk|[0-9a-f]{8}-[0-9a-f]{4}-", text
        )


async def test_from_the_portfolio_to_what_was_written(
    reviewed: StackWeb, open_page: Opener
) -> None:
    page = await signed_in(reviewed, open_page)
    await page.goto(reviewed.url + "/portfolio")
    await expect(page.locator("main")).to_contain_text("2 accounts of 2 at high or critical risk")
    await page.get_by_role("link", name="Birch Optics (ac-034)").click()
    await expect(page.locator("main")).to_contain_text("Status: Active → At Risk")
    await expect(page.locator("main")).to_contain_text("Review of Birch Optics")
    await expect(page.locator("main")).to_contain_text("Oren Salvat approved 5 changes")
    await page.get_by_role("link", name="The review", exact=True).first.click()
    await expect(page.locator("#live")).to_contain_text("5 changes written")
    await expect(page.locator(".diff").filter(has_text="Status")).to_contain_text("At Risk")
    await page.get_by_role("link", name="Audit and proof").click()
    await page.get_by_role("link", name="Check it now").click()
    await expect(page.get_by_role("status")).to_contain_text("naltered")


async def test_a_review_is_started_paused_and_cancelled_without_scripts(
    reviewed: StackWeb, open_page: Opener
) -> None:
    page = await signed_in(reviewed, open_page, scripts=False)
    await page.goto(reviewed.url + "/accounts/ac-037")
    await page.get_by_role("button", name="Start a review").click()
    await expect(page.get_by_role("status")).to_contain_text("A review was started")
    reviewed.reviews.until("show", "ac-037", holds=lambda shown: shown["status"] == "waiting")
    await page.goto(reviewed.url + "/reviews/ac-037")
    await page.get_by_text("Pause", exact=True).first.click()
    await page.locator("details[open] input[name=reason]").fill("Wait for the call")
    await page.locator("details[open] button").click()
    await expect(page.get_by_role("status")).to_contain_text("paused")
    await expect(page.locator("#live")).to_contain_text("Wait for the call")
    await page.get_by_text("Go on", exact=True).first.click()
    await page.locator("details[open] button").click()
    await expect(page.get_by_role("status")).to_contain_text("goes on")
    await page.get_by_text("Cancel", exact=True).first.click()
    await page.locator("details[open] input[name=reason]").fill("Not now")
    await page.locator("details[open] button").click()
    await expect(page.locator("#live .badge").first).to_have_text("cancelled")


async def test_an_open_page_hears_what_somebody_else_decides(
    reviewed: StackWeb, open_page: Opener
) -> None:
    name = reviewed.ask("ac-036")
    page = await signed_in(reviewed, open_page)
    await page.goto(reviewed.url + "/reviews/ac-036")
    await expect(page.locator("#live .badge").first).to_have_text("waiting")
    reviewed.reviews.json("approvals", "approve", name, "--as", "Wendel Ashgrove")
    await expect(page.locator("#live")).to_contain_text("Wendel Ashgrove approves")
    await expect(page.locator("#live .badge").first).to_have_text("completed")


async def test_a_write_is_asked_to_be_taken_back(reviewed: StackWeb, open_page: Opener) -> None:
    page = await signed_in(reviewed, open_page)
    await page.goto(reviewed.url + "/reviews/ac-034")
    await page.get_by_text("Take it back").click()
    await page.locator("details[open] input[name=reason]").fill("It was a mistake")
    await page.get_by_role("button", name="Ask for it to be taken back").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Taking back a write")
    await expect(page.locator("main")).to_contain_text("It was a mistake")


async def test_who_may_only_look_is_offered_nothing(reviewed: StackWeb, open_page: Opener) -> None:
    page = await signed_in(reviewed, open_page, role="auditor")
    await page.goto(reviewed.url + "/reviews/ac-040")
    await expect(page.get_by_role("link", name="Audit and proof")).to_be_visible()
    assert await page.locator("main form").count() == 0
