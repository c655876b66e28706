"""Deciding in a browser: by mouse, by keys, on a phone, without scripts, twice, and too late."""

import asyncio
import re

import pytest
from playwright.async_api import Page, expect

from tests.support.browser import PHONE, Checker, Opener, scrolls_sideways
from tests.support.web import StackWeb

SALVAT = "Oren Salvat"
"""Owns ac-028, ac-034, ac-040 and ac-046."""


async def signed_in(web: StackWeb, open_page: Opener, **how: object) -> Page:
    page = await open_page(**how)
    await web.sign_in(page, SALVAT)
    return page


async def states(web: StackWeb, name: str) -> list[str]:
    return [str(item.state) for item in (await web.row(name)).request.items]


async def deciders(web: StackWeb, name: str) -> list[str]:
    return [one.by for one in (await web.row(name)).request.decisions]


async def test_by_mouse_some_are_approved_one_edited_and_the_rest_rejected(
    web: StackWeb, open_page: Opener
) -> None:
    name = web.ask("ac-034")
    page = await signed_in(web, open_page)
    await page.get_by_role("link", name="Birch Optics (ac-034)").click()
    first = page.locator(".change").first
    await first.get_by_role("checkbox").check()
    await first.get_by_text("Edit before approving").click()
    await first.get_by_label("Subject").fill("Ring them up")
    await first.get_by_label("Priority").select_option("low")
    await page.locator(".change").nth(2).get_by_role("checkbox").check()
    await page.get_by_label("Reason", exact=True).fill("I know them")
    await page.get_by_role("button", name="Approve the ticked ones").click()
    await expect(first).to_contain_text("Edited and approved by Oren Salvat")
    row = await web.row(name)
    assert row.request.items[0].change.after["subject"] == "Ring them up"
    assert row.request.items[0].change.after["priority"] == "low"
    assert {one.reason for one in row.request.decisions} == {"I know them"}

    for box in await page.locator(".change input[type=checkbox]").all():
        await box.check()
    await page.get_by_role("button", name="Reject").click()
    assert await page.locator("#reason:invalid").count() == 1  # without a reason nothing is sent
    await page.get_by_label("Reason", exact=True).fill("They have left")
    await page.get_by_role("button", name="Reject").click()
    await page.wait_for_url(f"**?done={name}")
    await expect(page.locator(".strip")).to_contain_text("2 changes written to the CRM")
    await expect(page.locator(".strip")).to_contain_text("3 changes rejected")


async def test_by_keys_alone_a_request_is_found_ticked_and_approved(
    web: StackWeb, open_page: Opener
) -> None:
    name = web.ask("ac-040")
    page = await signed_in(web, open_page)
    headings = await page.locator(".request h2").all_inner_texts()
    for _ in range(headings.index("Harbor Optics (ac-040)") + 1):
        await page.keyboard.press("j")
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/requests/{name}")
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog")).to_be_visible()
    await page.keyboard.press("Escape")
    boxes = await page.locator(".change input[type=checkbox]").count()
    for _ in range(boxes):
        await page.keyboard.press("j")
        if not await page.locator(".change.here input[type=checkbox]").first.is_checked():
            await page.keyboard.press("Space")
    await page.keyboard.press("a")
    await page.wait_for_url(f"**?done={name}")
    assert set(await states(web, name)) <= {"approved", "executed"}


async def test_on_a_phone_without_scripts_a_request_is_decided(
    web: StackWeb, open_page: Opener
) -> None:
    name = web.ask("ac-028")
    page = await signed_in(web, open_page, width=PHONE, scripts=False)
    assert not await scrolls_sideways_without_scripts(page)
    await page.get_by_label("Order").select_option("largest value first")
    await page.get_by_role("button", name="Show").click()
    await page.wait_for_url("**sort=value**")
    await page.get_by_role("link", name="Larch Ledger Works (ac-028)").click()
    await page.get_by_role("button", name="Put off").click()
    await expect(page.locator(".strip")).to_contain_text("1 change put off")
    assert await states(web, name) == ["deferred"]


async def scrolls_sideways_without_scripts(page: Page) -> bool:
    box = await page.locator("main").bounding_box()
    assert box is not None
    return box["x"] + box["width"] > PHONE


async def test_a_double_click_and_the_back_button_make_one_decision(
    web: StackWeb, open_page: Opener
) -> None:
    name = web.ask("ac-046")
    page = await signed_in(web, open_page)
    await page.goto(f"{web.url}/requests/{name}")
    await page.get_by_role("button", name="Approve").dblclick()
    await page.wait_for_url(f"**?done={name}")
    await page.go_back()
    await expect(page.locator("h1")).to_contain_text("Nimbus Optics")
    again = page.get_by_role("button", name="Approve")
    if await again.count():
        await again.click()
    await expect(page.locator("h1")).to_be_visible()
    assert await deciders(web, name) == [SALVAT]


async def test_two_people_at_once_make_one_decision_and_the_other_is_told(
    web: StackWeb, open_page: Opener
) -> None:
    name = web.ask("ac-029")
    one, two = await open_page(), await open_page()
    await web.sign_in(one, "Ann Lee")
    await web.sign_in(two, "Ben Ode")
    for page, reason in ((one, "Ann's reason"), (two, "Ben's reason")):
        await page.goto(f"{web.url}/requests/{name}")
        for box in await page.locator(".change input[type=checkbox]").all():
            await box.check()
        await page.get_by_label("Reason", exact=True).fill(reason)
    await asyncio.gather(
        *(page.get_by_role("button", name="Approve the ticked ones").click() for page in (one, two))
    )
    await one.wait_for_load_state()
    await two.wait_for_load_state()
    (first, *others) = await deciders(web, name)
    assert not others
    late = two if first == "Ann Lee" else one
    told = late.get_by_role("alert")
    await expect(told).to_contain_text(f"approved by {first}")
    await expect(told).to_contain_text("Ben's reason" if late is two else "Ann's reason")
    await expect(told).not_to_contain_text("kept below")  # nothing is left to decide on


