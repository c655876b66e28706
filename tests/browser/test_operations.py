"""How it runs, cycles, schedules and the switch that stops everything, in a browser."""

import re
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.support.browser import DESKTOP, PHONE, Checker, Opener, scrolls_sideways
from tests.support.web import StackWeb

PAGES = (
    "/operations",
    "/stuck",
    "/schedules",
    "/schedules/weekly-reviews",
    "/cycles",
    "/standing-in",
    "/digest",
    "/stop-all",
)


@pytest.fixture(scope="module")
async def running(web: StackWeb) -> StackWeb:
    """With schedules, a cycle, and a request that waits for Tomas Brekke."""
    assert web.reviews("schedules", "apply").code == 0
    done = web.reviews("cycles", "start", "--accounts", "ac-001,ac-038", "--watch")
    assert done.code == 0, done.err
    return web


async def signed_in(
    web: StackWeb, open_page: Opener, name: str = "Olga", role: str = "operator", **how: Any
) -> Page:
    page = await open_page(**how)
    await web.sign_in(page, name, role)
    return page


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [DESKTOP, PHONE])
async def test_every_page_can_be_read_by_everybody(
    running: StackWeb, open_page: Opener, violations: Checker, width: int, dark: bool
) -> None:
    page = await signed_in(running, open_page, width=width, dark=dark)
    cycle = running.reviews.json("cycles", "list")["items"][0]["run_id"]
    for path in (*PAGES, f"/cycles/{cycle}", f"/cycles/{cycle}/report"):
        answer = await page.goto(running.url + path)
        assert answer is not None
        assert answer.status == 200, path
        assert await violations(page) == [], path
        assert not await scrolls_sideways(page), path
        text = await page.locator("main").inner_text()
        assert not re.search(r"\bNone\b(?! yet|\.)|on_demand|[0-9a-f]{8}-[0-9a-f]{4}-", text), path


async def test_everything_is_stopped_and_let_go_on_with_reasons(
    running: StackWeb, open_page: Opener
) -> None:
    page = await signed_in(running, open_page)
    await page.goto(running.url + "/stop-all")
    await page.get_by_role("button", name="Stop everything").click()
    assert await page.locator("input[name=reason]:invalid").count() == 1  # nothing without a reason
    await page.get_by_label("Why").fill("Somebody is in the CRM")
    await page.get_by_role("button", name="Stop everything").click()
    await expect(page.get_by_role("alert")).to_contain_text("Somebody is in the CRM")
    assert running.reviews.json("stop-all", "--status")["by"] == "Olga"
    await page.goto(running.url + "/operations")
    await expect(page.get_by_role("alert")).to_contain_text("stopped by Olga since")
    await expect(page.get_by_role("alert")).not_to_contain_text(re.compile(r"\d-\d\d"))
    await page.goto(running.url + "/requests/ac-038-1")
    await expect(page.locator("main")).to_contain_text("written once everything goes on")
    await page.goto(running.url + "/accounts/ac-001")
    await page.get_by_role("button", name="Start a review").click()
    await expect(page.get_by_role("alert")).to_contain_text("Nothing can be started")
    await page.goto(running.url + "/stop-all")
    await page.get_by_label("Why it may go on").fill("They are gone")
    await page.get_by_role("button", name="Let everything go on").click()
    await expect(page.locator("main")).to_contain_text("Nothing is stopped.")
    assert running.reviews.json("stop-all", "--status")["released_reason"] == "They are gone"


async def test_who_may_not_stop_is_not_offered_it(running: StackWeb, open_page: Opener) -> None:
    page = await signed_in(running, open_page, "Alba", "analyst")
    await page.goto(running.url + "/stop-all")
    await expect(page.locator("main")).to_contain_text("You may look at this")
    assert await page.locator("main form").count() == 0


async def test_a_schedule_is_paused_with_a_note_and_resumed_without_scripts(
    running: StackWeb, open_page: Opener
) -> None:
    page = await signed_in(running, open_page, scripts=False)
    await page.goto(running.url + "/schedules")
    await page.get_by_role("link", name="Weekly reviews").click()
    await page.get_by_text("Pause", exact=True).first.click()
    await page.get_by_label("Why").fill("Holidays")
    await page.locator("details[open] button").click()
    await expect(page.locator("main")).to_contain_text("Holidays (Olga)")
    assert running.reviews.json("schedules", "show", "weekly-reviews")["paused"]
    await page.get_by_role("button", name="Resume").click()
    await expect(page.get_by_role("status")).to_contain_text("starts again")
    assert not running.reviews.json("schedules", "show", "weekly-reviews")["paused"]


async def test_a_cycle_is_started_and_watched_to_its_end(
    running: StackWeb, open_page: Opener
) -> None:
    page = await signed_in(running, open_page)
    await page.goto(running.url + "/cycles")
    await page.get_by_label("Owner").fill("Casimir Dunleavy")
    await page.get_by_role("button", name="Start").click()
    await expect(page.get_by_role("status")).to_contain_text("was started")
    await expect(page.locator("#live .badge")).to_have_text("completed")
    await page.goto(page.url.partition("?")[0])
    await page.get_by_role("link", name="The portfolio report").click()
    await expect(page.locator("body")).to_contain_text("Casimir Dunleavy")


async def test_what_waits_is_handed_over(running: StackWeb, open_page: Opener) -> None:
    page = await signed_in(running, open_page, "Tomas Brekke", "account_owner")
    await page.goto(running.url + "/standing-in")
    await page.get_by_label("To whom").fill("Nadia Quellmer")
    await page.get_by_label("Why").fill("Away until Monday")
    await page.get_by_role("button", name="Hand over").click()
    await expect(page.get_by_role("status")).to_contain_text("1 request handed over")
    row = page.get_by_role("row").filter(has_text="Nadia Quellmer")
    await expect(row).to_contain_text("Away until Monday")


async def test_the_days_of_a_digest_are_chosen(running: StackWeb, open_page: Opener) -> None:
    page = await signed_in(running, open_page, "Tomas Brekke", "account_owner")
    await page.goto(running.url + "/digest")
    await page.get_by_label("Saturday").uncheck()
    await page.get_by_label("Sunday").uncheck()
    await page.get_by_role("button", name="Keep").click()
    await expect(page.get_by_role("status")).to_have_text("Noted.")
    await page.goto(running.url + "/digest")
    assert not await page.get_by_label("Sunday").is_checked()
    assert await page.get_by_label("Monday").is_checked()
