"""The pictures of docs/pictures: `make pictures` takes each of them anew.

A stack of its own with the sample portfolio; some of it is decided, so that pages have a past.
"""

import asyncio
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, Final, NamedTuple

from playwright.async_api import Browser, async_playwright

from account_reviews.config.ports import any_free
from account_reviews.local.stack import LocalStack
from tests.support.browser import DESKTOP, PHONE
from tests.support.commands import CLI, IMPORT
from tests.support.paths import ROOT

PLACE: Final = ROOT / "docs" / "pictures"
HEIGHT: Final = {DESKTOP: 800, PHONE: 844}
NAME: Final = "Tomas Brekke"


class Picture(NamedTuple):
    """A page, and how it is looked at."""

    name: str
    path: str
    width: int = DESKTOP
    dark: bool = False


PICTURES: Final = (
    Picture("inbox", "/inbox?show=all"),
    Picture("request", "/requests/ac-038-1"),
    Picture("request-phone", "/requests/ac-038-1", PHONE, dark=True),
    Picture("portfolio", "/portfolio"),
    Picture("account", "/accounts/ac-034"),
    Picture("review", "/reviews/ac-034"),
    Picture("operations", "/operations"),
)


async def main() -> None:
    """Start, fill, look, and leave nothing behind but the pictures."""
    home = _home()
    policy = home / "policy.toml"
    policy.write_text('[money]\ncurrency = "EUR"\n')
    os.environ["REVIEWS_POLICY_FILE"] = str(policy)
    try:
        async with LocalStack(
            home / "d", ui=False, web=True, temporal_port=any_free(), web_port=any_free()
        ) as stack:
            await _fill(stack)
            made = await _said(stack, "users", "link", NAME, "--role", "admin")
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(
                    executable_path=os.environ["CHROMIUM"], args=["--no-sandbox"]
                )
                await _take(browser, stack.web_url or "", made["url"])
                await browser.close()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _home() -> Path:
    """Open to whom PostgreSQL of a root user runs as."""
    home = Path(tempfile.mkdtemp(prefix="reviews-", dir="/tmp"))
    home.chmod(0o755)
    return home


async def _fill(stack: LocalStack) -> None:
    await _said(stack, *IMPORT)
    await _said(stack, "start", "--all", "--wait")
    await _said(stack, "approvals", "approve", "ac-034-1", "--as", "ow-4")
    await _said(stack, "approvals", "approve", "ac-040-1", "--as", "ow-4")
    await _said(
        stack, "approvals", "reject", "ac-026-1", "--as", "ow-2", "--reason", "the deal is signed"
    )


async def _said(stack: LocalStack, *words: str) -> Any:
    environment = {**os.environ, "REVIEWS_DATA_DIR": str(stack.data_dir)}
    process = await asyncio.create_subprocess_exec(
        *CLI, *words, "-o", "json", env=environment, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    if process.returncode:
        sys.exit(f"reviews {' '.join(words)} ended with {process.returncode}")
    return json.loads(said)


async def _take(browser: Browser, base: str, link: str) -> None:
    PLACE.mkdir(exist_ok=True)
    context = await browser.new_context(locale="en-GB", timezone_id="Europe/Berlin")
    page = await context.new_page()
    await page.goto(link)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url(f"{base}/inbox")
    for one in PICTURES:
        await page.set_viewport_size({"width": one.width, "height": HEIGHT[one.width]})
        await page.emulate_media(color_scheme="dark" if one.dark else "light")
        await page.goto(base + one.path)
        await page.locator(".bar .count").wait_for()
        await page.screenshot(path=PLACE / f"{one.name}.png", animations="disabled")
    await context.close()


if __name__ == "__main__":
    asyncio.run(main())
