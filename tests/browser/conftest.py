"""A real browser: Chromium, which the Makefile looks for, driven over its own protocol."""

import os
from collections.abc import AsyncIterator, Mapping
from itertools import count
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from account_reviews.config.ports import any_free
from account_reviews.local.stack import LocalStack
from tests.support.browser import DESKTOP, Checker, Opener
from tests.support.commands import Reviews
from tests.support.forks import Forks
from tests.support.portfolio_cluster import PortfolioCluster
from tests.support.web import KEYS, StackWeb

_numbers = count(1)
expect.set_options(timeout=30_000)  # a busy machine shows late what it shows

_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One browser for all tests."""
    async with async_playwright() as playwright:
        found = await playwright.chromium.launch(
            executable_path=os.environ["CHROMIUM"], args=["--no-sandbox"]
        )
        yield found
        await found.close()


@pytest.fixture
async def open_page(browser: Browser) -> AsyncIterator[Opener]:
    """Opens a page in a context of its own: `await open_page(width=PHONE, dark=True)`."""
    contexts = []

    async def opened(
        *, width: int = DESKTOP, dark: bool = False, scripts: bool = True, zone: str = "UTC"
    ) -> Page:
        context = await browser.new_context(
            viewport={"width": width, "height": 844},
            color_scheme="dark" if dark else "light",
            java_script_enabled=scripts,
            timezone_id=zone,
            locale="en-GB",
        )
        contexts.append(context)
        return await context.new_page()

    yield opened
    for context in contexts:
        await context.close()


@pytest.fixture(scope="session")
def violations() -> Checker:
    """What axe-core finds on a page. It is evaluated, since the pages allow no script of others."""
    source = Path(os.environ["AXE"]).read_text()

    async def found(page: Page) -> list[str]:
        await page.evaluate(source)
        result = await page.evaluate(
            "tags => axe.run({runOnly: {type: 'tag', values: tags}})", _RULES
        )
        return [
            f"{one['id']}: {one['help']}: {node['html'][:200]}"
            for one in result["violations"]
            for node in one["nodes"]
        ]

    return found


@pytest.fixture(scope="module")
def surroundings() -> Mapping[str, str]:
    """What else stands in the environment of the stack; a file may have its own."""
    return {}


@pytest.fixture(scope="module")
async def web(
    short_dir: Path,
    portfolio_cluster: PortfolioCluster,
    forks: Forks,
    surroundings: Mapping[str, str],
) -> AsyncIterator[StackWeb]:
    """A stack of the tests of one file, with the sample portfolio as of 2026-10-01."""
    data_dir = portfolio_cluster.copied_to(short_dir / f"browser{next(_numbers)}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REVIEWS_APPROVAL_KEYS", KEYS)
        for name, value in surroundings.items():
            patch.setenv(name, value)
        async with LocalStack(
            data_dir, ui=False, web=True, temporal_port=any_free(), web_port=any_free()
        ) as stack:
            yield StackWeb(stack, Reviews(data_dir, forks))
