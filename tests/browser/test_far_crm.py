"""A CRM behind HTTP in a browser: what it still allows, and reviews that wait for it."""

import json
from collections.abc import Iterator, Mapping
from signal import SIGCONT, SIGSTOP
from subprocess import PIPE, Popen
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.support.browser import PHONE, Checker, Opener, scrolls_sideways
from tests.support.commands import CLI
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE
from tests.support.web import StackWeb


class FarCrm:
    """A Zoho CRM that can go away and come back."""

    def __init__(self) -> None:
        self._process: Popen[str] | None = None

    def start(self) -> Mapping[str, str]:
        """What a worker needs for it."""
        words = ("fake", "zoho", "--accounts", "4")
        self._process = Popen([*CLI, *words], cwd=ROOT, stdout=PIPE, text=True)
        assert self._process.stdout is not None
        env: dict[str, str] = json.loads(self._process.stdout.readline())["env"]
        return env

    def go_away(self) -> None:
        """Answer nothing any more."""
        assert self._process is not None
        self._process.send_signal(SIGSTOP)

    def come_back(self) -> None:
        assert self._process is not None
        self._process.send_signal(SIGCONT)

    def end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate(timeout=PATIENCE)


@pytest.fixture(scope="module")
def far_crm() -> Iterator[FarCrm]:
    crm = FarCrm()
    yield crm
    crm.end()


@pytest.fixture(scope="module")
def surroundings(far_crm: FarCrm) -> Mapping[str, str]:
    return {**far_crm.start(), "ZOHO_API_TIMEOUT": "1"}


def keeps_failing(stuck: dict[str, Any]) -> bool:
    """Whether a step has been tried more than once."""
    return any(one["attempt"] >= 2 for one in stuck["items"])


async def signed_in(web: StackWeb, open_page: Opener, **how: object) -> Page:
    page = await open_page(**how)
    await web.sign_in(page, "Olga", "operator")
    return page


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_what_the_crm_still_allows_stands_in_figures(
    web: StackWeb, open_page: Opener, violations: Checker, dark: bool
) -> None:
    web.reviews.json("start", "--all", "--wait", "--if-running", "join")
    page = await signed_in(web, open_page, dark=dark, width=PHONE if dark else 1280)
    await page.goto(f"{web.url}/operations")
    facts = page.locator("dl.facts")
    limits = web.reviews.json("crm", "limits")
    assert limits["credits"]["used"] > 0
    await expect(facts).to_contain_text("of 50,000 used within 1 day")
    await expect(facts).to_contain_text("0 of 10")
    await expect(facts).to_contain_text("renewed 1 time in 10 minutes")
    assert await violations(page) == []
    assert not await scrolls_sideways(page)


async def test_a_stuck_review_is_found_told_and_tried_again(
    web: StackWeb, far_crm: FarCrm, open_page: Opener, violations: Checker
) -> None:
    asked = web.reviews.json("approvals", "list")["items"][0]
    far_crm.go_away()
    web.reviews.json("approvals", "approve", asked["request_id"], "--as", "Ann Lee")
    web.reviews.until("stuck", holds=keeps_failing)
    page = await signed_in(web, open_page)
    for scheme in ("light", "dark"):
        for width in (1280, PHONE):
            await page.set_viewport_size({"width": width, "height": 844})
            await page.emulate_media(color_scheme=scheme)
            await page.goto(f"{web.url}/stuck")
            assert await violations(page) == []
            assert not await scrolls_sideways(page)
    card = page.locator("article.card").first
    await expect(card).to_contain_text("Writing to the CRM")
    await expect(card).to_contain_text("tries, since")
    await card.get_by_role("link", name="The review").click()
    await expect(page.locator("#live").get_by_role("alert").first).to_contain_text("A step fails")
    assert await violations(page) == []
    again = page.get_by_role("button", name="Try again now").first
    await page.goto(f"{web.url}/stuck")
    await again.click()
    await expect(page.get_by_role("status")).to_contain_text("tried again now")
    web.reviews.until("stuck", holds=keeps_failing)
    await page.goto(f"{web.url}/stuck")
    far_crm.come_back()
    web.reviews.until("stuck", holds=lambda page: not page["items"])
    await again.click()
    await expect(page.get_by_role("status")).to_contain_text(
        "Nothing of that review fails any more"
    )
    await page.goto(f"{web.url}/stuck")
    await expect(page.locator("main")).to_contain_text("All open reviews get on.")
