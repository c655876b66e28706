"""More than one person to a decision: quorums, seats of others, records that change meanwhile."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from playwright.async_api import Page, expect
from sqlalchemy import text

from account_reviews.store.database import create_engine
from tests.support.browser import PHONE, Checker, Opener, scrolls_sideways
from tests.support.web import StackWeb

ANN, OREN, TOMAS, NADIA = "Ann Lee", "Oren Salvat", "Tomas Brekke", "Nadia Quellmer"
"""Oren owns ac-034, ac-040 and ac-046; Tomas ac-038, and decides for Oren."""
POLICY = """
[approvals]
requirement = "n_of_m"
n = 2

[approvals.delegates]
"Oren Salvat" = ["Tomas Brekke"]
"""


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    file = Path(tmp_path_factory.mktemp("policy")) / "policy.toml"
    file.write_text(POLICY)
    return {"REVIEWS_POLICY_FILE": str(file)}


async def opened(web: StackWeb, open_page: Opener, who: str, name: str, **how: object) -> Page:
    page = await open_page(**how)
    await web.sign_in(page, who)
    await page.goto(f"{web.url}/requests/{name}")
    return page


async def approve_all(page: Page) -> None:
    for box in await page.locator(".change input[type=checkbox]").all():
        await box.check()
    await page.locator("button[value=approve]").click()


async def change_in_crm(web: StackWeb, account: str, status: str) -> None:
    """Somebody else changes the account there."""
    engine = create_engine(web.stack.database_url, application_name="tests")
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "update crm.accounts set status = :status, version = version + 1, "
                "modified_at = now() where id = :id"
            ),
            {"status": status, "id": account},
        )
    await engine.dispose()


@pytest.mark.parametrize(
    ("account", "dark", "width"), [("ac-034", False, 1280), ("ac-037", True, PHONE)]
)
async def test_a_quorum_is_told_from_the_first_of_two_to_the_second(
    web: StackWeb, open_page: Opener, violations: Checker, account: str, dark: bool, width: int
) -> None:
    name = web.ask(account)
    first = await opened(web, open_page, ANN, name, dark=dark, width=width)
    await expect(first.locator("main")).to_contain_text("Needs 2 approvals")
    await approve_all(first)
    await first.goto(f"{web.url}/requests/{name}")
    change = first.locator(".change").first
    await expect(change).to_contain_text("Approved so far by Ann Lee")
    await expect(change).to_contain_text("Needs 1 more approval")
    assert await violations(first) == []
    assert not await scrolls_sideways(first)
    await expect(first.locator("main")).to_contain_text("It needs somebody else too")
    assert await first.locator("#decide button").count() == 0

    second = await opened(web, open_page, "Mia Lind", name)
    await approve_all(second)
    await second.wait_for_url(f"**?done={name}")
    await expect(second.locator(".strip")).to_contain_text(" changes written to the CRM")
    assert {one.by for one in (await web.row(name)).request.decisions} == {ANN, "Mia Lind"}


async def test_who_stands_in_decides_in_the_place_of_the_other(
    web: StackWeb, open_page: Opener, violations: Checker
) -> None:
    name = web.ask("ac-040")
    web.reviews.json("approvals", "approve", name, "--as", ANN)
    page = await opened(web, open_page, TOMAS, name)
    await page.get_by_label("Decide for").select_option(OREN)
    await approve_all(page)
    await page.wait_for_url(f"**?done={name}")
    await expect(page.locator(".strip")).to_contain_text("written to the CRM")
    decision = (await web.row(name)).request.decisions[-1]
    assert (decision.by, decision.on_behalf_of) == (TOMAS, OREN)
    await page.goto(f"{web.url}/requests/{name}")
    await expect(page.locator(".lead")).to_contain_text("Ann Lee and Tomas Brekke for Oren Salvat")
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        assert await violations(page) == []


async def test_a_seat_is_handed_over_on_the_page_of_a_request(
    web: StackWeb, open_page: Opener, violations: Checker
) -> None:
    name = web.ask("ac-046")
    page = await opened(web, open_page, OREN, name)
    await page.get_by_text("Let somebody else decide").click()
    await page.get_by_label("Name").fill(NADIA)
    await page.get_by_label("Why").fill("Away until Monday")
    await page.get_by_role("button", name="Hand it over").click()
    other = await open_page(width=PHONE, dark=True)
    await web.sign_in(other, NADIA)
    await other.get_by_role("link", name="Nimbus Optics (ac-046)").click()
    assert await violations(other) == []
    assert not await scrolls_sideways(other)
    await other.get_by_label("Decide for").select_option(OREN)
    await other.get_by_role("button", name="Approve").click()
    await other.wait_for_url(f"**?done={name}")
    await page.goto(f"{web.url}/requests/{name}")
    await expect(page.locator(".change")).to_contain_text("by Nadia Quellmer for Oren Salvat")
    await page.goto(f"{web.url}/standing-in")
    row = page.get_by_role("row").filter(has_text=NADIA)
    await expect(row).to_contain_text("Away until Monday")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_what_newer_facts_overtake_is_told_live_and_to_a_late_click_and_asked_anew(
    web: StackWeb, open_page: Opener, violations: Checker, dark: bool
) -> None:
    account = "ac-036" if dark else "ac-038"
    name = web.ask(account)
    web.reviews.json("approvals", "approve", name, "--as", ANN)
    page = await opened(web, open_page, TOMAS, name, dark=dark)
    for box in await page.locator(".change input[type=checkbox]").all():
        await box.check()
    await page.get_by_label("Reason", exact=True).fill("I know them")
    await change_in_crm(web, account, "Pending")
    web.reviews.json("approvals", "approve", name, "--as", "Mia Lind")
    await expect(page.locator("[data-changed]")).to_contain_text("Decided by Ann Lee and Mia Lind")
    assert await violations(page) == []

    await page.get_by_role("button", name="Approve the ticked ones").click()
    told = page.get_by_role("alert")
    await expect(told).to_contain_text("Decided already")
    await expect(told).to_contain_text("I know them")
    assert await violations(page) == []
    await page.goto(f"{web.url}/requests/{name}")
    await expect(page.locator("main")).to_contain_text("the record changed")
    await page.get_by_role("link", name="decide on it as it is now").click()
    await expect(page.locator(".diff del")).to_contain_text("Pending")
    assert await violations(page) == []
