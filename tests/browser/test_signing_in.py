"""Signing in in a browser: with and without scripts, by password and by link, and out again."""

import subprocess

import pytest
from playwright.async_api import ConsoleMessage, expect

from tests.support.browser import DESKTOP, PHONE, Checker, Opener, scrolls_sideways
from tests.support.commands import CLI
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE
from tests.support.web import StackWeb

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def wanda(web: StackWeb) -> str:
    """A local user."""
    subprocess.run(
        [*CLI, "users", "add", "Wanda Blau", "--role", "approver", "--password-stdin"],
        env=web.reviews.env,
        cwd=ROOT,
        input=PASSWORD,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    return "Wanda Blau"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [DESKTOP, PHONE])
async def test_the_form_can_be_read_by_everybody(
    web: StackWeb, open_page: Opener, violations: Checker, wanda: str, width: int, dark: bool
) -> None:
    page = await open_page(width=width, dark=dark)
    said: list[str] = []

    def note(message: ConsoleMessage) -> None:
        said.append(message.text)

    page.on("console", note)
    await page.goto(f"{web.url}/me")
    await expect(page).to_have_title("Sign in - Account Reviews")
    assert await violations(page) == []
    assert not await scrolls_sideways(page)
    await page.get_by_label("Name").fill(wanda)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", name=wanda)).to_be_visible()
    assert await violations(page) == []
    assert not await scrolls_sideways(page)
    assert said == []  # the policy of the page holds nothing back that it needs


async def test_a_wrong_password_is_said_beside_the_form(
    web: StackWeb, open_page: Opener, violations: Checker, wanda: str
) -> None:
    page = await open_page(width=PHONE)
    await page.goto(f"{web.url}/login")
    await page.get_by_label("Name").fill(wanda)
    await page.get_by_label("Password").fill("another")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_have_text("The name or the password is wrong.")
    await expect(page.get_by_label("Name")).to_have_value(wanda)
    assert await violations(page) == []


async def test_without_scripts_a_link_signs_in_once_and_a_button_out(
    web: StackWeb, open_page: Opener, wanda: str
) -> None:
    path = web.reviews.json("users", "link", wanda)["path"]
    page = await open_page(scripts=False)
    await page.goto(web.url + path)
    await page.get_by_role("button", name="Sign in").click()
    await page.goto(f"{web.url}/me")
    await page.get_by_role("button", name="Sign out on every device").click()
    await expect(page).to_have_title("Sign in - Account Reviews")
    await page.goto(web.url + path)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_contain_text("used already")
