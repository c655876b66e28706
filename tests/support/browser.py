"""Pages as a browser shows them."""

from collections.abc import Awaitable, Callable
from typing import Final

from playwright.async_api import Page

Opener = Callable[..., Awaitable[Page]]
Checker = Callable[[Page], Awaitable[list[str]]]
DESKTOP: Final = 1280
PHONE: Final = 390
"""Widths of windows."""


async def scrolls_sideways(page: Page) -> bool:
    """True when the page is wider than its window."""
    wide: bool = await page.evaluate(
        "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"
    )
    return wide
