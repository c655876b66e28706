"""Single keys on every page: through each list, to what is named there, and off."""

import pytest
from playwright.async_api import Page, expect

from tests.support.browser import Opener
from tests.support.web import StackWeb

LISTS = {
    "/inbox?show=all": "/requests/",
    "/portfolio": "/accounts/",
    "/accounts": "/accounts/",
    "/owners/Oren Salvat": "/accounts/",
    "/accounts/ac-034": "/requests/",
    "/cycles": "/cycles/",
    "/schedules": "/schedules/",
    "/standing-in": "/requests/",
}
"""Pages with a list -> how the address of what is named first begins."""
OTHERS = ("/operations", "/stuck", "/digest", "/stop-all", "/me", "/reviews/ac-034", "/nowhere")


@pytest.fixture(scope="module")
async def filled(web: StackWeb) -> StackWeb:
    """Something in each list."""
    assert web.reviews("schedules", "apply").code == 0
    done = web.reviews("cycles", "start", "--accounts", "ac-034,ac-040", "--watch")
    assert done.code == 0, done.err
    asked = web.reviews.json("approvals", "list", "--account", "ac-034")["items"][0]
    name = asked["short_id"]
    web.reviews.json("approvals", "delegate", name, "--as", "Oren Salvat", "--to", "Ann Lee")
    return web


async def signed_in(web: StackWeb, open_page: Opener) -> Page:
    page = await open_page()
    await web.sign_in(page, "Nora Lind", "admin")
    return page


@pytest.mark.parametrize("path", LISTS)
async def test_keys_go_through_a_list_and_open_what_they_stand_on(
    filled: StackWeb, open_page: Opener, path: str
) -> None:
    page = await signed_in(filled, open_page)
    await page.goto(filled.url + path)
    await page.keyboard.press("j")
    here = page.locator(".here")
    assert await here.count() == 1
    await page.keyboard.press("k")
    assert await here.count() == 1
    goal = await here.get_by_role("link").first.get_attribute("href")
    assert goal is not None
    assert goal.startswith(LISTS[path])
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**{goal}")


@pytest.mark.parametrize("path", [*LISTS, *OTHERS])
async def test_every_page_shows_its_keys(filled: StackWeb, open_page: Opener, path: str) -> None:
    page = await signed_in(filled, open_page)
    await page.goto(filled.url + path)
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_be_hidden()
    await page.get_by_role("button", name="Keyboard").click()
    await expect(page.get_by_role("dialog")).to_be_visible()


async def test_keys_are_left_to_fields_and_to_the_browser(
    filled: StackWeb, open_page: Opener
) -> None:
    page = await signed_in(filled, open_page)
    await page.goto(filled.url + "/accounts")
    await page.get_by_label("Name, number or owner").fill("")
    await page.keyboard.type("jack?")
    await expect(page.get_by_label("Name, number or owner")).to_have_value("jack?")
    assert await page.locator(".here").count() == 0
    await page.locator("h1").click()
    for keys in ("Control+j", "Alt+j", "Meta+j"):
        await page.keyboard.press(keys)
    assert await page.locator(".here").count() == 0


async def test_single_keys_are_turned_off_and_on_again(filled: StackWeb, open_page: Opener) -> None:
    page = await signed_in(filled, open_page)
    await page.goto(filled.url + "/portfolio")
    await page.keyboard.press("?")
    await page.get_by_label("Single keys do this").uncheck()
    await page.get_by_role("button", name="Close").click()
    await page.goto(filled.url + "/accounts")
    await page.keyboard.press("j")
    await page.keyboard.press("?")
    assert await page.locator(".here").count() == 0
    await expect(page.get_by_role("dialog")).to_be_hidden()
    await page.get_by_role("button", name="Keyboard").click()
    await page.get_by_label("Single keys do this").check()
    await page.get_by_role("button", name="Close").click()
    await page.keyboard.press("j")
    await expect(page.locator(".here")).to_have_count(1)