async def test_an_open_page_learns_what_somebody_else_decided(
    web: StackWeb, open_page: Opener
) -> None:
    name = web.ask("ac-030")
    page = await signed_in(web, open_page)
    await page.goto(f"{web.url}/requests/{name}")
    web.reviews.json("approvals", "reject", name, "--as", "Ann Lee", "--reason", "no need")
    await expect(page.locator("[data-changed]")).to_contain_text("Decided by Ann Lee")
    await page.get_by_role("link", name="Show it as it is now").click()
    await expect(page.locator(".lead")).to_contain_text("2 changes rejected")


async def test_a_page_follows_the_writes_of_its_reader_and_calls_them_no_change(
    web: StackWeb, open_page: Opener
) -> None:
    name = web.ask("ac-033")
    page = await signed_in(web, open_page)
    other = await page.context.new_page()
    for one in (page, other):
        await one.goto(f"{web.url}/requests/{name}")
    await page.locator(".change input[type=checkbox]").first.check()
    await page.get_by_role("button", name="Approve the ticked ones").click()
    await expect(page.locator("#told-1")).to_contain_text("written to the CRM")
    await expect(page.locator("#state-1")).to_have_text("written")
    await expect(page.locator("#so-far")).to_contain_text("So far: 1 change written to the CRM, ")
    await expect(page.locator(".lead")).to_contain_text("for your decision")
    assert await page.locator("[data-changed]").count() == 0
    await other.bring_to_front()  # what nobody looks at may wait until somebody does
    await expect(other.locator("[data-changed]")).to_contain_text("You have decided on more")
    await page.bring_to_front()
    web.reviews.json("approvals", "defer", name, "--as", "Ann Lee")
    await expect(page.locator("[data-changed]")).to_contain_text("Decided by Oren Salvat and Ann")


async def test_in_the_inbox_changes_of_several_requests_are_decided_at_once(
    web: StackWeb, open_page: Opener
) -> None:
    names = [web.ask("ac-017"), web.ask("ac-018")]
    page = await signed_in(web, open_page)
    await page.get_by_role("link", name="All").click()
    for account in ("ac-017", "ac-018"):
        row = page.locator(".request").filter(has_text=account)
        await row.get_by_role("checkbox").first.check()
    await page.get_by_role("button", name="Approve the ticked ones").click()
    await expect(page.locator(".strip")).to_contain_text("2 changes are decided")
    for name in names:
        assert await deciders(web, name) == [SALVAT]


async def test_a_link_from_a_mail_decides_once_on_a_phone(web: StackWeb, open_page: Opener) -> None:
    name = web.ask("ac-061")
    address = await web.decide_link(name, "ow-8")
    page, other = await open_page(width=PHONE), await open_page(width=PHONE)
    for one in (page, other):
        await one.goto(address)
        assert not await scrolls_sideways(one)
    await expect(page.locator("#lead strong")).to_have_text(re.compile(r"\d\d:\d\d [A-Z]"))
    assert await states(web, name) == ["proposed", "proposed"]
    await page.locator(".change input").nth(1).check()
    await page.get_by_role("button", name="Approve").click()
    await expect(page.locator("#so-far")).to_contain_text("So far: 1 change")
    await expect(page.locator(".notice").nth(1)).to_contain_text("used already")
    await other.locator(".change input[type=checkbox]").last.check()
    await other.get_by_role("button", name="Approve").click()
    await expect(other.get_by_role("alert")).to_be_visible()
    assert await deciders(web, name) == ["ow-8"]
    web.reviews.until(
        *("audit", "tail", "--actor", "ow-8", "--all"),
        holds=lambda page: "decided by a link" in {one["action"] for one in page["items"]},
    )


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, PHONE])
async def test_everybody_can_use_the_pages(
    web: StackWeb, open_page: Opener, violations: Checker, dark: bool, width: int
) -> None:
    if not web.reviews.json("approvals", "list", "--account", "ac-038")["items"]:
        web.ask("ac-038")
    page = await signed_in(web, open_page, width=width, dark=dark)
    assert await violations(page) == []
    assert not await scrolls_sideways(page)
    await page.goto(f"{web.url}/requests/ac-038-1")
    await page.locator(".change").first.get_by_text("Edit before approving").click()
    assert await violations(page) == []
    assert not await scrolls_sideways(page)
    await page.get_by_role("button", name="Keyboard").click()
    assert await violations(page) == []
    await page.goto(await web.decide_link("ac-038-1", "ow-2"))
    assert await violations(page) == []


async def test_paper_shows_what_waits_and_nothing_to_press(
    web: StackWeb, open_page: Opener
) -> None:
    name = web.ask("ac-036")
    page = await open_page(width=680, dark=True)
    await web.sign_in(page, SALVAT)
    await page.emulate_media(media="print")
    for path, shown in (
        ("/inbox?show=all", page.locator(".request").filter(has_text="ac-036")),
        (f"/requests/{name}", page.locator(".change").first),
    ):
        await page.goto(web.url + path)
        await expect(shown).to_contain_text("Initiate Churn Prevention Protocol")
        await expect(shown).to_be_visible()
        assert not await scrolls_sideways(page)
        for pressed in await page.locator("main button, main input, nav").all():
            await expect(pressed).to_be_hidden()
